"""Where the rows of a delivery ended and what they were like, counted in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ltv_features.conditions import TYPES_WITH, is_told
from ltv_features.rules import only_wished

KEPT, DUPLICATE, QUARANTINED, ANONYMOUS = "kept", "duplicates", "quarantined", "anonymous"
UNRELATED = "unrelated"
"""Rows of an event log that say nothing of the items, profiles or links that are read in it too."""


@dataclass(frozen=True)
class Found:
    """Rows by outcome; of refused ones the first reason, and how many only a wish of the shop refused; of kept ones
    what is worth a note, how complete they are by fact, and when they happened.
    """

    counts: Mapping[str, int]
    refused: Mapping[str, int]
    wished: int
    noted: Mapping[str, int] = field(default_factory=dict)
    completeness: Mapping[str, float] = field(default_factory=dict)
    oldest_us: int | None = None
    newest_us: int | None = None


def found_in(rows: DataFrame, notes: Sequence[str] = (), facts: Sequence[str] = ()) -> Found:
    """Of sieved rows (`_outcome`, `_rules`; of events also `_notes` and their columns)."""
    asked: dict[str, Column] = {"_n": F.count("*"), "_wished": F.count_if(only_wished(F.col("_rules")))}
    asked |= {f"_noted_{note}": F.count_if(F.array_contains("_notes", note)) for note in notes}
    for fact in facts:
        fits, says = _says(fact)
        asked |= {f"_fits_{fact}": F.count_if(fits), f"_says_{fact}": F.count_if(says)}
    if "event_ts" in rows.columns:
        asked |= {"_oldest": F.unix_micros(F.min("event_ts")), "_newest": F.unix_micros(F.max("event_ts"))}
    reason = F.when(F.col("_outcome") == QUARANTINED, F.element_at("_rules", 1)).alias("_reason")
    told = rows.groupBy("_outcome", reason).agg(*[column.alias(name) for name, column in asked.items()]).collect()
    kept: Mapping[str, Any] = next((row.asDict() for row in told if row["_outcome"] == KEPT), {})
    return Found(
        counts=_counts(told),
        refused={row["_reason"]: row["_n"] for row in told if row["_outcome"] == QUARANTINED},
        wished=sum(row["_wished"] for row in told if row["_outcome"] == QUARANTINED),
        noted={note: kept[f"_noted_{note}"] for note in notes if kept.get(f"_noted_{note}")},
        completeness={
            fact: kept[f"_says_{fact}"] / kept[f"_fits_{fact}"] for fact in facts if kept.get(f"_fits_{fact}")
        },
        oldest_us=kept.get("_oldest"),
        newest_us=kept.get("_newest"),
    )


def _counts(told: Sequence[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in told:
        counts[row["_outcome"]] = counts.get(row["_outcome"], 0) + row["_n"]
    return counts


def _says(fact: str) -> tuple[Column, Column]:
    """Whether an event has a type with such a fact, and whether it also says it (a number: more than 0)."""
    fits = F.col("event_type").isin(*TYPES_WITH[fact])
    return fits, fits & is_told(fact)
