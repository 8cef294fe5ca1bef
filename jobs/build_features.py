"""Events -> user_state and user_items as of a date; nothing when this night was made from the same events already."""

import logging

from jobs._entry import Run, start
from ltv_features import features, ledger
from ltv_features.contract import USER_ITEMS, USER_STATE
from ltv_features.digest import digest_of
from ltv_features.kernel_input import kernel_events_as_of

NEEDS_SPARK = True

log = logging.getLogger("ltv.build_features")


def main(run: Run) -> None:
    """Builds both tables for the night and writes the account of every event into the ledger."""
    lake = run.lake
    versions = features.table_versions(lake)
    digest = digest_of("build_features", versions, run.as_of)
    made = all(lake.committed(table.name, run.as_of) == digest for table in (USER_STATE, USER_ITEMS))
    if made and ledger.holds(lake, job="build_features", as_of=run.as_of, input_digest=digest):
        log.info("user_state and user_items as of %s are there already", run.as_of)
        return
    events = kernel_events_as_of(lake, run.as_of, versions)
    if not made:
        lake.replace(features.user_states(events, run.as_of), USER_STATE, as_of=run.as_of, input_digest=digest)
        lake.replace(features.user_items(events, run.as_of), USER_ITEMS, as_of=run.as_of, input_digest=digest)
    hops = features.hops(events, *(lake.at_night(table.name, run.as_of) for table in (USER_STATE, USER_ITEMS)))
    ledger.record(lake, job="build_features", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)
    for hop in hops:
        log.info("%s: %s rows in, %s out", hop.name, f"{hop.rows_in:,}", f"{hop.rows_out:,}")


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
