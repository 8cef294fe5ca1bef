"""A made-up shop whose true expected spend is known: the test bed of learning, scoring and the README's steps.

Shoppers order as Poisson processes with a rate, a typical line price, favourite items and a drop-out time of their own.
`signal` scales how much shoppers differ: at 0 all are alike and never leave, so the past says nothing about the future;
at 1 rates spread over about a factor of thirty. Deterministic in the seed. NumPy and Arrow only.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import MICROS_PER_DAY

_ORDERS_PER_DAY = 1 / 12
_DAYS_TO_DROP_OUT = 400.0
_LINE_PRICE = 12.0
_FAVOURITES = 6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shoppers:
    """Latent truth, one value a shopper: orders a day, mean line price, day of joining, day of dropping out."""

    rate: Floats
    price: Floats
    joined_day: Floats
    drop_out_day: Floats
    favourites: npt.NDArray[np.int64]

    def expected_spend(self, day: float, horizon_days: float) -> Floats:
        """True expected spend [users] in [day, day + horizon), knowing who has dropped out and who has joined by `day`.

        Drop-out is exponential, so a living shopper is active for mean * (1 - exp(-horizon / mean)) days to come.
        """
        alive = (self.joined_day <= day) & (self.drop_out_day > day)
        mean = _DAYS_TO_DROP_OUT
        forever = np.isinf(self.drop_out_day)
        active_days = np.where(forever, horizon_days, mean * -np.expm1(-horizon_days / mean))
        return np.where(alive, self.rate * active_days * self.price * _MEAN_UNITS, 0.0)


_MEAN_LINES = 2.0
_MEAN_UNITS = _MEAN_LINES
"""An order has 1, 2 or 3 lines of one unit, each equally likely, so two lines on average."""


@dataclass(frozen=True)
class World:
    """Rows as a shop would deliver them, and the truth behind them.

    `orders`: customer, time, order, item, quantity, price (unit price). `views`: customer, time, item.
    """

    orders: pa.Table
    views: pa.Table
    shoppers: Shoppers
    start: date


def make_world(
    *, users: int, days: int, seed: int, signal: float = 1.0, items: int = 40, start: date = date(2025, 1, 1)
) -> World:
    """A shop of `users` shoppers over `days` days from `start`; half of them join within the first quarter."""
    rng = np.random.default_rng(seed)
    shoppers = _shoppers(rng, users, days, signal, items)
    return World(_orders(rng, shoppers, days, start, items), _views(rng, shoppers, days, start, items), shoppers, start)


def _shoppers(rng: np.random.Generator, users: int, days: int, signal: float, items: int) -> Shoppers:
    spread = signal * rng.standard_normal(users)
    joined = np.where(rng.random(users) < 0.5, rng.random(users) * days / 4, rng.random(users) * days * 0.9)
    lifetime = rng.exponential(_DAYS_TO_DROP_OUT, users) if signal > 0 else np.full(users, np.inf)
    return Shoppers(
        rate=_ORDERS_PER_DAY * np.exp(spread - signal**2 / 2),
        price=_LINE_PRICE * np.exp(0.6 * signal * rng.standard_normal(users) - 0.18 * signal**2),
        joined_day=joined,
        drop_out_day=joined + lifetime,
        favourites=rng.integers(0, items, (users, _FAVOURITES)),
    )


def _moments(
    rng: np.random.Generator, rate: Floats, shoppers: Shoppers, days: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Shopper index and day of every event of a Poisson process that runs from joining to drop-out; time ascending."""
    active = np.maximum(np.minimum(shoppers.drop_out_day, days) - shoppers.joined_day, 0.0)
    counts = rng.poisson(rate * active)
    who = np.repeat(np.arange(len(rate)), counts)
    when = shoppers.joined_day[who] + rng.random(len(who)) * active[who]
    order = np.argsort(when, kind="stable")
    return who[order], when[order]


def _orders(rng: np.random.Generator, shoppers: Shoppers, days: int, start: date, items: int) -> pa.Table:
    who, when = _moments(rng, shoppers.rate, shoppers, days)
    lines = rng.integers(1, 4, len(who))
    number = np.repeat(np.arange(len(who)), lines)
    buyer = who[number]
    noise = np.exp(0.3 * rng.standard_normal(len(number)) - 0.045)
    price = np.maximum(np.round(shoppers.price[buyer] * noise, 2), 0.01)
    return pa.table(
        {
            "customer": _names("c", buyer),
            "time": _times(when[number], start),
            "order": _names("o", number),
            "item": _names("i", _items(rng, shoppers, buyer, items)),
            "quantity": pa.array(np.ones(len(number), np.int64)),
            "price": pa.array(price),
        }
    )


def _views(rng: np.random.Generator, shoppers: Shoppers, days: int, start: date, items: int) -> pa.Table:
    who, when = _moments(rng, 1.5 * shoppers.rate, shoppers, days)
    return pa.table(
        {
            "customer": _names("c", who),
            "time": _times(when, start),
            "item": _names("i", _items(rng, shoppers, who, items)),
        }
    )


def _items(
    rng: np.random.Generator, shoppers: Shoppers, who: npt.NDArray[np.int64], items: int
) -> npt.NDArray[np.int64]:
    """A favourite seven times of ten, else an item by popularity (a square law)."""
    popular = (items * rng.random(len(who)) ** 2).astype(np.int64)
    favourite = shoppers.favourites[who, rng.integers(0, _FAVOURITES, len(who))]
    return np.where(rng.random(len(who)) < 0.7, favourite, popular)


def _names(letter: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array([f"{letter}{number:05d}" for number in numbers.tolist()], pa.string())


def _times(days: Floats, start: date) -> pa.Array:
    """Whole seconds, UTC."""
    first = np.datetime64(start, "us").astype(np.int64)
    seconds = np.floor(days * MICROS_PER_DAY / 1e6).astype(np.int64)
    return pa.array(first + seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
