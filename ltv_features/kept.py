"""The two tables that the kernel keeps, user_state and user_items, and how Spark carries it.

One exchange by user, then the kernel folds Arrow batches one by one: memory follows states, not events. How many users
share a task follows from the bytes exchanged: Spark puts partitions together up to its advisory size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial, reduce
from operator import add

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features import state, user_items
from ltv_features.arrow import arrow_schema
from ltv_features.contract import KERNEL_EVENTS, PROFILE_TYPE_ID, TYPE_ID, USER_ITEMS, USER_STATE, Table
from ltv_features.cutoffs import midnight_us
from ltv_features.schemas import spark_schema

FOLD_EVENTS = 400_000
"""Events that are turned into states at once; more are merged in, so a user with millions of events is one state."""
_BATCH_ROWS = 5_000

Build = Callable[[pa.Table], pa.Table]
Merge = Callable[[pa.Table, pa.Table], pa.Table]
Parts = Callable[[pa.RecordBatch], tuple[list[pa.RecordBatch], list[pa.RecordBatch]]]


@dataclass(frozen=True)
class Kept:
    """A table of the kernel: how its rows are built and merged, which events they hold, and what is counted of both.

    `row_of`: the columns that events and rows share, and that tell to which row an event belongs.
    """

    table: Table
    row_of: tuple[str, ...]
    build: Callable[..., pa.Table]
    merge: Merge
    counts: str
    wanted: Callable[[], Column]
    given: Callable[[], Column]
    held: Callable[[], Column]

    def built(self, events: DataFrame, as_of: date) -> DataFrame:
        """The table from kernel events before `as_of`."""
        return self._folded(events.where(self._input()), events_alone, as_of)

    def merged(self, old: DataFrame, events: DataFrame, as_of: date) -> DataFrame:
        """The rows of `old`, an earlier night's, with further events before `as_of` merged in."""
        event = F.struct(*[F.col(c.name) for c in KERNEL_EVENTS]).alias("event")
        kept = F.struct(*self.table.column_names).alias("kept")
        rows = events.where(self._input()).select("user_key", event)
        rows = rows.unionByName(old.select("user_key", kept), allowMissingColumns=True)
        return self._folded(rows, _side_by_side, as_of)

    def concerned(self, events: DataFrame) -> DataFrame:
        """The keys `row_of` of all rows that the kernel events belong to."""
        return events.where(self._input()).select(*self.row_of).distinct()

    def _input(self) -> Column:
        """Profiles travel with the events of a table that keeps them."""
        is_profile = F.col("type") == F.lit(PROFILE_TYPE_ID)
        return self.wanted() | is_profile if "profile" in self.table.column_names else self.wanted()

    def _folded(self, rows: DataFrame, parts: Parts, as_of: date) -> DataFrame:
        build = partial(self.build, as_of_us=midnight_us(as_of))
        fold = partial(fold_batches, parts=parts, build=build, merge=self.merge, schema=arrow_schema(self.table))
        return rows.repartition("user_key").mapInArrow(fold, spark_schema(self.table))


def _is_bought() -> Column:
    return (F.col("type") == F.lit(TYPE_ID["purchase"])) & (F.col("item_no") > F.lit(0))


def _events_of_state() -> Column:
    """From the weekdays, not from the types: seven columns are added in compiled code, a lambda is not compiled."""
    return reduce(add, [F.get("weekdays", F.lit(day)) for day in range(7)])


STATES = Kept(
    USER_STATE,
    ("user_key",),
    state.build,
    state.merge,
    "events",
    wanted=lambda: F.col("type") != F.lit(PROFILE_TYPE_ID),
    given=lambda: F.lit(1).cast("long"),
    held=_events_of_state,
)
ITEMS_BOUGHT = Kept(
    USER_ITEMS,
    ("user_key", "item_no"),
    user_items.build_items,
    user_items.merge_items,
    "units",
    wanted=_is_bought,
    given=lambda: F.col("quantity"),
    held=lambda: F.col("quantity"),
)
KEPT_TABLES = (STATES, ITEMS_BOUGHT)


def fold_batches(
    batches: Iterator[pa.RecordBatch], parts: Parts, build: Build, merge: Merge, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """One row a key from batches in any order, taken apart by `parts` into kernel events and rows of an earlier night.

    Events are built FOLD_EVENTS at a time and merged.
    """
    made = schema.empty_table()
    waiting: list[pa.RecordBatch] = []
    earlier: list[pa.RecordBatch] = []
    for batch in batches:
        events, kept = parts(batch)
        waiting += events
        earlier += kept
        if sum(part.num_rows for part in waiting) >= FOLD_EVENTS:
            made, waiting = _with(made, build(pa.Table.from_batches(waiting)), merge), []
    if waiting:
        made = _with(made, build(pa.Table.from_batches(waiting)), merge)
    if earlier:
        made = _with(made, pa.Table.from_batches(earlier).cast(schema), merge)
    yield from made.select(schema.names).cast(schema).to_batches(max_chunksize=_BATCH_ROWS)


def _with(made: pa.Table, more: pa.Table, merge: Merge) -> pa.Table:
    return merge(made, more) if made.num_rows else more


def events_alone(batch: pa.RecordBatch) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Parts of a batch of kernel events."""
    return [batch], []


def _side_by_side(batch: pa.RecordBatch) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """The rows of the struct columns `event` and `kept`, each where it is not null."""
    given = [batch.column(name).drop_null() for name in ("event", "kept")]
    events, kept = ([pa.RecordBatch.from_struct_array(rows)] if len(rows) else [] for rows in given)
    return events, kept
