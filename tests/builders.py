"""Tiny inputs for kernel tests: events as short tuples, and random ones for Hypothesis."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from ltv_features.arrow import arrow_schema
from ltv_features.contract import EVENT_TYPES, KERNEL_EVENTS, MICROS_PER_DAY, PROFILE_TYPE_ID, TYPE_ID

DAY = MICROS_PER_DAY
HOUR = DAY // 24
EVENTS = arrow_schema(KERNEL_EVENTS)
Row = dict[str, Any]


def key_of(user: str) -> int:
    """A user_key that follows from the user_id; `a` and `A` share one, as two ids of a real hash might."""
    return sum(ord(sign) * 31**place for place, sign in enumerate(user.lower())) - 1_000


def event(user: str, kind: str, days: float, **fields: Any) -> Row:
    """One row of KERNEL_EVENTS at `days` after 1970-01-01; `kind` is an event type or `profile`."""
    row: Row = dict.fromkeys(EVENTS.names, 0) | {"profile": None}
    row |= {"user_id": user, "user_key": key_of(user), "ts_us": round(days * DAY)}
    row["type"] = PROFILE_TYPE_ID if kind == "profile" else TYPE_ID[kind]
    if kind in ("purchase", "refund"):
        row |= {"quantity": 1, "amount_minor": 100}
    return row | fields


def kernel_events(rows: Iterable[Row | tuple[Any, ...]]) -> pa.Table:
    """A table of KERNEL_EVENTS from rows of `event`, or tuples (user, kind, days) or (user, kind, days, fields)."""
    made = [row if isinstance(row, dict) else event(*row[:3], **(row[3] if len(row) > 3 else {})) for row in rows]
    return pa.Table.from_pylist(made, schema=EVENTS)


def some_rows(*, max_size: int = 60, last_day: int = 40) -> st.SearchStrategy[list[Row]]:
    """Lists of events of a few users, made to collide: few times, few orders, few tie-breakers, whole rows twice."""
    return st.lists(_row(last_day), max_size=max_size)


def _row(last_day: int) -> st.SearchStrategy[Row]:
    return st.builds(
        _drawn,
        user=st.sampled_from(["a", "A", "b", "cc", "é"]),
        kind=st.sampled_from([*EVENT_TYPES, "purchase", "purchase", "purchase", "refund", "profile"]),
        hours=st.integers(0, 24 * last_day - 1) | st.sampled_from([0, 5, 6, 24 * last_day - 1]),
        numbers=st.tuples(*[st.integers(0, 3)] * 6),
        money=st.tuples(st.integers(0, 5_000), st.integers(0, 90)),
        text=st.sampled_from(['{"age": 1}', '{"age": 2}', ""]),
    )


def _drawn(user: str, kind: str, hours: int, numbers: tuple[int, ...], money: tuple[int, int], text: str) -> Row:
    tie, order, item, category, brand, count = numbers
    fields: Row = {"event_key": tie - 1, "item_no": item, "category_no": category, "brand_no": brand}
    if kind in ("purchase", "refund"):
        # keys of orders are hashes: far apart and of both signs
        order_key = (order - 1) * 4_000_000_000_000_000_007
        fields |= {"order_key": order_key, "quantity": count, "amount_minor": money[0], "discount_minor": money[1]}
    if kind == "review":
        fields["rating"] = 1 + (order + count) % 5
    if kind == "view":
        fields["dwell_seconds"] = money[1]
    if kind == "profile":
        fields = {"event_key": tie, "profile": text or None}
    return event(user, kind, hours / 24, **fields)
