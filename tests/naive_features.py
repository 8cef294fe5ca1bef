"""What `project` must say, by plain loops over one user's events before as_of: tokens and anchor inputs.

Written on events and not on states, with only the stated limits: categories come from the last MAX_LINES lines, tokens
are the last ones.
"""

from collections import Counter
from itertools import pairwise
from statistics import fmean

from ltv_features.contract import (
    BROWSE_TYPES,
    MAX_BROWSE,
    MAX_LINES,
    MAX_ORDER_TOKENS,
    MAX_TOKENS,
    MICROS_PER_DAY,
    NEVER_US,
    NUMERIC_FIELDS,
    TYPE_ID,
)
from tests.naive import BROWSE, LINE, NAME_OF, Row, last_entries, orders_of


def real_orders(rows: list[Row]) -> list[Row]:
    """The orders with at least one purchase line, by time."""
    return [order for order in orders_of(rows) if order["first_us"] != NEVER_US]


def tokens(rows: list[Row], *, as_of_us: int) -> list[Row]:
    """The value stream of one user, oldest first."""
    rows = [row for row in rows if row["type"] in NAME_OF]
    held = held_lines(rows)
    made = []
    for order in real_orders(rows)[-MAX_ORDER_TOKENS:]:
        of_order = Counter(line["category_no"] for line in held if line["order_key"] == order["order_key"])
        top = min(of_order, key=lambda category: (-of_order[category], category)) if of_order else 0
        made.append(
            _token(order["first_us"], TYPE_ID["purchase"], order["order_key"], as_of_us)
            | {"amount_minor": order["gross_minor"], "category_no": top}
            | {name: order[name] for name in ("discount_minor", "lines", "quantity")}
        )
    browse = [row for row in rows if NAME_OF[row["type"]] in BROWSE_TYPES]
    for row in last_entries(browse, BROWSE, MAX_BROWSE):
        known = ("item_no", "category_no", "brand_no", "rating", "dwell_seconds")
        made.append(_token(row["ts_us"], row["type"], row["event_key"], as_of_us) | {name: row[name] for name in known})
    made.sort(key=lambda token: (token["ts_us"], token["event_type"], token["tie"]))
    return _with_gaps(made[-MAX_TOKENS:])


def line_tokens(rows: list[Row], *, as_of_us: int) -> list[Row]:
    """The recommender's stream of one user, oldest first."""
    made = []
    for line in held_lines(rows):
        known = ("item_no", "category_no", "brand_no", "quantity", "amount_minor", "discount_minor")
        token = _token(line["ts_us"], TYPE_ID["purchase"], line["event_key"], as_of_us)
        made.append(token | {name: line[name] for name in known} | {"lines": 1})
    return _with_gaps(made)


def held_lines(rows: list[Row]) -> list[Row]:
    """The purchase lines that a state still holds."""
    return last_entries([row for row in rows if row["type"] == TYPE_ID["purchase"]], LINE, MAX_LINES)


def _token(ts_us: int, kind: int, tie: int, as_of_us: int) -> Row:
    token: Row = dict.fromkeys(("item_no", "category_no", "brand_no", *NUMERIC_FIELDS), 0)
    token |= {"ts_us": ts_us, "event_type": kind, "tie": tie, "age_days": (as_of_us - ts_us) / MICROS_PER_DAY}
    token["hour"] = ts_us % MICROS_PER_DAY // (MICROS_PER_DAY // 24) + 1
    token["weekday"] = (ts_us // MICROS_PER_DAY + 3) % 7 + 1
    return token


def _with_gaps(made: list[Row]) -> list[Row]:
    for before, token in pairwise(made):
        token["gap_days"] = (token["ts_us"] - before["ts_us"]) / MICROS_PER_DAY
    return made


def anchor_inputs(rows: list[Row], *, as_of_us: int) -> list[float]:
    """ANCHOR_INPUTS of one user."""
    orders = real_orders([row for row in rows if row["type"] in NAME_OF])
    if not orders:
        return [0.0] * 5
    first, last = orders[0]["first_us"], orders[-1]["first_us"]
    mean = fmean(order["gross_minor"] for order in orders)
    return [
        len(orders),
        len(orders) - 1,
        (last - first) / MICROS_PER_DAY,
        (as_of_us - first) / MICROS_PER_DAY,
        mean,
    ]
