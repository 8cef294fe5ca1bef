"""Room: what was learned of a model after it was fitted, carried by its bundle and applied to what it says.

Reads and writes: nothing; corrections are values. How they are learned from past origins says `judging`.
May import: NumPy, SciPy, predictions. No Spark, no Ray, no model.
"""
