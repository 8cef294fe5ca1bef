"""Room: what every candidate said at past origins, against what happened; how sure that is, and what it teaches.

Reads: predictions and outcomes as arrays, bundles. Writes: predictions of a training, which training is the latest, and
the blend of an origin.
May import: NumPy, SciPy, scikit-learn through metrics, Arrow, bundles. No Spark, no Ray.
"""
