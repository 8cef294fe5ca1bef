"""Which dates examples are cut at: fold origins, training cut-offs and sampling, as a pure function of the log.

Every origin is treated as if it were as_of: its own cut-offs, its own sample, labels observed until the origin. All
origins share one grid of cut-offs anchored at as_of, so the features of one cut-off serve every origin that takes it.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from ltv_features.config import ExampleSettings
from ltv_features.contract import MICROS_PER_DAY
from ltv_features.errors import InputMissing

SMALL_SHOP_USERS = 50_000
LARGE_SHOP_USERS = 500_000
MIN_HISTORY_DAYS = 28
MIN_HISTORY_SHARE = 0.15
BASKET_WINDOW_DAYS = 30
"""The next basket is the first order in this many days after the cut-off."""


def midnight_us(day: date) -> int:
    """The start of a UTC day in microseconds since 1970."""
    return (day - date(1970, 1, 1)).days * MICROS_PER_DAY


@dataclass(frozen=True)
class Buyers:
    """How many users had bought before a day; made from the number of first orders by day."""

    days: tuple[date, ...]
    running: tuple[int, ...]

    @classmethod
    def of(cls, first_orders: Mapping[date, int]) -> "Buyers":
        """The running count over first orders by day.

        >>> Buyers.of({date(2026, 1, 2): 3, date(2026, 1, 5): 1}).before(date(2026, 1, 5))
        3
        """
        days = tuple(sorted(first_orders))
        return cls(days, tuple(accumulate(first_orders[day] for day in days)))

    def before(self, day: date) -> int:
        """Users whose first order is before midnight at the start of `day`."""
        place = bisect_left(self.days, day)
        return self.running[place - 1] if place else 0


@dataclass(frozen=True)
class Sampling:
    """How many examples an origin may have: at most `per_user` a user by hash (None: all), then `share` of them."""

    per_user: int | None
    max_examples: int

    @classmethod
    def of(cls, settings: ExampleSettings, users: int) -> "Sampling":
        """All cut-offs of every user up to 200,000 examples in a small shop; beyond, 2 a user up to 2 million."""
        small = users < SMALL_SHOP_USERS
        return cls(None if small else 2, settings.max_examples or (200_000 if small else 2_000_000))


@dataclass(frozen=True)
class Origin:
    """One shard set: the day it stands at, and its training cut-offs, oldest first."""

    day: date
    cutoffs: tuple[date, ...]


def step_days(settings: ExampleSettings, users: int) -> int:
    """Days between two cut-offs: 7 in a small shop, 14 or 28 in a larger one, or as configured."""
    return settings.every_days or (7 if users < SMALL_SHOP_USERS else 14 if users < LARGE_SHOP_USERS else 28)


def value_origins(
    as_of: date, first_day: date, buyers: Buyers, settings: ExampleSettings, horizon: int
) -> list[Origin]:
    """The folds that the log allows, oldest first, then as_of. `horizon`: the longest horizon in days.

    A fold needs `min_buyers` buyers before it and one cut-off by the full rule; as_of makes do with less (see
    `_relaxed`), because a young shop has to be scored too. Raises InputMissing where there is no cut-off at all.
    """
    step = step_days(settings, buyers.before(as_of))
    grid = _grid(as_of - timedelta(days=settings.min_exposure_days), first_day, step)
    folds = [as_of - timedelta(days=horizon + settings.fold_step_days * fold) for fold in range(settings.folds)]
    origins = [Origin(day, _cutoffs(day, grid, first_day, buyers, settings)) for day in folds]
    usable = [origin for origin in origins if origin.cutoffs and buyers.before(origin.day) >= settings.min_buyers]
    newest = _cutoffs(as_of, grid, first_day, buyers, settings) or _relaxed(grid, first_day, as_of, buyers, settings)
    if not newest:
        raise InputMissing(
            f"examples as of {as_of}: no training cut-off; the first event is of {first_day} and a cut-off needs a "
            f"buyer before it and {settings.min_exposure_days} days (examples.min_exposure_days) after it; next: a "
            "later --as-of, or a lower examples.min_exposure_days"
        )
    return [*reversed(usable), Origin(as_of, newest)]


def basket_origins(as_of: date, first_day: date, buyers: Buyers, settings: ExampleSettings) -> list[Origin]:
    """The back-test origin of the recommender (when the log allows) and as_of, each with its own cut-offs."""
    days = [as_of - timedelta(days=BASKET_WINDOW_DAYS), as_of]
    origins = []
    for day in days:
        cutoffs = sorted(day - timedelta(days=back) for back in settings.ranker_cutoff_days)
        known = tuple(cutoff for cutoff in cutoffs if cutoff > first_day and buyers.before(cutoff) > 0)
        if known:
            origins.append(Origin(day, known))
    return origins


def _grid(newest: date, first_day: date, step: int) -> list[date]:
    """Cut-offs every `step` days back from `newest`, oldest first, all after the first day of the log."""
    count = max(0, ((newest - first_day).days - 1) // step + 1)
    return [newest - timedelta(days=step * back) for back in reversed(range(count))]


def _cutoffs(
    origin: date, grid: Sequence[date], first_day: date, buyers: Buyers, settings: ExampleSettings
) -> tuple[date, ...]:
    """The newest `max_cutoffs` of the grid with enough history and buyers before and enough exposure until `origin`."""
    start = first_day + _warm_up(origin, first_day)
    latest = origin - timedelta(days=settings.min_exposure_days)
    fit = [day for day in grid if start <= day <= latest and buyers.before(day) >= settings.min_buyers]
    return tuple(fit[-settings.max_cutoffs :])


def _relaxed(
    grid: Sequence[date], first_day: date, as_of: date, buyers: Buyers, settings: ExampleSettings
) -> tuple[date, ...]:
    """For a young or small shop: enough history and any buyer; failing that, any buyer."""
    bought = [day for day in grid if buyers.before(day) > 0]
    start = first_day + _warm_up(as_of, first_day)
    return tuple(([day for day in bought if day >= start] or bought)[-settings.max_cutoffs :])


def _warm_up(origin: date, first_day: date) -> timedelta:
    span = (origin - first_day).days
    return timedelta(days=max(MIN_HISTORY_DAYS, -int(-span * MIN_HISTORY_SHARE // 1)))
