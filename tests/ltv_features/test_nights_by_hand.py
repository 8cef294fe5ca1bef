"""What a night holds of many customers, drawn at once, against plain loops over their events: through the tables."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ltv_features.contract import EVENTS, ITEMS, PROFILE_TYPE_ID, TYPE_ID
from ltv_features.features import Night
from ltv_features.increment import inputs_of
from ltv_features.kept import KEPT_TABLES
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from tests import naive
from tests.builders import DAY, Row, kernel_events, some_rows

NAMES = {number: name for name, number in TYPE_ID.items()}
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
WORLDS = 12
"""Each has five customers."""
NIGHTS = (20, 35)
"""Days after FIRST; what happens later is there and must not be seen."""


def item_of(row: Row) -> str | None:
    """An item of these three numbers; None where all say nothing."""
    numbers = (row["item_no"], row["category_no"], row["brand_no"])
    return "-".join(map(str, numbers)) if any(numbers) else None


def as_event(row: Row, number: int) -> Row:
    """A row of KERNEL_EVENTS as one of `events`, whose item stands in `items` with its numbers."""
    at = FIRST + timedelta(microseconds=row["ts_us"])
    same = ("user_id", "user_key", "event_key", "order_key", "quantity", "amount_minor", "discount_minor", "rating")
    told = dict.fromkeys(EVENTS.column_names) | {name: row[name] for name in (*same, "dwell_seconds")}
    told |= {"source": "s", "event_id": str(number), "landed_ts": at, "event_ts": at, "event_month": f"{at:%Y-%m}"}
    return told | {"event_type": NAMES[row["type"]], "item_id": item_of(row)}


def write_items(lake: Lake, rows: list[Row]) -> None:
    versions = {
        item_of(row): {name: row[name] for name in ("item_no", "category_no", "brand_no")}
        for row in rows
        if item_of(row)
    }
    told = [
        dict.fromkeys(ITEMS.column_names) | numbers | {"item_id": item, "valid_from": FIRST}
        for item, numbers in versions.items()
    ]
    lake.upsert(lake.spark.createDataFrame(told, spark_schema(ITEMS)), ITEMS)


@pytest.mark.spark
@pytest.mark.slow
@settings(
    max_examples=1, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(worlds=st.lists(some_rows(max_size=25), min_size=WORLDS, max_size=WORLDS), seed=st.integers(0, 99))
def test_a_night_holds_of_each_customer_what_plain_loops_say(lake: Lake, worlds: list[list[Row]], seed: int) -> None:
    rows = [
        row | {"user_id": f"{world}-{row['user_id']}", "user_key": row["user_key"] + 1_000_000 * world}
        for world, own in enumerate(worlds)
        for row in own
        if row["type"] != PROFILE_TYPE_ID
    ]
    assume(len({row["user_id"] for row in rows}) > 20)  # the first ones that are drawn are as small as can be
    write_items(lake, rows)
    spark = lake.spark
    arrive: list[list[Row]] = [[], [], []]  # before the first night in two commits, and late or later in a third
    for number, row in enumerate(rows):
        arrive[(number * 7 + seed) % 3].append(as_event(row, number))
    for part, some in enumerate(arrive):
        frame = spark.createDataFrame(some, spark_schema(EVENTS))
        lake.append(frame, EVENTS.name, app="test", version=part + 1, partition_by=EVENTS.partition_by)
        if part:
            as_of = (FIRST + timedelta(NIGHTS[part - 1])).date()
            night = Night(lake, as_of)
            for kept in KEPT_TABLES:
                night.bring(kept, inputs_of(lake), f"digest {part}")
            assert [hop.unexplained for hop in night.accounts()] == [0, 0]
            night.done()
    last = date(1970, 1, 1) + timedelta(NIGHTS[-1])
    seen = kernel_events([row for row in rows if row["ts_us"] < NIGHTS[-1] * DAY])
    for kept, expected in zip(KEPT_TABLES, (naive.states(seen), naive.user_items(seen)), strict=True):
        there = lake.at_night(kept.table.name, last).toArrow().to_pylist()
        key = [name for name in ("user_id", "item_no") if name in kept.table.column_names]
        ordered = sorted(there, key=lambda row: [row[name] for name in key])
        wanted = sorted(expected, key=lambda row: [row[name] for name in key])
        assert ordered == wanted, kept.table.name
