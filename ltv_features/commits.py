"""What the commits of a Delta table noted: for which night they were made, and from which inputs.

The note is JSON in Delta's user metadata. A night's commit says at least {as_of, input_digest, attempt}; maintenance
says nothing and belongs to the night before it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

Note = dict[str, Any]


@dataclass(frozen=True)
class Commit:
    """One version: what it noted (nothing: an empty text), and whether it only added rows."""

    version: int
    text: str
    only_added: bool

    @property
    def note(self) -> Note:
        """The note; an empty one where there is none."""
        return dict(json.loads(self.text)) if self.text else {}


@lru_cache(maxsize=64)
def commits(spark: SparkSession, path: str, table_id: str, latest: int) -> tuple[Commit, ...]:
    """The commits of a table up to `latest`, newest first; read once, because a version never changes."""
    rows = DeltaTable.forPath(spark, path).history().select("version", "userMetadata", "isBlindAppend").collect()
    made = [Commit(row["version"], row["userMetadata"] or "", bool(row["isBlindAppend"])) for row in rows]
    return tuple(sorted((each for each in made if each.version <= latest), key=lambda each: -each.version))


def nights(made: tuple[Commit, ...]) -> Iterator[tuple[int, Note]]:
    """Notes of commits for a night, newest first, each with the last version before another night was committed."""
    last: int | None = None
    for commit in made:
        last = commit.version if last is None else last
        if "as_of" in (note := commit.note):
            yield last, note
            last = None
