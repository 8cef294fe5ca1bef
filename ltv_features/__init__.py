"""Room: everything before the model: raw rows to events, user state, examples in shards.

Reads: raw files and Delta tables, through `tables` only.
Writes: Delta tables and shard folders, through `tables` and `shards` only.
May import: PySpark, Delta, Arrow, NumPy, pydantic. Never Torch, never Ray.
"""
