"""Measures of predicted spend: size of errors, rank, and what the best tenth catches.

N users. Every function is invariant to the order of the rows; ties in a prediction are averaged, so that a constant
prediction has no rank quality. Where a measure has no meaning (no users, no spend) it is NaN. Measures of rank are
exact up to `exact_up_to` users, above that they come from a histogram (see `levels`, which states the error).
"""

import numpy as np
import numpy.typing as npt

from ltv_train.metrics.levels import EXACT_PAIRS, average_ranks, levels

Floats = npt.NDArray[np.float64]


def mae(truth: Floats, predicted: Floats) -> float:
    """Mean absolute error.

    >>> mae(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
    2.0
    """
    return float(np.mean(np.abs(truth - predicted))) if len(truth) else float("nan")


def mse(truth: Floats, predicted: Floats) -> float:
    """Mean squared error.

    >>> mse(np.array([0.0, 4.0]), np.array([3.0, 0.0]))
    12.5
    """
    return float(np.mean((truth - predicted) ** 2)) if len(truth) else float("nan")


def rmse(truth: Floats, predicted: Floats) -> float:
    """Root of the mean squared error.

    >>> rmse(np.array([0.0, 4.0]), np.array([3.0, 0.0]))
    3.5355339059327378
    """
    return float(np.sqrt(mse(truth, predicted)))


def bias(truth: Floats, predicted: Floats) -> float:
    """Mean prediction minus mean truth: above zero promises too much."""
    return float(np.mean(predicted) - np.mean(truth)) if len(truth) else float("nan")


def total_ratio(truth: Floats, predicted: Floats) -> float:
    """Sum of the prediction over the sum of the truth: 1 is a total that came true; NaN unless something was spent.

    >>> total_ratio(np.array([0.0, 4.0]), np.array([3.0, 2.0]))
    1.25
    """
    spent = truth.sum()
    return float(predicted.sum() / spent) if spent > 0 else float("nan")


def spearman(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Rank correlation with average ranks for ties; NaN when either side is constant."""
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    first, second = (average_ranks(side, exact_up_to=exact_up_to) for side in (truth, predicted))
    return float(np.corrcoef(first, second)[0, 1])


def gain_curve(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> tuple[Floats, Floats]:
    """Share of users and share of spend, both from 0 to 1, best prediction first; one point a level of the prediction.

    >>> users, spend = gain_curve(np.array([6.0, 2.0, 2.0]), np.array([9.0, 5.0, 5.0]))
    >>> users.round(2).tolist(), spend.tolist()
    ([0.0, 0.33, 1.0], [0.0, 0.6, 1.0])
    """
    by_level = levels(truth, predicted, exact_up_to=exact_up_to)
    users, spend = np.cumsum(by_level.users) / max(len(truth), 1), np.cumsum(by_level.truth)
    total = spend[-1] if len(spend) else 0.0
    share = spend / total if total else np.full(len(spend), np.nan)
    return np.append(0.0, users), np.append(0.0, share)


def gini(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Twice the area between the gain curve and chance; NaN when nothing was spent.

    Source: Yitzhaki and Schechtman, The Gini Methodology (2013), with ties averaged.
    """
    users, spend = gain_curve(truth, predicted, exact_up_to=exact_up_to)
    return float(2 * np.trapezoid(spend, users) - 1) if len(truth) else float("nan")


def normalised_gini(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Gini of the prediction divided by the Gini of the truth ranking itself: 1 is perfect, a constant is 0.

    >>> normalised_gini(np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    >>> normalised_gini(np.array([0.0, 1.0, 5.0]), np.array([7.0, 7.0, 7.0]))
    0.0
    """
    best = gini(truth, truth, exact_up_to=exact_up_to)
    return gini(truth, predicted, exact_up_to=exact_up_to) / best if best > 0 else float("nan")


def top_decile_capture(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Share of all spend that falls to the tenth of users predicted highest; ties at the border share their spend."""
    users, spend = gain_curve(truth, predicted, exact_up_to=exact_up_to)
    return float(np.interp(0.1, users, spend)) if len(truth) else float("nan")


def top_decile_lift(truth: Floats, predicted: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Mean spend of the tenth predicted highest over the mean spend of all: 1 is chance, 10 the most there is.

    >>> top_decile_lift(np.array([6.0] + [1.0] * 9), np.arange(10.0, 0, -1))
    4.0
    """
    return 10 * top_decile_capture(truth, predicted, exact_up_to=exact_up_to)
