"""Items and their numbers: append-only, in order of first appearance, so that what comes later renumbers nothing.

New items are numbered after all known ones, in order of (first event, item_id); those without any event follow, by
item_id. Categories and brands likewise, by the first event of their items (but no earlier than they were theirs), then
by name.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltv_features.contract import ITEMS
from ltv_features.identity import DELIVERED
from ltv_features.mapping import Reader
from ltv_features.parsing import words
from ltv_features.profiles import validity
from ltv_features.rules import refusals_of_description
from ltv_features.schemas import spark_schema
from ltv_features.sources import ItemMapping
from ltv_features.tables import Lake

_NAMES = ("category", "brand")
ATTRIBUTES = (*_NAMES, "title")
"""What may be said of an item."""


def category_names(lake: Lake) -> dict[int, str]:
    """The name of every category by its number; empty where no item was ever described."""
    if not lake.exists(ITEMS.name):
        return {}
    known = lake.read(ITEMS.name).where(F.col("category").isNotNull())
    rows = known.groupBy("category_no").agg(F.min("category").alias("name")).collect()
    return {row["category_no"]: row["name"] for row in rows}


def described(rows: DataFrame, mapping: ItemMapping) -> DataFrame:
    """Packed raw rows as item_id, valid_from, category, brand, title, `_rules` (why a row is refused) and its place.

    `_maps_` marks tell which attributes the source speaks of.
    """
    read = Reader(rows)
    item = read(mapping.item, words)
    since = validity(read, mapping)
    facts = {name: read(getattr(mapping, name), words).cast("string") for name in ATTRIBUTES}
    facts |= {f"_maps_{name}": F.lit(getattr(mapping, name) is not None) for name in ATTRIBUTES}
    missing = {"item_missing": item.isNull()}
    refused = refusals_of_description(item, missing=missing, since=since)
    return rows.withColumns({"item_id": item, "valid_from": since.read, **facts, "_rules": refused})


def latest(described_rows: DataFrame) -> DataFrame:
    """One row for each key of `items`: of each attribute what the last delivered row of a source that maps it says."""
    order = F.struct(*DELIVERED)
    said = [F.max_by(name, F.when(F.col(f"_maps_{name}"), order)).alias(name) for name in ATTRIBUTES]
    maps = [F.bool_or(f"_maps_{name}").alias(f"_maps_{name}") for name in ATTRIBUTES]
    return described_rows.groupBy(*ITEMS.key).agg(*said, *maps)


def numbered(lake: Lake, attributes: DataFrame | None, first_seen: DataFrame) -> DataFrame:
    """The rows of `items` that are new or have new attributes, numbers included.

    `attributes`: as `latest` makes them, None where nothing is said; `first_seen`: item_id, first_ts of the events of
    this batch. An item of which only events speak gets a row without attributes; what nobody maps stays as it is known.
    """
    known = lake.read(ITEMS.name) if lake.exists(ITEMS.name) else lake.spark.createDataFrame([], spark_schema(ITEMS))
    there = known.select("item_id")
    if attributes is not None:
        there = there.union(attributes.select("item_id"))
    unsaid = {name: F.lit(None).cast("string") for name in ATTRIBUTES}
    silent = first_seen.join(there, on="item_id", how="left_anti")
    silent = silent.withColumns({"valid_from": F.lit("1970-01-01 00:00:00").cast("timestamp"), **unsaid})
    if attributes is None:
        rows = _with_item_numbers(silent, known).withColumns({f"{name}_no": F.lit(0) for name in _NAMES})
        return rows.select(*ITEMS.column_names)
    attributes = _with_unmapped(attributes, known)
    rows = _with_item_numbers(attributes.join(first_seen, on="item_id", how="left").unionByName(silent), known)
    for name in _NAMES:
        rows = _with_name_numbers(rows, known, name)
    return rows.select(*ITEMS.column_names)


def _with_unmapped(attributes: DataFrame, known: DataFrame) -> DataFrame:
    """`attributes` with what is known of those that no source of the row maps."""
    old = known.select(*ITEMS.key, *[F.col(name).alias(f"_old_{name}") for name in ATTRIBUTES])
    joined = attributes.join(old, on=list(ITEMS.key), how="left")
    said = [
        F.when(F.col(f"_maps_{name}"), F.col(name)).otherwise(F.col(f"_old_{name}")).alias(name) for name in ATTRIBUTES
    ]
    return joined.select(*ITEMS.key, *said)


def _with_item_numbers(rows: DataFrame, known: DataFrame) -> DataFrame:
    """`item_no` of every row: known items keep theirs, new ones follow."""
    old = known.groupBy("item_id").agg(F.max("item_no").alias("item_no"))
    table = rows.groupBy("item_id").agg(F.min("first_ts").alias("_first")).join(old, on="item_id", how="full")
    table = _with_new_numbers(table, "item_no", F.col("item_id"), F.col("_first"), F.col("item_no").isNull())
    return rows.join(table.select("item_id", "item_no"), on="item_id", how="inner")


def _with_new_numbers(rows: DataFrame, number: str, key: Column, first: Column, is_new: Column) -> DataFrame:
    """`number` of new rows: one more than the largest known, in order of (first, key), rows without `first` last."""
    order = Window.partitionBy(is_new).orderBy(first.asc_nulls_last(), key)
    largest = F.coalesce(F.max(number).over(Window.partitionBy()), F.lit(0))
    return rows.withColumn(
        number, F.when(is_new, largest + F.row_number().over(order)).otherwise(F.col(number)).cast("int")
    )


def _with_name_numbers(items: DataFrame, known: DataFrame, name: str) -> DataFrame:
    """`<name>_no` of every item: known names keep theirs, new ones follow, items without a name get 0."""
    number = f"{name}_no"
    old = known.where(F.col(number) > 0).groupBy(name).agg(F.max(number).alias("_no"))
    seen = F.when(F.col("first_ts").isNotNull(), F.greatest("first_ts", "valid_from"))
    names = items.where(F.col(name).isNotNull()).groupBy(name).agg(F.min(seen).alias("_first"))
    table = names.join(old, on=name, how="full")
    table = _with_new_numbers(table, "_no", F.col(name), F.col("_first"), F.col("_no").isNull()).select(name, "_no")
    joined = items.join(F.broadcast(table), on=name, how="left")
    return joined.withColumn(number, F.coalesce(F.col("_no"), F.lit(0))).drop("_no")
