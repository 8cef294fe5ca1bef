"""A Delta table of the shop's own as a source: its first state, then each commit that added rows, like files.

Landing copies the rows, so that what the shop vacuums or rewrites later changes no night. The first state lands with
the time of its newest commit, every later commit with its own. A raw log only grows: a commit that took rows back, or
wrote some anew, is refused by name.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from ltv_features.delivery import Delivered, no_table
from ltv_features.errors import ContractBroken, InputMissing

_REARRANGE = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD CONSTRAINT", "COMPUTE STATS", "FSCK")
"""Operations that neither add nor remove a row."""


def commits_of(
    spark: SparkSession, name: str, path: str, known: Iterable[str]
) -> tuple[list[tuple[str, Delivered]], int]:
    """What of the table is new, by mark, oldest first, and how many deliveries of it are known.

    Raises InputMissing when there is no Delta table or its log no longer reaches back to what was landed last,
    ContractBroken when rows were taken back since.
    """
    if not DeltaTable.isDeltaTable(spark, path):
        raise no_table(name, path)
    table = DeltaTable.forPath(spark, path)
    facts = table.detail().select("id", F.col("properties")["delta.columnMapping.mode"].alias("mapping")).collect()[0]
    if (facts["mapping"] or "none") != "none":
        raise ContractBroken(
            f"source {name!r}: table {path} renames its columns (column mapping {facts['mapping']!r}), which is not "
            "read; next: deliver Parquet files"
        )
    prefix = f"delta:{facts['id']}@"
    landed = [int(mark.removeprefix(prefix)) for mark in known if mark.startswith(prefix)]
    stamp = F.unix_micros("timestamp").alias("us")
    history = table.history().select("version", stamp, "operation", "isBlindAppend").orderBy("version").collect()
    columns = tuple(table.toDF().columns)
    if not landed:
        return [(f"{prefix}{history[-1]['version']}", _whole(spark, path, columns, history[-1]))], 0
    last = max(landed)
    new = [row for row in history if row["version"] > last]
    if [row["version"] for row in new] != list(range(last + 1, history[-1]["version"] + 1)):
        raise InputMissing(
            f"source {name!r}: table {path} no longer says what happened after version {last}; next: raise its "
            "delta.logRetentionDuration, and land its present state under a new source name"
        )
    adding = [row for row in new if row["operation"] not in _REARRANGE]
    return [(f"{prefix}{row['version']}", _commit(spark, name, path, columns, row)) for row in adding], len(landed)


def _whole(spark: SparkSession, path: str, columns: tuple[str, ...], row: Row) -> Delivered:
    rows = _at(spark, path, row["version"]).count()
    return Delivered(path, columns, rows, version=row["version"], committed_ts=_utc(row["us"]))


def _commit(spark: SparkSession, name: str, path: str, columns: tuple[str, ...], row: Row) -> Delivered:
    version = row["version"]
    if not row["isBlindAppend"]:
        raise ContractBroken(
            f"source {name!r}: expected commits of {path} that only add rows, actual {row['operation']} in version "
            f"{version}; next: land the table under a new source name, which reads it as it is now"
        )
    before = {*_at(spark, path, version - 1).inputFiles()}
    parts = tuple(sorted({*_at(spark, path, version).inputFiles()} - before))
    rows = spark.read.parquet(*parts).count() if parts else 0
    return Delivered(path, columns, rows, version=version, parts=parts, committed_ts=_utc(row["us"]))


def _at(spark: SparkSession, path: str, version: int) -> DataFrame:
    return spark.read.format("delta").option("versionAsOf", str(version)).load(path)


def _utc(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
