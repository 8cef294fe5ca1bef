"""What of a delivery is refused, and whether the night may go on: quarantine, and the limits that hold a night."""

import logging
from collections.abc import Sequence
from datetime import date

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
    """Replaces the refused rows of each delivery and of runs that were held or killed before it was ingested.

    What is read as a whole again is refused as a whole again.
    """
    for sieved in refused:
        after = NEVER if sieved.delivery.afresh else sieved.delivery.after
        same = f"source = '{sieved.source}' AND kind = '{sieved.kind}' AND raw_version > {after}"
        before = lake.exists(QUARANTINE.name) and not lake.read(QUARANTINE.name).where(same).isEmpty()
        if before or sieved.counts.get(QUARANTINED, 0):
            lake.replace(sieved.quarantine(), QUARANTINE, as_of=as_of, input_digest=digest, where=same)
            _hold_committed(sieved, lake.read(QUARANTINE.name).where(same).count())


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
