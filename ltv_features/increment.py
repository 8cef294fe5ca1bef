"""What is new for a table of the kernel since an earlier night: a night costs users and new events, never history.

New is what happened from the earlier night to this one, and what arrived since about the time before. Where the past
itself was changed (events or profiles updated or deleted, an item given another category), the users concerned are
made anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.as_of import (
    ITEM_NUMBERS,
    events_as_of,
    everybodys_events_as_of,
    happened_before,
    item_versions,
    links_as_of,
    midnight,
    users_as_of,
)
from ltv_features.contract import EVENTS, ITEMS, LINKS, NEVER_US, SCHEMA_VERSION, USERS
from ltv_features.digest import code_of
from ltv_features.errors import InputMissing
from ltv_features.kept import Kept
from ltv_features.kernel_input import kernel_events_as_of, numbered, profile_rows
from ltv_features.links import with_customers
from ltv_features.tables import Lake

NEVER_READ = -1
KERNEL = ("ltv_features.features",)
"""The code of which a table of the kernel is made, with all that it imports."""


@dataclass(frozen=True)
class Inputs:
    """What features are made from: id and version of each table that there is."""

    tables: Mapping[str, tuple[str, int]]

    @property
    def versions(self) -> dict[str, int]:
        """The version of each table."""
        return {name: version for name, (_, version) in self.tables.items()}

    def noted(self) -> dict[str, Any]:
        """As a commit notes them."""
        tables = {name: list(each) for name, each in self.tables.items()}
        return {"schema_version": SCHEMA_VERSION, "code": code_of(*KERNEL), "tables": tables}

    def follow(self, noted: Mapping[str, Any] | None) -> bool:
        """Whether these are the tables of an earlier commit, at the same or later versions, read by the same code."""
        if not noted or noted["schema_version"] != SCHEMA_VERSION or noted.get("code") != code_of(*KERNEL):
            return False
        return all(
            name in self.tables and self.tables[name][0] == table_id and self.tables[name][1] >= version
            for name, (table_id, version) in noted["tables"].items()
        )


def inputs_of(lake: Lake) -> Inputs:
    """The tables of the lake as they are now."""
    known = {name: lake.version(name) for name in (EVENTS.name, USERS.name, ITEMS.name, LINKS.name)}
    return Inputs({name: (lake.table_id(name), version) for name, version in known.items() if version is not None})


@dataclass(frozen=True)
class Base:
    """What an earlier night was made from: its date, and the versions of the tables that it read."""

    as_of: date
    read: tuple[tuple[str, int], ...]

    def noted(self) -> dict[str, Any]:
        """As a commit notes what it was made on top of."""
        return {"as_of": self.as_of.isoformat(), "read": dict(self.read)}

    @staticmethod
    def of_note(noted: Mapping[str, Any]) -> "Base":
        """What `noted` wrote."""
        return Base(date.fromisoformat(noted["as_of"]), tuple(sorted(noted["read"].items())))


def base_of(lake: Lake, name: str, as_of: date, inputs: Inputs) -> tuple[Base | None, int | None]:
    """The latest night up to `as_of` that these inputs continue, and its version; None where all must be built."""
    version, note = lake.night_until(name, as_of) or (None, {})
    if not inputs.follow(note.get("inputs")):
        return None, None
    read = {table: at for table, (_, at) in note["inputs"]["tables"].items()}
    return Base.of_note({"as_of": note["as_of"], "read": read}), version


def inputs_noted(lake: Lake, name: str, as_of: date) -> tuple[Inputs, dict[str, Any] | None]:
    """What a night's table was made from, and on top of what. Raises InputMissing when it was not made for it."""
    _, note = lake.night_until(name, as_of) or (None, {})
    if note.get("as_of") != as_of.isoformat():
        raise InputMissing(f"table {name!r} was never made for {as_of}; next: python -m jobs build_features")
    return Inputs({table: (key, at) for table, (key, at) in note["inputs"]["tables"].items()}), note["base"]


