"""Every aggregate by plain loops over one user's events before as_of, written from the meaning of each feature."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from ltv_features.contract import BROWSE_TYPES, MAX_BROWSE, MICROS_PER_DAY, TYPE_ID
from tests.naive import BROWSE, NAME_OF, Row, last_entries
from tests.naive_features import held_lines, real_orders

WINDOWS = (7, 14, 30, 60, 90, 180, 365)
FOREVER = 1_000_000
UNKNOWN = float("nan")
HOUR = MICROS_PER_DAY // 24


def _over(above: float, below: float, none: float = 0.0) -> float:
    return above / below if below else none


def aggregates(rows: list[Row], *, as_of_us: int) -> dict[str, float]:
    """Every aggregate of one user, by name."""
    rows = [row for row in rows if row["type"] in NAME_OF]
    told = _buying(rows, as_of_us) | _when_orders_began(rows)
    told |= _doing(rows, as_of_us) | _living(rows, as_of_us) | _liking(rows)
    return {name: float(value) for name, value in told.items()}


def _buying(rows: list[Row], as_of_us: int) -> dict[str, Any]:
    orders = real_orders(rows)
    gross = [order["gross_minor"] for order in orders]
    ages = [(as_of_us - order["first_us"]) / MICROS_PER_DAY for order in orders]
    gaps = [before - after for before, after in pairwise(ages)]
    money = [(_days_ago(row, as_of_us), _net(row)) for row in rows]
    recency, age = (ages[-1], ages[0]) if ages else (0.0, 0.0)
    spend = {window: sum(net for day, net in money if day <= window) for window in WINDOWS}
    count = {window: sum(1 for old in ages if old <= window) for window in WINDOWS}
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
        "units_per_order": _over(sum(row["quantity"] for row in bought), len(orders)),
        "gap_mean_days": fmean(gaps) if gaps else 0,
        "gap_deviation_days": pstdev(gaps) if gaps else 0,
        "recency_to_age": _over(recency, age),
        "recency_to_gap": _over(recency, fmean(gaps) if gaps else 0),
        "order_rate": len(orders) / max(age, 28),
        "spend_rate": total / max(age, 28),
        "spend_trend": _over(spend[30], spend[90]),
        "orders_trend": _over(count[30], count[90]),
        "orders_trend_180": _over(count[90], count[180]),
        "discount_share": _over(discount, discount + paid),
        "refund_share": _over(paid - total, paid),
    }


def _when_orders_began(rows: list[Row]) -> dict[str, Any]:
    began = [datetime.fromtimestamp(order["first_us"] / 1e6, UTC) for order in real_orders(rows)]

    def part(test: Callable[[datetime], bool]) -> float:
        return _over(sum(test(moment) for moment in began), len(began))

    return {
        "order_morning_share": part(lambda moment: 6 <= moment.hour < 12),
        "order_afternoon_share": part(lambda moment: 12 <= moment.hour < 18),
        "order_evening_share": part(lambda moment: moment.hour >= 18),
        "order_weekend_share": part(lambda moment: moment.isoweekday() >= 6),
        "order_early_month_share": part(lambda moment: moment.day <= 10),
    }


def _doing(rows: list[Row], as_of_us: int) -> dict[str, Any]:
    def count(kind: str, window: int = FOREVER) -> int:
        return sum(1 for row in rows if row["type"] == TYPE_ID[kind] and _days_ago(row, as_of_us) <= window)

    def dwell(window: int) -> int:
        return sum(row["dwell_seconds"] for row in rows if _days_ago(row, as_of_us) <= window)

    def days_of(kind: str) -> set[int]:
        return {_days_ago(row, as_of_us) for row in rows if row["type"] == TYPE_ID[kind]}

    stars = Counter(row["rating"] for row in rows if row["type"] == TYPE_ID["review"])
    rated = sum(count for star, count in stars.items() if 1 <= star <= 5)
    held = last_entries([row for row in rows if NAME_OF[row["type"]] in BROWSE_TYPES], BROWSE, MAX_BROWSE)
    times = sorted(row["ts_us"] for row in held if row["type"] != TYPE_ID["promotion_received"])
    sessions = sum(1 for before, after in pairwise(times) if after - before > 30 * 60 * 1_000_000) + bool(times)
    carts = {day for day in days_of("add_to_cart") if day <= 90}
    orders = sum(1 for order in real_orders(rows) if (as_of_us - order["first_us"]) / MICROS_PER_DAY <= 90)
    return {
        "views_30": count("view", 30),
        "views_90": count("view", 90),
        "dwell_seconds_30": dwell(30),
        "dwell_per_view_90": _over(dwell(90), count("view", 90)),
        "sessions": sessions,
        "pages_per_session": _over(sum(row["type"] == TYPE_ID["view"] for row in held), sessions),
        "orders_per_view_90": _over(orders, count("view", 90)),
        "carts_30": count("add_to_cart", 30),
        "abandoned_cart_share_90": _over(len(carts - days_of("purchase")), len(carts)),
        "searches_30": count("search", 30),
        "clicks_30": count("click", 30),
        "promotions_received_90": count("promotion_received", 90),
        "promotions_redeemed_90": count("promotion_redeemed", 90),
        "redemption_share": _over(count("promotion_redeemed"), count("promotion_received"), UNKNOWN),
        "reviews": count("review"),
        "five_star_share": _over(stars[5], rated, UNKNOWN),
        "one_star_share": _over(stars[1], rated, UNKNOWN),
    }


def _living(rows: list[Row], as_of_us: int) -> dict[str, Any]:
    times = [row["ts_us"] for row in rows]
    days = _own_days(rows, as_of_us)
    first = max(days, default=0)
    tenure = (as_of_us - min(times)) / MICROS_PER_DAY if times else 0
    own = [row["ts_us"] for row in rows if row["type"] != TYPE_ID["promotion_received"]]
    idle = (as_of_us - max(own)) / MICROS_PER_DAY if own else tenure

    def age(kind: str, edge: Callable[[list[int]], int]) -> float:
        of_kind = [row["ts_us"] for row in rows if row["type"] == TYPE_ID[kind]]
        return (as_of_us - edge(of_kind)) / MICROS_PER_DAY if of_kind else UNKNOWN

    def spent(since: int, until: int) -> int:
        return sum(_net(row) for row in rows if until < _days_ago(row, as_of_us) <= since)

    stage = "new" if tenure < 30 else "lost" if idle > 90 else "growing" if spent(90, 0) > spent(180, 90) else "active"
    return {
        "tenure_days": tenure,
        "idle_days": idle,
        "signup_age_days": age("signup", min),
        "logins": sum(row["type"] == TYPE_ID["login"] for row in rows),
        "logins_30": sum(row["type"] == TYPE_ID["login"] and _days_ago(row, as_of_us) <= 30 for row in rows),
        "login_age_days": age("login", max),
        "active_days_30": sum(1 for day in days if day <= 30),
        "active_days_90": sum(1 for day in days if day <= 90),
        "returned_day_1": any(first - day == 1 for day in days),
        "returned_day_7": any(2 <= first - day <= 7 for day in days),
        "returned_day_30": any(8 <= first - day <= 30 for day in days),
        **{f"stage_{name}": bool(rows) and name == stage for name in ("new", "growing", "active", "lost")},
        "weekend_share": _over(sum((time // MICROS_PER_DAY + 3) % 7 >= 5 for time in times), len(times)),
        "evening_share": _over(sum(time % MICROS_PER_DAY // HOUR >= 18 for time in times), len(times)),
    }


def _liking(rows: list[Row]) -> dict[str, Any]:
    held = held_lines(rows)

    def known(field: str) -> Counter[int]:
        return Counter(line[field] for line in held if line[field] > 0)

    def loyalty(field: str) -> float:
        return _over(max(known(field).values(), default=0), sum(known(field).values()))

    return {
        "items": len(known("item_no")),
        "categories": len(known("category_no")),
        "brands": len(known("brand_no")),
        "item_repeat_share": _over(sum(n - 1 for n in known("item_no").values()), sum(known("item_no").values())),
        "category_loyalty": loyalty("category_no"),
        "brand_loyalty": loyalty("brand_no"),
        "unit_price_mean": _over(sum(line["amount_minor"] for line in held), sum(line["quantity"] for line in held)),
        "discounted_line_share": _over(sum(line["discount_minor"] > 0 for line in held), len(held)),
    }


def _own_days(rows: list[Row], as_of_us: int) -> set[int]:
    """Days on which more happened than promotions received, or a sign-up beside them that was not the first."""
    kinds: dict[int, set[int]] = {}
    for row in rows:
        kinds.setdefault(_days_ago(row, as_of_us), set()).add(row["type"])
    received, signup = TYPE_ID["promotion_received"], TYPE_ID["signup"]
    began = max((day for day, seen in kinds.items() if signup in seen), default=0)
    return {day for day, seen in kinds.items() if received not in seen or seen - {received, signup} or day == began}


def _days_ago(row: Row, as_of_us: int) -> int:
    """1 for yesterday."""
    return int(as_of_us // MICROS_PER_DAY - row["ts_us"] // MICROS_PER_DAY)


def _net(row: Row) -> int:
    name = NAME_OF[row["type"]]
    return int({"purchase": row["amount_minor"], "refund": -row["amount_minor"]}.get(name, 0))
