"""Quarantined rows once more, under the mapping of today: what is good now leaves, the rest stays where it was.

Events come first, in one commit that bears the digest of what was replayed, and quarantine is cleared after it: killed
in between, a second replay finds the commit and only clears. Profiles, items and links are merged, which can be
repeated; what was said later stays. States take all of it in like anything else that came late.
"""

from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.arrivals import Arrived, Delivery, deliveries_of
from ltv_features.config import FeatureConfig
from ltv_features.contract import EVENTS, QUARANTINE
from ltv_features.counting import KEPT, QUARANTINED
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing
from ltv_features.land import raw_table
from ltv_features.ledger import Hop, record
from ltv_features.recount import recount_events
from ltv_features.sieve import SIEVES
from ltv_features.sieved import KINDS, Kind, Sieved
from ltv_features.tables import Lake
from ltv_features.written import append_events, write_items, write_links, write_users

JOB = "replay_quarantine"
_PLACE = {"_file_sha256": "file_sha256", "_row_number": "row_number"}
_HELD = ["source", "kind", *_PLACE.values()]


def replay(lake: Lake, settings: FeatureConfig, name: str, *, as_of: date, run_id: str) -> list[Hop]:
    """Where the quarantined rows of a source ended this time, by what is read in them; empty where there are none.

    Rows that are gone from the raw table were erased, and leave the quarantine. Raises InputMissing where rows of the
    source wait to be ingested, RowsUnexplained where rows do not add up.
    """
    delivery = deliveries_of(lake, settings, [name])[name]
    if delivery.is_new:
        raise InputMissing(f"source {name!r}: rows wait to be ingested; next: python -m jobs ingest_events")
    hops = []
    try:
        for kind in KINDS:
            held = _held(lake, name, kind)
            if getattr(settings.sources[name], kind) and not held.isEmpty():
                hops.append(_again(lake, settings, delivery, kind, held, as_of=as_of, run_id=run_id))
    finally:
        lake.spark.catalog.clearCache()
    return hops


def _again(
    lake: Lake, settings: FeatureConfig, delivery: Delivery, kind: Kind, held: DataFrame, *, as_of: date, run_id: str
) -> Hop:
    """The account of the rows of one kind."""
    raw = lake.read(raw_table(delivery.source), delivery.version)
    places = F.broadcast(held.select(*[F.col(column).alias(place) for place, column in _PLACE.items()]))
    there = raw.join(places, on=list(_PLACE), how="left_semi")
    digest = digest_of(JOB, kind, lake.table_id(QUARANTINE.name), lake.version(QUARANTINE.name), delivery.mapping)
    app = f"{JOB}/{delivery.source}/{digest}"
    whence = replace(delivery, app=app, version=1)
    if kind == "links":
        whence = replace(whence, ingested=0)  # links of a replay of the same mark that was killed are made again
    sieved = SIEVES[kind](lake, settings, whence, Arrived(there, held.count() - there.count()))
    named = {"job": JOB, "input_digest": digest, "run_id": run_id}
    if kind == "events":
        hop = sieved.hop(sieved.counts.get(KEPT, 0))
        if lake.transaction(EVENTS.name, app) is None:
            write_items(lake, [], [sieved])
            record(lake, as_of=as_of, hops=[_renamed(hop)], **named)
            if hop.rows_out:
                append_events(lake, sieved)
        recount_events(lake, as_of=as_of, run_id=run_id)
    else:
        hop = _merge(lake, kind, sieved)
        record(lake, as_of=as_of, hops=[_renamed(hop)], **named)
    _clear(lake, sieved, held, as_of, digest)
    return _renamed(hop)


def _merge(lake: Lake, kind: Kind, sieved: Sieved) -> Hop:
    if kind == "users":
        return write_users(lake, [sieved], known_stay=True)[0]
    return write_links(lake, [sieved])[0] if kind == "links" else write_items(lake, [sieved], [], known_stay=True)[0]


def _renamed(hop: Hop) -> Hop:
    return replace(hop, name=f"{hop.name}: replay")


def _clear(lake: Lake, sieved: Sieved, held: DataFrame, as_of: date, digest: str) -> None:
    """Leaves the rows that are refused still, with the reasons of today; no version where nothing differs."""
    still = sieved.quarantine().drop("raw_version").join(held.drop("reason"), on=_HELD)
    same = still.select(*_HELD, "reason").join(held, on=[*_HELD, "reason"], how="left_semi").count()
    if same < held.count() or sieved.counts.get(QUARANTINED, 0) != same:
        lake.replace(
            still.select(*QUARANTINE.column_names), QUARANTINE, as_of=as_of, input_digest=digest,
            where=f"source = '{sieved.source}' AND kind = '{sieved.kind}'",
        )  # fmt: skip


def _held(lake: Lake, name: str, kind: Kind) -> DataFrame:
    """The refused rows, each place once."""
    if not lake.exists(QUARANTINE.name):
        return lake.spark.createDataFrame([], "source string, kind string, raw_version bigint, reason string")
    rows = lake.read(QUARANTINE.name).where((F.col("source") == name) & (F.col("kind") == kind))
    return rows.groupBy(*_HELD).agg(F.max("raw_version").alias("raw_version"), F.first("reason").alias("reason"))
