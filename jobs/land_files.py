"""Files named by the configuration -> raw Delta tables; each file once, by the digest of its content.

The one job that looks at the clock: `_landed_ts` is when the files came, and "too late" is judged against it for ever.
"""

import logging
from datetime import UTC, datetime

from jobs._entry import Run, start
from ltv_features.columns import needed_columns
from ltv_features.land import land

NEEDS_SPARK = True

log = logging.getLogger("ltv")


def main(run: Run) -> None:
    """Lands every source of the configuration and says how many files were new."""
    sources = run.settings.sources
    landed_ts = datetime.now(UTC)
    for name, source in sources.items():
        done = land(run.lake, name, source, needed=needed_columns(name, sources), landed_ts=landed_ts)
        log.info("landed %s: %d new file(s), %d known", name, done.new_files, done.known_files)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
