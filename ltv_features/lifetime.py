"""Lifetime value by formula: future spend discounted to today, and the simple product of order, frequency and lifetime.

Kernel room: NumPy only. B users, H horizons.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
YEAR_DAYS = 365.0
MIN_AGE_DAYS = 28.0
"""A younger customer's orders a year are counted as if of this age: one order of yesterday is no habit."""


def discounted(cumulative: Floats, horizons_days: Sequence[int], rate: float) -> Floats:
    """[B] value today of [B, H] cumulative spend: each period's share over (1 + rate) ** years to the period's middle.

    >>> discounted(np.array([[100.0, 150.0]]), [365, 730], 0.1).round(2).tolist()
    [138.69]
    """
    ends = np.asarray(horizons_days, np.float64)
    starts = np.concatenate([[0.0], ends[:-1]])
    by_period = np.diff(cumulative, axis=1, prepend=0.0)
    return np.asarray(by_period @ (1.0 + rate) ** (-(starts + ends) / 2 / YEAR_DAYS))


def simple(orders: Floats, mean_order: Floats, age_days: Floats, *, years: float, margin: float) -> Floats:
    """[B] profit a mean order x orders a year x years, from the orders so far; 0 without an order.

    >>> simple(np.array([12.0, 1.0]), np.array([50.0, 10.0]), np.array([365.0, 1.0]), years=2, margin=0.5).tolist()
    [600.0, 130.35714285714286]
    """
    a_year = orders * YEAR_DAYS / np.maximum(age_days, MIN_AGE_DAYS)
    return np.asarray(mean_order * margin * a_year * years)
