"""What of a delivery is refused, and whether the night may go on: quarantine, and the limits that hold a night."""

import logging
from collections.abc import Sequence
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import controls
from ltv_features.arrivals import NEVER
from ltv_features.config import IngestSettings
from ltv_features.contract import QUARANTINE
from ltv_features.counting import QUARANTINED
from ltv_features.errors import RowsUnexplained, TooManyBadRows
from ltv_features.quality import too_bad
from ltv_features.sieved import Sieved
from ltv_features.tables import Lake

log = logging.getLogger("ltv")


def write_quarantine(lake: Lake, refused: Sequence[Sieved], as_of: date, digest: str) -> None:
    """Replaces, in one commit, the refused rows of each delivery and of runs that were held or killed before it.

    What is read as a whole again is refused as a whole again.
    """
    known = _newest_known(lake)
    taken = [
        each
        for each in refused
        if each.counts.get(QUARANTINED, 0) or known.get((each.source, each.kind), NEVER) > _after(each)
    ]
    if not taken:
        return
    same = " OR ".join(f"({_same(each)})" for each in taken)
    rows = reduce(DataFrame.unionByName, [each.quarantine() for each in taken])
    lake.replace(rows, QUARANTINE, as_of=as_of, input_digest=digest, where=same)
    there = lake.read(QUARANTINE.name).where(same).groupBy("source", "kind").count().collect()
    committed = {(row["source"], row["kind"]): row["count"] for row in there}
    for each in taken:
        _hold_committed(each, committed.get((each.source, each.kind), 0))


def _after(sieved: Sieved) -> int:
    return NEVER if sieved.delivery.afresh else sieved.delivery.after


def _same(sieved: Sieved) -> str:
    return f"source = '{sieved.source}' AND kind = '{sieved.kind}' AND raw_version > {_after(sieved)}"


def _newest_known(lake: Lake) -> dict[tuple[str, str], int]:
    """By source and kind the newest raw version of which refused rows are kept."""
    if not lake.exists(QUARANTINE.name):
        return {}
    rows = lake.read(QUARANTINE.name).groupBy("source", "kind").agg(F.max("raw_version").alias("newest")).collect()
    return {(row["source"], row["kind"]): row["newest"] for row in rows}


def _hold_committed(sieved: Sieved, committed: int) -> None:
    expected = sieved.counts.get(QUARANTINED, 0)
    if committed != expected:
        raise RowsUnexplained(
            f"source {sieved.source!r}: expected {expected} refused rows, actual {committed} committed; "
            "next: run again, what was written gives way; report it if it stays"
        )


def stop_if_bad(
    lake: Lake, settings: IngestSettings, as_of: date, refused: Sequence[Sieved], problems: Sequence[tuple[str, str]]
) -> None:
    """Nothing where rows may go on: good enough, or released by a person. Raises TooManyBadRows with every reason."""
    delivered = [each.delivered() for each in refused]
    reasons = [(each.source, reason) for each in delivered for reason in too_bad(each, settings.max_bad_share)]
    for _, problem in problems:
        log.warning("%s", problem)
    if settings.on_problem == "hold":
        reasons += problems
    free = {source for source, _ in reasons if controls.says(lake, as_of, f"ingest/{source}") == controls.RELEASE}
    for source, reason in reasons:
        if source in free:
            log.warning("%s; a person released it", reason)
    held = [(source, reason) for source, reason in reasons if source not in free]
    if held:
        release = f"python -m jobs.operate release ingest/{held[0][0]} --config ... --as-of {as_of} --reason ..."
        raise TooManyBadRows(
            "\n  - ".join(reason for _, reason in held)
            + "; no event was written; next: look at table 'quarantine' and "
            f"the quality page, correct the mapping or the delivery and run again, or let it pass: {release}"
        )
