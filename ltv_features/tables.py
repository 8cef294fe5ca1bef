"""The only door to Delta tables: versions, atomic replacement, merges, change reads.

Every commit that a night makes carries {as_of, input_digest, attempt} in its metadata, so "already done" is a matter of
inputs and never of a run id. Events and profiles are read for a date through `as_of`, the only door to time.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltv_features import commits
from ltv_features.commits import Note
from ltv_features.contract import Table
from ltv_features.errors import ContractBroken, InputMissing
from ltv_features.files import join
from ltv_features.schemas import conform
from ltv_features.session import session_settings


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
        return int(self._snapshot(name).version())

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

    def replace(
        self, df: DataFrame, table: Table, *, as_of: date, input_digest: str, where: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Replaces the table, or the rows that `where` selects, in one commit; returns the new version.

        `facts` are noted with the commit. Raises ContractBroken when columns differ from the contract or the commit was
        skipped by a concurrent one.
        """
        before = self.version(table.name)
        if before is not None and (known := tuple(self.read(table.name).columns)) != table.column_names:
            raise ContractBroken(
                f"table {table.name!r}: expected columns {', '.join(table.column_names)}, actual {', '.join(known)}; "
                "next: move the table away, or go back to the horizons it was made for"
            )
        note = self._note(table, as_of, input_digest, facts)
        writer = (
            conform(df, table)
            .write.format("delta")
            .mode("overwrite")
            .option("userMetadata", json.dumps(note, sort_keys=True))
            .option("txnAppId", f"{table.name}/{as_of}")
            .option("txnVersion", note["attempt"])
        )
        if before is None and table.key:
            writer = writer.option("delta.enableDeletionVectors", "true")
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        if where is not None and before is not None:
            writer = writer.option("replaceWhere", where)
        writer.save(self.path(table.name))
        return self._risen(table, before, note)

    def merge(
        self, df: DataFrame, table: Table, *, by: tuple[str, ...], as_of: date, input_digest: str,
        facts: Mapping[str, Any],
    ) -> int:  # fmt: skip
        """Updates and inserts a night's rows in one commit, the rest stays; returns the new version.

        `by` names columns that are as unique as the key; `facts` are noted. Raises ContractBroken as `replace` does.
        """
        before, note = self.version(table.name), self._note(table, as_of, input_digest, facts)
        rows = conform(df, table)
        same_key = " AND ".join(f"old.`{k}` = new.`{k}`" for k in by)
        merge = self._table(table.name).alias("old").merge(rows.alias("new"), same_key)
        # a merge takes these from the session alone
        with session_settings(self.spark, {
            "spark.databricks.delta.commitInfo.userMetadata": json.dumps(note, sort_keys=True),
            "spark.databricks.delta.write.txnAppId": f"{table.name}/{as_of}",
            "spark.databricks.delta.write.txnVersion": str(note["attempt"]),
        }):  # fmt: skip
            merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
        return self._risen(table, before, note)

    def _note(self, table: Table, as_of: date, input_digest: str, facts: Mapping[str, Any] | None) -> Note:
        attempt = (self.transaction(table.name, f"{table.name}/{as_of}") or 0) + 1
        return {"as_of": as_of.isoformat(), "input_digest": input_digest, "attempt": attempt, **(facts or {})}

    def _risen(self, table: Table, before: int | None, note: Mapping[str, Any]) -> int:
        after = self.version(table.name)
        if after is None or after == before:
            raise ContractBroken(
                f"table {table.name!r}: the commit for {note['as_of']} (attempt {note['attempt']}) was skipped, "
                f"version is {before}; another run may have committed it; next: run again"
            )
        return after

    def append(
        self, df: DataFrame, name: str, *, app: str, version: int, note: Mapping[str, Any] | None = None,
        partition_by: tuple[str, ...] = (), instead_of: str | None = None,
    ) -> None:  # fmt: skip
        """Appends once per (app, version): the same or a lower version again is skipped by Delta without a commit.

        Rows that fulfil `instead_of` give way in the same commit.
        """
        writer = df.write.format("delta").mode("append").option("txnAppId", app).option("txnVersion", version)
        if instead_of and self.exists(name):
            writer = writer.mode("overwrite").option("replaceWhere", instead_of)
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

    def remove(self, name: str, condition: Column) -> None:
        """Deletes the rows that fulfil the condition; no commit where there are none."""
        if self.exists(name) and not self.read(name).where(condition).isEmpty():
            self._table(name).delete(condition)

    def _insert(self, rows: DataFrame, table: Table) -> None:
        """Appends; a table that is made here keeps a change feed."""
        writer = rows.write.format("delta").mode("append")
        if not self.exists(table.name):
            writer = writer.option("delta.enableChangeDataFeed", "true")
        (writer.partitionBy(*table.partition_by) if table.partition_by else writer).save(self.path(table.name))

    def feed(self, name: str, after: int, to: int) -> DataFrame:
        """Changes of versions (after, to] with `_change_type`: insert, delete, update_preimage or update_postimage."""
        if to <= after:
            return self.read(name, to).limit(0).withColumn("_change_type", F.lit("insert"))
        feed = self.spark.read.format("delta").option("readChangeFeed", "true")
        rows = feed.option("startingVersion", after + 1).option("endingVersion", to).load(self.path(name))
        return rows.drop("_commit_version", "_commit_timestamp")

    def only_appended(self, name: str, after: int, to: int) -> bool:
        """Whether versions (after, to] did nothing but add rows, as far as their commits are still known."""
        added = [commit.only_added for commit in self._commits(name) if after < commit.version <= to]
        return len(added) == to - after and all(added)

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

    def night_until(self, name: str, as_of: date) -> tuple[int, Note] | None:
        """The latest night up to and with `as_of`: its last version, and what its newest commit noted."""
        until = [each for each in self._nights(name) if each[1]["as_of"] <= as_of.isoformat()]
        return max(until, key=lambda each: str(each[1]["as_of"])) if until else None

    def notes(self, name: str) -> Iterator[Note]:
        """What the commits of a table noted, newest first; nothing where there is no table."""
        return (commit.note for commit in self._commits(name))

    def history(self, name: str, latest: int) -> tuple[commits.Commit, ...]:
        """The commits of a table up to version `latest`, newest first."""
        return commits.commits(self.spark, self.path(name), self.table_id(name), latest)

    def last_note(self, name: str, key: str, value: str) -> Note:
        """The newest note of a commit that says `value` of `key`; an empty one when there is none."""
        return next((note for note in self.notes(name) if note.get(key) == value), {})

    def _last_commit(self, name: str, as_of: date) -> tuple[int | None, Note]:
        """The newest commit for `as_of`."""
        mine = (each for each in self._nights(name) if each[1]["as_of"] == as_of.isoformat())
        return next(mine, (None, {}))

    def _nights(self, name: str) -> Iterator[tuple[int, Note]]:
        return commits.nights(self._commits(name))

    def _commits(self, name: str) -> tuple[commits.Commit, ...]:
        version = self.version(name)
        return () if version is None else self.history(name, version)


def _as_text(table: Table) -> Any:
    return F.to_json(F.struct(*[F.col(c) for c in table.column_names]))
