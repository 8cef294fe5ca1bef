"""Event ids and duplicates: every delivered row gets one identity, and each identity becomes one event.

A source without ids gets hash(source, row, occurrence number in its file): two identical lines of one basket both live,
and the same file content delivered again, alone or inside a larger file, brings nothing new. Where a source asks for
it, rows that say the same are one event wherever they stand and whatever their ids. Only rows whose key occurs twice
are sorted, so a clean delivery costs one narrow aggregation.
"""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.parsing import quoted

PLACE = ("_file_sha256", "_row_number")
DELIVERED = ("_landed_ts", *PLACE)
"""The order in which rows were delivered."""
Identity = Literal["id", "row", "content"]
"""What tells events of a source apart: an id of its own, the delivered row and its occurrence, or what is said."""


def row_hash(source: str, own: T.StructType) -> Column:
    """128 bits as 32 hexadecimal digits from the source and all own columns of `_own`, in order of their names.

    Nested columns enter as JSON.
    """
    columns = []
    for field in sorted(own.fields, key=lambda field: field.name):
        column = F.col(f"_own.{quoted(field.name)}")
        nested = isinstance(field.dataType, T.StructType | T.ArrayType | T.MapType)
        columns.append(F.to_json(F.struct(column)) if nested else column)
    return _hash_128(source, columns)


def content_hash(source: str, *, rated: bool) -> Column:
    """128 bits as 32 hexadecimal digits from the source and what the event says, where there are rates before them."""
    return _hash_128(source, [F.col(_UNRATED.get(name, name) if rated else name) for name in SAID])


def _hash_128(source: str, columns: Sequence[Column]) -> Column:
    """Two 64-bit hashes with different beginnings.

    Each value is hashed beside whether it is null, because Spark's hash passes over nulls and would otherwise take
    (null, a) for (a, null).
    """
    parts = [part for column in columns for part in (column, column.isNull())]
    halves = [F.xxhash64(F.lit(f"{source}/{half}"), *parts) for half in ("a", "b")]
    return F.concat(*[F.lpad(F.lower(F.hex(half)), 16, "0") for half in halves])


SAID = (
    "user_id", "visitor_id", "event_type", "event_ts", "order_id", "item_id", "quantity", "amount_minor",
    "discount_minor", "currency", "rating", "dwell_seconds", "promotion_id",
)  # fmt: skip
"""The columns of an event that two rows with one own id must agree in; what differs is a conflict, not a duplicate."""


_UNRATED = {"amount_minor": "_unrated_amount", "discount_minor": "_unrated_discount"}
"""What `money.with_money` says of amounts before their rate."""


def said(home: str | None) -> Column:
    """64 bits of what an event says; without money in another currency than `home`, whose rate may have changed since.

    `home` is None where a shop has no rates.
    """
    columns = {name: F.col(name) for name in SAID}
    if home is not None:
        own = F.coalesce(F.col("currency"), F.lit(home)) == F.lit(home)
        columns |= {name: F.when(own, F.col(name)) for name in _UNRATED}
    return F.xxhash64(*[part for column in columns.values() for part in (column, column.isNull())])


def with_identity(rows: DataFrame, *, by: Identity, good: Column, home: str | None = None) -> DataFrame:
    """`rows` (with `_key`: own id, row hash or content hash) with `event_id`, `_repeated` and `_conflict`.

    Repeated: another row of the batch has this id. The row that landed first stays, whether both are ingested at once
    or night by night; of those that landed together the earliest event, then the first by (file, row number), so that a
    row from the future never takes the place of one from the past. In conflict: it says something else than the one
    that stays. Rows that are not `good` take no part: a refused row must not make its corrected
    repetition a duplicate.
    """
    checked = rows.where(good).select("_key", "event_ts", "_landed_ts", *PLACE, said(home).alias("_said"))
    checked = checked.withColumn("_short", F.xxhash64("_key"))
    # by a short hash, which is quick and finds every repetition and by chance a row more
    twice = checked.groupBy("_short").agg(F.count("*").alias("_n")).where("_n > 1").select("_short")
    none = F.lit(False)
    if twice.isEmpty():
        return rows.withColumns({"event_id": _event_id(by, F.lit(0)), "_repeated": none, "_conflict": none})
    repeated = checked.join(twice, on="_short", how="left_semi")
    in_file = Window.partitionBy("_key", "_file_sha256").orderBy("_row_number")
    repeated = repeated.withColumn("_occurrence", F.row_number().over(in_file) - 1 if by == "row" else F.lit(0))
    overall = Window.partitionBy("_key", "_occurrence").orderBy("_landed_ts", "event_ts", *PLACE)
    marks = {
        "_repeated": F.row_number().over(overall) > 1,
        "_conflict": F.lit(by == "id") & (F.first("_said").over(overall) != F.col("_said")),
    }
    repeated = repeated.withColumns(marks).select(*PLACE, "_occurrence", *marks).persist()
    marked = rows.join(repeated, on=list(PLACE), how="left")
    occurrence = F.coalesce(F.col("_occurrence"), F.lit(0))
    known = {name: F.coalesce(F.col(name), none) for name in marks}
    return marked.withColumns({"event_id": _event_id(by, occurrence)} | known)


def _event_id(by: Identity, occurrence: Column) -> Column:
    return F.concat_ws("-", "_key", occurrence) if by == "row" else F.col("_key")
