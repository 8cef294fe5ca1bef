"""Spark makes a shop of any size: blocks of shopper numbers go out, rows come back.

A row depends on the shop and its shopper alone, so neither the number of partitions nor the size of a block changes
one; only their order.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from ltv_features.synthetic import Account, Form, Shop, Shoppers, account_of, expected_spend_minor, log
from ltv_features.synthetic.delivery import customers_text, items_text, lines, log_text
from ltv_features.synthetic.dirt import PLANTED
from ltv_features.synthetic.draws import Ints
from ltv_features.synthetic.logs import LOG_SCHEMA
from ltv_features.synthetic.names import names

BLOCK = 1_000
"""Shoppers made at once: about half a million rows of a usual year."""

Make = Callable[[Ints], pa.Table]

TRUTH_SCHEMA = pa.schema(
    {
        "customer": pa.string(),
        "joined_day": pa.float64(),
        "drop_out_day": pa.float64(),
        "gross_minor": pa.float64(),
        "net_minor": pa.float64(),
    }
)


def log_frame(spark: SparkSession, shop: Shop, *, partitions: int) -> DataFrame:
    """LOG_SCHEMA: the clean log with types, as a shop would deliver it in Parquet."""
    return _blocks(spark, shop, partitions, LOG_SCHEMA, lambda numbers: log(shop, numbers))


def truth_frame(spark: SparkSession, shop: Shop, day: float, horizon_days: float, *, partitions: int) -> DataFrame:
    """TRUTH_SCHEMA: what every customer who had joined by `day` truly spends in [day, day + horizon)."""

    def make(numbers: Ints) -> pa.Table:
        shoppers = Shoppers.of(shop, numbers)
        spend = {
            f"{name}_minor": expected_spend_minor(shop, shoppers, day, horizon_days, net=name == "net")
            for name in ("gross", "net")
        }
        columns = {"joined_day": shoppers.joined_day, "drop_out_day": shoppers.drop_out_day, **spend}
        whole = pa.table({"customer": names("c", numbers), **columns}, schema=TRUTH_SCHEMA)
        return whole.filter(pa.array((shoppers.joined_day < day) & ~shoppers.guest))

    return _blocks(spark, shop, partitions, TRUTH_SCHEMA, make)


def log_text_frame(spark: SparkSession, shop: Shop, form: Form, *, partitions: int) -> DataFrame:
    """The log as text with its bad rows, and PLANTED; see `synthetic.delivery.log_text`."""
    schema = pa.schema([(name, pa.string()) for name in (*form.columns, PLANTED)])
    return _blocks(spark, shop, partitions, schema, lambda numbers: log_text(shop, form, numbers))


def account(spark: SparkSession, shop: Shop, form: Form, *, partitions: int) -> Account:
    """The exact account of the whole log: the shop is made once more to count it."""
    rows = log_text_frame(spark, shop, form, partitions=partitions).groupBy(PLANTED).count().collect()
    return account_of({row[PLANTED]: row["count"] for row in rows})


def write_sources(spark: SparkSession, shop: Shop, form: Form, folder: str, *, partitions: int) -> None:
    """The CSV folders `log`, `customers` and `items` below `folder`, one file a partition, each with its header."""
    made: dict[str, Make] = {
        "log": lambda numbers: log_text(shop, form, numbers),
        "customers": lambda numbers: customers_text(shop, numbers),
    }
    for source, make in made.items():
        text = _lines(spark, shop, partitions, make)
        text.write.mode("error").text(f"{folder}/{source}")
    if "item" in form.columns:
        items = items_text(shop)
        rows = [(line,) for line in (",".join(items.column_names), *lines(items).to_pylist())]
        spark.createDataFrame(rows, "value string").coalesce(1).write.text(f"{folder}/items")


def _blocks(spark: SparkSession, shop: Shop, partitions: int, schema: pa.Schema, make: Make) -> DataFrame:
    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for numbers in _numbers(batches):
            yield from make(numbers).select(schema.names).cast(schema).to_batches(max_chunksize=20_000)

    return _numbered(spark, shop, partitions).mapInArrow(rows, from_arrow_schema(schema))


def _lines(spark: SparkSession, shop: Shop, partitions: int, make: Make) -> DataFrame:
    """Each partition is one file: its header first, once."""

    def text(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        header_is_due = True
        for numbers in _numbers(batches):
            table = make(numbers)
            if header_is_due:
                header = ",".join(name for name in table.column_names if name != PLANTED)
                yield pa.record_batch({"value": pa.array([header], pa.string())})
                header_is_due = False
            yield pa.record_batch({"value": lines(table)})

    return _numbered(spark, shop, partitions).mapInArrow(text, T.StructType([T.StructField("value", T.StringType())]))


def _numbered(spark: SparkSession, shop: Shop, partitions: int) -> DataFrame:
    starts = spark.range(0, shop.users, BLOCK, numPartitions=partitions)
    return starts.select(F.col("id"), F.least(F.col("id") + F.lit(BLOCK), F.lit(shop.users)).alias("end"))


def _numbers(batches: Iterator[pa.RecordBatch]) -> Iterator[Ints]:
    for batch in batches:
        for start, end in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            yield np.arange(start, end, dtype=np.int64)
