"""The settings of a made-up shop: its size, its habits and its dials. One value says everything about its rows."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from ltv_features.synthetic.draws import Draws, Ints
from ltv_features.synthetic.seasons import Campaigns, Season


@dataclass(frozen=True)
class Shop:
    """A shop of `users` shoppers over `days` days from `start`; the same value always gives the same rows.

    `signal` scales how much shoppers differ in rate, spend, drop-out, refunds and taste: at 0 all are alike and never
    leave, so the past says nothing about the future; at 1 rates spread over about a factor of thirty. Shares of special
    shoppers (one-time buyers, wholesalers, guests) are dials of their own.
    """

    users: int
    days: int
    seed: int = 1
    start: date = date(2025, 1, 1)
    signal: float = 1.0

    # joining: `early_share` within the first `early_days`, the others evenly until `late_days` (None: 90 % of `days`)
    early_share: float = 0.5
    early_days: float | None = None
    late_days: float | None = None

    # buying
    orders_per_day: float = 1 / 12
    mean_days_to_drop_out: float = 400.0
    first_order_share: float = 0.5
    one_time_share: float = 0.0
    wholesale_share: float = 0.0
    wholesale_factor: int = 100
    season: Season = field(default_factory=Season)
    campaigns: Campaigns = field(default_factory=Campaigns)
    refund_share: float = 0.0
    refund_delay_days: float = 9.0
    money_factor: int = 1

    # everything else they do
    browsing: float = 1.0
    review_share: float = 0.08
    anonymous_visits: float = 0.0
    guest_share: float = 0.0

    # what is sold
    items: int = 200
    categories: int = 12
    brands: int = 20
    currency: str = "EUR"

    @property
    def draws(self) -> Draws:
        """Its chance."""
        return Draws(self.seed)

    @property
    def numbers(self) -> Ints:
        """The numbers of all its shoppers, [users]."""
        return np.arange(self.users, dtype=np.int64)

    def seconds(self, day: float) -> int:
        """Seconds since 1970 UTC of a day counted from `start`, rounded down."""
        return int(np.datetime64(self.start, "s").astype(np.int64)) + int(np.floor(day * 86_400))
