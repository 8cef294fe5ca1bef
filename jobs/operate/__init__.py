"""Room: what people do by hand beside the nightly jobs: hold, release, replay.

Reads: the configuration, Delta tables.
Writes: `controls`, each row with its reason; what a replay brings into `events`.
May import: both packages.
"""
