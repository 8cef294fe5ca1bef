"""Sieved rows into their tables: profiles, items, links, and last of all events with the mark of their source."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import items, links, profiles
from ltv_features.arrivals import mark
from ltv_features.contract import EVENTS, ITEMS, LINKS, USERS
from ltv_features.counting import KEPT
from ltv_features.identity import DELIVERED
from ltv_features.ledger import Hop
from ltv_features.recount import ROWS
from ltv_features.schemas import conform
from ltv_features.sieved import Sieved
from ltv_features.tables import Lake


def write_users(lake: Lake, users: Sequence[Sieved], *, known_stay: bool = False) -> list[Hop]:
    """Merges profiles; with `known_stay` only those that are not there yet."""
    if not users:
        return []
    columns = (*USERS.column_names, *DELIVERED)
    kept = reduce(DataFrame.unionByName, [s.of(KEPT).select(*columns) for s in users])
    known = lake.read(USERS.name) if lake.exists(USERS.name) else None
    said = profiles.latest(kept, known)
    if known_stay and known is not None:
        said = said.join(known.select(*USERS.key), on=list(USERS.key), how="left_anti")
    lake.upsert(said.select(*USERS.column_names), USERS)
    return [s.keyed_hop(USERS.key, lake.read(USERS.name)) for s in users]


def write_links(lake: Lake, told: Sequence[Sieved]) -> list[Hop]:
    """Adds the links of visitors that had none.

    The commit notes which deliveries it holds, so that one that is sieved again does not take its own links for known.
    """
    if not told:
        return []
    new = reduce(DataFrame.unionByName, [s.of(KEPT).select(*LINKS.column_names) for s in told])
    if lake.exists(LINKS.name):
        new = new.join(lake.read(LINKS.name).select(*LINKS.key), on=list(LINKS.key), how="left_anti")
    note = {links.HOLDS: {s.delivery.app: s.delivery.version for s in told}}
    lake.upsert(new.select(*LINKS.column_names), LINKS, note=note)
    return [s.keyed_hop(LINKS.key, lake.read(LINKS.name)) for s in told]


def write_items(
    lake: Lake, things: Sequence[Sieved], events: Sequence[Sieved], *, known_stay: bool = False
) -> list[Hop]:
    """Merges items and numbers the new ones, those that occur only in events included.

    With `known_stay` what is known of an item stays.
    """
    attributes_of = [column for name in items.ATTRIBUTES for column in (name, f"_maps_{name}")]
    columns = (*ITEMS.key, *attributes_of, *DELIVERED)
    said = [s.of(KEPT).select(*columns) for s in things]
    attributes = items.latest(reduce(DataFrame.unionByName, said)) if said else None
    if attributes is not None and known_stay and lake.exists(ITEMS.name):
        attributes = attributes.join(lake.read(ITEMS.name).select(*ITEMS.key), on=list(ITEMS.key), how="left_anti")
    seen = [s.of(KEPT).where(F.col("item_id").isNotNull()).select("item_id", "event_ts") for s in events]
    nothing = lake.spark.createDataFrame([], "item_id string, event_ts timestamp")
    first = reduce(DataFrame.unionByName, seen, nothing).groupBy("item_id").agg(F.min("event_ts").alias("first_ts"))
    # numbering reads both several times: what was sieved is worked out once
    told = None if attributes is None else attributes.localCheckpoint()
    lake.upsert(items.numbered(lake, told, first.localCheckpoint()), ITEMS)
    return [s.keyed_hop(ITEMS.key, lake.read(ITEMS.name)) for s in things]


def append_events(lake: Lake, sieved: Sieved) -> None:
    """One commit with the source's events and its new mark; it notes how many rows it is meant to bring.

    A delivery without a good row moves the mark alone and makes no version of `events`.
    """
    delivery = sieved.delivery
    if not sieved.counts.get(KEPT, 0) and lake.exists(EVENTS.name) and not delivery.afresh:
        mark(lake, [delivery])
        return
    before = lake.version(EVENTS.name)
    rows = conform(sieved.of(KEPT).select(*EVENTS.column_names), EVENTS)
    note: dict[str, str | int] = {
        "source": delivery.source,
        "mapping": delivery.mapping,
        ROWS: sieved.counts.get(KEPT, 0),
    }
    if delivery.afresh and before is not None:
        _replace_events(lake, sieved, rows, note, before)
        return
    lake.append(
        rows, EVENTS.name, app=delivery.app, version=delivery.version, partition_by=EVENTS.partition_by, note=note
    )


def _replace_events(lake: Lake, sieved: Sieved, rows: DataFrame, note: dict[str, str | int], before: int) -> None:
    """One commit in which the events of a source give way to those that it says now; the mark follows."""
    mine = f"source = '{sieved.source}'"
    app = f"{sieved.delivery.app}/afresh"
    lake.append(
        rows, EVENTS.name, app=app, version=before + 1, partition_by=EVENTS.partition_by, note=note, instead_of=mine
    )
    mark(lake, [sieved.delivery])
