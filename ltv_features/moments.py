"""Statistics of columns that arrive in pieces: counts by value, mean and deviation.

Kernel room: NumPy only.
"""

import numpy as np
import numpy.typing as npt

from ltv_features.ragged import Array

_SELDOM = 0.005
"""The share of rows on a side that outliers can be."""


class Tally:
    """How often each value was seen: `values` ascending, `counts` beside them. Exact, in any order of the pieces."""

    def __init__(self) -> None:
        self.values: Array = np.zeros(0, np.float64)
        self.counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def add(self, values: Array) -> None:
        """Takes a piece of the column; NaN is left out."""
        fresh, counts = np.unique(values[~np.isnan(values)].astype(np.float64), return_counts=True)
        both = np.concatenate([self.values, fresh])
        self.values, place = np.unique(both, return_inverse=True)
        summed = np.bincount(place, np.concatenate([self.counts, counts]), minlength=len(self.values))
        self.counts = summed.astype(np.int64)

    def median(self) -> float:
        """The median, between the two middle values where their number is even; 0 when nothing was seen.

        >>> tally = Tally()
        >>> tally.add(np.array([30, 10, 20, 40]))
        >>> tally.median()
        25.0
        """
        if not len(self.values):
            return 0.0
        running = np.cumsum(self.counts)
        lower, upper = (np.searchsorted(running, running[-1] / 2, side=side) for side in ("left", "right"))
        return float((self.values[lower] + self.values[upper]) / 2)


def without_outliers(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`values` clipped to three deviations around the mean, both taken without the largest and smallest in 200.

    So an outlier of any size does not widen its own bounds. What more rows than that say is the shape of the column,
    and nothing of it is cut; neither is what few rows say where all others agree.

    >>> float(without_outliers(np.append(np.tile([-1.0, 1.0], 500), 1e6)).max())
    3.0...
    """
    if not len(values):
        return values
    low, high = np.quantile(values, [_SELDOM, 1.0 - _SELDOM])
    inner = np.clip(values, low, high)
    mean, reach = inner.mean(), 3.0 * inner.std()
    return np.clip(values, min(low, mean - reach), max(high, mean + reach)) if reach > 0.0 else values


class Moments:
    """Count, mean and squared deviation, merged piece by piece (Chan, Golub and LeVeque 1983)."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0.0, 0.0, 0.0

    def add(self, values: npt.NDArray[np.float64], weights: Array | None = None) -> None:
        """Takes a piece of the column, each value as often as its weight says; NaN is left out."""
        seen = ~np.isnan(values)
        values = values[seen]
        weight = np.ones(len(values)) if weights is None else weights[seen].astype(np.float64)
        count = float(weight.sum())
        if count == 0.0:
            return
        mean = float((values * weight).sum()) / count
        squares = float(((values - mean) ** 2 * weight).sum())
        whole, gap = self._count + count, mean - self._mean
        self._squares += squares + gap**2 * self._count * count / whole
        self._mean += gap * count / whole
        self._count = whole

    @property
    def mean_and_deviation(self) -> tuple[float, float]:
        """Both, and a deviation of exactly 0 for a column that is constant but for rounding."""
        if self._count == 0.0:
            return 0.0, 0.0
        deviation = (self._squares / self._count) ** 0.5
        return self._mean, deviation if deviation > 1e-9 * max(1.0, abs(self._mean)) else 0.0
