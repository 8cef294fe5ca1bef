"""Room: why a score is what it is: what the model listens to, which past events carry it, and reasons in plain words.

Reads: examples, bundles and past folds, as arrays.
Writes: nothing; sections and pages are handed to whoever writes files.
May import: NumPy, LightGBM, scikit-learn, kernel, predict, report. No Spark, no Ray.
"""
