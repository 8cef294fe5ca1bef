"""Spark carries the kernel: events of a lake to one state a user, and to one row a user and item.

One exchange by user, then the kernel folds Arrow batches one by one: memory follows states, not events.
"""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import state
from ltv_features.arrow import arrow_schema
from ltv_features.contract import (
    EVENTS,
    ITEMS,
    PROFILE_TYPE_ID,
    TYPE_ID,
    USER_ITEMS,
    USER_STATE,
    USERS,
    Table,
)
from ltv_features.cutoffs import midnight_us
from ltv_features.ledger import Hop
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_features.user_items import build_items, merge_items

FOLD_EVENTS = 400_000
"""Events that are turned into states at once; more are merged in, so a user with millions of events is one state."""

Build = Callable[[pa.Table], pa.Table]
Merge = Callable[[pa.Table, pa.Table], pa.Table]


def table_versions(lake: Lake) -> dict[str, int]:
    """The versions of the tables that features are made from; absent ones are left out."""
    known = {name: lake.version(name) for name in (EVENTS.name, USERS.name, ITEMS.name)}
    return {name: version for name, version in known.items() if version is not None}


def user_states(events: DataFrame, as_of: date) -> DataFrame:
    """USER_STATE from kernel events before as_of."""
    return _folded(events, partial(state.build, as_of_us=midnight_us(as_of)), state.merge, USER_STATE)


def user_items(events: DataFrame, as_of: date) -> DataFrame:
    """USER_ITEMS from kernel events before as_of: every user and item bought, exact and uncapped."""
    bought = (F.col("type") == F.lit(TYPE_ID["purchase"])) & (F.col("item_no") > F.lit(0))
    return _folded(events.where(bought), partial(build_items, as_of_us=midnight_us(as_of)), merge_items, USER_ITEMS)


def hops(events: DataFrame, states: DataFrame, items: DataFrame) -> list[Hop]:
    """The account of a build from committed tables: every event is counted in one state, every item line in one row."""
    bought = (F.col("type") == F.lit(TYPE_ID["purchase"])) & (F.col("item_no") > F.lit(0))
    given = events.agg(
        F.sum((F.col("type") != F.lit(PROFILE_TYPE_ID)).cast("long")).alias("events"),
        F.sum(F.when(bought, F.col("quantity")).otherwise(F.lit(0))).alias("units"),
    ).first()
    counted = F.aggregate(
        F.filter("types", lambda entry: entry["type"] != F.lit(PROFILE_TYPE_ID)),
        F.lit(0).cast("long"),
        lambda total, entry: total + entry["n"],
    )
    made = states.agg(F.sum(counted).alias("events")).first()
    kept = items.agg(F.sum("quantity").alias("units")).first()
    if given is None or made is None or kept is None:
        raise RuntimeError("an aggregation over a whole table returned no row")
    return [
        Hop("events in user_state", given["events"] or 0, made["events"] or 0),
        Hop("units in user_items", given["units"] or 0, kept["units"] or 0),
    ]


def _folded(events: DataFrame, build: Build, merge: Merge, table: Table) -> DataFrame:
    partitions = int(events.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    fold = partial(fold_batches, build=build, merge=merge, schema=arrow_schema(table))
    return events.repartition(partitions, "user_key").mapInArrow(fold, spark_schema(table))


def fold_batches(
    batches: Iterator[pa.RecordBatch], build: Build, merge: Merge, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """One state a user from batches of kernel events in any order, built FOLD_EVENTS at a time and merged."""
    made: pa.Table | None = None
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(part.num_rows for part in waiting) >= FOLD_EVENTS:
            made, waiting = _with(made, waiting, build, merge), []
    if waiting:
        made = _with(made, waiting, build, merge)
    if made is not None:
        yield from made.select(schema.names).cast(schema).to_batches(max_chunksize=5_000)


def _with(made: pa.Table | None, waiting: list[pa.RecordBatch], build: Build, merge: Merge) -> pa.Table:
    fresh = build(pa.Table.from_batches(waiting))
    return fresh if made is None else merge(made, fresh)
