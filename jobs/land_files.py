"""Files named by the configuration -> raw Delta tables; each file once, by the digest of its content.

The one job that looks at the clock: `_landed_ts` is when the files came, and "too late" is judged against it for ever.
"""

import logging
from datetime import UTC, datetime

from jobs._entry import Run, start
from ltv_features import ledger
from ltv_features.digest import digest_of
from ltv_features.first_event import hold_something_before
from ltv_features.land import land, look_over_all

NEEDS_SPARK = True

log = logging.getLogger("ltv")


def main(run: Run) -> None:
    """Lands every source of the configuration, all of them looked over first, and says how many files were new."""
    landed_ts = datetime.now(UTC)
    landings = look_over_all(run.lake, run.settings.sources, run.settings.shop.rates)
    hold_something_before(run.lake, landings, run.as_of)
    hops = []
    for landing in landings:
        if landing.files:
            hops.append(land(run.lake, landing, landed_ts=landed_ts))
            if not hops[-1].rows_in:
                log.warning("source %s: the new files hold no row", landing.name)
        log.info("landed %s: %d new file(s), %d known", landing.name, len(landing.files), landing.known_files)
    digest = digest_of("land_files", [file for landing in landings for file, _ in landing.files])
    ledger.record(run.lake, job="land_files", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
