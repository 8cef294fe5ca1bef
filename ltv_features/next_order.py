"""When the next order is to be expected, from the chances of a purchase by each horizon.

Kernel room: NumPy only. B users, H horizons.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def median_days(p_purchase: Floats, horizons_days: Sequence[int]) -> Floats:
    """[B] days until an order is as likely as not to have come; NaN where that lies beyond the longest horizon.

    `p_purchase` [B, H] by cumulative horizon, never falling. Within a period the hazard is constant, so the chance to
    be without an order falls as an exponential from horizon to horizon (the piecewise exponential model; Friedman,
    "Piecewise Exponential Models for Survival Data with Covariates", 1982). A median and no mean: a mean would hang
    on what happens after the longest horizon, of which nothing is known.

    >>> median_days(np.array([[0.5, 0.8], [0.0, 0.75], [0.1, 0.4]]), [30, 90]).tolist()
    [30.0, 60.0, nan]
    """
    ends = np.asarray(horizons_days, np.float64)
    starts = np.concatenate([[0.0], ends[:-1]])
    stay = np.maximum(1.0 - p_purchase, 1e-12)
    before = np.concatenate([np.ones((len(stay), 1)), stay[:, :-1]], axis=1)
    reached = p_purchase >= 0.5
    period = reached.argmax(axis=1)
    rows = np.arange(len(stay))
    fallen = np.log(before[rows, period] / stay[rows, period])
    share = np.log(before[rows, period] / 0.5) / np.where(fallen > 0, fallen, 1.0)
    days = starts[period] + np.clip(share, 0.0, 1.0) * (ends - starts)[period]
    return np.where(reached.any(axis=1), days, np.nan)
