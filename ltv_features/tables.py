"""The only door to Delta tables: versions, atomic replacement, merges, change reads, and the one door to time.

Every commit that a night makes carries {as_of, input_digest, attempt} in its metadata, so "already done" is a matter of
inputs and never of a run id. `events_as_of` and `users_as_of` are the only way to read events and profiles for a date.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltv_features.contract import EVENTS, USERS, Table
from ltv_features.errors import ContractBroken, InputMissing
from ltv_features.files import join
from ltv_features.schemas import spark_schema


@dataclass(frozen=True)
class Lake:
    """The Delta tables below one root: a folder, or an address such as s3a://bucket/lake."""

    spark: SparkSession
    root: str

    def path(self, name: str) -> str:
        """Where the table lies."""
        return join(self.root, name)

    def exists(self, name: str) -> bool:
        """Whether the table is there."""
        return DeltaTable.isDeltaTable(self.spark, self.path(name))

    def version(self, name: str) -> int | None:
        """The latest version of the table; None when it is not there."""
        if not self.exists(name):
            return None
        return int(self._table(name).history(1).select("version").first()["version"])  # type: ignore[index]

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The table, at `version` when given. Raises InputMissing when it is not there."""
        if not self.exists(name):
            raise InputMissing(f"table {name!r} is not at {self.path(name)}; next: run the job that writes it")
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.path(name))

    def committed(self, name: str, as_of: date) -> str | None:
        """The input digest of the newest commit for `as_of`; None when there was none."""
        return self._last_commit(name, as_of)[1].get("input_digest")

    def night_version(self, name: str, as_of: date) -> int | None:
        """The last version that is of this night: its newest commit and what mended it, not another night's."""
        return self._last_commit(name, as_of)[0]

    def at_night(self, name: str, as_of: date) -> DataFrame:
        """The table as its newest commit for `as_of` left it. Raises InputMissing when there was none."""
        version = self.night_version(name, as_of)
        if version is None:
            raise InputMissing(f"table {name!r} was never made for {as_of}; next: run the job that writes it")
        return self.read(name, version)

    def replace(self, df: DataFrame, table: Table, *, as_of: date, input_digest: str, where: str | None = None) -> int:
        """Replaces the table, or the rows that `where` selects, in one commit; returns the new version.

        Raises ContractBroken when columns differ from the contract or the commit was skipped by a concurrent one.
        """
        before = self.version(table.name)
        if before is not None and (known := tuple(self.read(table.name).columns)) != table.column_names:
            raise ContractBroken(
                f"table {table.name!r}: expected columns {', '.join(table.column_names)}, actual {', '.join(known)}; "
                "next: move the table away, or go back to the horizons it was made for"
            )
        attempt = int(self._last_commit(table.name, as_of)[1].get("attempt", 0)) + 1
        facts = {"as_of": as_of.isoformat(), "input_digest": input_digest, "attempt": attempt}
        writer = (
            conform(df, table)
            .write.format("delta")
            .mode("overwrite")
            .option("userMetadata", json.dumps(facts, sort_keys=True))
            .option("txnAppId", f"{table.name}/{as_of}")
            .option("txnVersion", attempt)
        )
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        if where is not None and before is not None:
            writer = writer.option("replaceWhere", where)
        writer.save(self.path(table.name))
        after = self.version(table.name)
        if after is None or after == before:
            raise ContractBroken(
                f"table {table.name!r}: the commit for {as_of} (attempt {attempt}) was skipped, version is {before}; "
                "another run may have committed it; next: run again"
            )
        return after

    def append(
        self, df: DataFrame, name: str, *, app: str, version: int, note: Mapping[str, Any] | None = None,
        partition_by: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Appends once per (app, version): the same or a lower version again is skipped by Delta without a commit."""
        writer = df.write.format("delta").mode("append").option("txnAppId", app).option("txnVersion", version)
        if note:
            writer = writer.option("userMetadata", json.dumps(note, sort_keys=True))
        if not self.exists(name):
            writer = writer.option("delta.enableChangeDataFeed", "true")
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.save(self.path(name))

    def upsert(self, df: DataFrame, table: Table) -> None:
        """Inserts new keys and updates changed rows; no commit when nothing differs. `df` must be unique by key."""
        rows = conform(df, table)
        if not self.exists(table.name):
            self._insert(rows, table)
            return
        fresh = rows.join(
            self.read(table.name).select(*table.key, _as_text(table).alias("_known")), on=list(table.key), how="left"
        )
        fresh = fresh.where(F.col("_known").isNull() | (F.col("_known") != _as_text(table))).drop("_known")
        if fresh.isEmpty():
            return
        same_key = " AND ".join(f"old.`{k}` = new.`{k}`" for k in table.key)
        merge = self._table(table.name).alias("old").merge(fresh.select(*table.column_names).alias("new"), same_key)
        merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()

    def insert_new(self, df: DataFrame, table: Table) -> None:
        """Inserts rows whose key is not there yet and leaves the others alone; no commit when all keys are known."""
        rows = conform(df, table)
        if self.exists(table.name):
            known = self.read(table.name).select(*table.key)
            rows = rows.join(known, on=list(table.key), how="left_anti").select(*table.column_names)
            if rows.isEmpty():
                return
        self._insert(rows, table)

    def _insert(self, rows: DataFrame, table: Table) -> None:
        """Appends; a table that is made here keeps a change feed."""
        writer = rows.write.format("delta").mode("append")
        if not self.exists(table.name):
            writer = writer.option("delta.enableChangeDataFeed", "true")
        (writer.partitionBy(*table.partition_by) if table.partition_by else writer).save(self.path(table.name))

    def changes(self, name: str, after: int, to: int) -> DataFrame:
        """The rows inserted in versions (after, to]. Raises ContractBroken when rows were updated or deleted there."""
        if to <= after:
            return self.read(name, to).limit(0)
        feed = self.spark.read.format("delta").option("readChangeFeed", "true")
        rows = feed.option("startingVersion", after + 1).option("endingVersion", to).load(self.path(name))
        if not rows.where(F.col("_change_type") != "insert").isEmpty():
            raise ContractBroken(f"table {name!r}: rows changed in versions {after + 1} to {to}; next: rebuild from it")
        return rows.drop("_change_type", "_commit_version", "_commit_timestamp")

    def table_id(self, name: str) -> str:
        """The id that Delta gave the table at its creation; a table made anew has another one."""
        return str(self._snapshot(name).metadata().id())

    def transaction(self, name: str, app: str) -> int | None:
        """The last transaction version that `app` committed to the table; None when there is none, or no table."""
        if not self.exists(name):
            return None
        version = self._snapshot(name).transactions().get(app)
        return int(version.get()) if version.isDefined() else None

    def _snapshot(self, name: str) -> Any:
        jvm: Any = self.spark._jvm
        none = jvm.scala.Option.empty()
        log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.spark._jsparkSession, self.path(name))
        return log.update(False, none, none)

    def _table(self, name: str) -> DeltaTable:
        return DeltaTable.forPath(self.spark, self.path(name))

    def _last_commit(self, name: str, as_of: date) -> tuple[int | None, dict[str, Any]]:
        """What the newest commit for `as_of` noted, and the last version before another night was committed over it."""
        last: int | None = None
        for version, note in self._notes(name):
            last = version if last is None else last
            if note.get("as_of") == as_of.isoformat():
                return last, note
            last = None if note else last
        return None, {}

    def last_note(self, name: str, key: str, value: str) -> dict[str, Any]:
        """The newest note of a commit that says `value` of `key`; an empty one when there is none."""
        return next((note for _, note in self._notes(name) if note.get(key) == value), {})

    def _notes(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Versions, newest first, with what their commits noted."""
        if self.exists(name):
            history = self._table(name).history().orderBy(F.desc("version")).select("version", "userMetadata")
            for row in history.collect():
                yield row["version"], json.loads(row["userMetadata"]) if row["userMetadata"] else {}


def conform(df: DataFrame, table: Table) -> DataFrame:
    """`df` with the table's columns in the contract's order. Raises ContractBroken on one missing, extra or changed."""
    wanted = {field.name: field.dataType.simpleString() for field in spark_schema(table)}
    given = {field.name: field.dataType.simpleString() for field in df.schema}
    if wanted != given:
        missing = sorted(set(wanted) - set(given))
        extra = sorted(set(given) - set(wanted))
        changed = sorted(
            f"{k}: expected {wanted[k]}, actual {given[k]}" for k in set(wanted) & set(given) if wanted[k] != given[k]
        )
        raise ContractBroken(f"table {table.name!r}: missing {missing}, unexpected {extra}, changed {changed}")
    return df.select(*table.column_names)


def on_night(night: date) -> Column:
    """The condition that a row is of this night."""
    return F.col("as_of") == F.lit(night)


def events_as_of(lake: Lake, as_of: date, version: int | None = None) -> DataFrame:
    """Events that happened before `as_of`, at a pinned version of the table when given."""
    happened = (F.col("event_ts") < F.lit(_midnight(as_of))) & (F.col("event_month") <= F.lit(f"{as_of:%Y-%m}"))
    return lake.read(EVENTS.name, version).where(happened)


def users_as_of(lake: Lake, as_of: date, version: int | None = None) -> DataFrame:
    """Profiles valid before `as_of`, undated ones included; an empty frame when no source has profiles."""
    if not lake.exists(USERS.name):
        return lake.spark.createDataFrame([], spark_schema(USERS))
    return lake.read(USERS.name, version).where(F.col("valid_from") < F.lit(_midnight(as_of)))


def _midnight(day: date) -> Any:
    from datetime import UTC, datetime

    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _as_text(table: Table) -> Any:
    return F.to_json(F.struct(*[F.col(c) for c in table.column_names]))
