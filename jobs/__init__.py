"""Room: the order of work: which tables a stage reads, which function it calls, which tables it writes.

Reads: the configuration, tables and folders, through the two packages below.
Writes: what its stage promises, and its rows in the ledger.
May import: ltv_features, ltv_train. No computation of its own.
"""