@dataclass(frozen=True)
class Work:
    """Kernel events that are to be merged into the rows of a base.

    Of users `anew` [user_key] the rows of the base count for nothing and all their events are here; of users `said` the
    profile of the base counts for nothing and all their profiles are here. None: there are no such users.
    """

    events: DataFrame
    anew: DataFrame | None
    said: DataFrame | None

    def untouched(self, old: DataFrame, kept: Kept) -> DataFrame:
        """The rows of the base that stay as they are."""
        rest = old.join(F.broadcast(kept.concerned(self.events)), on=list(kept.row_of), how="left_anti")
        return self.without_anew(rest).select(*old.columns)

    def usable(self, old: DataFrame, kept: Kept) -> DataFrame:
        """Of the rows of the base that events belong to those that go on counting."""
        used = old.join(F.broadcast(kept.concerned(self.events)), on=list(kept.row_of), how="left_semi")
        used = self.without_anew(used)
        if self.said is None or "profile" not in old.columns:
            return used.select(*old.columns)
        said_again = self.said.withColumn("_again", F.lit(True))
        nobody = {"profile_us": F.lit(-NEVER_US), "profile_key": F.lit(0), "profile": F.lit("")}
        known = {
            name: F.when(F.col("_again"), value.cast(old.schema[name].dataType)).otherwise(F.col(name))
            for name, value in nobody.items()
        }
        return used.join(F.broadcast(said_again), on="user_key", how="left").withColumns(known).select(*old.columns)

    def without_anew(self, rows: DataFrame) -> DataFrame:
        """The rows of the base whose users are not made anew."""
        return rows if self.anew is None else rows.join(F.broadcast(self.anew), on="user_key", how="left_anti")


def work_since(lake: Lake, base: Base, as_of: date, inputs: Inputs) -> Work:
    """What is new; `base.as_of` is not later than `as_of`."""
    at = inputs.versions
    arrived = _feed(lake, EVENTS.name, base, inputs)
    late = arrived.where((F.col("_change_type") == "insert") & (F.col("event_ts") < F.lit(midnight(base.as_of))))
    since = events_as_of(lake, as_of, at, since=base.as_of)
    late = with_customers(late, links_as_of(lake, as_of, at))
    came = since.unionByName(late.select(*since.columns))
    told = _told_since(lake, base, as_of, inputs)
    if told is not None:
        came = came.unionByName(told.select(*since.columns))
    events = numbered(came, item_versions(lake, at[ITEMS.name]))
    said = _spoken_of(lake, base, as_of, inputs)
    if said is not None:
        profiles = users_as_of(lake, as_of, at[USERS.name]).join(F.broadcast(said), on="user_key", how="left_semi")
        events = events.unionByName(profile_rows(profiles))
    anew = _changed_past(lake, arrived, base, as_of, inputs)
    if anew is not None:
        whole = kernel_events_as_of(lake, as_of, at).join(F.broadcast(anew), on="user_key", how="left_semi")
        others = events.join(F.broadcast(anew), on="user_key", how="left_anti")
        events = others.select(*events.columns).unionByName(whole.select(*events.columns))
    return Work(events, anew, said)


def _told_since(lake: Lake, base: Base, as_of: date, inputs: Inputs) -> DataFrame | None:
    """Events that were there at the base, of visitors whose customer a link tells since; None where none does."""
    links, before = links_as_of(lake, as_of, inputs.versions), links_as_of(lake, base.as_of, dict(base.read))
    if links is None:
        return None
    new = links if before is None else links.join(before.select("visitor_id"), on="visitor_id", how="left_anti")
    if new.isEmpty():
        return None
    known = everybodys_events_as_of(lake, base.as_of, dict(base.read))
    return with_customers(known.where("user_id = ''"), F.broadcast(new))


