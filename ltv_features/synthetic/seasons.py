"""When people buy more: seasons that all shoppers share, campaigns that only those feel who were sent one.

Both multiply a shopper's order rate. A factor holds for a whole day, so every integral over time is a sum over days.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from ltv_features.synthetic.draws import Floats, Ints


@dataclass(frozen=True)
class Season:
    """Factors of the order rate: a yearly wave, weekends, and windows (first day, day after the last, factor).

    Days count from the first day of the shop.
    """

    yearly_swing: float = 0.0
    peak_day_of_year: int = 350
    weekend: float = 1.0
    windows: tuple[tuple[int, int, float], ...] = ()

    def factors(self, start: date, first_day: int, last_day: int) -> Floats:
        """One factor for each day in [first_day, last_day)."""
        day = np.arange(first_day, last_day)
        dates = np.datetime64(start) + day
        day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1
        factors = 1.0 + self.yearly_swing * np.cos(2 * np.pi * (day_of_year - self.peak_day_of_year) / 365.25)
        is_weekend = (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7 >= 5
        factors = np.where(is_weekend, self.weekend * factors, factors)
        for begin, end, factor in self.windows:
            factors = np.where((day >= begin) & (day < end), factor * factors, factors)
        return np.asarray(factors, np.float64)


@dataclass(frozen=True)
class Campaigns:
    """A mailing at midnight of every `every_days`-th day (0: none), in force for `length_days`.

    Each customer gets it with probability `reach`. While it is in force those who got it order (1 + lift) times as
    often, and each of their orders redeems it with probability `redeemed` for `discount` off every line.
    """

    every_days: int = 0
    length_days: int = 7
    reach: float = 0.5
    lift: float = 0.5
    redeemed: float = 0.6
    discount: float = 0.2

    def __post_init__(self) -> None:
        if self.every_days and not 0 < self.length_days <= self.every_days:
            raise ValueError(f"expected 0 < length_days <= every_days {self.every_days}, actual {self.length_days}")

    def starts(self, before_day: float) -> Ints:
        """The days [C] of the mailings before that day."""
        if not self.every_days:
            return np.zeros(0, np.int64)
        return np.arange(self.every_days, np.ceil(before_day), self.every_days).astype(np.int64)

    def running(self, day: Floats) -> Ints:
        """The number of the campaign in force at each time, from 0; -1 for none."""
        if not self.every_days:
            return np.full(len(day), -1, np.int64)
        number = np.floor(day / self.every_days).astype(np.int64)
        in_force = (number >= 1) & (day - number * self.every_days < self.length_days)
        return np.where(in_force, number - 1, -1)

    @property
    def extra_spend(self) -> float:
        """By how much of its usual rate the spend of somebody who got a campaign rises while it is in force."""
        return (1.0 + self.lift) * (1.0 - self.redeemed * self.discount) - 1.0
