"""P1: a million events to user states, against DuckDB doing the same."""

import tempfile
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features.arrow import arrow_schema
from ltv_features.config import SparkSettings
from ltv_features.contract import USER_STATE
from ltv_features.kept import STATES
from ltv_features.session import open_session
from ltv_features.tables import Lake
from tests.benchmarks import duck, world
from tests.benchmarks.compare import Result, in_turns

DAYS = 180
THREADS = 2


def p1(*, events: int = 1_000_000, users: int = 29_000, rounds: int = 5) -> list[Result]:
    """To Parquet, and to Delta; DuckDB writes Parquet both times."""
    made = []
    with tempfile.TemporaryDirectory(prefix="ltv-p1-") as folder:
        spark = open_session(SparkSettings(shuffle_partitions=THREADS), "P1")
        lake = Lake(spark, f"{folder}/lake")
        world.write_items(lake)
        source = f"{folder}/events.parquet"
        rows = world.kernel_events(lake, events, users=users, days=DAYS)
        rows.coalesce(1).write.parquet(source)
        [file] = Path(source).glob("*.parquet")
        connection = duckdb.connect(config={"threads": THREADS})
        connection.execute("SET enable_progress_bar = false")
        as_of = world.FIRST + timedelta(DAYS)

        def states() -> object:
            return STATES.built(spark.read.parquet(source), as_of)

        def to_parquet(turn: int) -> None:
            states().write.mode("overwrite").parquet(f"{folder}/ours")  # type: ignore[attr-defined]

        def to_delta(turn: int) -> None:
            lake.replace(states(), USER_STATE, as_of=as_of + timedelta(turn), input_digest=str(turn))  # type: ignore[arg-type]

        def theirs(turn: int) -> None:
            duck.states(connection, str(file), f"{folder}/theirs.parquet")

        def agree() -> bool:
            return _sorted(pq.read_table(f"{folder}/ours")).equals(_sorted(pq.read_table(f"{folder}/theirs.parquet")))

        def agree_in_delta() -> bool:
            lake.read(USER_STATE.name).write.mode("overwrite").parquet(f"{folder}/ours")
            return agree()

        for where, work, same, must, aim in (
            ("Parquet", to_parquet, agree, 0.55, 0.9),
            ("Delta", to_delta, agree_in_delta, 0.35, 0.6),
        ):
            # DuckDB stands first: the ratio is how much of its rate we reach
            pairs = in_turns(theirs, work, rounds=rounds, warm_up=2, agree=same)
            what = f"{events:,} events of {users:,} users to states in {where}, as a share of DuckDB's rate"
            made.append(Result("P1", what, pairs.ratio, must, aim, False, pairs.told()))
        spark.stop()
    return made


def _sorted(table: pa.Table) -> pa.Table:
    schema = arrow_schema(USER_STATE)
    return table.select(schema.names).sort_by("user_key").combine_chunks().cast(schema)


ALL = {"P1": p1}
