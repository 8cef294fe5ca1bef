"""What each user bought of each item, exact and uncapped; merged by the same rules as the state.

Kernel room: NumPy and Arrow only.
"""

import numpy as np
import pyarrow as pa

from ltv_features.arrow import arrow_schema
from ltv_features.contract import KERNEL_EVENTS, TYPE_ID, USER_ITEMS
from ltv_features.errors import FutureLeak
from ltv_features.ragged import Columns, owners, pack, reduce_runs, run_starts, unpack

SCHEMA = arrow_schema(USER_ITEMS)
_SUMS = {"quantity": np.add, "amount_minor": np.add}


def build_items(events: pa.Table, *, as_of_us: int) -> pa.Table:
    """One row a user and item from purchases with an item number; sorted by user_key, item_no.

    Raises FutureLeak when an event lies at or after `as_of_us`.
    """
    events = events.cast(arrow_schema(KERNEL_EVENTS)).combine_chunks()
    times = events["ts_us"].to_numpy()
    if len(times) and times.max() >= as_of_us:
        raise FutureLeak(f"build_items: {int((times >= as_of_us).sum())} rows lie at or after as_of")
    bought = (events["type"].to_numpy() == TYPE_ID["purchase"]) & (events["item_no"].to_numpy() > 0)
    rows = events.filter(pa.array(bought))
    names = ("user_key", "item_no", "order_key", "quantity", "amount_minor")
    entries = {name: rows[name].to_numpy() for name in names} | {"first_us": rows["ts_us"].to_numpy()}
    return _fold(entries, rows["user_id"])


def merge_items(left: pa.Table, right: pa.Table) -> pa.Table:
    """The rows of the union of two disjoint sets of events. Exact, commutative, associative."""
    both = pa.concat_tables([left, right]).cast(SCHEMA).combine_chunks()
    offsets, orders = unpack(both["orders"])
    row = owners(np.diff(offsets))
    entries = orders | {name: both[name].to_numpy()[row] for name in ("user_key", "item_no")}
    first = np.zeros(len(row), bool)
    first[offsets[:-1]] = True
    for name in _SUMS:  # the row's sums ride on its first order
        entries[name] = np.where(first, both[name].to_numpy()[row], 0)
    return _fold(entries, both["user_id"].take(pa.array(row)))


def _fold(entries: Columns, user_ids: pa.ChunkedArray) -> pa.Table:
    if not len(entries["user_key"]):
        return SCHEMA.empty_table()
    order = np.lexsort((entries["order_key"], entries["item_no"], entries["user_key"]))
    sorted_ = {name: values[order] for name, values in entries.items()}
    keys = ("user_key", "item_no", "order_key")
    starts = run_starts(*(sorted_[key] for key in keys))
    orders = reduce_runs(starts, sorted_, _SUMS | {"first_us": np.minimum})
    orders |= {key: sorted_[key][starts] for key in keys}
    names = user_ids.take(pa.array(order[starts]))
    place = np.lexsort((orders["order_key"], orders["first_us"], orders["item_no"], orders["user_key"]))
    orders = {name: values[place] for name, values in orders.items()}
    rows = run_starts(orders["user_key"], orders["item_no"])
    lengths = np.diff(np.append(rows, len(place)))
    sums = reduce_runs(rows, orders, _SUMS)
    columns = {
        "user_id": names.take(pa.array(place[rows])),
        "user_key": pa.array(orders["user_key"][rows]),
        "item_no": pa.array(orders["item_no"][rows], pa.int32()),
        "orders": pack(lengths, orders, SCHEMA.field("orders").type),
        **{name: pa.array(values) for name, values in sums.items()},
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
