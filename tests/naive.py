"""What the kernel must say, by plain loops over one user's events: states, items, labels."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ltv_features.contract import BROWSE_TYPES, EVENT_TYPES, MICROS_PER_DAY, NEVER_US, TYPE_ID

Row = dict[str, Any]
NAME_OF = {number: name for name, number in TYPE_ID.items()}
DAY_FIELD = {
    "purchase": "lines",
    "refund": "refunds",
    "view": "views",
    "search": "searches",
    "click": "clicks",
    "add_to_cart": "carts",
    "login": "logins",
    "review": "reviews",
    "promotion_received": "promotions_received",
    "promotion_redeemed": "promotions_redeemed",
}
LINE = ("ts_us", "event_key", "order_key", "item_no", "category_no", "brand_no")
LINE += ("quantity", "amount_minor", "discount_minor")
BROWSE = ("ts_us", "event_key", "type", "item_no", "category_no", "brand_no", "rating", "dwell_seconds")
ORDER = ("first_us", "order_key", "refund_us", "lines", "quantity", "gross_minor", "discount_minor", "refunded_minor")
DAY = ("day", *DAY_FIELD.values(), "gross_minor", "discount_minor", "refunded_minor", "dwell_seconds")


def by_user(events: pa.Table) -> dict[tuple[int, str], list[Row]]:
    """The rows of each (user_key, user_id), in order of both."""
    people: dict[tuple[int, str], list[Row]] = {}
    for row in events.to_pylist():
        people.setdefault((row["user_key"], row["user_id"]), []).append(row)
    return {who: people[who] for who in sorted(people, key=lambda who: (who[0], who[1].encode()))}


def states(events: pa.Table, *, max_lines: int = 256, max_browse: int = 256) -> list[Row]:
    """USER_STATE rows as dictionaries."""
    return [
        {"user_id": name, "user_key": key, **_state(rows, max_lines, max_browse)}
        for (key, name), rows in by_user(events).items()
    ]


def _state(rows: list[Row], max_lines: int, max_browse: int) -> Row:
    happened = [row for row in rows if row["type"] in NAME_OF]
    hours, weekdays, stars = [0] * 24, [0] * 7, [0] * 5
    for row in happened:
        hours[row["ts_us"] % MICROS_PER_DAY // (MICROS_PER_DAY // 24)] += 1
        weekdays[(row["ts_us"] // MICROS_PER_DAY + 3) % 7] += 1
        if row["type"] == TYPE_ID["review"]:
            stars[row["rating"] - 1] += 1
    lines = [row for row in happened if row["type"] == TYPE_ID["purchase"]]
    browse = [row for row in happened if NAME_OF[row["type"]] in BROWSE_TYPES]
    said = [(row["ts_us"], row["event_key"], row["profile"] or "") for row in rows if row["type"] not in NAME_OF]
    profile_us, profile_key, profile = max(said, default=(-NEVER_US, 0, ""))
    return {
        "types": _types(happened),
        "orders": orders_of(happened),
        "days": _days(happened),
        "lines": last_entries(lines, LINE, max_lines),
        "browse": last_entries(browse, BROWSE, max_browse),
        "hours": hours,
        "weekdays": weekdays,
        "stars": stars,
        "profile_us": profile_us,
        "profile_key": profile_key,
        "profile": profile,
    }


def _types(rows: list[Row]) -> list[Row]:
    found = []
    for number in range(1, len(EVENT_TYPES) + 1):
        times = [row["ts_us"] for row in rows if row["type"] == number]
        if times:
            found.append({"type": number, "n": len(times), "first_us": min(times), "last_us": max(times)})
    return found


def orders_of(rows: list[Row]) -> list[Row]:
    orders: dict[int, Row] = {}
    for row in rows:
        name = NAME_OF[row["type"]]
        if name not in ("purchase", "refund"):
            continue
        fresh = dict.fromkeys(ORDER, 0) | {"first_us": NEVER_US, "refund_us": NEVER_US, "order_key": row["order_key"]}
        order = orders.setdefault(row["order_key"], fresh)
        if name == "purchase":
            order["first_us"] = min(order["first_us"], row["ts_us"])
            order["lines"] += 1
            order["quantity"] += row["quantity"]
            order["gross_minor"] += row["amount_minor"]
            order["discount_minor"] += row["discount_minor"]
        else:
            order["refund_us"] = min(order["refund_us"], row["ts_us"])
            order["refunded_minor"] += row["amount_minor"]
    return sorted(orders.values(), key=lambda order: (order["first_us"], order["order_key"]))


def _days(rows: list[Row]) -> list[Row]:
    days: dict[int, Row] = {}
    for row in rows:
        number = row["ts_us"] // MICROS_PER_DAY
        day = days.setdefault(number, dict.fromkeys(DAY, 0) | {"day": number})
        name = NAME_OF[row["type"]]
        if name in DAY_FIELD:
            day[DAY_FIELD[name]] += 1
        if name == "purchase":
            day["gross_minor"] += row["amount_minor"]
            day["discount_minor"] += row["discount_minor"]
        if name == "refund":
            day["refunded_minor"] += row["amount_minor"]
        day["dwell_seconds"] += row["dwell_seconds"]
    return [days[number] for number in sorted(days)]


def last_entries(rows: list[Row], fields: Sequence[str], limit: int) -> list[Row]:
    kept = [{field: row[field] for field in fields} for row in rows]
    rest = sorted(set(fields) - {"ts_us", "event_key"})
    kept.sort(key=lambda row: (row["ts_us"], row["event_key"], *(row[field] for field in rest)))
    return kept[-limit:]


def user_items(events: pa.Table) -> list[Row]:
    """USER_ITEMS rows as dictionaries."""
    made = []
    for (key, name), rows in by_user(events).items():
        bought = [row for row in rows if row["type"] == TYPE_ID["purchase"] and row["item_no"] > 0]
        for item in sorted({row["item_no"] for row in bought}):
            own = [row for row in bought if row["item_no"] == item]
            first = {row["order_key"]: NEVER_US for row in own}
            for row in own:
                first[row["order_key"]] = min(first[row["order_key"]], row["ts_us"])
            pairs = sorted((time, order) for order, time in first.items())
            made.append(
                {
                    "user_id": name,
                    "user_key": key,
                    "item_no": item,
                    "orders": [{"first_us": time, "order_key": order} for time, order in pairs],
                    "quantity": sum(row["quantity"] for row in own),
                    "amount_minor": sum(row["amount_minor"] for row in own),
                }
            )
    return made


def label(
    rows: list[Row], *, cutoff_us: int, periods_days: Sequence[tuple[int, int]], observed_until_us: int
) -> dict[str, list[float]]:
    """The LABEL_FIELDS of one user: a list of a value for each period."""
    seen = [row for row in rows if row["type"] in NAME_OF and cutoff_us <= row["ts_us"] < observed_until_us]
    lines = [row for row in seen if row["type"] == TYPE_ID["purchase"]]
    began = {row["order_key"]: min(r["ts_us"] for r in lines if r["order_key"] == row["order_key"]) for row in lines}
    made: dict[str, list[float]] = {}
    for first_day, last_day in periods_days:
        start, end = cutoff_us + first_day * MICROS_PER_DAY, cutoff_us + last_day * MICROS_PER_DAY
        inside = [row for row in seen if start <= row["ts_us"] < end]
        bought = [row["amount_minor"] for row in inside if row["type"] == TYPE_ID["purchase"]]
        returned = [row["amount_minor"] for row in inside if row["type"] == TYPE_ID["refund"]]
        observed = max(0, min(end, observed_until_us) - start)
        values = {
            "spend_minor": sum(bought) - sum(returned),
            "orders": sum(1 for time in began.values() if start <= time < end),
            "purchased": 1.0 if bought else 0.0,
            "active": 1.0 if any(NAME_OF[row["type"]] != "promotion_received" for row in inside) else 0.0,
            "mask": 1.0 if observed else 0.0,
            "exposure": observed / (end - start),
        }
        for name, value in values.items():
            made.setdefault(name, []).append(value)
    return made


def next_label(
    rows: list[Row], *, cutoff_us: int, periods_days: Sequence[tuple[int, int]], observed_until_us: int
) -> dict[str, list[float]]:
    """PERIOD_LABELS and NEXT_LABELS of one user."""
    until = min(observed_until_us, cutoff_us + periods_days[-1][1] * MICROS_PER_DAY)
    seen = [row for row in rows if row["type"] == TYPE_ID["purchase"] and cutoff_us <= row["ts_us"] < until]
    gross = []
    for first_day, last_day in periods_days:
        start, end = cutoff_us + first_day * MICROS_PER_DAY, cutoff_us + last_day * MICROS_PER_DAY
        gross.append(sum(row["amount_minor"] for row in seen if start <= row["ts_us"] < end))
    first = min(((row["ts_us"], row["order_key"]) for row in seen), default=None)
    waited = (first[0] if first else max(until, cutoff_us)) - cutoff_us
    value = sum(row["amount_minor"] for row in seen if first and row["order_key"] == first[1])
    return {
        "gross_minor": gross,
        "next_purchase_days": [waited / MICROS_PER_DAY],
        "next_purchase_seen": [1.0 if first else 0.0],
        "next_order_minor": [value],
    }
