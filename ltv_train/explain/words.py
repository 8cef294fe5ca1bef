"""Features in the words of a shop: what a value means to somebody who has never seen the list of features.

A phrase belongs to a subject, so that three reasons are about three things and not about three windows of one. `{}` is
the value as its unit is written, `{days}` the window in the feature's name, `[one|many]` follows the number. A feature
without a phrase is told by its meaning in the list. May import: the list of features.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ltv_features.aggregates import AGGREGATES
from ltv_features.aggregates.lifecycle import LOST_DAYS, NEW_DAYS
from ltv_train.money import Money

START = ("pace_orders", "pace_recency", "pace_order_value")
"""The columns for what boosting on the classical model begins with: how often, whether still, how much an order."""


Write = Callable[[float, Money], str]


@dataclass(frozen=True)
class Phrase:
    """A feature in words: what it is about, its sentence, and how its value is written."""

    subject: str
    template: str
    write: Write
    unknown: str = "unknown"

    def said(self, value: float, money: Money) -> str:
        """The sentence about one value; of a missing one, what did not happen."""
        if value != value:
            return self.unknown
        text = self.write(value, money)
        return self._with(text, one=text in ("1", "1 day"))

    @property
    def open(self) -> str:
        """The sentence about any value.

        >>> phrase_of("orders_30", 90).open
        'ordered … times in the last 30 days'
        """
        return self._with("…", one=False)

    def _with(self, text: str, *, one: bool) -> str:
        plural = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", lambda m: m[1] if one else m[2], self.template)
        return plural.replace("{}", text)

    def value(self, value: float, money: Money) -> str:
        """The value alone, to stand beside the sentence."""
        return self.write(value, money) if value == value else "unknown"


def phrase_of(feature: str, horizon_days: int) -> Phrase:
    """The phrase of a feature of the boosters; `horizon_days` is what the classical model's columns are about."""
    stem, days = _taken_apart(feature)
    known = _PHRASES.get(feature) or _PHRASES.get(stem)
    if known is None:
        aggregate = {each.name: each for each in AGGREGATES}.get(feature)
        meaning, unit = (aggregate.meaning, aggregate.unit) if aggregate else (feature.replace("_", " "), "number")
        return Phrase(stem, f"{meaning}: {{}}", _WRITE[unit])
    subject, template, unit = known
    sentence = template.replace("{days}", days).replace("{ahead}", str(horizon_days))
    return Phrase(subject, sentence, _WRITE[unit], _UNKNOWN.get(feature, "unknown"))


def _taken_apart(feature: str) -> tuple[str, str]:
    """
    >>> _taken_apart("orders_30"), _taken_apart("order_mean")
    (('orders_{}', '30'), ('order_mean', ''))
    """
    found = re.fullmatch(r"(.+)_(\d+)", feature)
    return (f"{found[1]}_{{}}", found[2]) if found else (feature, "")


def _count(value: float, money: Money) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.1f}"


def _days(value: float, money: Money) -> str:
    text = f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
    return f"{text} day" if text == "1" else f"{text} days"


_WRITE: dict[str, Write] = {
    "minor": lambda value, money: money.said(value),
    "count": _count,
    "days": _days,
    "ratio": lambda value, money: f"{value:.0%}",
    "flag": lambda value, money: "yes" if value > 0.5 else "no",
    "number": lambda value, money: f"{value:,.2f}",
}

_BUYING, _SPENDING, _RECENCY, _SIZE, _RHYTHM = "how often", "how much", "how recently", "size of orders", "rhythm"
_TREND, _WHEN, _VISITS, _OFFERS, _OPINION = "trend", "when", "visits", "promotions", "reviews"
_KNOWN, _STAGE, _TASTE, _PRICE = "how long known", "stage", "taste", "prices and discounts"

_UNKNOWN = {
    "signup_age_days": "no sign-up is known",
    "login_age_days": "never logged in",
    "redemption_share": "received no promotion",
    "five_star_share": "wrote no review",
    "one_star_share": "wrote no review",
}
"""What is said of features that may be missing."""

