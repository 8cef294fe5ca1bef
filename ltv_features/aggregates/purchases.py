"""What somebody bought: orders, money, gaps, and when in the day, week and month."""

import numpy as np

from ltv_features.aggregates.feature import Aggregate, Compute, by_window, orders, share, spend, total
from ltv_features.clock import hour_of, weekday_of
from ltv_features.contract import MICROS_PER_DAY
from ltv_features.ragged import Array, run_starts
from ltv_features.view import Floats, StateView, ratio

_WINDOWS = (7, 14, 30, 60, 90, 180, 365)


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


def _share_of_orders(view: StateView, chosen: Array) -> Floats:
    return ratio(view.total(view.orders["who"], chosen.astype(np.float64)), view.order_count)


def _between_hours(first: int, end: int) -> Compute:
    def compute(view: StateView) -> Floats:
        hour = hour_of(view.orders["first_us"])
        return _share_of_orders(view, (hour >= first) & (hour < end))

    return compute


def _weekend(view: StateView) -> Floats:
    return _share_of_orders(view, weekday_of(view.orders["first_us"]) >= 5)


def _early_in_month(view: StateView) -> Floats:
    days = (view.orders["first_us"] // MICROS_PER_DAY).astype("datetime64[D]")
    return _share_of_orders(view, (days - days.astype("datetime64[M]")).astype(np.int64) < 10)


AGGREGATES = (
    Aggregate("recency_days", "days", "since the last order", lambda v: v.last_order_age),
    Aggregate("first_order_age_days", "days", "since the first order", lambda v: v.first_order_age),
    Aggregate("orders", "count", "orders so far", lambda v: v.order_count),
    *by_window("orders_{}", "count", "orders of the last {} days", _WINDOWS, orders),
    Aggregate("spend", "minor", "net spend so far", lambda v: v.spend()),
    Aggregate("spend_repeat", "minor", "gross spend without the first order", _repeat_spend),
    *by_window("spend_{}", "minor", "net spend of the last {} days", _WINDOWS, spend),
    *by_window(
        "spend_decayed_{}",
        "minor",
        "net spend with a half-life of {} days",
        (14, 30, 90),
        lambda days: lambda view: view.decayed_spend(days),
    ),
    Aggregate("order_mean", "minor", "mean gross value of an order", _mean_order),
    Aggregate("order_largest", "minor", "largest gross value of an order", _largest_order),
    Aggregate("order_last", "minor", "gross value of the last order", _last_order),
    Aggregate("lines_per_order", "count", "mean lines of an order", share(total("lines"), lambda v: v.order_count)),
    Aggregate(
        "units_per_order",
        "count",
        "mean units of an order",
        share(lambda v: v.total(v.orders["who"], _by_order(v, "quantity")), lambda v: v.order_count),
    ),
    Aggregate("gap_mean_days", "days", "mean days between orders", lambda v: v.mean_gap),
    Aggregate("gap_deviation_days", "days", "standard deviation of those", lambda v: v.gap_deviation),
    Aggregate(
        "recency_to_age",
        "ratio",
        "recency / age of the first order",
        share(lambda v: v.last_order_age, lambda v: v.first_order_age),
    ),
    Aggregate("recency_to_gap", "count", "recency / mean gap", share(lambda v: v.last_order_age, lambda v: v.mean_gap)),
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
    Aggregate("spend_trend", "ratio", "spend of 30 days / spend of 90 days", share(spend(30), spend(90))),
    Aggregate("orders_trend", "ratio", "orders of 30 days / orders of 90 days", share(orders(30), orders(90))),
    Aggregate("orders_trend_180", "ratio", "orders of 90 days / orders of 180 days", share(orders(90), orders(180))),
    Aggregate("refund_share", "ratio", "refunded / gross", share(total("refunded_minor"), total("gross_minor"))),
    Aggregate("order_morning_share", "ratio", "share of orders from 6:00 to 12:00 UTC", _between_hours(6, 12)),
    Aggregate("order_afternoon_share", "ratio", "share of orders from 12:00 to 18:00 UTC", _between_hours(12, 18)),
    Aggregate("order_evening_share", "ratio", "share of orders from 18:00 UTC", _between_hours(18, 24)),
    Aggregate("order_weekend_share", "ratio", "share of orders on Saturday and Sunday", _weekend),
    Aggregate("order_early_month_share", "ratio", "share of orders on the first ten days of a month", _early_in_month),
)
