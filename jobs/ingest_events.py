"""Raw Delta -> events, users, items, and quarantine for what is refused; only rows that are new since the last time."""

import logging

from jobs._entry import Run, start
from ltv_features import files, quality_rows
from ltv_features.errors import TooManyBadRows
from ltv_features.ingest import ingest
from ltv_train.pages.quality import quality_page

NEEDS_SPARK = True

log = logging.getLogger("ltv")


def main(run: Run) -> None:
    """Ingests every mapped source and says where its rows went."""
    for name, source in run.settings.sources.items():
        if source.users and source.users.valid_from == "always":
            log.info("profiles of %s have no dates: they count as known always, not point-in-time", name)
        if source.items and source.items.valid_from == "always":
            log.info("items of %s have no dates: past nights see what they are today, not point-in-time", name)
    try:
        hops = ingest(run.lake, run.settings, as_of=run.as_of, run_id=run.run_id)
    except TooManyBadRows:
        _write_page(run)
        raise
    for hop in hops:
        rest = ", ".join(f"{rows} {name}" for name, rows in sorted(hop.accounted.items()))
        log.info("ingested %s: %d rows in = %d out + %s", hop.name, hop.rows_in, hop.rows_out, rest)
    if not hops:
        log.info("nothing new to ingest")
    _write_page(run)


def _write_page(run: Run) -> None:
    page = files.join(run.settings.lake.root, "reports", str(run.as_of), "quality.html")
    files.write_bytes(page, quality_page(quality_rows.until(run.lake, run.as_of), as_of=run.as_of).encode())
    log.info("quality page: %s", page)


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
