"""Room: how good a prediction is: value, classification, ranking, and how sure we are of a difference.

Reads: arrays.
Writes: nothing.
May import: NumPy, scikit-learn. No Spark, no Torch, no Ray.
"""
