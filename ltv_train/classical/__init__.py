"""Room: what can be said without a network: BG/NBD with Gamma-Gamma, formulas and cells, gradient boosting.

Reads: aggregates and orders as arrays. Writes: nothing; a fit hands over what its bundle shall hold.
May import: NumPy, SciPy, LightGBM, bundles. No Torch, no Spark, no Ray.
"""
