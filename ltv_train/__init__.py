"""Room: the model and everything after it: training, evaluation, bundles, scoring, recommending.

Reads: shards, bundles, Delta tables (the latter in `score` only).
Writes: bundles, reports, scores.
May import: ltv_features, Torch, Ray, LightGBM, SciPy, scikit-learn, MLflow; Spark in `score` only (pyproject.toml
has the table).
"""
