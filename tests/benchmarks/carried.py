"""P2 and P3: how Spark carries the kernel, against a function a group, and with one user who owns half of the rows."""

import threading
from collections.abc import Callable, Iterator

import pandas as pd
import psutil
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import state
from ltv_features.arrow import arrow_schema
from ltv_features.config import SparkSettings
from ltv_features.contract import KERNEL_EVENTS, USER_STATE
from ltv_features.cutoffs import midnight_us
from ltv_features.kept import STATES
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from tests.benchmarks import world
from tests.benchmarks.compare import Pairs, Result, in_turns

DAYS = 180
AS_OF = world.night(DAYS)
MIB = 2**20


def p2(*, events: int = 200_000, users: int = 6_000, rounds: int = 5) -> list[Result]:
    """States by one mapInArrow over whole partitions, against applyInPandas with the same kernel user by user."""
    with world.lake_of("P2", SparkSettings(shuffle_partitions=2)) as lake:
        rows = _kernel_events(lake, events, users=users).persist()
        rows.count()

        def carried() -> DataFrame:
            return STATES.built(rows, AS_OF)

        def grouped() -> DataFrame:
            return rows.groupBy("user_key").applyInPandas(_one_user, spark_schema(USER_STATE))

        pairs = in_turns(lambda _: _held(grouped()), lambda _: _held(carried()), rounds=rounds)
        assert world.signature(carried()) == world.signature(grouped()), "the two differ in a row"
    what = f"{events:,} events of {users:,} users to states, as a multiple of the rate of applyInPandas"
    return [Result("P2", what, pairs.ratio, 10.0, 20.0, False, pairs.told())]


def _one_user(rows: pd.DataFrame) -> pd.DataFrame:
    table = pa.Table.from_pandas(rows, schema=arrow_schema(KERNEL_EVENTS), preserve_index=False)
    return state.build(table, as_of_us=midnight_us(AS_OF)).to_pandas()


def p3(*, events: int = 2_000_000, users: int = 40_000, rounds: int = 5) -> list[Result]:
    """CPU time, and the most memory of one Python worker, against the same events spread evenly."""
    with world.lake_of("P3", SparkSettings(shuffle_partitions=2)) as lake:
        even = _kernel_events(lake, events, users=users).persist()
        owner = even.select("user_key", "user_id").first()
        assert owner is not None
        half = F.pmod(F.col("event_key"), F.lit(2)) == 0
        mine = {"user_key": F.lit(owner["user_key"]), "user_id": F.lit(owner["user_id"])}
        skewed = even.select(
            *[F.when(half, mine[c]).otherwise(F.col(c)).alias(c) if c in mine else F.col(c) for c in even.columns]
        ).persist()
        even.count(), skewed.count()
        peaks: dict[str, list[float]] = {"skewed": [], "even": []}

        def built(rows: DataFrame, name: str) -> Callable[[int], object]:
            def turn(number: int) -> object:
                with PeakMemory() as peak:
                    answer = _held(STATES.built(rows, AS_OF))[1]
                peaks[name].append(peak.mib)
                return answer

            return turn

        pairs = in_turns(built(skewed, "skewed"), built(even, "even"), rounds=rounds)
        for rows in (skewed, even):
            users_apart = rows.repartition(16, "user_key").mapInArrow(_all_at_once, spark_schema(USER_STATE))
            assert world.signature(STATES.built(rows, AS_OF)) == world.signature(users_apart), "the two differ in a row"
    memory = Pairs(tuple(peaks["skewed"][1:]), tuple(peaks["even"][1:]))
    what = f"{events:,} events, half of them one user's, against spread evenly"
    told = f"{max(memory.ours):.0f} MiB against {max(memory.theirs):.0f} MiB in the largest Python worker"
    return [
        Result("P3", f"CPU time of {what}", pairs.ratio, 1.5, 1.0, True, pairs.told()),
        Result("P3", f"memory of {what}", memory.ratio, 1.3, 1.0, True, told),
    ]


def _all_at_once(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """States of a partition by one call of the kernel, nothing folded."""
    if whole := list(batches):
        yield from state.build(pa.Table.from_batches(whole), as_of_us=midnight_us(AS_OF)).to_batches()


class PeakMemory:
    """The most memory that one Python worker below this process held meanwhile, in MiB; looked at 50 times a second."""

    def __enter__(self) -> "PeakMemory":
        self.mib = 0.0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        here = psutil.Process()
        while not self._over.wait(0.02):
            for process in here.children(recursive=True):
                try:
                    if "python" in process.name():
                        self.mib = max(self.mib, process.memory_info().rss / MIB)
                except psutil.NoSuchProcess:  # it ended while it was looked at: it holds nothing any more
                    continue


def _kernel_events(lake: Lake, events: int, *, users: int) -> DataFrame:
    return world.kernel_events(lake, events, users=users, days=DAYS)


def _held(states: DataFrame) -> tuple[int, int]:
    """Users and events in the states."""
    held = F.aggregate("types", F.lit(0).cast("long"), lambda total, entry: total + entry["n"])
    told = states.agg(F.count("*").alias("users"), F.sum(held).alias("events")).first()
    assert told is not None
    return int(told["users"]), int(told["events"])


ALL = {"P2": p2, "P3": p3}
