"""One left join a source that brings columns of another landed source."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.columns import require_columns
from ltv_features.composed import with_composed_ids
from ltv_features.errors import ContractBroken
from ltv_features.parsing import quoted, words
from ltv_features.sources import Lookup


def with_lookup(rows: DataFrame, raw: DataFrame, lookup: Lookup) -> DataFrame:
    """`rows` with the struct `_brought` and `_lookup_missed` (only ever true when the lookup is required).

    Keys are compared as trimmed text in NFC; own ones come in it. Of several deliveries of a key the latest landed
    counts. Raises ContractBroken when one delivery says two things about one key, or when a brought column is also an
    own column.
    """
    own = rows.schema["_own"].dataType
    require_columns(lookup.on, own.names, where=f"lookup in {lookup.source!r}")  # type: ignore[attr-defined]
    require_columns([*lookup.on.values(), *lookup.columns], raw.columns, where=f"lookup source {lookup.source!r}")
    clash = sorted(set(lookup.columns) & set(own.names))  # type: ignore[attr-defined]
    if clash:
        raise ContractBroken(
            f"lookup in {lookup.source!r}: columns {clash} are also columns of the source; next: rename "
            "them in one of the files"
        )
    table = _by_key(with_composed_ids(raw, lookup.on.values()), lookup)
    kinds = {field.name: field.dataType for field in own.fields}  # type: ignore[attr-defined]
    same = [words(F.col(f"_own.{quoted(c)}"), kinds[c]) == table[f"_key{i}"] for i, c in enumerate(lookup.on)]
    joined = rows.join(F.broadcast(table), on=same, how="left").drop(*[f"_key{i}" for i in range(len(same))])
    return joined.withColumn("_lookup_missed", F.lit(lookup.required) & F.col("_brought").isNull())


def _by_key(raw: DataFrame, lookup: Lookup) -> DataFrame:
    """One row a key: `_key0`, `_key1`, ... and `_brought` of its latest delivery."""
    kinds = {field.name: field.dataType for field in raw.schema.fields}
    keys = {f"_key{i}": words(F.col(quoted(c)), kinds[c]) for i, c in enumerate(lookup.on.values())}
    brought = F.struct(*[F.col(quoted(c)) for c in lookup.columns])
    said = raw.select(*[c.alias(k) for k, c in keys.items()], brought.alias("_brought"), "_landed_ts", "_file_sha256")
    delivered = F.struct("_landed_ts", "_file_sha256")
    each = said.groupBy(*keys, delivered.alias("_delivery")).agg(
        F.first("_brought").alias("_brought"), F.count_distinct(F.to_json("_brought")).alias("_versions")
    )
    if not (torn := each.where("_versions > 1").limit(1)).isEmpty():
        raise ContractBroken(
            f"lookup in {lookup.source!r}: expected one row a key, actual: {torn.count()} or more keys with "
            "contradicting rows in one file; next: deliver a file with one row for each key"
        )
    return each.groupBy(*keys).agg(F.max_by("_brought", "_delivery").alias("_brought"))
