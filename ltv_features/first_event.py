"""Before anything is landed: does anything that is known, or in what was delivered, lie before the night?"""

from collections.abc import Iterable
from datetime import date, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltv_features.as_of import everybodys_events_as_of
from ltv_features.contract import EVENTS
from ltv_features.delivery import READING, read_file
from ltv_features.errors import InputMissing
from ltv_features.land import Landing
from ltv_features.parsing import instant, quoted
from ltv_features.session import session_settings
from ltv_features.tables import Lake


def hold_something_before(lake: Lake, landings: Iterable[Landing], as_of: date, *, earliest: str) -> None:
    """Nothing where `events` or a new file holds an event before `as_of`, or no time that could be read here.

    Times before the day `earliest` are no events: ingest refuses them. Files that are landed already and not ingested
    yet are for ingest to judge. Raises InputMissing where all lie at or after `as_of`.
    """
    there = lake.exists(EVENTS.name)
    if there and not everybodys_events_as_of(lake, as_of).isEmpty():
        return
    found: list[datetime] = []
    for landing in landings:
        if landing.source.events is None or not landing.files:
            continue
        first = _first_event(lake.spark, landing, earliest)
        if first is None or first.date() < as_of:
            return
        found.append(first)
    if there:
        found += [row[0] for row in lake.read(EVENTS.name).agg(F.min("event_ts")).collect() if row[0]]
    if found:
        raise InputMissing(f"no event before {as_of}: the earliest one is of {min(found)} UTC; next: a later --as-of")


def _first_event(spark: SparkSession, landing: Landing, earliest: str) -> datetime | None:
    """None where no time can be read, or a lookup brings it."""
    mapping = landing.source.events
    assert mapping is not None
    name, found = mapping.columns.time, []
    with session_settings(spark, READING):
        for _, file in landing.files:
            if name not in file.columns:
                return None
            rows = read_file(spark, file, landing.source)
            kind = rows.select(quoted(name)).schema[0].dataType
            when = instant(F.col(quoted(name)), kind, formats=mapping.time_formats, zone=mapping.time_zone)
            found.append(rows.agg(F.min(F.when(when >= F.lit(earliest).cast("timestamp"), when))).collect()[0][0])
    return min((when for when in found if when is not None), default=None)
