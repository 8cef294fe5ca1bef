"""Measures of predicted spend: size of errors, rank, calibration by decile, and what the best tenth catches.

N users. Every function is invariant to the order of the rows and exact; ties in a prediction are averaged, so that a
constant prediction has no rank quality. Where a measure has no meaning (no users, no spend) it is NaN.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


def mae(truth: Floats, predicted: Floats) -> float:
    """Mean absolute error.

    >>> mae(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
    2.0
    """
    return float(np.mean(np.abs(truth - predicted))) if len(truth) else float("nan")


def rmse(truth: Floats, predicted: Floats) -> float:
    """Root of the mean squared error.

    >>> rmse(np.array([0.0, 4.0]), np.array([3.0, 0.0]))
    3.5355339059327378
    """
    return float(np.sqrt(np.mean((truth - predicted) ** 2))) if len(truth) else float("nan")


def bias(truth: Floats, predicted: Floats) -> float:
    """Mean prediction minus mean truth: above zero promises too much."""
    return float(np.mean(predicted) - np.mean(truth)) if len(truth) else float("nan")


def spearman(truth: Floats, predicted: Floats) -> float:
    """Rank correlation with average ranks for ties; NaN when either side is constant."""
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(truth), stats.rankdata(predicted))[0, 1])


def gain_curve(truth: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Share of users and share of spend, both from 0 to 1, best prediction first; one point a distinct prediction.

    >>> users, spend = gain_curve(np.array([6.0, 2.0, 2.0]), np.array([9.0, 5.0, 5.0]))
    >>> users.round(2).tolist(), spend.tolist()
    ([0.0, 0.33, 1.0], [0.0, 0.6, 1.0])
    """
    _, group = np.unique(-predicted, return_inverse=True)
    users = np.cumsum(np.bincount(group)) / max(len(truth), 1)
    spend = np.cumsum(np.bincount(group, truth))
    total = spend[-1] if len(spend) else 0.0
    return np.concatenate(([0.0], users)), np.concatenate(
        ([0.0], spend / total if total else np.full(len(spend), np.nan))
    )


def gini(truth: Floats, predicted: Floats) -> float:
    """Twice the area between the gain curve and chance; NaN when nothing was spent.

    Source: Yitzhaki and Schechtman, The Gini Methodology (2013), with ties averaged.
    """
    users, spend = gain_curve(truth, predicted)
    return float(2 * np.trapezoid(spend, users) - 1) if len(truth) else float("nan")


def normalised_gini(truth: Floats, predicted: Floats) -> float:
    """Gini of the prediction divided by the Gini of the truth ranking itself: 1 is perfect, a constant is 0.

    >>> normalised_gini(np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    >>> normalised_gini(np.array([0.0, 1.0, 5.0]), np.array([7.0, 7.0, 7.0]))
    0.0
    """
    best = gini(truth, truth)
    return gini(truth, predicted) / best if best > 0 else float("nan")


def top_decile_capture(truth: Floats, predicted: Floats) -> float:
    """Share of all spend that falls to the tenth of users predicted highest; ties at the border share their spend."""
    users, spend = gain_curve(truth, predicted)
    return float(np.interp(0.1, users, spend)) if len(truth) else float("nan")


@dataclass(frozen=True)
class DecileCalibration:
    """By decile of the prediction, best first: users, mean prediction, mean truth; `error` is the mean gap in size.

    `error` = sum over deciles of n x |mean prediction - mean truth|, divided by the sum of the truth.
    """

    users: npt.NDArray[np.int64]
    predicted: Floats
    happened: Floats
    error: float


def decile_calibration(truth: Floats, predicted: Floats) -> DecileCalibration:
    """Ten groups of (nearly) equal size by falling prediction; equal predictions are ordered by truth, then pooled.

    Users of one tie all get its mean truth, so that the groups do not depend on the order of the rows.
    """
    _, group = np.unique(-predicted, return_inverse=True)
    tied = np.bincount(group, truth) / np.maximum(np.bincount(group), 1)
    order = np.argsort(group, kind="stable")
    parts = np.array_split(order, 10)
    users = np.array([len(part) for part in parts])
    happened = np.array([tied[group[part]].mean() if len(part) else np.nan for part in parts])
    said = np.array([predicted[part].mean() if len(part) else np.nan for part in parts])
    total = truth.sum()
    error = float(np.nansum(users * np.abs(said - happened)) / total) if total else float("nan")
    return DecileCalibration(users, said, happened, error)
