"""What `project` must say, by plain loops over one user's events before as_of: tokens, anchor inputs, every aggregate.

Written from the meaning of each feature, on events and not on states, with only the stated limits: categories come from
the last MAX_LINES lines, tokens are the last ones.
"""

from collections import Counter
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

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


def _over(above: float, below: float) -> float:
    return above / below if below else 0.0


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


def aggregates(rows: list[Row], *, as_of_us: int) -> dict[str, float]:
    """Every aggregate of one user, by name."""
    rows = [row for row in rows if row["type"] in NAME_OF]
    told = _buying(rows, as_of_us) | _doing(rows, as_of_us)
    return {name: float(value) for name, value in told.items()}


def _buying(rows: list[Row], as_of_us: int) -> dict[str, Any]:
    orders = real_orders(rows)
    gross = [order["gross_minor"] for order in orders]
    ages = [(as_of_us - order["first_us"]) / MICROS_PER_DAY for order in orders]
    gaps = [before - after for before, after in pairwise(ages)]
    money = [(_days_ago(row, as_of_us), _net(row)) for row in rows]
    recency, age = (ages[-1], ages[0]) if ages else (0.0, 0.0)
    spend = {window: sum(net for day, net in money if day <= window) for window in (7, 14, 30, 60, 90, 180)}
    count = {window: sum(1 for old in ages if old <= window) for window in (7, 14, 30, 60, 90, 180)}
    bought = [row for row in rows if row["type"] == TYPE_ID["purchase"]]
    paid, discount = sum(row["amount_minor"] for row in bought), sum(row["discount_minor"] for row in bought)
    total = sum(net for _, net in money)
    told = {f"spend_{window}": value for window, value in spend.items()}
    told |= {f"orders_{window}": value for window, value in count.items()}
    told |= {f"spend_decayed_{half}": sum(net * 0.5 ** (day / half) for day, net in money) for half in (14, 30, 90)}
    return told | {
        "recency_days": recency,
        "first_order_age_days": age,
        "orders": len(orders),
        "spend": total,
        "spend_repeat": sum(gross[1:]),
        "order_mean": fmean(gross) if gross else 0,
        "order_largest": max(gross, default=0),
        "order_last": gross[-1] if gross else 0,
        "lines_per_order": _over(len(bought), len(orders)),
        "gap_mean_days": fmean(gaps) if gaps else 0,
        "gap_deviation_days": pstdev(gaps) if gaps else 0,
        "recency_to_age": _over(recency, age),
        "recency_to_gap": _over(recency, fmean(gaps) if gaps else 0),
        "order_rate": len(orders) / max(age, 28),
        "spend_rate": total / max(age, 28),
        "spend_trend": _over(spend[30], spend[90]),
        "orders_trend": _over(count[30], count[90]),
        "discount_share": _over(discount, discount + paid),
        "refund_share": _over(paid - total, paid),
        "categories": len({line["category_no"] for line in held_lines(rows)} - {0}),
    }


def _doing(rows: list[Row], as_of_us: int) -> dict[str, Any]:
    def recent(kind: str, window: int) -> int:
        return sum(1 for row in rows if row["type"] == TYPE_ID[kind] and _days_ago(row, as_of_us) <= window)

    times = [row["ts_us"] for row in rows]
    stars = Counter(row["rating"] for row in rows if row["type"] == TYPE_ID["review"])
    hour = MICROS_PER_DAY // 24
    days = {_days_ago(row, as_of_us) for row in rows}
    return {
        "tenure_days": (as_of_us - min(times)) / MICROS_PER_DAY if times else 0,
        "idle_days": (as_of_us - max(times)) / MICROS_PER_DAY if times else 0,
        "active_days_30": sum(1 for day in days if day <= 30),
        "active_days_90": sum(1 for day in days if day <= 90),
        "views_30": recent("view", 30),
        "views_90": recent("view", 90),
        "carts_30": recent("add_to_cart", 30),
        "searches_30": recent("search", 30),
        "clicks_30": recent("click", 30),
        "logins_30": recent("login", 30),
        "dwell_seconds_30": sum(row["dwell_seconds"] for row in rows if _days_ago(row, as_of_us) <= 30),
        "promotions_received_90": recent("promotion_received", 90),
        "promotions_redeemed_90": recent("promotion_redeemed", 90),
        "reviews": sum(stars.values()),
        "five_star_share": _over(stars[5], sum(stars.values())),
        "one_star_share": _over(stars[1], sum(stars.values())),
        "weekend_share": _over(sum((time // MICROS_PER_DAY + 3) % 7 >= 5 for time in times), len(times)),
        "evening_share": _over(sum(time % MICROS_PER_DAY // hour >= 18 for time in times), len(times)),
    }


def _days_ago(row: Row, as_of_us: int) -> int:
    """1 for yesterday."""
    return int(as_of_us // MICROS_PER_DAY - row["ts_us"] // MICROS_PER_DAY)


def _net(row: Row) -> int:
    name = NAME_OF[row["type"]]
    return int({"purchase": row["amount_minor"], "refund": -row["amount_minor"]}.get(name, 0))
