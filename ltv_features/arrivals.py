"""What of a source is new: how far its raw table was ingested, and the rows that came since.

The mark of how far a source was ingested moves with its events, in one commit: the last Delta transaction of `events`
(app = source and raw table id, version = raw version). Where a delivery brings no event, and of sources without any,
`ingested` holds the mark; what those write can be repeated.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.columns import needed_columns, require_columns
from ltv_features.config import FeatureConfig
from ltv_features.contract import EVENTS, INGESTED
from ltv_features.digest import digest_of
from ltv_features.errors import InputMissing
from ltv_features.identity import PLACE
from ltv_features.land import ANEW, raw_table
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

log = logging.getLogger("ltv")

JOB = "ingest_events"
NEVER = -1


@dataclass(frozen=True)
class Delivery:
    """What a source has in its raw table, how it is read, and how far it was ingested (None: never).

    `afresh`: the source must be read as a whole again, because its mapping changed or a person wants it rebuilt.
    """

    source: str
    mapping: str
    app: str
    version: int
    ingested: int | None
    afresh: bool = False
    has_events: bool = False

    @property
    def is_new(self) -> bool:
        """Whether the raw table moved since, or must be read again."""
        return self.afresh or self.ingested != self.version

    @property
    def after(self) -> int:
        """The version up to which everything was ingested; what is known of later ones was never finished."""
        return NEVER if self.ingested is None else self.ingested


@dataclass(frozen=True)
class Arrived:
    """The rows of a delivery that are there, and how many came and were taken out of the raw table again since."""

    rows: DataFrame
    erased: int = 0


def deliveries_of(lake: Lake, settings: FeatureConfig, names: Iterable[str]) -> dict[str, Delivery]:
    """Raises InputMissing where a source was never landed, ContractBroken where its table lacks a mapped column."""
    marks = _marks(lake)
    return {name: _delivery_of(lake, settings, name, marks) for name in names}


def _delivery_of(lake: Lake, settings: FeatureConfig, name: str, marks: Mapping[str, tuple[int, str]]) -> Delivery:
    table = raw_table(name)
    version = lake.version(table)
    if version is None:
        raise InputMissing(f"source {name!r} is not landed: no table {lake.path(table)}; next: run land_files")
    needed = needed_columns(name, settings.sources, settings.shop.rates)
    require_columns(needed, lake.read(table, version).columns, where=f"source {name!r}, table {lake.path(table)}")
    app = f"{JOB}/{name}/{lake.table_id(table)}"
    source = settings.sources[name]
    mapping = digest_of(source.model_dump(mode="json", exclude={"path"}), settings.shop.model_dump(include=_DECIDES))
    at, under = marks.get(_mark_of(lake, app, has_events=source.events is not None), (None, ""))
    if source.events is None:
        return Delivery(name, mapping, app, version, at, afresh=at is not None and under != mapping)
    with_events = lake.transaction(EVENTS.name, app)
    ingested = max((mark for mark in (at, with_events) if mark is not None), default=None)
    before = lake.last_note(EVENTS.name, "source", name).get("mapping", mapping)
    if ingested is not None and before != mapping:
        log.warning(
            "source %s: its mapping changed; rows that were ingested before stay as they were; "
            "python -m jobs.operate rebuild %s reads them again",
            name,
            name,
        )
    return Delivery(
        name, mapping, app, version, ingested, afresh=_landed_anew(lake, table, ingested, version), has_events=True
    )


def _landed_anew(lake: Lake, table: str, ingested: int | None, version: int) -> bool:
    """Whether a rebuild landed the whole table again and was killed before its events were replaced."""
    if ingested is None or lake.only_appended(table, ingested, version):
        return False
    return any(commit.note.get(ANEW) for commit in lake.history(table, version) if commit.version > ingested)


_DECIDES = {"currency", "minor_digits", "rates"}
"""What of the shop's settings decides what a row becomes."""


def _marks(lake: Lake) -> dict[str, tuple[int, str]]:
    """The raw versions that `ingested` holds, and the mappings that read them."""
    if not lake.exists(INGESTED.name):
        return {}
    rows = lake.read(INGESTED.name).select("app", "raw_version", "mapping").collect()
    return {row["app"]: (int(row["raw_version"]), str(row["mapping"])) for row in rows}


def _mark_of(lake: Lake, app: str, *, has_events: bool) -> str:
    """Under which name `ingested` holds a mark: of a source of events it goes with their table, as their commits do."""
    return f"{app}/{lake.table_id(EVENTS.name)}" if has_events and lake.exists(EVENTS.name) else app


def mark(lake: Lake, deliveries: Sequence[Delivery]) -> None:
    """Moves the marks of deliveries that are ingested, in one commit."""
    rows = [(_mark_of(lake, each.app, has_events=each.has_events), each.version, each.mapping) for each in deliveries]
    if rows:
        lake.upsert(lake.spark.createDataFrame(rows, spark_schema(INGESTED)), INGESTED)


def arrived(lake: Lake, delivery: Delivery) -> Arrived:
    """The delivery's rows: all of the table the first time and afresh, else those that came since.

    Rows that a person took out again, an erasure, are not read; earlier ones that went are nobody's news.
    """
    table = raw_table(delivery.source)
    if delivery.ingested is None or delivery.afresh:
        return Arrived(lake.read(table, delivery.version))
    feed = lake.feed(table, delivery.ingested, delivery.version)
    came = feed.where(F.col("_change_type") == "insert").drop("_change_type")
    if lake.only_appended(table, delivery.ingested, delivery.version):
        return Arrived(came)
    there = lake.read(table, delivery.version)
    still = there.join(came.select(*PLACE), on=list(PLACE), how="left_semi").select(*there.columns)
    return Arrived(still, came.count() - still.count())
