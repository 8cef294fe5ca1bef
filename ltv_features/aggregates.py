"""The features of one user as a list of values: name, unit, meaning, computation. Adding one is adding a line.

Money is in minor units and unscaled; `encode` divides it by the money scale of training. A feature that would be a
division by nothing is 0. Kernel room: NumPy and Arrow only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltv_features.contract import TYPE_ID
from ltv_features.ragged import order_by, run_starts
from ltv_features.view import Floats, StateView, ratio


@dataclass(frozen=True)
class Aggregate:
    """A feature: `compute` maps a view of B users to [B]."""

    name: str
    unit: Literal["minor", "count", "days", "ratio", "flag"]
    meaning: str
    compute: Callable[[StateView], Floats]


def _by_order(view: StateView, field: str) -> Floats:
    return view.orders[field].astype(np.float64)


def _mean_order(view: StateView) -> Floats:
    return ratio(view.total(view.orders["who"], _by_order(view, "gross_minor")), view.order_count)


def _largest_order(view: StateView) -> Floats:
    largest, starts = np.zeros(view.users), run_starts(view.orders["who"])
    if len(starts):
        largest[view.orders["who"][starts]] = np.maximum.reduceat(_by_order(view, "gross_minor"), starts)
    return largest


def _last_order(view: StateView) -> Floats:
    last = np.zeros(view.users)
    last[view.orders["who"]] = _by_order(view, "gross_minor")  # sorted by time: the last assignment stays
    return last


def _repeat_spend(view: StateView) -> Floats:
    first = np.zeros(view.users)
    starts = run_starts(view.orders["who"])
    first[view.orders["who"][starts]] = _by_order(view, "gross_minor")[starts]
    return view.total(view.orders["who"], _by_order(view, "gross_minor")) - first


def _categories(view: StateView) -> Floats:
    order = order_by(view.lines["who"], view.lines["category_no"])
    who, category = view.lines["who"][order], view.lines["category_no"][order]
    starts = run_starts(who, category)
    return view.total(who[starts][category[starts] > 0])


def _share(part: Callable[[StateView], Floats], whole: Callable[[StateView], Floats]) -> Callable[[StateView], Floats]:
    return lambda view: ratio(part(view), whole(view))


def _windowed(field: str, window: int) -> Callable[[StateView], Floats]:
    return lambda view: view.in_days(field, window)


def _spend(window: int) -> Callable[[StateView], Floats]:
    return lambda view: view.spend(window)


def _orders(window: int) -> Callable[[StateView], Floats]:
    return lambda view: view.orders_in(window)


def _total(field: str) -> Callable[[StateView], Floats]:
    return lambda view: view.in_days(field)


def _hours(first: int, last: int) -> Callable[[StateView], Floats]:
    return lambda view: np.asarray(view.hours[:, first:last].sum(axis=1), np.float64)


def _all_hours(view: StateView) -> Floats:
    return np.asarray(view.hours.sum(axis=1), np.float64)


AGGREGATES = (
    Aggregate("recency_days", "days", "since the last order", lambda v: v.last_order_age),
    Aggregate("first_order_age_days", "days", "since the first order", lambda v: v.first_order_age),
    Aggregate("tenure_days", "days", "since the first event of any type", lambda v: v.tenure),
    Aggregate("idle_days", "days", "since the last event of any type", lambda v: v.last_activity_age),
    Aggregate("orders", "count", "orders so far", lambda v: v.order_count),
    Aggregate("orders_7", "count", "orders of the last 7 days", _orders(7)),
    Aggregate("orders_14", "count", "orders of the last 14 days", _orders(14)),
    Aggregate("orders_30", "count", "orders of the last 30 days", _orders(30)),
    Aggregate("orders_60", "count", "orders of the last 60 days", _orders(60)),
    Aggregate("orders_90", "count", "orders of the last 90 days", _orders(90)),
    Aggregate("orders_180", "count", "orders of the last 180 days", _orders(180)),
    Aggregate("spend", "minor", "net spend so far", lambda v: v.spend()),
    Aggregate("spend_repeat", "minor", "gross spend without the first order", _repeat_spend),
    Aggregate("spend_7", "minor", "net spend of the last 7 days", _spend(7)),
    Aggregate("spend_14", "minor", "net spend of the last 14 days", _spend(14)),
    Aggregate("spend_30", "minor", "net spend of the last 30 days", _spend(30)),
    Aggregate("spend_60", "minor", "net spend of the last 60 days", _spend(60)),
    Aggregate("spend_90", "minor", "net spend of the last 90 days", _spend(90)),
    Aggregate("spend_180", "minor", "net spend of the last 180 days", _spend(180)),
    Aggregate("spend_decayed_14", "minor", "net spend with a half-life of 14 days", lambda v: v.decayed_spend(14)),
    Aggregate("spend_decayed_30", "minor", "net spend with a half-life of 30 days", lambda v: v.decayed_spend(30)),
    Aggregate("spend_decayed_90", "minor", "net spend with a half-life of 90 days", lambda v: v.decayed_spend(90)),
    Aggregate("order_mean", "minor", "mean gross value of an order", _mean_order),
    Aggregate("order_largest", "minor", "largest gross value of an order", _largest_order),
    Aggregate("order_last", "minor", "gross value of the last order", _last_order),
    Aggregate("lines_per_order", "count", "mean lines of an order", _share(_total("lines"), lambda v: v.order_count)),
    Aggregate("gap_mean_days", "days", "mean days between orders", lambda v: v.mean_gap),
    Aggregate("gap_deviation_days", "days", "standard deviation of those", lambda v: v.gap_deviation),
    Aggregate(
        "recency_to_age",
        "ratio",
        "recency / age of the first order",
        _share(lambda v: v.last_order_age, lambda v: v.first_order_age),
    ),
    Aggregate(
        "recency_to_gap", "count", "recency / mean gap", _share(lambda v: v.last_order_age, lambda v: v.mean_gap)
    ),
    Aggregate(
        "order_rate",
        "ratio",
        "orders a day since the first, at least 28 days",
        lambda v: v.order_count / np.maximum(v.first_order_age, 28),
    ),
    Aggregate(
        "spend_rate",
        "minor",
        "net spend a day since the first order, at least 28 days",
        lambda v: v.spend() / np.maximum(v.first_order_age, 28),
    ),
    Aggregate("spend_trend", "ratio", "spend of 30 days / spend of 90 days", _share(_spend(30), _spend(90))),
    Aggregate("orders_trend", "ratio", "orders of 30 days / orders of 90 days", _share(_orders(30), _orders(90))),
    Aggregate(
        "discount_share",
        "ratio",
        "discount / gross before discount",
        _share(_total("discount_minor"), lambda v: v.in_days("discount_minor") + v.in_days("gross_minor")),
    ),
    Aggregate("refund_share", "ratio", "refunded / gross", _share(_total("refunded_minor"), _total("gross_minor"))),
    Aggregate("active_days_30", "count", "days with any event, of the last 30", lambda v: v.active_days(30)),
    Aggregate("active_days_90", "count", "days with any event, of the last 90", lambda v: v.active_days(90)),
    Aggregate("views_30", "count", "page views of the last 30 days", _windowed("views", 30)),
    Aggregate("views_90", "count", "page views of the last 90 days", _windowed("views", 90)),
    Aggregate("carts_30", "count", "additions to a cart of the last 30 days", _windowed("carts", 30)),
    Aggregate("searches_30", "count", "searches of the last 30 days", _windowed("searches", 30)),
    Aggregate("clicks_30", "count", "clicks of the last 30 days", _windowed("clicks", 30)),
    Aggregate("logins_30", "count", "logins of the last 30 days", _windowed("logins", 30)),
    Aggregate("dwell_seconds_30", "count", "seconds on pages in the last 30 days", _windowed("dwell_seconds", 30)),
    Aggregate(
        "promotions_received_90", "count", "promotions received in 90 days", _windowed("promotions_received", 90)
    ),
    Aggregate(
        "promotions_redeemed_90", "count", "promotions redeemed in 90 days", _windowed("promotions_redeemed", 90)
    ),
    Aggregate("reviews", "count", "reviews so far", lambda v: v.counts[:, TYPE_ID["review"]].astype(np.float64)),
    Aggregate(
        "five_star_share",
        "ratio",
        "share of reviews with 5 stars",
        lambda v: ratio(v.stars[:, 4] * 1.0, v.stars.sum(axis=1)),
    ),
    Aggregate(
        "one_star_share",
        "ratio",
        "share of reviews with 1 star",
        lambda v: ratio(v.stars[:, 0] * 1.0, v.stars.sum(axis=1)),
    ),
    Aggregate(
        "weekend_share",
        "ratio",
        "share of events on Saturday and Sunday",
        lambda v: ratio(v.weekdays[:, 5:].sum(axis=1) * 1.0, v.weekdays.sum(axis=1)),
    ),
    Aggregate("evening_share", "ratio", "share of events from 18:00 UTC", _share(_hours(18, 24), _all_hours)),
    Aggregate("categories", "count", "categories among the purchase lines still held", _categories),
)

NAMES = tuple(aggregate.name for aggregate in AGGREGATES)
UNITS = tuple(aggregate.unit for aggregate in AGGREGATES)


def compute_all(view: StateView) -> npt.NDArray[np.float32]:
    """[B, A] float32, columns in the order of AGGREGATES."""
    columns = [aggregate.compute(view) for aggregate in AGGREGATES]
    return np.stack(columns, axis=1).astype(np.float32)
