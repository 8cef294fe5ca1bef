"""Every commit of events counted again, also that of a run that was killed before it could: each once, in the ledger.

A commit notes how many rows it was meant to bring. What it brought is counted in the committed table, at the end of the
run that made it or at the beginning of the next one.
"""

from datetime import date

from pyspark.sql import functions as F

from ltv_features import ledger
from ltv_features.arrivals import JOB
from ltv_features.contract import EVENTS
from ltv_features.digest import digest_of
from ltv_features.errors import RowsUnexplained
from ltv_features.ledger import Hop
from ltv_features.tables import Lake

ROWS = "rows"
"""In the note of a commit: how many events it is meant to bring."""


def recount_events(lake: Lake, *, as_of: date, run_id: str, since: int = -1) -> int:
    """Counts the commits of `events` that the ledger does not know as counted, the oldest first, and records each.

    `since`: the version up to which all were counted. Returns the one up to which all are now, -1 for no table.
    Raises RowsUnexplained where one brought more or fewer rows than it notes; it is counted again in every run, until
    the table is made anew.
    """
    version = lake.version(EVENTS.name)
    if version is None or version == since:
        return since
    table_id = lake.table_id(EVENTS.name)
    known = ledger.digests(lake, job=JOB) if since < 0 else set()
    counted = {}
    for commit in reversed(lake.history(EVENTS.name, version)):
        note = commit.note
        digest = digest_of("recount", table_id, commit.version)
        if ROWS not in note or digest in known or commit.version <= since:
            continue
        came = lake.feed(EVENTS.name, commit.version - 1, commit.version).where(F.col("_change_type") == "insert")
        hop = Hop(f"{note['source']}: events committed", note[ROWS], came.count())
        if hop.unexplained:
            raise RowsUnexplained(
                f"source {note['source']!r}: expected {hop.rows_in} events in version {commit.version} of "
                f"{lake.path(EVENTS.name)}, actual {hop.rows_out}; next: move that table away and run again, all of it "
                "is made anew from the raw tables"
            )
        counted[digest] = [hop]
    ledger.record_each(lake, job=JOB, as_of=as_of, run_id=run_id, hops=counted)
    return version
