"""What somebody did without buying: pages, carts, searches, clicks, promotions, reviews."""

import numpy as np

from ltv_features.aggregates.feature import Aggregate, Compute, by_window, orders, share, total
from ltv_features.contract import MICROS_PER_DAY, TYPE_ID
from ltv_features.view import OWN_TYPES, Floats, StateView, ratio

SESSION_GAP_US = MICROS_PER_DAY // 48
"""Half an hour in which the user does nothing ends a session."""


def _days_with(field: str, window: int, *, bought: bool = True) -> Compute:
    """Days of the last `window` on which the field is above 0; those without a purchase where `bought` is False."""

    def compute(view: StateView) -> Floats:
        chosen = (view.days["age_days"] <= window) & (view.days[field] > 0)
        if not bought:
            chosen &= view.days["lines"] == 0
        return view.total(view.days["who"], chosen.astype(np.float64))

    return compute


def _sessions(view: StateView) -> Floats:
    own = np.isin(view.browse["type"], OWN_TYPES)
    who, time = view.browse["who"][own], view.browse["ts_us"][own]
    begins = np.ones(len(who), bool)
    begins[1:] = (who[1:] != who[:-1]) | (np.diff(time) > SESSION_GAP_US)
    return view.total(who, begins.astype(np.float64))


def _pages(view: StateView) -> Floats:
    return view.total(view.browse["who"], (view.browse["type"] == TYPE_ID["view"]).astype(np.float64))


def _rated(view: StateView) -> Floats:
    return np.asarray(view.stars.sum(axis=1), np.float64)


def _stars(stars: int) -> Compute:
    return lambda view: ratio(view.stars[:, stars - 1].astype(np.float64), _rated(view))


AGGREGATES = (
    *by_window("views_{}", "count", "page views of the last {} days", (30, 90), lambda days: total("views", days)),
    Aggregate("dwell_seconds_30", "count", "seconds on pages in the last 30 days", total("dwell_seconds", 30)),
    Aggregate("dwell_per_view_90", "count", "seconds a page", share(total("dwell_seconds", 90), total("views", 90))),
    Aggregate("sessions", "count", "visits among the browse events still held, half an hour apart", _sessions),
    Aggregate("pages_per_session", "count", "page views a visit, of those", share(_pages, _sessions)),
    Aggregate("orders_per_view_90", "ratio", "orders / page views of 90 days", share(orders(90), total("views", 90))),
    Aggregate("clicks_30", "count", "clicks of the last 30 days", total("clicks", 30)),
    Aggregate("searches_30", "count", "searches of the last 30 days", total("searches", 30)),
    Aggregate("carts_30", "count", "additions to a cart of the last 30 days", total("carts", 30)),
    Aggregate(
        "abandoned_cart_share_90",
        "ratio",
        "of the days of 90 with an addition to a cart, those on which nothing was bought",
        share(_days_with("carts", 90, bought=False), _days_with("carts", 90)),
    ),
    Aggregate("promotions_received_90", "count", "promotions received in 90 days", total("promotions_received", 90)),
    Aggregate("promotions_redeemed_90", "count", "promotions redeemed in 90 days", total("promotions_redeemed", 90)),
    Aggregate(
        "redemption_share",
        "ratio",
        "promotions redeemed / received; missing where none was received",
        share(total("promotions_redeemed"), total("promotions_received")),
        known=total("promotions_received"),
    ),
    Aggregate("reviews", "count", "reviews so far", total("reviews")),
    Aggregate("five_star_share", "ratio", "share of reviews with 5 stars; missing without one", _stars(5), _rated),
    Aggregate("one_star_share", "ratio", "share of reviews with 1 star; missing without one", _stars(1), _rated),
)
