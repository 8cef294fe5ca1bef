"""Delta tables as they are and were: versions, nights, notes of commits, changes between versions.

"Already done" is a matter of the inputs that a commit notes, and never of a run id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ltv_features import commits
from ltv_features.commits import Note
from ltv_features.errors import InputMissing
from ltv_features.files import join


@dataclass(frozen=True)
class LakeReads:
    """What can be read of the Delta tables below one root: a folder, or an address such as s3a://bucket/lake."""

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
