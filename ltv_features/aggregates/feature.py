"""What a feature is, and the small functions that features are put together from. B users."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltv_features.contract import TYPE_ID
from ltv_features.view import Floats, StateView, ratio

Unit = Literal["minor", "count", "days", "ratio", "flag"]
Compute = Callable[[StateView], Floats]


@dataclass(frozen=True)
class Aggregate:
    """A feature: `compute` maps a view of B users to [B].

    Where `known` says 0 nothing is known: the value is missing (NaN), and `encode` imputes it.
    """

    name: str
    unit: Unit
    meaning: str
    compute: Compute
    known: Compute | None = None

    def of(self, view: StateView) -> Floats:
        """[B] the values, NaN where nothing is known."""
        values = self.compute(view)
        return values if self.known is None else np.where(self.known(view) > 0, values, np.nan)


def share(part: Compute, whole: Compute) -> Compute:
    """part / whole, 0 where the whole is 0."""
    return lambda view: ratio(part(view), whole(view))


def total(field: str, window: int | None = None) -> Compute:
    """The sum of a field of the days, of the last `window` days when given."""
    return lambda view: view.in_days(field, window)


def count(event_type: str) -> Compute:
    """Events of the type so far."""
    return lambda view: view.counts[:, TYPE_ID[event_type]].astype(np.float64)


def spend(window: int) -> Compute:
    """Net spend of the last `window` days."""
    return lambda view: view.spend(window)


def orders(window: int) -> Compute:
    """Orders that began in the last `window` days."""
    return lambda view: view.orders_in(window)


def flag(test: Callable[[StateView], npt.NDArray[np.bool_]]) -> Compute:
    """1 where the test holds, else 0."""
    return lambda view: test(view).astype(np.float64)


def by_window(
    name: str, unit: Unit, meaning: str, windows: Sequence[int], of: Callable[[int], Compute]
) -> tuple[Aggregate, ...]:
    """One feature a window; `{}` in the name and the meaning stands for its days."""
    return tuple(Aggregate(name.format(days), unit, meaning.format(days), of(days)) for days in windows)
