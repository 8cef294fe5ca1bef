"""Events -> user_state and user_items as of a date; only what is new since the latest night before it is read."""

import logging
from datetime import date

from jobs._entry import Run, start
from ltv_features import ledger
from ltv_features.as_of import hold_known
from ltv_features.digest import code_of, digest_of
from ltv_features.features import Night
from ltv_features.increment import KERNEL, Inputs, inputs_of
from ltv_features.kept import KEPT_TABLES

NEEDS_SPARK = True

log = logging.getLogger("ltv.build_features")


def main(run: Run) -> None:
    """Brings both tables to the night and writes the account of every event into the ledger."""
    lake = run.lake
    hold_known(lake, run.as_of)
    inputs = inputs_of(lake)
    digest = made_from(inputs, run.as_of)
    missing = [kept for kept in KEPT_TABLES if lake.committed(kept.table.name, run.as_of) != digest]
    if not missing and ledger.holds(lake, job="build_features", as_of=run.as_of, input_digest=digest):
        log.info("user_state and user_items as of %s are there already", run.as_of)
        return
    night = Night(lake, run.as_of)
    for kept in missing:
        night.bring(kept, inputs, digest)
    hops = night.accounts()
    night.done()
    ledger.record(lake, job="build_features", as_of=run.as_of, input_digest=digest, run_id=run.run_id, hops=hops)
    for hop in hops:
        log.info("%s: %s in, %s out", hop.name, f"{hop.rows_in:,}", f"{hop.rows_out:,}")


def made_from(inputs: Inputs, as_of: date) -> str:
    """The digest of everything that decides what both tables hold."""
    return digest_of("build_features", inputs.tables, as_of, code_of(*KERNEL))


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
