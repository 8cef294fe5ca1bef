"""What the kernel is given: events with the numbers of their items, and profiles, as of a date."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features.as_of import ITEM_NUMBERS, events_as_of, item_versions, users_as_of, with_item_numbers
from ltv_features.contract import ITEMS, KERNEL_EVENTS, PROFILE_TYPE_ID, TYPE_ID, USERS
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake


def kernel_events_as_of(lake: Lake, as_of: date, versions: dict[str, int] | None = None) -> DataFrame:
    """The kernel's input (KERNEL_EVENTS): events with their item's numbers, and every profile as a row of type 0.

    An undated profile enters at 1970-01-01; whether it makes its user known is for the reader to decide.
    """
    pinned = versions or {}
    events = numbered(events_as_of(lake, as_of, versions), item_versions(lake, pinned.get(ITEMS.name)))
    return events.unionByName(profile_rows(users_as_of(lake, as_of, pinned.get(USERS.name))))


def numbered(events: DataFrame, items: DataFrame) -> DataFrame:
    """Events as KERNEL_EVENTS; `items`: every version of every item, of which each event sees what was valid then."""
    type_id = F.create_map(*[F.lit(word) for pair in TYPE_ID.items() for word in pair])
    return with_item_numbers(events, items).select(
        "user_id",
        "user_key",
        F.unix_micros("event_ts").alias("ts_us"),
        "event_key",
        type_id[F.col("event_type")].cast("byte").alias("type"),
        "order_key",
        *[F.coalesce(F.col(name), F.lit(0)).alias(name) for name in ITEM_NUMBERS],
        "quantity",
        "amount_minor",
        "discount_minor",
        "rating",
        "dwell_seconds",
        F.lit(None).cast("string").alias("profile"),
        F.coalesce(F.unix_micros("known_ts"), F.lit(0)).alias("known_us"),
    )


def profile_rows(profiles: DataFrame) -> DataFrame:
    """Profiles as KERNEL_EVENTS of type 0."""
    zeros = {c.name: F.lit(0).cast(spark_schema([c])[0].dataType) for c in KERNEL_EVENTS}
    own = {
        "user_id": F.col("user_id"),
        "user_key": F.col("user_key"),
        "ts_us": F.unix_micros("valid_from"),
        "event_key": F.col("profile_key"),
        "type": F.lit(PROFILE_TYPE_ID).cast("byte"),
        "profile": F.col("profile"),
    }
    return profiles.select(*[(zeros | own)[c.name].alias(c.name) for c in KERNEL_EVENTS])
