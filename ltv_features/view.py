"""A batch of user states opened up for arithmetic: flat columns with their owners, and the folds that features share.

Kernel room: NumPy and Arrow only. B users.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import EVENT_TYPES, MICROS_PER_DAY, TYPE_ID
from ltv_features.errors import FutureLeak
from ltv_features.ragged import Array, Columns, owners, unpack, unpack_dense

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StateView:
    """States as of one midnight. Entry columns carry `who`, the row of their user, and are sorted by it.

    `orders` holds real orders only (at least one purchase line), by time; `days` carries `age_days`, whole days from
    the day's start to as_of, so 1 is yesterday; `first_us` and `last_us` are [B, types + 1] by type id, 0 where never.
    """

    users: int
    as_of_us: int
    orders: Columns
    days: Columns
    lines: Columns
    browse: Columns
    counts: Array
    first_us: Array
    last_us: Array
    hours: Array
    weekdays: Array
    stars: Array

    def total(self, who: Array, weights: Array | None = None) -> Floats:
        """[B] sum of `weights` (or the count) of entries by owner."""
        return np.bincount(who, weights, minlength=self.users).astype(np.float64)

    def in_days(self, field: str, window: int | None = None) -> Floats:
        """[B] sum of a day field over the last `window` days; over all days without one."""
        values = self.days[field].astype(np.float64)
        if window is not None:
            values = np.where(self.days["age_days"] <= window, values, 0.0)
        return self.total(self.days["who"], values)

    def spend(self, window: int | None = None) -> Floats:
        """[B] purchases minus refunds of the last `window` days, minor units."""
        return self.in_days("gross_minor", window) - self.in_days("refunded_minor", window)

    def decayed_spend(self, half_life_days: float) -> Floats:
        """[B] net spend, each day weighted by 2 ** -(age / half-life)."""
        net = (self.days["gross_minor"] - self.days["refunded_minor"]).astype(np.float64)
        return self.total(self.days["who"], net * np.exp2(-self.days["age_days"] / half_life_days))

    def active_days(self, window: int) -> Floats:
        """[B] days with any event among the last `window`."""
        return self.total(self.days["who"], (self.days["age_days"] <= window).astype(np.float64))

    def orders_in(self, window: int) -> Floats:
        """[B] orders that began within the last `window` days."""
        young = self.orders["age_days"] <= window
        return self.total(self.orders["who"], young.astype(np.float64))

    @cached_property
    def order_count(self) -> Floats:
        """[B] orders."""
        return self.total(self.orders["who"])

    @cached_property
    def first_order_age(self) -> Floats:
        """[B] days since the first order; 0 without one."""
        return self._age_of(self.first_us[:, TYPE_ID["purchase"]])

    @cached_property
    def last_order_age(self) -> Floats:
        """[B] days since the last order began; 0 without one."""
        youngest = np.full(self.users, np.inf)
        np.minimum.at(youngest, self.orders["who"], self.orders["age_days"])
        return np.where(np.isfinite(youngest), youngest, 0.0)

    @cached_property
    def tenure(self) -> Floats:
        """[B] days since the first event; 0 without one."""
        first = np.where(self.counts > 0, self.first_us, np.iinfo(np.int64).max).min(axis=1)
        return self._age_of(np.where((self.counts > 0).any(axis=1), first, 0))

    @cached_property
    def last_activity_age(self) -> Floats:
        """[B] days since the last event; 0 without one."""
        return self._age_of(self.last_us.max(axis=1))

    @cached_property
    def gaps(self) -> tuple[Array, Floats]:
        """Owners and days between consecutive orders of one user."""
        who, times = self.orders["who"], self.orders["first_us"]
        same = who[1:] == who[:-1]
        return who[1:][same], (np.diff(times)[same] / MICROS_PER_DAY).astype(np.float64)

    @cached_property
    def mean_gap(self) -> Floats:
        """[B] mean days between orders; 0 with fewer than two."""
        who, days = self.gaps
        return ratio(self.total(who, days), self.total(who))

    @cached_property
    def gap_deviation(self) -> Floats:
        """[B] standard deviation of the days between orders; 0 with fewer than two gaps."""
        who, days = self.gaps
        return np.sqrt(ratio(self.total(who, (days - self.mean_gap[who]) ** 2), self.total(who)))

    def _age_of(self, times_us: Array) -> Floats:
        return np.where(times_us != 0, (self.as_of_us - times_us) / MICROS_PER_DAY, 0.0)


def open_view(states: pa.Table, *, as_of_us: int) -> StateView:
    """The view of `states` (USER_STATE) as of a UTC midnight.

    Raises ValueError when `as_of_us` is not a midnight, FutureLeak when a state holds something at or after it.
    """
    if as_of_us % MICROS_PER_DAY:
        raise ValueError(f"as_of_us {as_of_us} is not a UTC midnight; day sums would not be exact")
    types = _entries(states, "types")
    if len(types["last_us"]) and types["last_us"].max() >= as_of_us:
        raise FutureLeak(f"project: a state holds an event at {types['last_us'].max()} us, as_of is {as_of_us} us")
    orders, days = _entries(states, "orders"), _entries(states, "days")
    orders = {name: values[orders["lines"] > 0] for name, values in orders.items()}
    orders["age_days"] = (as_of_us - orders["first_us"]) / MICROS_PER_DAY
    days["age_days"] = as_of_us // MICROS_PER_DAY - days["day"]
    by_type = {}
    for name in ("n", "first_us", "last_us"):
        by_type[name] = np.zeros((len(states), len(EVENT_TYPES) + 1), np.int64)
        by_type[name][types["who"], types["type"]] = types[name]
    return StateView(
        users=len(states),
        as_of_us=as_of_us,
        orders=orders,
        days=days,
        lines=_entries(states, "lines"),
        browse=_entries(states, "browse"),
        counts=by_type["n"],
        first_us=by_type["first_us"],
        last_us=by_type["last_us"],
        hours=unpack_dense(states["hours"], 24),
        weekdays=unpack_dense(states["weekdays"], 7),
        stars=unpack_dense(states["stars"], 5),
    )


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, and 0 where below is 0."""
    return np.divide(above, below, out=np.zeros_like(above, np.float64), where=below != 0)


def _entries(states: pa.Table, name: str) -> Columns:
    offsets, columns = unpack(states[name])
    return columns | {"who": owners(np.diff(offsets))}
