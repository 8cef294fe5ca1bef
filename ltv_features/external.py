"""A Delta table of the shop's own as a source: its first state, then each commit that added rows, like files.

Landing copies the rows, so that what the shop vacuums or rewrites later changes no night. Each commit lands with its
own time and columns, also where many come at once; a table whose log does not tell all of them any more lands as it is,
with the time of its newest commit. A raw log only grows: a commit that took rows back, or wrote some anew, is refused
by name, and a rebuild of the source takes the table as it is then.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from ltv_features.delivery import DeliveredFile, no_table
from ltv_features.errors import ContractBroken, InputMissing

log = logging.getLogger("ltv")

MOST_COMMITS = 500
"""As many commits are landed one by one the first time."""
_REBUILD = "python -m jobs.operate rebuild {} --config ... --as-of ..."
_REARRANGE = (
    "CREATE TABLE",
    "OPTIMIZE",
    "VACUUM START",
    "VACUUM END",
    "SET TBLPROPERTIES",
    "ADD CONSTRAINT",
    "COMPUTE STATS",
    "FSCK",
)
"""Operations that neither add nor remove a row."""


def commits_of(
    spark: SparkSession, name: str, path: str, known: Iterable[str]
) -> tuple[list[tuple[str, DeliveredFile]], int]:
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
    adding = [row for row in history if row["operation"] not in _REARRANGE]
    if not landed:
        if _told(history, adding):
            return list(_commits(spark, name, path, prefix, adding)), 0
        log.warning("source %s: table %s lands as it is, as if its newest commit had brought every row", name, path)
        return [present(spark, path)], 0
    last = max(landed)
    new = [row for row in history if row["version"] > last]
    if [row["version"] for row in new] != list(range(last + 1, history[-1]["version"] + 1)):
        raise InputMissing(
            f"source {name!r}: table {path} no longer says what happened after version {last}; next: raise its "
            f"delta.logRetentionDuration, and take its present state: {_REBUILD.format(name)}"
        )
    new = [row for row in adding if row["version"] > last]
    return list(_commits(spark, name, path, prefix, new)), len(landed)


def _told(history: Sequence[Row], adding: Sequence[Row]) -> bool:
    """Whether the log still tells which of not too many commits brought every row that is there."""
    return history[0]["version"] == 0 and len(adding) <= MOST_COMMITS and all(row["isBlindAppend"] for row in adding)


def present(spark: SparkSession, path: str) -> tuple[str, DeliveredFile]:
    """The table as it is now, as one delivery."""
    table = DeltaTable.forPath(spark, path)
    row = table.history(1).select("version", F.unix_micros("timestamp").alias("us")).collect()[0]
    rows = _at(spark, path, row["version"])
    mark = f"delta:{table.detail().select('id').collect()[0]['id']}@{row['version']}"
    return mark, DeliveredFile(
        path, tuple(rows.columns), rows.count(), version=row["version"], committed_ts=_utc(row["us"])
    )


def _commits(
    spark: SparkSession, name: str, path: str, prefix: str, new: Sequence[Row]
) -> Iterator[tuple[str, DeliveredFile]]:
    """Each commit with the columns of its own version and the files that it added."""
    before: tuple[int, set[str]] = (-1, set())
    for row in new:
        version = row["version"]
        if not row["isBlindAppend"]:
            raise ContractBroken(
                f"source {name!r}: expected commits of {path} that only add rows, actual {row['operation']} in version "
                f"{version}; next: take the table as it is now: {_REBUILD.format(name)}"
            )
        if before[0] != version - 1 and version > 0:
            before = (version - 1, {*_at(spark, path, version - 1).inputFiles()})
        there = _at(spark, path, version)
        files = {*there.inputFiles()}
        parts = tuple(sorted(files - before[1]))
        before = (version, files)
        rows = spark.read.parquet(*parts).count() if parts else 0
        columns = tuple(there.columns)
        yield (
            f"{prefix}{version}",
            DeliveredFile(path, columns, rows, version=version, parts=parts, committed_ts=_utc(row["us"])),
        )


def _at(spark: SparkSession, path: str, version: int) -> DataFrame:
    return spark.read.format("delta").option("versionAsOf", str(version)).load(path)


def _utc(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
