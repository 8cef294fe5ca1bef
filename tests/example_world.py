"""A small log of regular buyers, a plan of two origins over it, and its shards, for tests of examples."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ltv_features.aggregates import NAMES
from ltv_features.arrow import arrow_schema
from ltv_features.contract import KERNEL_EVENTS, MICROS_PER_DAY, TYPE_ID
from ltv_features.cutoffs import Origin
from ltv_features.example_plan import ExamplePlan, basket_plan, value_plan
from ltv_features.example_rows import ROW_SCHEMA, example_rows
from ltv_features.shard_writer import write_shards
from ltv_features.shards import SetFacts, finish
from ltv_train import data

DAY0 = date(2026, 1, 1)
AS_OF = DAY0 + timedelta(days=100)
PERIODS = ((0, 30), (30, 60))
USERS = 40


def us(day: int, hour: int = 10) -> int:
    return ((DAY0 - date(1970, 1, 1)).days + day) * MICROS_PER_DAY + hour * 3_600_000_000


def kernel_events() -> pa.Table:
    """User u buys every u % 7 + 3 days from day u % 30 on: two lines, item u and item 100; user 40 only looks."""
    rows = []
    for user in range(1, USERS):
        for day in range(user % 30, 100, user % 7 + 3):
            rows += [event(user, us(day), "purchase", order=user * 1000 + day, item=item) for item in (user, 100)]
    rows.append(event(USERS, us(5), "view"))
    rows.append(event(USERS, us(80), "purchase", order=1, item=7))
    return pa.Table.from_pylist(rows, schema=arrow_schema(KERNEL_EVENTS))


def event(user: int, ts_us: int, kind: str, *, order: int = 0, item: int = 0) -> dict[str, object]:
    zero = {column.name: 0 for column in KERNEL_EVENTS} | {"profile": None}
    own = {"user_id": f"u{user}", "user_key": user, "ts_us": ts_us, "event_key": ts_us + item, "type": TYPE_ID[kind]}
    return zero | own | {"order_key": order, "item_no": item, "quantity": 1, "amount_minor": 100 * (order > 0) * user}


def plan(kind: str = "value", **changes: object) -> ExamplePlan:
    """A fold 40 days before as_of and as_of itself, which share a cut-off."""
    fold, shared, newest = (AS_OF - timedelta(days=back) for back in (40, 72, 30))
    origins = [Origin(fold, (shared,)), Origin(AS_OF, (shared, newest))]
    settings = {"shares": (1.0, 1.0), "per_user": None, "periods_days": PERIODS, "validation_share": 0.3, "seed": 1}
    return (value_plan if kind == "value" else basket_plan)(origins, **settings | changes)


def write(root: Path, made: ExamplePlan, parts: Sequence[pa.Table]) -> dict[str, data.Manifest]:
    """The shards of a plan from events that lie in several partitions of whole users, written by two tasks."""
    rows = [pa.Table.from_batches(example_rows(part.to_batches(), made), schema=ROW_SCHEMA) for part in parts]
    whole = pa.concat_tables(rows).sort_by(
        [("order_hash", "ascending"), ("user_key", "ascending"), ("point", "ascending")]
    )
    told = []
    for task in range(2):
        own = whole.filter(pa.array(np.abs(whole["order_hash"].to_numpy()) % 2 == task))
        for fact in write_shards(own.to_batches(max_chunksize=17), made, str(root), task):
            told += fact.column("fact").to_pylist()
    finish(str(root), made, told, SetFacts(AS_OF, "input", "config", {"events": 1}, NAMES))
    return {origin.day.isoformat(): data.load_manifest(f"{root}/{made.kind}/{origin.day}") for origin in made.origins}


def by_user(events: pa.Table, partitions: int) -> list[pa.Table]:
    keys = events["user_key"].to_numpy()
    return [events.filter(pa.array(keys % partitions == number)) for number in range(partitions)]