_PHRASES: dict[str, tuple[str, str, str]] = {
    "recency_days": (_RECENCY, "last ordered {} ago", "days"),
    "recency_to_age": (_RECENCY, "has not ordered for {} of the time since the first order", "ratio"),
    "recency_to_gap": (_RECENCY, "last ordered {} [time|times] the usual gap ago", "count"),
    "idle_days": (_RECENCY, "last seen {} ago", "days"),
    "login_age_days": (_RECENCY, "last logged in {} ago", "days"),
    "orders": (_BUYING, "ordered {} [time|times] so far", "count"),
    "orders_{}": (_BUYING, "ordered {} [time|times] in the last {days} days", "count"),
    "order_rate": (_BUYING, "orders {} times a day", "number"),
    "orders_per_view_90": (_BUYING, "orders {} times for every page viewed", "number"),
    "spend": (_SPENDING, "spent {} so far", "minor"),
    "spend_repeat": (_SPENDING, "spent {} after the first order", "minor"),
    "spend_{}": (_SPENDING, "spent {} in the last {days} days", "minor"),
    "spend_decayed_{}": (_SPENDING, "spent {} lately, money of {days} days ago counting half", "minor"),
    "spend_rate": (_SPENDING, "spends {} a day", "minor"),
    "refund_share": (_SPENDING, "sent back {} of what was bought", "ratio"),
    "order_mean": (_SIZE, "spends {} an order", "minor"),
    "order_largest": (_SIZE, "the largest order was {}", "minor"),
    "order_last": (_SIZE, "the last order was {}", "minor"),
    "lines_per_order": (_SIZE, "buys {} different [thing|things] an order", "count"),
    "units_per_order": (_SIZE, "buys {} [unit|units] an order", "count"),
    "gap_mean_days": (_RHYTHM, "orders every {}", "days"),
    "gap_deviation_days": (_RHYTHM, "the time between orders varies by {}", "days"),
    "spend_trend": (_TREND, "of the spend of 90 days, {} fell in the last 30", "ratio"),
    "orders_trend": (_TREND, "of the orders of 90 days, {} fell in the last 30", "ratio"),
    "orders_trend_{}": (_TREND, "of the orders of {days} days, {} fell in the last 90", "ratio"),
    "order_morning_share": (_WHEN, "orders between 6:00 and 12:00 UTC {} of the time", "ratio"),
    "order_afternoon_share": (_WHEN, "orders between 12:00 and 18:00 UTC {} of the time", "ratio"),
    "order_evening_share": (_WHEN, "orders after 18:00 UTC {} of the time", "ratio"),
    "order_weekend_share": (_WHEN, "orders on a weekend {} of the time", "ratio"),
    "order_early_month_share": (_WHEN, "orders in the first ten days of a month {} of the time", "ratio"),
    "weekend_share": (_WHEN, "is here on a weekend {} of the time", "ratio"),
    "evening_share": (_WHEN, "is here after 18:00 UTC {} of the time", "ratio"),
    "views_{}": (_VISITS, "viewed {} [page|pages] in the last {days} days", "count"),
    "dwell_seconds_{}": (_VISITS, "spent {} [second|seconds] on pages in the last {days} days", "count"),
    "dwell_per_view_{}": (_VISITS, "stays {} [second|seconds] on a page", "count"),
    "sessions": (_VISITS, "paid {} [visit|visits] lately", "count"),
    "pages_per_session": (_VISITS, "views {} [page|pages] a visit", "count"),
    "clicks_{}": (_VISITS, "clicked {} [time|times] in the last {days} days", "count"),
    "searches_{}": (_VISITS, "searched {} [time|times] in the last {days} days", "count"),
    "carts_{}": (_VISITS, "filled a cart {} [time|times] in the last {days} days", "count"),
    "abandoned_cart_share_{}": (_VISITS, "left the cart behind on {} of the days with one", "ratio"),
    "logins": (_VISITS, "logged in {} [time|times] so far", "count"),
    "logins_{}": (_VISITS, "logged in {} [time|times] in the last {days} days", "count"),
    "active_days_{}": (_VISITS, "was active on {} of the last {days} days", "count"),
    "returned_day_{}": (_VISITS, "came back soon after the first day: {}", "flag"),
    "returned_day_1": (_VISITS, "came back on the day after the first: {}", "flag"),
    "returned_day_7": (_VISITS, "came back within a week: {}", "flag"),
    "returned_day_30": (_VISITS, "came back in the first month, after the first week: {}", "flag"),
    "promotions_received_{}": (_OFFERS, "received {} [promotion|promotions] in {days} days", "count"),
    "promotions_redeemed_{}": (_OFFERS, "redeemed {} [promotion|promotions] in {days} days", "count"),
    "redemption_share": (_OFFERS, "redeemed {} of the promotions received", "ratio"),
    "reviews": (_OPINION, "wrote {} [review|reviews]", "count"),
    "five_star_share": (_OPINION, "gave 5 stars in {} of the reviews", "ratio"),
    "one_star_share": (_OPINION, "gave 1 star in {} of the reviews", "ratio"),
    "first_order_age_days": (_KNOWN, "first ordered {} ago", "days"),
    "tenure_days": (_KNOWN, "known for {}", "days"),
    "signup_age_days": (_KNOWN, "signed up {} ago", "days"),
    "stage_new": (_STAGE, f"known for less than {NEW_DAYS} days: {{}}", "flag"),
    "stage_growing": (_STAGE, f"spent more in the last {LOST_DAYS} days than in the {LOST_DAYS} before: {{}}", "flag"),
    "stage_active": (_STAGE, "an active customer who spends no more than before: {}", "flag"),
    "stage_lost": (_STAGE, f"nothing heard for more than {LOST_DAYS} days: {{}}", "flag"),
    "items": (_TASTE, "bought {} different [item|items] lately", "count"),
    "categories": (_TASTE, "bought in {} [category|categories] lately", "count"),
    "brands": (_TASTE, "bought {} [brand|brands] lately", "count"),
    "item_repeat_share": (_TASTE, "buys the same item again {} of the time", "ratio"),
    "category_loyalty": (_TASTE, "buys in the favourite category {} of the time", "ratio"),
    "brand_loyalty": (_TASTE, "buys the favourite brand {} of the time", "ratio"),
    "unit_price_mean": (_PRICE, "pays {} a unit", "minor"),
    "discounted_line_share": (_PRICE, "buys at a discount {} of the time", "ratio"),
    "discount_share": (_PRICE, "saves {} of the price by discounts", "ratio"),
    "anchor_orders": (_BUYING, "orders so far point to {} more in the next {ahead} days", "number"),
    "anchor_alive": (_RECENCY, "is still a customer with a chance of {}, by the orders so far", "ratio"),
    "anchor_order_value": (_SIZE, "orders so far point to {} an order from now on", "minor"),
    "anchor_value": (_SPENDING, "orders so far point to {} in the next {ahead} days", "minor"),
    "spend_30_to_anchor": (_TREND, "the spend of 30 days is {} of what orders so far point to", "ratio"),
    "spend_decayed_30_to_anchor": (_TREND, "the spend of late is {} of what orders so far point to", "ratio"),
    "spend_rate_to_anchor": (_TREND, "the spend a day is {} of what orders so far point to", "ratio"),
    "order_mean_to_anchor": (_SIZE, "an order is {} of what orders so far point to in {ahead} days", "ratio"),
    "pace_orders": (_BUYING, "orders {} [time|times] in {ahead} days, by all orders so far", "count"),
    "pace_recency": (_RECENCY, "last ordered {} ago", "days"),
    "pace_order_value": (_SIZE, "spends {} an order", "minor"),
}