def _spoken_of(lake: Lake, base: Base, as_of: date, inputs: Inputs) -> DataFrame | None:
    """The users [user_key] with a profile that arrived, changed or became valid since; None where none did."""
    if USERS.name not in inputs.versions:
        return None
    valid = users_as_of(lake, as_of, inputs.versions[USERS.name])
    said = valid.where(F.col("valid_from") >= F.lit(midnight(base.as_of))).select("user_key")
    if _moved(USERS.name, base, inputs):
        said = said.union(_feed(lake, USERS.name, base, inputs).select("user_key"))
    return None if said.isEmpty() else said.distinct()


def _changed_past(lake: Lake, arrived: DataFrame, base: Base, as_of: date, inputs: Inputs) -> DataFrame | None:
    """The users [user_key] of whom events were taken back or read differently; None for none, which is the rule."""
    changed = []
    if not lake.only_appended(EVENTS.name, _read(EVENTS.name, base), inputs.versions[EVENTS.name]):
        taken = arrived.where(F.col("_change_type") != "insert")
        for links in (links_as_of(lake, base.as_of, dict(base.read)), links_as_of(lake, as_of, inputs.versions)):
            changed.append(with_customers(taken, links).select("user_key"))
    if USERS.name in inputs.versions and _moved(USERS.name, base, inputs):
        changed.append(_unsaid(lake, base, as_of, inputs))
    if LINKS.name in inputs.versions and _moved(LINKS.name, base, inputs):
        taken = _feed(lake, LINKS.name, base, inputs).where(F.col("_change_type") != "insert")
        changed.append(taken.select("user_key"))
    if _moved(ITEMS.name, base, inputs):
        told = _told_otherwise(lake, base, inputs)
        if told is not None:
            known = happened_before(events_as_of(lake, as_of, inputs.versions), base.as_of)
            known = known.join(F.broadcast(told), on="item_id", how="inner")
            changed.append(known.where(F.col("event_ts") >= F.col("_since")).select("user_key"))
    users = reduce(DataFrame.union, changed) if changed else None
    return None if users is None or users.isEmpty() else users.distinct()


def _unsaid(lake: Lake, base: Base, as_of: date, inputs: Inputs) -> DataFrame:
    """The users [user_key] of whom a profile was taken out, or moved into the future: nothing else may be left."""
    feed = _feed(lake, USERS.name, base, inputs).where(F.col("_change_type").isin("delete", "update_preimage"))
    valid = users_as_of(lake, as_of, inputs.versions[USERS.name]).select(*USERS.key)
    return feed.join(valid, on=list(USERS.key), how="left_anti").select("user_key")


def _told_otherwise(lake: Lake, base: Base, inputs: Inputs) -> DataFrame | None:
    """Items [item_id, _since] of the base of which something else is said now, and from when on; None for none."""
    feed = _feed(lake, ITEMS.name, base, inputs)
    said = feed.groupBy("item_id", "valid_from").agg(
        F.count_distinct(F.struct(*ITEM_NUMBERS)).alias("_numbers"),
        F.count_if(F.col("_change_type").isin("insert", "delete")).alias("_came_or_went"),
    )
    differs = (
        said.where("_numbers > 1 OR _came_or_went > 0").groupBy("item_id").agg(F.min("valid_from").alias("_since"))
    )
    known = item_versions(lake, _read(ITEMS.name, base)).select("item_id").distinct()
    differs = differs.join(known, on="item_id", how="left_semi")
    return None if differs.isEmpty() else differs


def _feed(lake: Lake, name: str, base: Base, inputs: Inputs) -> DataFrame:
    return lake.feed(name, _read(name, base), inputs.versions[name])


def _moved(name: str, base: Base, inputs: Inputs) -> bool:
    return inputs.versions[name] > _read(name, base)


def _read(name: str, base: Base) -> int:
    return dict(base.read).get(name, NEVER_READ)
