"""What the tables of a lake tell a report about its people: sensitive attributes as of past origins, and the log."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
from pyspark.sql import functions as F

from ltv_features import files
from ltv_features.as_of import events_as_of, users_as_of
from ltv_features.contract import EVENTS, USERS
from ltv_features.sources import SourceSettings
from ltv_features.tables import Lake
from ltv_train.cards import LogFacts


def allowed(sources: Mapping[str, SourceSettings]) -> list[str]:
    """The sensitive attributes that the configuration lets in (`use_sensitive`, off by default), by name."""
    mapped = [source.users for source in sources.values() if source.users is not None]
    return sorted({name for users in mapped if users.use_sensitive for name in users.sensitive})


def attributes(lake: Lake, shards: str, origins: Sequence[str], names: Sequence[str]) -> dict[str, pa.Table]:
    """By origin: user_key and a text column an attribute, by the latest profile valid then; nothing without `names`.

    `shards` is the value set of the night, whose manifest says which version of `users` it was made from.
    """
    return {origin: _attributes(lake, shards, date.fromisoformat(origin), names) for origin in origins if names}


def _attributes(lake: Lake, shards: str, origin: date, names: Sequence[str]) -> pa.Table:
    profiles = users_as_of(lake, origin, _versions(shards).get(USERS.name))
    newest = profiles.groupBy("user_key").agg(F.max_by("profile", F.struct("valid_from", "profile_key")).alias("said"))
    columns = [F.get_json_object("said", f"$['{name}']").alias(name) for name in names]
    return newest.select("user_key", *columns).toArrow()


def log_facts(lake: Lake, shards: str, as_of: date) -> LogFacts:
    """The log of customers before the night, at the version that the shards were made from."""
    versions = _versions(shards)
    events = events_as_of(lake, as_of, versions)
    counted = events.groupBy("event_type").agg(
        F.count("*").alias("events"), F.min("event_ts").alias("first"), F.max("event_ts").alias("last")
    )
    rows = counted.orderBy(F.desc("events")).collect()
    bought = events.where(F.col("event_type") == "purchase")
    return LogFacts(
        first_day=f"{min(row['first'] for row in rows):%Y-%m-%d}" if rows else "-",
        last_day=f"{max(row['last'] for row in rows):%Y-%m-%d}" if rows else "-",
        users=lake.at_night("user_state", as_of).count(),
        buyers=bought.select("user_id").distinct().count(),
        events={row["event_type"]: row["events"] for row in rows},
    )


def _versions(shards: str) -> dict[str, int]:
    told: dict[str, int] = files.read_json(files.join(shards, "manifest.json"))["table_versions"]
    return {name: told[name] for name in told if name in {EVENTS.name, USERS.name, "links"}}
