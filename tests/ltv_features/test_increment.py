"""A night on top of an earlier one is, bit for bit, what building it from all events would be."""

import os
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F

from ltv_features.contract import EVENT_TYPES, EVENTS, ITEMS, USERS
from ltv_features.features import Night
from ltv_features.increment import inputs_noted, inputs_of
from ltv_features.kept import KEPT, STATES
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

FIRST = date(2026, 1, 1)
NIGHTS = int(os.environ.get("LTV_TEST_NIGHTS", "6"))
USERS_THERE = [f"u{number}" for number in range(12)]
ITEMS_THERE = [f"i{number}" for number in range(5)]
Row = dict[str, Any]


class Shop:
    """Tables that ingest would write, written directly: many users and few rows in every night."""

    def __init__(self, lake: Lake, seed: int = 1) -> None:
        self.lake, self.draw, self.written = lake, random.Random(seed), 0
        self.items(dict.fromkeys(ITEMS_THERE, 1))
        self.profiles([])

    def event(self, user: str, when: float, kind: str = "purchase", **facts: Any) -> Row:
        """An event `when` days after FIRST."""
        self.written += 1
        at = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(when)
        paid = kind in ("purchase", "refund")
        row = dict.fromkeys(EVENTS.column_names) | dict.fromkeys(("discount_minor", "rating", "dwell_seconds"), 0)
        row |= {"source": "s", "event_id": str(self.written), "event_key": self.written, "landed_ts": at}
        row |= {"user_id": user, "user_key": USERS_THERE.index(user) - 3, "event_type": kind, "event_ts": at}
        row |= {"event_month": f"{at:%Y-%m}", "order_key": int(when) + 1 if paid else 0, "quantity": int(paid)}
        return row | {"amount_minor": 100 * paid, "item_id": self.draw.choice(ITEMS_THERE)} | facts

    def events(self, rows: Sequence[Row]) -> None:
        """Appends them in one commit."""
        frame = self.lake.spark.createDataFrame(list(rows), spark_schema(EVENTS))
        self.lake.append(frame, EVENTS.name, app="test", version=self.written, partition_by=EVENTS.partition_by)

    def items(self, categories: dict[str, int]) -> None:
        """Merges items with the numbers of their categories."""
        rows = [
            dict.fromkeys(ITEMS.column_names) | {"item_id": name, "item_no": ITEMS_THERE.index(name) + 1}
            | {"category_no": category, "brand_no": 0}
            for name, category in categories.items()
        ]  # fmt: skip
        self.lake.upsert(self.lake.spark.createDataFrame(rows, spark_schema(ITEMS)), ITEMS)

    def profiles(self, said: Sequence[tuple[str, int, str]]) -> None:
        """Merges profiles (user, days after FIRST, text)."""
        midnight = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
        rows = [
            {"user_id": who, "user_key": USERS_THERE.index(who) - 3, "valid_from": midnight + timedelta(days)}
            | {"profile": text, "profile_key": 7, "dated": True, "objects_to_profiling": False}
            for who, days, text in said
        ]
        self.lake.upsert(self.lake.spark.createDataFrame(rows, spark_schema(USERS)), USERS)

    def some_events(self, night: int) -> list[Row]:
        """What arrives before a night: mostly of the day, some late, some of the days to come."""
        few = self.draw.sample(USERS_THERE, 3)
        return [
            self.event(
                self.draw.choice(few),
                max(0.0, night - 1 + self.draw.choice([0.2, 0.2, 0.7, -3.5, -8.0, 1.0, 2.3])),
                self.draw.choice([*EVENT_TYPES, "purchase", "purchase"]),
            )
            for _ in range(self.draw.randint(1, 8))
        ]

    def night(self, days: int) -> None:
        """Both tables as of FIRST + `days`, and their accounts hold."""
        night, inputs = Night(self.lake, FIRST + timedelta(days)), inputs_of(self.lake)
        for kept in KEPT:
            night.bring(kept, inputs, f"digest-{days}-{self.written}")
        assert [hop.unexplained for hop in night.accounts()] == [0, 0]
        night.done()

    def hold(self, days: int) -> None:
        """Asserts that both tables are what a build from all events before the night, as it knew them, gives."""
        as_of = FIRST + timedelta(days)
        for kept in KEPT:
            inputs, _ = inputs_noted(self.lake, kept.table.name, as_of)
            events = kernel_events_as_of(self.lake, as_of, inputs.versions)
            there = self.lake.at_night(kept.table.name, as_of)
            assert rows_of(there) == rows_of(kept.built(events, as_of)), kept.table.name


