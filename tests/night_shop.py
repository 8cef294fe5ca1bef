"""A shop whose tables are written directly, night by night, for tests of what a night adds."""

import copy
import random
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import functions as F

from ltv_features.contract import EVENT_TYPES, EVENTS, ITEMS, LINKS, USERS, Table
from ltv_features.features import Night
from ltv_features.increment import inputs_noted, inputs_of
from ltv_features.kept import KEPT_TABLES
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

FIRST = date(2026, 1, 1)
USERS_THERE = [f"u{number}" for number in range(12)]
ITEMS_THERE = [f"i{number}" for number in range(5)]
Row = dict[str, Any]


class Shop:
    """Tables that ingest would write, written directly: many users and few rows in every night."""

    def __init__(self, lake: Lake, seed: int = 1) -> None:
        self.lake, self.draw, self.written = lake, random.Random(seed), 0
        self.items(dict.fromkeys(ITEMS_THERE, 1))
        self.profiles([])

    def copied(self, lake: Lake) -> "Shop":
        """The same shop with tables of its own, in `lake`, of which nothing may be there yet."""
        shutil.copytree(self.lake.root, lake.root)
        other = copy.copy(self)
        other.lake, other.draw = lake, copy.deepcopy(self.draw)
        return other

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

    def items(self, categories: dict[str, int], since: datetime = datetime(1970, 1, 1, tzinfo=UTC)) -> None:
        """Merges items with the numbers of their categories, valid `since` then."""
        rows = [
            dict.fromkeys(ITEMS.column_names) | {"item_id": name, "item_no": ITEMS_THERE.index(name) + 1}
            | {"category_no": category, "brand_no": 0, "valid_from": since}
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

    def visit(self, visitor: str, when: float, kind: str = "view", **facts: Any) -> Row:
        """An event of somebody whose customer is not said."""
        return self.event("u0", when, kind, **facts) | {"user_id": "", "user_key": 0, "visitor_id": visitor}

    def links(self, told: Sequence[tuple[str, str, float]]) -> None:
        """Merges links (visitor, customer, days after FIRST)."""
        midnight = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
        rows = [(v, user, USERS_THERE.index(user) - 3, midnight + timedelta(days)) for v, user, days in told]
        self.lake.upsert(self.lake.spark.createDataFrame(rows, spark_schema(LINKS)), LINKS)

    def erase(self, table: Table, condition: str) -> None:
        """Deletes the rows that fulfil the condition, as a person does who works on the table itself."""
        self.lake.spark.sql(f"DELETE FROM delta.`{self.lake.path(table.name)}` WHERE {condition}")

    def night(self, days: int) -> None:
        """Both tables as of FIRST + `days`, and their accounts hold."""
        night, inputs = Night(self.lake, FIRST + timedelta(days)), inputs_of(self.lake)
        for kept in KEPT_TABLES:
            night.bring(kept, inputs, f"digest-{days}-{self.written}")
        assert [hop.unexplained for hop in night.accounts()] == [0, 0]
        night.done()

    def hold(self, days: int) -> None:
        """Asserts that both tables are what a build from all events before the night, as it knew them, gives."""
        as_of = FIRST + timedelta(days)
        inputs = [inputs_noted(self.lake, kept.table.name, as_of)[0] for kept in KEPT_TABLES]
        assert inputs[0] == inputs[-1]
        events = kernel_events_as_of(self.lake, as_of, inputs[0].versions).persist()
        for kept in KEPT_TABLES:
            there = self.lake.at_night(kept.table.name, as_of)
            assert rows_of(there) == rows_of(kept.built(events, as_of)), kept.table.name
        events.unpersist()


def rows_of(frame: Any) -> list[str]:
    return sorted(row[0] for row in frame.select(F.to_json(F.struct(*frame.columns))).collect())


def commits(lake: Lake, name: str) -> list[str]:
    history = DeltaTable.forPath(lake.spark, lake.path(name)).history().orderBy("version")
    return [row["operation"] for row in history.collect()]
