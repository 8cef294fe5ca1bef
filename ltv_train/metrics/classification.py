"""Measures of predicted probabilities. N users; NaN where only one class is there."""

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


def auc(truth: Floats, probability: Floats) -> float:
    """Area under the ROC curve: how often a positive ranks above a negative, ties counted half.

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    positives = float(np.sum(truth > 0))
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(probability)[truth > 0].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def brier(truth: Floats, probability: Floats) -> float:
    """Mean squared distance of the probability from what happened."""
    return float(np.mean((probability - truth) ** 2)) if len(truth) else float("nan")


def log_loss(truth: Floats, probability: Floats) -> float:
    """Mean negative log-likelihood, probabilities kept 1e-12 away from 0 and 1."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p))) if len(truth) else float("nan")
