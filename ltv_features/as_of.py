"""The only door to time: events, profiles, items as they were known before a date, at a pinned version when given.

In every read of events and profiles a canary from the future is put in front of the door. Where the door is closed
Spark sees while planning that nothing of it can come out, so it costs nothing; where it stands open, the kernel and
the examples meet a row at or after the date and raise FutureLeak.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features.contract import EVENTS, ITEMS, LINKS, USERS
from ltv_features.errors import InputMissing
from ltv_features.links import with_customers
from ltv_features.profiles import latest_objection
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

ITEM_NUMBERS = ("item_no", "category_no", "brand_no")
"""What `items` says of an item to the kernel."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CANARY_KEY = -1
"""The `user_key` of who does what the canary does: nobody."""


def on_night(night: date) -> Column:
    """The condition that a row is of this night."""
    return F.col("as_of") == F.lit(night)


def events_as_of(
    lake: Lake, as_of: date, versions: Mapping[str, int] | None = None, *, since: date | None = None
) -> DataFrame:
    """Events of customers that happened before `as_of`, and not before `since` when given.

    Those of visitors count where a link known before `as_of` tells the customer; `known_ts` says since when.
    """
    return with_customers(
        everybodys_events_as_of(lake, as_of, versions, since=since), links_as_of(lake, as_of, versions)
    )


def everybodys_events_as_of(
    lake: Lake, as_of: date, versions: Mapping[str, int] | None = None, *, since: date | None = None
) -> DataFrame:
    """Events that happened before `as_of`, and not before `since` when given, as they stand in the table.

    Visitors' events are among them, without a customer.
    """
    rows = lake.read(EVENTS.name, (versions or {}).get(EVENTS.name))
    return happened_before(with_canary(rows, "event_ts", as_of), as_of, since=since)


def links_as_of(lake: Lake, as_of: date, versions: Mapping[str, int] | None = None) -> DataFrame | None:
    """Links known before `as_of`; None where there are none, or none at the pinned versions."""
    if not lake.exists(LINKS.name) or (versions is not None and LINKS.name not in versions):
        return None
    rows = lake.read(LINKS.name, (versions or {}).get(LINKS.name))
    return rows.where(F.col("linked_ts") < F.lit(midnight(as_of)))


def happened_before(events: DataFrame, as_of: date, *, since: date | None = None) -> DataFrame:
    """Of `events` those that happened before `as_of`, and not before `since` when given."""
    happened = (F.col("event_ts") < F.lit(midnight(as_of))) & (F.col("event_month") <= F.lit(f"{as_of:%Y-%m}"))
    if since is not None:
        happened &= (F.col("event_ts") >= F.lit(midnight(since))) & (F.col("event_month") >= F.lit(f"{since:%Y-%m}"))
    return events.where(happened)


def users_as_of(lake: Lake, as_of: date, version: int | None = None) -> DataFrame:
    """Profiles valid before `as_of`, undated ones included; an empty frame when no source has profiles."""
    if not lake.exists(USERS.name):
        return lake.spark.createDataFrame([], spark_schema(USERS))
    return valid_before(with_canary(lake.read(USERS.name, version), "valid_from", as_of), as_of)


def objectors(lake: Lake, *, by: str) -> DataFrame:
    """Who refuses profiling: one column, `by` ("user_id" or "user_key"); by the latest profile, whatever its date.

    The one exception to "nothing after as_of": a refusal counts from the moment it is known.
    """
    if not lake.exists(USERS.name):
        return lake.spark.createDataFrame([], spark_schema(USERS)).select(by)
    return lake.read(USERS.name).groupBy(by).agg(latest_objection().alias("_objects")).where("_objects").select(by)


def valid_before(profiles: DataFrame, as_of: date) -> DataFrame:
    """Of `profiles` those that were valid before `as_of`."""
    return profiles.where(F.col("valid_from") < F.lit(midnight(as_of)))


def with_canary(rows: DataFrame, time: str, as_of: date) -> DataFrame:
    """`rows` of events or profiles, and two that nobody wrote: at `as_of` and a day after it."""
    return reduce(DataFrame.unionByName, [_canary(rows, time, midnight(as_of + timedelta(n))) for n in (0, 1)], rows)


def _canary(like: DataFrame, time: str, when: datetime) -> DataFrame:
    """One row of constants, of which a filter by time is decided while planning."""
    said = {"user_id": "canary", "user_key": CANARY_KEY, "event_id": "canary", "source": "canary"}
    said |= {"event_type": "login", "event_month": f"{when:%Y-%m}", "event_key": CANARY_KEY, "profile": "{}"}
    said |= dict.fromkeys(("order_key", "quantity", "amount_minor", "discount_minor", "rating", "dwell_seconds"), 0)
    said |= {"profile_key": CANARY_KEY, "dated": True, "objects_to_profiling": False, "landed_ts": when, time: when}
    columns = [F.lit(said.get(field.name)).cast(field.dataType).alias(field.name) for field in like.schema]
    return like.sparkSession.range(0, 1, 1, 1).select(*columns)


def item_versions(lake: Lake, version: int | None = None) -> DataFrame:
    """Every version of every item: `with_item_numbers` shows each event the one that was valid when it happened."""
    return lake.read(ITEMS.name, version)


def with_item_numbers(events: DataFrame, items: DataFrame) -> DataFrame:
    """`events` with the numbers of their items (null without), each as the item was said to be when it happened.

    `items`: every version of every item. So a category that is dated later than an event never reaches a feature of a
    date in between, whatever night or cut-off the event is read for.
    """
    undated = items.where(F.col("valid_from") != F.lit(_EPOCH)).isEmpty()
    if undated:
        return events.join(items.select("item_id", *ITEM_NUMBERS), on="item_id", how="left")
    version = F.struct("valid_from", *ITEM_NUMBERS)
    versions = items.groupBy("item_id").agg(F.sort_array(F.collect_list(version)).alias("_versions"))
    known = events.join(versions, on="item_id", how="left")
    valid = F.filter("_versions", lambda each: each["valid_from"] <= F.col("event_ts"))
    told = known.withColumn("_valid", F.try_element_at(valid, F.lit(-1)))
    numbers = {name: F.col(f"_valid.{name}") for name in ITEM_NUMBERS}
    numbers["item_no"] = F.try_element_at("_versions", F.lit(1))["item_no"]
    return told.withColumns(numbers).drop("_versions", "_valid")


def items_as_of(lake: Lake, as_of: date, version: int | None = None) -> DataFrame:
    """One row an item: its id and number, and the numbers of category and brand that were valid before `as_of`."""
    valid = F.col("valid_from") < F.lit(midnight(as_of))
    names = [name for name in ITEM_NUMBERS if name != "item_no"]
    told = F.max_by(F.when(valid, F.struct(*names)), F.when(valid, F.col("valid_from")))
    rows = lake.read(ITEMS.name, version).groupBy("item_id").agg(F.max("item_no").alias("item_no"), told.alias("_told"))
    return rows.select("item_id", "item_no", *[F.coalesce(f"_told.{name}", F.lit(0)).alias(name) for name in names])


def hold_known(lake: Lake, as_of: date) -> None:
    """Nothing where an event happened before `as_of`. Raises InputMissing where none did, or there is none at all."""
    if not lake.exists(EVENTS.name) or events_as_of(lake, as_of).isEmpty():
        raise InputMissing(
            f"no event is known before {as_of}; next: look whether the files hold rows, and at table 'quarantine'"
        )


def midnight(day: date) -> datetime:
    """The first instant of the day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
