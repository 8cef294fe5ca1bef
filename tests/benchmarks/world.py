"""Events of any number of users made by Spark, straight into the tables that ingest would have written."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.as_of import item_versions
from ltv_features.config import SparkSettings
from ltv_features.contract import EVENTS, ITEMS, MICROS_PER_DAY, Table
from ltv_features.cutoffs import midnight_us
from ltv_features.kernel_input import numbered
from ltv_features.links import with_customers
from ltv_features.schemas import conform, spark_schema
from ltv_features.session import open_session
from ltv_features.tables import Lake

FIRST = date(2025, 1, 1)
ITEMS_SOLD = 2_000
_TYPES = ("purchase", "purchase", "view", "view", "view", "add_to_cart", "click", "search")


@contextmanager
def lake_of(benchmark: str, settings: SparkSettings) -> Iterator[Lake]:
    """A lake with the items of the world in a folder of its own, and a session of its own."""
    with tempfile.TemporaryDirectory(prefix=f"ltv-{benchmark.lower()}-") as folder:
        spark = open_session(settings, benchmark)
        lake = Lake(spark, f"{folder}/lake")
        write_items(lake)
        try:
            yield lake
        finally:
            spark.stop()


def write_items(lake: Lake) -> None:
    """Every item of the world with its numbers."""
    rows = lake.spark.range(1, ITEMS_SOLD + 1)
    made = {
        "item_id": F.concat(F.lit("i"), F.col("id")),
        "valid_from": F.lit("1970-01-01 00:00:00").cast("timestamp"),
        "item_no": F.col("id").cast("int"),
        "category_no": (F.col("id") % 50 + 1).cast("int"),
        "brand_no": (F.col("id") % 90 + 1).cast("int"),
    }
    lake.upsert(_columns(rows, made, ITEMS), ITEMS)


def kernel_events(lake: Lake, number: int, *, users: int, days: int) -> DataFrame:
    """`number` events of `users` in the first `days`, as the kernel is given them."""
    rows = with_customers(events(lake, number, users=users, days=(0, days), salt=1), None)
    return numbered(rows, item_versions(lake))


def events(lake: Lake, number: int, *, users: int, days: tuple[int, int], salt: int, among: int = 0) -> DataFrame:
    """`number` events of `users`, spread over [days) after FIRST; `among` > 0: only of so many of them."""
    start = midnight_us(FIRST) + days[0] * MICROS_PER_DAY
    width = (days[1] - days[0]) * MICROS_PER_DAY
    rows = lake.spark.range(number, numPartitions=max(2, number // 1_000_000))
    who = _drawn(salt, 1, among or users)
    who = _spread(who, users) if among else who
    user = F.format_string("u%07d", who)
    kind = F.element_at(F.array(*[F.lit(word) for word in _TYPES]), (_drawn(salt, 2, len(_TYPES)) + 1).cast("int"))
    paid = F.col("event_type").isin("purchase")
    at = F.timestamp_micros(F.lit(start) + _drawn(salt, 3, width))
    rows = rows.withColumns({"user_id": user, "event_type": kind, "event_ts": at})
    made = {name: F.col(name) for name in ("user_id", "event_type", "event_ts")} | {
        "source": F.lit("made"),
        "event_id": F.concat(F.lit(f"{salt}-"), F.col("id")),
        "event_key": F.xxhash64(F.lit(salt), "id"),
        "user_key": F.xxhash64("user_id"),
        "event_month": F.date_format("event_ts", "yyyy-MM"),
        "landed_ts": F.col("event_ts"),
        "order_key": F.when(paid, F.xxhash64("user_id", F.to_date("event_ts"))).otherwise(F.lit(0)),
        "item_id": F.concat(F.lit("i"), _drawn(salt, 4, ITEMS_SOLD) + 1),
        "quantity": F.when(paid, F.lit(1)).otherwise(F.lit(0)),
        "amount_minor": F.when(paid, _drawn(salt, 5, 9_000) + 100).otherwise(F.lit(0)),
        "discount_minor": F.lit(0),
        "rating": F.lit(0),
        "dwell_seconds": F.when(F.col("event_type") == "view", _drawn(salt, 6, 300)).otherwise(F.lit(0)),
    }
    return _columns(rows, made, EVENTS)


def append(lake: Lake, rows: DataFrame, number: int) -> None:
    """One commit of `events`; `number` rises from commit to commit."""
    lake.append(rows, EVENTS.name, app="benchmark", version=number, partition_by=EVENTS.partition_by)


def night(days: int) -> date:
    """So many days after FIRST."""
    return FIRST + timedelta(days)


def signature(frame: DataFrame) -> tuple[int, int]:
    """Rows and an order-free digest of whole rows: equal tables have equal signatures."""
    row = frame.select(F.xxhash64(F.to_json(F.struct(*sorted(frame.columns)))).alias("h"))
    told = row.agg(F.count("*").alias("n"), F.sum(F.col("h").cast("decimal(38,0)")).alias("h")).first()
    assert told is not None
    return int(told["n"]), int(told["h"] or 0)


def _drawn(salt: int, place: int, below: int) -> Column:
    """A whole number in [0, below), uniform, a function of the row's number alone."""
    return F.pmod(F.xxhash64("id", F.lit(salt * 16 + place)), F.lit(below))


def _spread(place: Column, users: int) -> Column:
    """Few places spread over all users."""
    return F.pmod(F.xxhash64(place, F.lit(99)), F.lit(users))


def _columns(rows: DataFrame, made: dict[str, Column], table: Table) -> DataFrame:
    """The columns of the contract, null where nothing is made."""
    columns = [made.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in spark_schema(table)]
    return conform(rows.select(*columns), table)
