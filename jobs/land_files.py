"""Files named by the configuration -> raw Delta tables; each file once, by the digest of its content.

The one job that looks at the clock: `_landed_ts` is when the files came, and "too late" is judged against it for ever.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from jobs._entry import Run, Settings, start
from ltv_features import ledger
from ltv_features.delivery import missing_paths
from ltv_features.errors import LtvError, hold
from ltv_features.first_event import hold_something_before
from ltv_features.land import JOB, land, look_over_all, unaccounted
from ltv_train.score.destinations import suppression_problems

NEEDS_SPARK = True

log = logging.getLogger("ltv")


def ahead(settings: Settings) -> Sequence[LtvError]:
    """Sources that are not where the configuration says, and a suppression list that would refuse the export."""
    return [*missing_paths(settings.sources), *suppression_problems(settings.export)]


def main(run: Run) -> None:
    """Lands every source of the configuration, all of them looked over first, and says how many files were new."""
    landed_ts = datetime.now(UTC)
    lake, settings = run.lake, run.settings
    landings, problems = look_over_all(lake, settings.sources, settings.shop.rates)
    hold([*problems, *suppression_problems(settings.export)])
    hold_something_before(lake, landings, run.as_of, earliest=settings.ingest.earliest_date)
    for landing in landings:
        land(lake, landing, landed_ts=landed_ts)
        log.info("landed %s: %d new file(s), %d known", landing.name, len(landing.files), landing.known_files)
    counted = list(unaccounted(lake, *(landing.name for landing in landings)))
    hops = {digest: [hop for other, hop in counted if other == digest] for digest, _ in counted}
    ledger.record_each(lake, job=JOB, as_of=run.as_of, run_id=run.run_id, hops=hops)
    for empty in (hop for _, hop in counted if not hop.rows_in):
        log.warning("%s: the new files hold no row", empty.name)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK, ahead=ahead))
