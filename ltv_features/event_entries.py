"""Events as the loose entries of a state: one entry an event and list, before entries with equal keys become one.

Kernel room: NumPy and Arrow only. `event` holds columns of KERNEL_EVENTS without profile rows, and `who` [N], the row
of each event's user.
"""

import numpy as np
import pyarrow as pa

from ltv_features.arrow import arrow_schema
from ltv_features.clock import hour_of, weekday_of
from ltv_features.contract import BROWSE_TYPES, MICROS_PER_DAY, NEVER_US, TYPE_ID, USER_STATE
from ltv_features.ragged import Array, Columns, Ints, take

_SCHEMA = arrow_schema(USER_STATE)
_PURCHASE, _REFUND = TYPE_ID["purchase"], TYPE_ID["refund"]
_BROWSE_IDS = np.array([TYPE_ID[name] for name in BROWSE_TYPES])

DAY_COUNTS = {
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
"""Fields of a day that count events, and of which type."""


def entries_of(event: Columns) -> dict[str, Columns]:
    """The entries of every list of a state, by the name of the list."""
    return {
        "types": _type_entries(event),
        "orders": _order_entries(event),
        "days": _day_entries(event),
        "lines": _kept(event, "lines", event["type"] == _PURCHASE),
        "browse": _kept(event, "browse", np.isin(event["type"], _BROWSE_IDS)),
    }


def histograms(event: Columns, users: int) -> dict[str, Array]:
    """Events by hour [B, 24] and weekday [B, 7], reviews by stars [B, 5]."""
    hour, weekday = hour_of(event["ts_us"]), weekday_of(event["ts_us"])
    starred = (event["type"] == TYPE_ID["review"]) & (event["rating"] >= 1) & (event["rating"] <= 5)
    return {
        "hours": _count_cells(event["who"], hour, users, 24),
        "weekdays": _count_cells(event["who"], weekday, users, 7),
        "stars": _count_cells(event["who"][starred], event["rating"][starred].astype(np.int64) - 1, users, 5),
    }


def _type_entries(event: Columns) -> Columns:
    ones = np.ones(len(event["who"]), np.int64)
    times = event["ts_us"]
    return {"who": event["who"], "type": event["type"], "n": ones, "first_us": times, "last_us": times}


def _order_entries(event: Columns) -> Columns:
    names = ("who", "order_key", "type", "ts_us", "quantity", "amount_minor", "discount_minor")
    keep = (event["type"] == _PURCHASE) | (event["type"] == _REFUND)
    line = {name: event[name][keep] for name in names}
    bought = line["type"] == _PURCHASE
    return {
        "who": line["who"],
        "order_key": line["order_key"],
        "first_us": np.where(bought, line["ts_us"], NEVER_US),
        "refund_us": np.where(bought, NEVER_US, line["ts_us"]),
        "lines": bought.astype(np.int64),
        "quantity": np.where(bought, line["quantity"], 0),
        "gross_minor": np.where(bought, line["amount_minor"], 0),
        "discount_minor": np.where(bought, line["discount_minor"], 0),
        "refunded_minor": np.where(bought, 0, line["amount_minor"]),
    }


def _day_entries(event: Columns) -> Columns:
    bought, refunded = event["type"] == _PURCHASE, event["type"] == _REFUND
    counts = {name: (event["type"] == TYPE_ID[kind]).astype(np.int64) for name, kind in DAY_COUNTS.items()}
    return counts | {
        "who": event["who"],
        "day": (event["ts_us"] // MICROS_PER_DAY).astype(np.int32),
        "gross_minor": np.where(bought, event["amount_minor"], 0),
        "discount_minor": np.where(bought, event["discount_minor"], 0),
        "refunded_minor": np.where(refunded, event["amount_minor"], 0),
        "dwell_seconds": event["dwell_seconds"],
    }


def _kept(event: Columns, name: str, keep: Array) -> Columns:
    """The entries of a top-L list: the fields of its struct as the events have them."""
    item: pa.StructType = _SCHEMA.field(name).type.value_type
    fields = ("who", *(item.field(i).name for i in range(item.num_fields)))
    return take({field: event[field] for field in fields}, keep)


def _count_cells(who: Ints, cell: Ints, users: int, width: int) -> Array:
    return np.bincount(who * width + cell, minlength=users * width).astype(np.int64).reshape(users, width)
