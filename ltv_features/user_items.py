"""What each user bought of each item, exact and uncapped; merged by the same rules as the state.

Kernel room: NumPy and Arrow only.
"""

import numpy as np
import pyarrow as pa

from ltv_features.arrow import arrow_schema
from ltv_features.contract import KERNEL_EVENTS, TYPE_ID, USER_ITEMS
from ltv_features.errors import FutureLeak
from ltv_features.ragged import (
    Columns,
    Ints,
    distinct_users,
    order_by,
    owners,
    pack,
    reduce_runs,
    run_starts,
    take,
    unpack,
)

SCHEMA = arrow_schema(USER_ITEMS)
_SUMS = {"quantity": np.add, "amount_minor": np.add}


def build_items(events: pa.Table, *, as_of_us: int) -> pa.Table:
    """One row a user and item from purchases with an item number; sorted by user_key, user_id, item_no.

    Raises FutureLeak when an event lies at or after `as_of_us`.
    """
    events = events.cast(arrow_schema(KERNEL_EVENTS)).combine_chunks()
    times = events["ts_us"].to_numpy()
    if len(times) and times.max() >= as_of_us:
        raise FutureLeak(f"build_items: {int((times >= as_of_us).sum())} rows lie at or after as_of")
    bought = (events["type"].to_numpy() == TYPE_ID["purchase"]) & (events["item_no"].to_numpy() > 0)
    rows = events.filter(pa.array(bought))
    names = ("item_no", "order_key", "quantity", "amount_minor")
    entries = {name: rows[name].to_numpy() for name in names} | {"first_us": rows["ts_us"].to_numpy()}
    users, ids, who = distinct_users(rows["user_id"], rows["user_key"].to_numpy())
    return _fold(entries | {"who": who}, users, ids)


def merge_items(left: pa.Table, right: pa.Table) -> pa.Table:
    """The rows of the union of two disjoint sets of events. Exact, commutative, associative."""
    both = pa.concat_tables([left, right]).cast(SCHEMA).combine_chunks()
    offsets, orders = unpack(both["orders"])
    row = owners(np.diff(offsets))
    users, ids, who = distinct_users(both["user_id"], both["user_key"].to_numpy())
    entries = orders | {"who": who[row], "item_no": both["item_no"].to_numpy()[row]}
    first = np.zeros(len(row), bool)
    first[offsets[:-1]] = True
    for name in _SUMS:  # the row's sums ride on its first order
        entries[name] = np.where(first, both[name].to_numpy()[row], 0)
    return _fold(entries, users, ids)


def _fold(entries: Columns, users: Ints, ids: pa.Array) -> pa.Table:
    """Rows from loose entries (flat columns with `who`, the user's place in `users` and `ids` [B])."""
    keys = ("who", "item_no", "order_key")
    entries = take(entries, order_by(*(entries[key] for key in keys)))
    starts = run_starts(*(entries[key] for key in keys))
    orders = reduce_runs(starts, entries, _SUMS | {"first_us": np.minimum}) | {
        key: entries[key][starts] for key in keys
    }
    orders = take(orders, order_by(*(orders[key] for key in ("who", "item_no", "first_us", "order_key"))))
    rows = run_starts(orders["who"], orders["item_no"])
    who = orders["who"][rows]
    columns = {
        "user_id": ids.take(pa.array(who)),
        "user_key": pa.array(users[who]),
        "item_no": pa.array(orders["item_no"][rows], pa.int32()),
        "orders": pack(np.diff(np.append(rows, len(orders["who"]))), orders, SCHEMA.field("orders").type),
        **{name: pa.array(values) for name, values in reduce_runs(rows, orders, _SUMS).items()},
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
