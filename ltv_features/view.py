"""A batch of user states opened up for arithmetic: flat columns with their owners, and the folds that features share.

Kernel room: NumPy and Arrow only. B users.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.contract import DONE_TO, EVENT_TYPES, MICROS_PER_DAY, NEVER_US, TYPE_ID
from ltv_features.errors import FutureLeak
from ltv_features.event_entries import DAY_COUNTS
from ltv_features.ragged import Array, Columns, offsets_of, owners, take, unpack, unpack_dense

Floats = npt.NDArray[np.float64]
OWN_TYPES = [TYPE_ID[name] for name in EVENT_TYPES if name not in DONE_TO]
"""Ids of the types that are something a customer did."""


@dataclass(frozen=True)
class StateView:
    """States as of one midnight. Entry columns carry `who`, the row of their user, and are sorted by it.

    `orders` holds real orders only (at least one purchase line), by time; `days` carries `age_days`, whole days from
    the day's start to as_of, so 1 is yesterday, and `own`, 1 where the user did something (see `_own_days`);
    `day_offsets` [B + 1]; `first_us` and `last_us` [B, types + 1] by type id, NEVER_US and its negative where never.
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
    day_offsets: Array
    _running: dict[str, Array] = field(default_factory=dict)
    _starts: dict[int, Array] = field(default_factory=dict)

    def total(self, who: Array, weights: Array | None = None) -> Floats:
        """[B] sum of `weights` (or the count) of entries by owner."""
        return np.bincount(who, weights, minlength=self.users).astype(np.float64)

    def in_days(self, name: str, window: int | None = None) -> Floats:
        """[B] sum of a day's field over the last `window` days; over all days without one. Exact: sums of integers."""
        if name not in self._running:
            self._running[name] = np.append(0, np.cumsum(self.days[name], dtype=np.int64))
        running = self._running[name]
        return (running[self.day_offsets[1:]] - running[self._day_start(window)]).astype(np.float64)

    def spend(self, window: int | None = None) -> Floats:
        """[B] purchases minus refunds of the last `window` days, minor units."""
        return self.in_days("gross_minor", window) - self.in_days("refunded_minor", window)

    def decayed_spend(self, half_life_days: float) -> Floats:
        """[B] net spend, each day weighted by 2 ** -(age / half-life)."""
        net = (self.days["gross_minor"] - self.days["refunded_minor"]).astype(np.float64)
        return self.total(self.days["who"], net * np.exp2(-self.days["age_days"] / half_life_days))

    def active_days(self, window: int) -> Floats:
        """[B] days among the last `window` on which the user did something."""
        return self.in_days("own", window)

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
        return self.age_of_first("purchase")

    @cached_property
    def last_order_age(self) -> Floats:
        """[B] days since the last order began; 0 without one."""
        age = np.zeros(self.users)
        age[self.orders["who"]] = self.orders["age_days"]  # sorted by time: the last assignment stays
        return age

    def age_of_first(self, event_type: str) -> Floats:
        """[B] days since the first event of the type; 0 without one."""
        return self._age_of(self.first_us[:, TYPE_ID[event_type]])

    def age_of_last(self, event_type: str) -> Floats:
        """[B] days since the last event of the type; 0 without one."""
        return self._age_of(self.last_us[:, TYPE_ID[event_type]])

    @cached_property
    def tenure(self) -> Floats:
        """[B] days since the first event; 0 without one."""
        return self._age_of(self.first_us.min(axis=1))

    @cached_property
    def last_activity_age(self) -> Floats:
        """[B] days since the user last did something; the tenure of who never did."""
        last = self.last_us[:, OWN_TYPES].max(axis=1)
        return np.where(last == -NEVER_US, self.tenure, self._age_of(last))

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

    def _day_start(self, window: int | None) -> Array:
        """[B] place of the first day entry within the last `window` days."""
        if window is None:
            return self.day_offsets[:-1]
        if window not in self._starts:
            old = np.append(0, np.cumsum(self.days["age_days"] > window))
            self._starts[window] = self.day_offsets[:-1] + np.diff(old[self.day_offsets])
        return self._starts[window]

    def _age_of(self, times_us: Array) -> Floats:
        happened = np.abs(times_us) != NEVER_US
        return np.where(happened, self.as_of_us - np.where(happened, times_us, 0), 0) / MICROS_PER_DAY


def open_view(states: pa.Table, *, as_of_us: int) -> StateView:
    """The view of `states` (USER_STATE) as of a UTC midnight.

    Raises ValueError when `as_of_us` is not a midnight, FutureLeak when a state holds something at or after it.
    """
    if as_of_us % MICROS_PER_DAY:
        raise ValueError(f"as_of_us {as_of_us} is not a UTC midnight; day sums would not be exact")
    types = _entries(states, "types")
    newest = int(np.concatenate([types["last_us"], states["profile_us"].to_numpy()]).max(initial=-NEVER_US))
    if newest >= as_of_us:
        raise FutureLeak(
            f"project: a state holds something at {newest} us, expected only before as_of {as_of_us} us; "
            "next: read the state at the version of that night"
        )
    orders, days = _entries(states, "orders"), _entries(states, "days")
    real = orders["lines"] > 0
    orders = orders if real.all() else take(orders, real)
    orders["age_days"] = (as_of_us - orders["first_us"]) / MICROS_PER_DAY
    days["age_days"] = as_of_us // MICROS_PER_DAY - days["day"]
    by_type = {}
    for name, neutral in {"n": 0, "first_us": NEVER_US, "last_us": -NEVER_US}.items():
        by_type[name] = np.full((len(states), len(EVENT_TYPES) + 1), neutral)
        by_type[name][types["who"], types["type"]] = types[name]
    days["own"] = _own_days(days, by_type["first_us"][days["who"], TYPE_ID["signup"]])
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
        day_offsets=offsets_of(np.bincount(days["who"], minlength=len(states))),
    )


def _own_days(days: Columns, signup_us: Array) -> Array:
    """[D] 1 for a day on which its user did something.

    A day counts no sign-ups: one beside promotions that were received is known by its time, `signup_us` [D], the first.
    """
    did = np.add.reduce([days[name] for name, kind in DAY_COUNTS.items() if kind not in DONE_TO])
    received = np.add.reduce([days[name] for name, kind in DAY_COUNTS.items() if kind in DONE_TO])
    own: Array = (did > 0) | (received == 0) | (signup_us // MICROS_PER_DAY == days["day"])
    return own.astype(np.int64)


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, and 0 where below is 0."""
    return np.divide(above, below, out=np.zeros_like(above, np.float64), where=below != 0)


def _entries(states: pa.Table, name: str) -> Columns:
    offsets, columns = unpack(states[name])
    return columns | {"who": owners(np.diff(offsets))}
