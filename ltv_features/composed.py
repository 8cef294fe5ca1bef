"""Ids in one spelling: Unicode NFC, so that e + two dots and the single letter are one customer."""

import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.parsing import quoted

COMPOSED = "_composed"


def with_composed_ids(raw: DataFrame, names: Iterable[str | None]) -> DataFrame:
    """`raw` with the named text columns in NFC, and `_composed`: whether that changed one of them.

    Spark has no such function, so the rows go through Arrow, but only for a source with a sign beyond ASCII.
    """
    kinds = {field.name: field.dataType for field in raw.schema}
    ids = sorted({name for name in names if name and isinstance(kinds.get(name), T.StringType)})
    beyond_ascii = [F.coalesce(F.col(quoted(name)).rlike(r"[^\x00-\x7F]"), F.lit(False)) for name in ids]
    if not ids or raw.where(F.array_contains(F.array(*beyond_ascii), True)).isEmpty():
        return raw.withColumn(COMPOSED, F.lit(False))

    places = [raw.columns.index(name) for name in ids]

    def compose(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            changed = np.zeros(batch.num_rows, bool)
            for place in places:
                # not pyarrow.compute.utf8_normalize: its "NFC" takes composed signs apart (seen in 23.0.1)
                said = batch.column(place).to_pylist()
                composed = [None if text is None else unicodedata.normalize("NFC", text) for text in said]
                batch = batch.set_column(
                    place, batch.schema.field(place), pa.array(composed, batch.schema.field(place).type)
                )
                changed |= [one != other for one, other in zip(said, composed, strict=True)]
            yield batch.append_column(COMPOSED, pa.array(changed))

    plain = raw.toDF(*[f"c{place}" for place in range(len(raw.columns))])  # mapInArrow cannot take names with dots
    schema = T.StructType([*plain.schema.fields, T.StructField(COMPOSED, T.BooleanType())])
    return plain.mapInArrow(compose, schema).toDF(*raw.columns, COMPOSED)
