"""P4b and P4c: states at many cut-offs in one pass, and what features cost on top of reading the states."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.arrow import arrow_schema
from ltv_features.config import SparkSettings
from ltv_features.contract import KERNEL_EVENTS, USER_STATE
from ltv_features.cutoffs import midnight_us
from ltv_features.kept import STATES
from ltv_features.project import project
from ltv_features.schemas import spark_schema
from ltv_features.state import states_at
from tests.benchmarks import world
from tests.benchmarks.compare import Result, in_turns

CUTOFFS = 20
APART_DAYS = 14
DAYS = 365

Told = Iterator[pa.RecordBatch]


def p4b(*, events: int = 2_000_000, users: int = 20_000, many: int = CUTOFFS, rounds: int = 3) -> list[Result]:
    """States at `many` cut-offs: interval states merged one after the other, against building each from its events."""
    cutoffs = [world.night(DAYS - APART_DAYS * n) for n in reversed(range(many))]
    with world.lake_of("P4b", SparkSettings()) as lake:
        rows = world.kernel_events(lake, events, users=users, days=DAYS)
        rows.write.parquet(lake.path("kernel_events"))
        kept = lake.spark.read.parquet(lake.path("kernel_events"))

        def ours(turn: int) -> object:
            whole = partial(_at_all, cutoffs=cutoffs, tell=_told)
            made = kept.repartition("user_key").mapInArrow(whole, "day long, users long, events long, orders long")
            return _by_day(made)

        def theirs(turn: int) -> object:
            return [entry for day in cutoffs for entry in _by_day(_rebuilt(kept, day))]

        pairs = in_turns(ours, theirs, rounds=rounds)
        whole = partial(_at_all, cutoffs=cutoffs, tell=_dated)
        merged = kept.repartition("user_key").mapInArrow(whole, spark_schema(USER_STATE).add("day", "long"))
        merged.write.parquet(lake.path("merged"))
        for day in cutoffs:
            rebuilt = STATES.built(kept.where(F.col("ts_us") < midnight_us(day)), day)
            same = lake.spark.read.parquet(lake.path("merged")).where(F.col("day") == midnight_us(day)).drop("day")
            assert world.signature(same) == world.signature(rebuilt), f"the two differ in a row as of {day}"
    what = f"states at {many} cut-offs of {events:,} events in one pass, by as many rebuilds"
    return [Result("P4b", what, pairs.ratio, 0.25, 0.1, True, pairs.told())]


def _at_all(batches: Told, cutoffs: list[date], tell: Callable[[pa.Table, int], pa.RecordBatch]) -> Told:
    events = pa.Table.from_batches(list(batches)).cast(arrow_schema(KERNEL_EVENTS))
    for cutoff, states in states_at(events, [midnight_us(day) for day in cutoffs]):
        yield tell(states, cutoff)


def _dated(states: pa.Table, cutoff_us: int) -> pa.RecordBatch:
    """The states themselves, with their cut-off."""
    days = pa.array([cutoff_us] * len(states), pa.int64())
    whole = states.select(USER_STATE.column_names).cast(arrow_schema(USER_STATE)).append_column("day", days)
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in whole.columns], schema=whole.schema)


def _rebuilt(kept: DataFrame, day: date) -> DataFrame:
    states = STATES.built(kept.where(F.col("ts_us") < midnight_us(day)), day)
    tell: Callable[[Told], Told] = partial(_each_told, cutoff_us=midnight_us(day))
    return states.mapInArrow(tell, "day long, users long, events long, orders long")


def _each_told(batches: Told, cutoff_us: int) -> Told:
    for batch in batches:
        yield _told(pa.Table.from_batches([batch]), cutoff_us)


def _told(states: pa.Table, cutoff_us: int) -> pa.RecordBatch:
    """How many users, events and orders the states hold."""
    events = pc.sum(pc.struct_field(pc.list_flatten(states["types"]), "n")).as_py() or 0
    orders = pc.sum(pc.list_value_length(states["orders"])).as_py() or 0
    return pa.RecordBatch.from_pydict(
        {"day": [cutoff_us], "users": [len(states)], "events": [events], "orders": [orders]}
    )


def _by_day(told: DataFrame) -> list[tuple[int, ...]]:
    sums = [F.sum(name).alias(name) for name in ("users", "events", "orders")]
    return [tuple(row) for row in told.groupBy("day").agg(*sums).orderBy("day").collect()]


def p4c(*, users: int = 200_000, events: int = 10_000_000, rounds: int = 3) -> list[Result]:
    """`project` of every state, against reading the same rows into Python."""
    with world.lake_of("P4c", SparkSettings(driver_memory="6g")) as lake:
        as_of = world.night(DAYS)
        rows = world.kernel_events(lake, events, users=users, days=DAYS)
        lake.replace(STATES.built(rows, as_of), USER_STATE, as_of=as_of, input_digest="once")

        def counted(work: Callable[[Told], Told]) -> object:
            return lake.read(USER_STATE.name).mapInArrow(work, "users long").agg(F.sum("users")).first()

        def ours(turn: int) -> object:
            return counted(partial(_projected, as_of_us=midnight_us(as_of)))

        def theirs(turn: int) -> object:
            return counted(_read)

        pairs = in_turns(ours, theirs, rounds=rounds)
        states = lake.read(USER_STATE.name)
        read = states.mapInArrow(_as_they_are, spark_schema(USER_STATE))
        assert world.signature(read) == world.signature(states), "a row was read otherwise"
        digests = partial(_digests, as_of_us=midnight_us(as_of))
        batched, spread = (
            each.mapInArrow(digests, "user long, digest string") for each in (states, states.repartition(64))
        )
        assert world.signature(batched) == world.signature(spread), "features of a user depend on who else is there"
        assert world.signature(batched)[0] == states.count()
    what = f"features of {users:,} users with {events:,} events, by reading their states into Python"
    return [Result("P4c", what, pairs.ratio, 2.0, 1.3, True, pairs.told())]


def _projected(batches: Told, as_of_us: int) -> Told:
    for batch in batches:
        examples = project(pa.Table.from_batches([batch]), as_of_us=as_of_us)
        yield pa.RecordBatch.from_pydict({"users": [len(examples)]})


def _digests(batches: Told, as_of_us: int) -> Told:
    """A digest of everything that `project` says of each user."""
    for batch in batches:
        examples = project(pa.Table.from_batches([batch]), as_of_us=as_of_us)
        ends = zip(examples.offsets[:-1], examples.offsets[1:], strict=True)
        digests = []
        for row, (start, end) in enumerate(ends):
            parts = [examples.aggregates[row], examples.anchor[row], *(t[start:end] for t in examples.tokens.values())]
            digests.append(sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
        yield pa.RecordBatch.from_pydict({"user": examples.user_key, "digest": digests})


def _as_they_are(batches: Told) -> Told:
    yield from batches


def _read(batches: Told) -> Told:
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"users": [batch.num_rows]})


ALL = {"P4b": p4b, "P4c": p4c}
