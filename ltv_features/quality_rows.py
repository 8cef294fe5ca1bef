"""The table `quality`: one row a source, kind and delivery; rows of runs that never ended give way to the next."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from operator import itemgetter, or_
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from ltv_features import quality
from ltv_features.config import IngestSettings
from ltv_features.contract import QUALITY
from ltv_features.quality import Delivered
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

SHOWN_DAYS = 30
Name = tuple[str, str]
"""Source and kind."""
Known = Mapping[Name, Sequence[Mapping[str, Any]]]
"""What the table says up to now, as `known_rows` reads it: the rows of each source and kind, oldest first."""


def record(
    lake: Lake, settings: IngestSettings, as_of: date, delivered: Sequence[Delivered], known: Known,
    input_digest: str = "",
) -> list[tuple[str, str]]:  # fmt: skip
    """Writes one row a delivery, commits nothing where the same rows stand; returns problems as (source, words) beside
    those of `quality.too_bad`.

    A delivery without rows is a source that kept silent that night; it says nothing beside one that had rows. Rows of
    runs that were held or killed give way to those of the run that goes on from where they began.
    """
    spoke = {each for each, rows in known.items() if any(row["as_of"] == as_of and row["rows_in"] for row in rows)}
    rows, told = [], []
    for each in delivered:
        if each.rows_in or (each.source, each.kind) not in spoke:
            there = known.get((each.source, each.kind), [])
            finished = [row for row in there if not _gives_way(row, each, as_of)]
            rows.append(quality.row_of(each, settings, as_of, finished) | {"input_digest": input_digest})
            bad = quality.too_bad(each, settings.max_bad_share)
            told += [(each.source, problem) for problem in rows[-1]["problems"] if problem not in bad]
    if old := [condition for each in delivered for condition in _given_way(known, each, as_of)]:
        lake.remove(QUALITY.name, reduce(or_, old))
    if rows:
        taken = {(*name, row["as_of"], row["raw_version"]) for name, some in known.items() for row in some}
        new = taken.isdisjoint(tuple(row[key] for key in QUALITY.key) for row in rows)
        lake.upsert(lake.spark.createDataFrame(rows, spark_schema(QUALITY)), QUALITY, new=new)
    return told


def unfinished(
    known: Known, delivered: Sequence[Delivered], as_of: date, input_digest: str
) -> set[tuple[str, date, str]]:
    """Hops, nights and input digests of other runs that were held or killed before these deliveries were ingested."""
    return {
        (each.name, row["as_of"], row["input_digest"])
        for each in delivered
        for row in known.get((each.source, each.kind), [])
        if row["raw_version"] > each.after and (row["as_of"], row["input_digest"]) != (as_of, input_digest)
    }


def until(lake: Lake, as_of: date) -> list[dict[str, Any]]:
    """The rows of the night and of the month before it, oldest first."""
    if not lake.exists(QUALITY.name):
        return []
    near = F.col("as_of").between(F.lit(as_of - timedelta(SHOWN_DAYS)), F.lit(as_of))
    rows = lake.read(QUALITY.name).where(near).orderBy("as_of", "raw_version", "source")
    return [row.asDict() for row in rows.collect()]


def known_rows(lake: Lake) -> Known:
    """The rows of each source and kind up to now, oldest first."""
    if not lake.exists(QUALITY.name):
        return {}
    known: dict[Name, list[dict[str, Any]]] = {}
    columns = (
        "source",
        "kind",
        "as_of",
        "raw_version",
        "rows_in",
        "input_digest",
        F.unix_micros("newest_ts").alias("newest_us"),
    )
    rows = lake.read(QUALITY.name).select(*columns).collect()
    for row in sorted(rows, key=itemgetter("as_of", "raw_version")):
        known.setdefault((row["source"], row["kind"]), []).append(row.asDict())
    return known


def _gives_way(row: Mapping[str, Any], each: Delivered, as_of: date) -> bool:
    """Whether a known row is of a run that was never finished, or says that the source kept silent that night."""
    return row["raw_version"] > each.after or (bool(each.rows_in) and row["as_of"] == as_of and not row["rows_in"])


def _given_way(known: Known, each: Delivered, as_of: date) -> list[Column]:
    same = (F.col("source") == each.source) & (F.col("kind") == each.kind)
    return [
        same & (F.col("as_of") == F.lit(row["as_of"])) & (F.col("raw_version") == row["raw_version"])
        for row in known.get((each.source, each.kind), [])
        if _gives_way(row, each, as_of) and (row["as_of"], row["raw_version"]) != (as_of, each.raw_version)
    ]
