"""Room: what is learned: encoders by name, heads, and the network that joins them.

Reads: batches of tensors.
Writes: nothing.
May import: Torch, batch, contract. No Spark, no Ray, no Petastorm, no files, no settings of a run.
"""
