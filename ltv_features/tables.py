"""The only door to Delta tables: what `LakeReads` reads, atomic replacement, merges, appends.

Every commit that a night makes carries {as_of, input_digest, attempt} in its metadata. Events and profiles are read for
a date through `as_of`, the only door to time.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.commits import Note
from ltv_features.contract import Table
from ltv_features.errors import ContractBroken
from ltv_features.lake_reads import LakeReads
from ltv_features.schemas import conform
from ltv_features.session import session_settings

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
"""The note of a commit that a merge makes: it takes it from the session alone."""


class Lake(LakeReads):
    """The Delta tables below one root, to be read and written."""

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
        with session_settings(self.spark, {
            _METADATA: json.dumps(note, sort_keys=True),
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

    def upsert(self, df: DataFrame, table: Table, note: Note | None = None, *, new: bool = False) -> None:
        """Inserts new keys and updates changed rows; no commit when nothing differs. `df` must be unique by key.

        `note`: what its commit says. `new`: the caller has looked for all keys and found none, and a claim keeps others
        from adding them; so nothing is looked for again.
        """
        rows = conform(df, table)
        if new or not self.exists(table.name):
            self._insert(rows, table, note)
            return
        known = self.read(table.name).select(*table.key, _as_text(table).alias("_known"))
        fresh = rows.join(known, on=list(table.key), how="left")
        # checkpointed: worked out once, and a merge plans its source several times
        fresh = fresh.where(F.col("_known").isNull() | (F.col("_known") != _as_text(table))).localCheckpoint()
        changed, all_fresh = fresh.agg(F.count("_known"), F.count(F.lit(1))).collect()[0]
        if not all_fresh:
            return
        same_key = " AND ".join(f"old.`{k}` = new.`{k}`" for k in table.key)
        merge = self._table(table.name).alias("old").merge(fresh.select(*table.column_names).alias("new"), same_key)
        merge = merge.whenNotMatchedInsertAll()  # alone it is made in one pass
        with session_settings(self.spark, {_METADATA: json.dumps(note, sort_keys=True)} if note else {}):
            (merge.whenMatchedUpdateAll() if changed else merge).execute()

    def remove(self, name: str, condition: Column) -> None:
        """Deletes the rows that fulfil the condition; no commit where there are none."""
        if self.exists(name) and not self.read(name).where(condition).isEmpty():
            self._table(name).delete(condition)

    def _insert(self, rows: DataFrame, table: Table, note: Note | None) -> None:
        """Appends; a table that is made here keeps a change feed."""
        writer = rows.write.format("delta").mode("append")
        if note:
            writer = writer.option("userMetadata", json.dumps(note, sort_keys=True))
        if not self.exists(table.name):
            writer = writer.option("delta.enableChangeDataFeed", "true")
        (writer.partitionBy(*table.partition_by) if table.partition_by else writer).save(self.path(table.name))

    def _table(self, name: str) -> DeltaTable:
        return DeltaTable.forPath(self.spark, self.path(name))


def _as_text(table: Table) -> Any:
    return F.to_json(F.struct(*[F.col(c) for c in table.column_names]))
