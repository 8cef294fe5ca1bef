"""Room: who gets which row tonight: scores, recommendations, nights, exports, outcomes.

Reads: Delta tables through ltv_features.tables, bundles.
Writes: Delta tables, export folders.
May import: Spark, predict, metrics, judging. No gradients, no reader of shards.
"""
