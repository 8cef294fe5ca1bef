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
    yet are for ingest to judge. Raises InputMissing where all lie at or after `as_of`, or nothing holds a single row.
    """
    there = lake.exists(EVENTS.name)
    if there and not everybodys_events_as_of(lake, as_of).isEmpty():
        return
    found: list[datetime] = []
    told = [landing for landing in landings if landing.source.events is not None]
    for landing in told:
        rows, first = _first_event(lake.spark, landing, earliest)
        if rows and (first is None or first.date() < as_of):
            return
        found += [first] if first else []
    if not there and any(landing.known_files for landing in told):
        return
    if there:
        found += [row[0] for row in lake.read(EVENTS.name).agg(F.min("event_ts")).collect() if row[0]]
    if found:
        raise InputMissing(f"no event before {as_of}: the earliest one is of {min(found)} UTC; next: a later --as-of")
    if told and not there:
        raise InputMissing(f"no event before {as_of}: what was delivered holds no row; next: look into the files")


def _first_event(spark: SparkSession, landing: Landing, earliest: str) -> tuple[int, datetime | None]:
    """How many rows there are, and their first time; at least one and None where no time can be read here."""
    mapping = landing.source.events
    assert mapping is not None
    name, found, rows = mapping.columns.time, [], 0
    with session_settings(spark, READING):
        for _, file in landing.files:
            if name not in file.columns:
                return 1, None
            delivered = read_file(spark, file, landing.source)
            kind = delivered.select(quoted(name)).schema[0].dataType
            when = instant(F.col(quoted(name)), kind, formats=mapping.time_formats, zone=mapping.time_zone)
            usable = F.when(when >= F.lit(earliest).cast("timestamp"), when)
            counted, first = delivered.agg(F.count(F.lit(1)), F.min(usable)).collect()[0]
            rows += counted
            found.append(first)
    return rows, min((when for when in found if when is not None), default=None)
