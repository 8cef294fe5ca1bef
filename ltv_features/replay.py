"""Quarantined rows once more, under the mapping of today: what is good now becomes events, the rest stays where it was.

Events come first, in one commit that bears the digest of what was replayed, and quarantine is cleared after it: killed
in between, a second replay finds the commit and only clears. States take the rows in like any others that came late.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.config import FeatureConfig
from ltv_features.contract import EVENTS, QUARANTINE
from ltv_features.counting import KEPT
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing, RowsUnexplained
from ltv_features.ingest import Delivery, append_events, delivery_of, write_items
from ltv_features.land import raw_table
from ltv_features.ledger import Hop, record
from ltv_features.recount import recount_events
from ltv_features.sieve import sieve_events
from ltv_features.tables import Lake

JOB = "replay_quarantine"
_PLACE = {"_file_sha256": "file_sha256", "_row_number": "row_number"}


def replay(lake: Lake, settings: FeatureConfig, name: str, *, as_of: date, run_id: str) -> Hop:
    """Where the quarantined rows of an event source ended this time.

    Raises InputMissing where rows of the source wait to be ingested, RowsUnexplained where refused rows are gone from
    the raw table, or rows do not add up.
    """
    delivery = delivery_of(lake, settings, name)
    if delivery.is_new:
        raise InputMissing(f"source {name!r}: rows wait to be ingested; next: python -m jobs ingest_events")
    held = _held(lake, name)
    rows_in = held.count()
    if rows_in == 0:
        return Hop(name, 0, 0)
    raw = lake.read(raw_table(name), delivery.version)
    places = F.broadcast(held.select(*[F.col(column).alias(place) for place, column in _PLACE.items()]))
    again = raw.join(places, on=list(_PLACE), how="left_semi")
    if (there := again.count()) != rows_in:
        raise RowsUnexplained(
            f"source {name!r}: expected {rows_in} quarantined rows in {raw_table(name)}, actual {there}; "
            "next: clear table 'quarantine' of rows that were deliberately removed from the raw table"
        )
    digest = digest_of(JOB, lake.table_id(QUARANTINE.name), lake.version(QUARANTINE.name), delivery.mapping)
    app = f"{JOB}/{name}/{digest}"
    try:
        sieved = sieve_events(lake, settings, name, again, delivery.version, first=False)
        hop = sieved.hop(f"{name}: replay", sieved.counts.get(KEPT, 0))
        if lake.transaction(EVENTS.name, app) is None:
            write_items(lake, [], [sieved])
            record(lake, job=JOB, as_of=as_of, input_digest=digest, run_id=run_id, hops=[hop])
            append_events(lake, sieved, Delivery(name, delivery.mapping, app, 1, None))
        recount_events(lake, job=JOB, as_of=as_of, run_id=run_id)
        still = sieved.quarantine().drop("raw_version").join(held, on=["source", "file_sha256", "row_number"])
        lake.replace(
            still.select(*QUARANTINE.column_names), QUARANTINE, as_of=as_of, input_digest=digest,
            where=f"source = '{name}'",
        )  # fmt: skip
    finally:
        lake.spark.catalog.clearCache()
    return hop


def _held(lake: Lake, name: str) -> DataFrame:
    rows = lake.read(QUARANTINE.name) if lake.exists(QUARANTINE.name) else lake.spark.createDataFrame([], _EMPTY)
    return rows.where(F.col("source") == name).select("source", "raw_version", "file_sha256", "row_number")


_EMPTY = "source string, raw_version bigint, file_sha256 string, row_number bigint"
