"""User state: built from events, merged as an exact monoid.

Everything in a state is an integer sum, a minimum, a maximum, a set, or the last L of a total order, so that merging
the states of any split of a user's events, in any order, gives the bits of building from all of them. `build` and `merge`
both end in `_fold`, the one place where entries with equal keys become one. Kernel room: NumPy and Arrow only.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.arrow import arrow_schema
from ltv_features.contract import (
    BROWSE_TYPES,
    KERNEL_EVENTS,
    MAX_BROWSE,
    MAX_LINES,
    MICROS_PER_DAY,
    NEVER_US,
    PROFILE_TYPE_ID,
    TYPE_ID,
    USER_STATE,
)
from ltv_features.errors import FutureLeak
from ltv_features.ragged import (
    Array,
    Columns,
    Ints,
    last_of_each,
    owners,
    pack,
    pack_dense,
    reduce_runs,
    run_starts,
    unpack,
    unpack_dense,
)

SCHEMA = arrow_schema(USER_STATE)
_PURCHASE, _REFUND = TYPE_ID["purchase"], TYPE_ID["refund"]
_BROWSE_IDS = np.array([TYPE_ID[name] for name in BROWSE_TYPES])
_DENSE = {"hours": 24, "weekdays": 7, "stars": 5}
_MICROS_PER_HOUR = MICROS_PER_DAY // 24
_THURSDAY = 3
"""1970-01-01 was a Thursday; weekdays count from Monday = 0."""

_ORDER_SUMS = ("lines", "quantity", "gross_minor", "discount_minor", "refunded_minor")
_ORDER_RULES = {"first_us": np.minimum, "refund_us": np.minimum} | dict.fromkeys(_ORDER_SUMS, np.add)
_TYPE_RULES = {"n": np.add, "first_us": np.minimum, "last_us": np.maximum}
_DAY_COUNTS = {
    "lines": "purchase",
    "refunds": "refund",
    "views": "view",
    "searches": "search",
    "clicks": "click",
    "carts": "add_to_cart",
    "logins": "login",
    "reviews": "review",
    "promotions_received": "promotion_received",
    "promotions_redeemed": "promotion_redeemed",
}
_DAY_SUMS = (*_DAY_COUNTS, "gross_minor", "discount_minor", "refunded_minor", "dwell_seconds")
_RULES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "types": (("type",), _TYPE_RULES),
    "orders": (("order_key",), _ORDER_RULES),
    "days": (("day",), dict.fromkeys(_DAY_SUMS, np.add)),
}
"""Lists whose entries are merged by key: the key columns beside the user, and how each other column is reduced."""
_LAST = {"lines": MAX_LINES, "browse": MAX_BROWSE}
"""Lists that keep the last L entries by (ts_us, event_key, every other field)."""


def empty() -> pa.Table:
    """The state of nobody: the neutral element of `merge`."""
    return SCHEMA.empty_table()


def build(events: pa.Table, *, as_of_us: int) -> pa.Table:
    """One row a user, sorted by user_key, from events (KERNEL_EVENTS) in any order.

    Raises FutureLeak when an event or profile lies at or after `as_of_us` (microseconds since 1970).
    """
    events = events.cast(arrow_schema(KERNEL_EVENTS)).combine_chunks()
    if not len(events):
        return empty()
    column = {name: events[name].to_numpy() for name in events.column_names if name not in ("user_id", "profile")}
    if column["ts_us"].max() >= as_of_us:
        late = int((column["ts_us"] >= as_of_us).sum())
        raise FutureLeak(
            f"state.build: {late} of {len(events)} rows lie at or after as_of; next: filter before building"
        )
    users, first, who = np.unique(column["user_key"], return_index=True, return_inverse=True)
    names = events["user_id"].take(pa.array(first)).combine_chunks()
    column["who"] = who.astype(np.int64)
    happened = {name: values[column["type"] != PROFILE_TYPE_ID] for name, values in column.items()}
    loose = {
        "types": _type_entries(happened),
        "orders": _order_entries(happened),
        "days": _day_entries(happened),
        "lines": _line_entries(happened),
        "browse": _browse_entries(happened),
    }
    dense: dict[str, Array] = _histograms(happened, len(users))
    return _fold(users, names, loose, dense, _profiles(events, column, len(users)))


def merge(left: pa.Table, right: pa.Table) -> pa.Table:
    """The states of the union of two disjoint sets of events. Exact, commutative, associative; `empty()` is neutral."""
    both = pa.concat_tables([left, right]).cast(SCHEMA).combine_chunks()
    if not len(both):
        return empty()
    users, first, row_user = np.unique(both["user_key"].to_numpy(), return_index=True, return_inverse=True)
    names = both["user_id"].take(pa.array(first)).combine_chunks()
    loose = {}
    for name in (*_RULES, *_LAST):
        offsets, columns = unpack(both[name])
        loose[name] = columns | {"who": row_user[owners(np.diff(offsets))]}
    dense: dict[str, Array] = {}
    for name, width in _DENSE.items():
        rows = unpack_dense(both[name], width)
        dense[name] = np.zeros((len(users), width), np.int64)
        np.add.at(dense[name], row_user, rows)
    profile = {name: both[name].to_numpy() for name in ("profile_us", "profile_key")}
    winner = _winners(row_user, profile, both["profile"], len(users))
    return _fold(users, names, loose, dense, both.select(["profile_us", "profile_key", "profile"]).take(winner))


def states_at(events: pa.Table, cutoffs_us: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
    """(cut-off, states of the events before it) for each cut-off, ascending, by merging interval states one by one."""
    cutoffs = sorted(cutoffs_us)
    interval = np.searchsorted(np.asarray(cutoffs, np.int64), events["ts_us"].to_numpy(), side="right")
    running = empty()
    for number, cutoff in enumerate(cutoffs):
        running = merge(running, build(events.filter(pa.array(interval == number)), as_of_us=cutoff))
        yield cutoff, running


def _fold(
    users: Ints, names: pa.Array, loose: dict[str, Columns], dense: dict[str, Array], profile: pa.Table
) -> pa.Table:
    """States of `users` [B] from loose entries (columns with `who`), histograms [B, width], profile rows [B]."""
    columns = {"user_id": names, "user_key": pa.array(users, pa.int64())}
    for name, (keys, rules) in _RULES.items():
        entries = loose[name]
        order = np.lexsort([*(entries[key] for key in reversed(keys)), entries["who"]])
        entries = {key: values[order] for key, values in entries.items()}
        starts = run_starts(entries["who"], *(entries[key] for key in keys))
        merged = reduce_runs(starts, entries, rules) | {key: entries[key][starts] for key in (*keys, "who")}
        if name == "orders":
            order = np.lexsort((merged["order_key"], merged["first_us"], merged["who"]))
            merged = {key: values[order] for key, values in merged.items()}
        columns[name] = pack(_counts(merged["who"], users), merged, SCHEMA.field(name).type)
    for name, limit in _LAST.items():
        entries = loose[name]
        order = _total_order(entries)
        kept, lengths = last_of_each(entries["who"][order], len(users), limit)
        last = {key: values[order[kept]] for key, values in entries.items()}
        columns[name] = pack(lengths, last, SCHEMA.field(name).type)
    for name in _DENSE:
        columns[name] = pack_dense(dense[name], SCHEMA.field(name).type)
    columns |= {name: profile[name] for name in profile.column_names}
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _counts(who: Ints, users: Ints) -> Ints:
    return np.asarray(np.bincount(who, minlength=len(users)), np.int64)


def _total_order(entries: Columns) -> Ints:
    """The order by user, time, event_key; where those tie also by every other field, so that no input order shows."""
    order = np.lexsort((entries["event_key"], entries["ts_us"], entries["who"]))
    tied = len(order) - len(run_starts(*(entries[key][order] for key in ("who", "ts_us", "event_key"))))
    if not tied:
        return np.asarray(order)
    rest = sorted(set(entries) - {"who", "ts_us", "event_key"}, reverse=True)
    keys = [*(entries[key] for key in rest), entries["event_key"], entries["ts_us"], entries["who"]]
    return np.asarray(np.lexsort(keys))


def _type_entries(event: Columns) -> Columns:
    ones = np.ones(len(event["who"]), np.int64)
    times = event["ts_us"]
    return {"who": event["who"], "type": event["type"], "n": ones, "first_us": times, "last_us": times}


def _order_entries(event: Columns) -> Columns:
    bought, refunded = event["type"] == _PURCHASE, event["type"] == _REFUND
    keep = bought | refunded
    bought, refunded = bought[keep], refunded[keep]
    return {
        "who": event["who"][keep],
        "order_key": event["order_key"][keep],
        "first_us": np.where(bought, event["ts_us"][keep], NEVER_US),
        "refund_us": np.where(refunded, event["ts_us"][keep], NEVER_US),
        "lines": bought.astype(np.int64),
        "quantity": np.where(bought, event["quantity"][keep], 0),
        "gross_minor": np.where(bought, event["amount_minor"][keep], 0),
        "discount_minor": np.where(bought, event["discount_minor"][keep], 0),
        "refunded_minor": np.where(refunded, event["amount_minor"][keep], 0),
    }


def _day_entries(event: Columns) -> Columns:
    bought, refunded = event["type"] == _PURCHASE, event["type"] == _REFUND
    counts = {name: (event["type"] == TYPE_ID[kind]).astype(np.int64) for name, kind in _DAY_COUNTS.items()}
    return counts | {
        "who": event["who"],
        "day": (event["ts_us"] // MICROS_PER_DAY).astype(np.int32),
        "gross_minor": np.where(bought, event["amount_minor"], 0),
        "discount_minor": np.where(bought, event["discount_minor"], 0),
        "refunded_minor": np.where(refunded, event["amount_minor"], 0),
        "dwell_seconds": event["dwell_seconds"],
    }


def _line_entries(event: Columns) -> Columns:
    keep = event["type"] == _PURCHASE
    names = ("who", *_fields("lines"))
    return {name: event[name][keep] for name in names}


def _browse_entries(event: Columns) -> Columns:
    keep = np.isin(event["type"], _BROWSE_IDS)
    return {name: event[name][keep] for name in ("who", *_fields("browse"))}


def _fields(name: str) -> list[str]:
    item = SCHEMA.field(name).type.value_type
    return [item.field(i).name for i in range(item.num_fields)]


def _histograms(event: Columns, users: int) -> dict[str, Array]:
    hour = (event["ts_us"] // _MICROS_PER_HOUR) % 24
    weekday = (event["ts_us"] // MICROS_PER_DAY + _THURSDAY) % 7
    starred = (event["type"] == TYPE_ID["review"]) & (event["rating"] >= 1) & (event["rating"] <= 5)
    return {
        "hours": _count_cells(event["who"], hour, users, 24),
        "weekdays": _count_cells(event["who"], weekday, users, 7),
        "stars": _count_cells(event["who"][starred], event["rating"][starred].astype(np.int64) - 1, users, 5),
    }


def _count_cells(who: Ints, cell: Ints, users: int, width: int) -> Array:
    return np.bincount(who * width + cell, minlength=users * width).astype(np.int64).reshape(users, width)


def _profiles(events: pa.Table, column: Columns, users: int) -> pa.Table:
    """The winning profile row of each user [B], or the neutral one."""
    is_profile = column["type"] == PROFILE_TYPE_ID
    said = {
        "profile_us": np.where(is_profile, column["ts_us"], -NEVER_US),
        "profile_key": np.where(is_profile, column["event_key"], 0),
    }
    text = pc.fill_null(pc.if_else(pa.array(is_profile), events["profile"], pa.scalar("")), "")
    rows = pa.table({**{name: pa.array(values, pa.int64()) for name, values in said.items()}, "profile": text})
    return rows.take(_winners(column["who"], said, text, users))


def _winners(who: Ints, profile: Columns, text: pa.ChunkedArray, users: int) -> pa.Array:
    """The row with the last (profile_us, profile_key, profile text) of each user [B]."""
    rank = np.lexsort((profile["profile_key"], profile["profile_us"], who))
    ends = np.searchsorted(who[rank], np.arange(users), side="right") - 1
    return pa.array(rank[ends])
