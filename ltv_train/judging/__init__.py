"""Room: what every candidate said at past origins, against what happened; how sure that is, and what it teaches.

Reads: predictions and outcomes as arrays. Writes: nothing but the predictions of a training.
May import: NumPy, SciPy, scikit-learn through metrics, Arrow, bundles. No Spark, no Ray.
"""
