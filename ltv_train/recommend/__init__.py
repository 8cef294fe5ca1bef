"""Room: what to offer next: candidates, blend, exact top-K, back-test.

Reads: basket shards and bundles, as arrays.
Writes: recommender bundles.
May import: NumPy, Torch, FAISS, LightGBM, kernel, metrics. No Spark, no Ray.
"""