def rows_of(frame: Any) -> list[str]:
    return sorted(row[0] for row in frame.select(F.to_json(F.struct(*frame.columns))).collect())


def commits(lake: Lake, name: str) -> list[str]:
    history = DeltaTable.forPath(lake.spark, lake.path(name)).history().orderBy("version")
    return [row["operation"] for row in history.collect()]


@pytest.fixture
def shop(lake: Lake) -> Shop:
    """A shop in which everybody bought once, and the first night."""
    shop = Shop(lake)
    shop.events([shop.event(user, 0.5) for user in USERS_THERE])
    shop.night(1)
    return shop


@pytest.mark.slow
def test_a_night_is_merged_on_top_of_the_one_before_and_late_rows_come_in(shop: Shop) -> None:
    shop.events([shop.event("u1", 1.5), shop.event("u1", 0.1), shop.event("u2", 0.3), shop.event("u3", 2.0)])
    shop.night(2)  # the last one lies ahead
    shop.hold(2)
    assert commits(shop.lake, STATES.table.name)[-1] == "MERGE"
    shop.night(3)  # nothing new arrived, yet what lay ahead has come
    shop.hold(3)


@pytest.mark.slow
def test_random_nights_equal_rebuilds(shop: Shop) -> None:
    for night in range(2, 2 + NIGHTS):
        shop.events(shop.some_events(night))
        if shop.draw.random() < 0.3:
            shop.profiles([(shop.draw.choice(USERS_THERE), shop.draw.randint(0, night + 2), f'{{"n": {night}}}')])
        if shop.draw.random() < 0.1:
            shop.items({shop.draw.choice(ITEMS_THERE): night})
        shop.night(night)
        if night % 3 == 0 or night == 1 + NIGHTS:
            shop.hold(night)
    assert "MERGE" in commits(shop.lake, STATES.table.name)


@pytest.mark.slow
def test_users_whose_past_changed_are_made_anew(shop: Shop) -> None:
    shop.events([shop.event("u5", 0.7, item_id="i1"), shop.event("u6", 0.8, item_id="i2")])
    shop.night(2)
    shop.lake.spark.sql(f"DELETE FROM delta.`{shop.lake.path(EVENTS.name)}` WHERE user_id IN ('u5', 'u7')")
    shop.items({"i2": 9})
    shop.profiles([("u8", 0, '{"a": 1}'), ("u9", 0, '{"b": 1}')])
    shop.night(3)
    shop.hold(3)
    left = {row.user_id for row in shop.lake.read(STATES.table.name).collect()}
    assert left == set(USERS_THERE) - {"u5", "u7"}
    shop.profiles([("u8", 0, '{"a": 0}')])  # a smaller text, which a merge of profiles alone would pass over
    shop.night(4)
    shop.hold(4)
    assert commits(shop.lake, STATES.table.name)[-1] == "MERGE"


@pytest.mark.slow
def test_an_earlier_night_is_made_from_the_one_before_it_and_the_next_goes_on_from_the_right_one(shop: Shop) -> None:
    for night in (4, 3, 5):
        shop.events([shop.event("u1", night - 0.5), shop.event("u2", night - 1.5)])
        shop.night(night)
    shop.hold(3)
    shop.events([shop.event("u4", 1.0)])
    shop.night(5)  # the same night again, with a late row
    shop.hold(5)


def test_a_table_made_by_other_tables_is_built_anew(shop: Shop, lake: Lake) -> None:
    inputs = inputs_of(lake)
    noted = inputs.noted()
    assert inputs.follow(noted)
    assert not inputs.follow(noted | {"schema_version": 0})
    assert not inputs.follow({**noted, "tables": noted["tables"] | {"events": ["another id", 0]}})
    assert not inputs.follow({**noted, "tables": noted["tables"] | {"events": [noted["tables"]["events"][0], 99]}})
    assert not inputs.follow(None)
