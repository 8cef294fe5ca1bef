"""Hour and weekday of instants in UTC. Part of the kernel: NumPy alone."""

import numpy as np

from ltv_features.contract import MICROS_PER_DAY
from ltv_features.ragged import Array

_MICROS_PER_HOUR = MICROS_PER_DAY // 24
_THURSDAY = 3
"""1970-01-01 was a Thursday."""


def hour_of(ts_us: Array) -> Array:
    """0 to 23, of microseconds since 1970.

    >>> hour_of(np.array([-1, 0, 3_600_000_000])).tolist()
    [23, 0, 1]
    """
    return np.asarray(ts_us // _MICROS_PER_HOUR % 24)


def weekday_of(ts_us: Array) -> Array:
    """0 (Monday) to 6, of microseconds since 1970.

    >>> weekday_of(np.array([-1, 0, 4 * MICROS_PER_DAY])).tolist()
    [2, 3, 0]
    """
    return np.asarray((ts_us // MICROS_PER_DAY + _THURSDAY) % 7)
