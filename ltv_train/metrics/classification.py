"""Measures of predicted probabilities, as they are and as decisions. N users; NaN where a measure has no meaning.

`truth` is 0 or 1; any amount above 0 counts as 1. From scikit-learn wherever it has the measure.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from ltv_train.metrics.levels import EXACT_PAIRS, levels

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def auc(truth: Floats, probability: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """Area under the ROC curve: how often a positive ranks above a negative, ties counted half.

    Exact up to `exact_up_to` users, above that from a histogram (see `levels`, which states the error).

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    positive = truth > 0
    if not positive.any() or positive.all():
        return float("nan")
    if len(truth) <= exact_up_to:
        return float(metrics.roc_auc_score(positive, probability))
    return float(metrics.auc(*_roc(positive, probability, exact_up_to)))


def brier(truth: Floats, probability: Floats) -> float:
    """Mean squared distance of the probability from what happened."""
    return float(metrics.brier_score_loss(truth > 0, probability, pos_label=True)) if len(truth) else float("nan")


def log_loss(truth: Floats, probability: Floats) -> float:
    """Mean negative log-likelihood, probabilities kept 1e-12 away from 0 and 1."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(metrics.log_loss(truth > 0, p, labels=[False, True])) if len(truth) else float("nan")


@dataclass(frozen=True)
class Decisions:
    """What comes of saying yes from some probability on: the confusion matrix, and the measures that follow from it."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    accuracy: float
    precision: float
    recall: float
    f1: float


def decisions(truth: Floats, said_yes: Flags) -> Decisions:
    """The confusion matrix and its measures; precision without a yes and recall without a positive are NaN.

    >>> decisions(np.array([1.0, 1.0, 0.0, 0.0]), np.array([True, False, False, False])).f1
    0.6666666666666666
    """
    positive = truth > 0
    if not len(truth):
        return Decisions(0, 0, 0, 0, *[float("nan")] * 4)
    [[no_no, no_yes], [yes_no, yes_yes]] = metrics.confusion_matrix(positive, said_yes, labels=[False, True])
    measured = metrics.precision_recall_fscore_support(
        positive, said_yes, labels=[False, True], pos_label=True, average="binary", zero_division=np.nan
    )
    precision, recall, f1 = (float(value) for value in measured[:3])
    accuracy = float(metrics.accuracy_score(positive, said_yes))
    return Decisions(int(yes_yes), int(no_yes), int(yes_no), int(no_no), accuracy, precision, recall, f1)


def best_threshold(truth: Floats, probability: Floats, *, exact_up_to: int = EXACT_PAIRS) -> float:
    """The probability from which on a yes gives the largest F1 of the rarer outcome; .5 where only one was seen.

    The rarer outcome is what lists are made of. The F1 of the common one would be largest with a yes to nearly
    everybody. One cut then serves P and 1 - P alike. Of equally good ones the highest counts.

    >>> best_threshold(np.array([0.0, 1.0, 0.0, 0.0, 1.0]), np.array([0.1, 0.7, 0.2, 0.3, 0.9]))
    0.7
    """
    positive = truth > 0
    if not positive.any() or positive.all():
        return 0.5
    by_level = levels(positive.astype(np.float64), probability, exact_up_to=exact_up_to)
    said, hit = np.cumsum(by_level.users), np.cumsum(by_level.truth)
    yes, no = hit[-1], said[-1] - hit[-1]
    rightly_no = no - (said - hit)
    f1 = 2 * hit / (said + yes) if yes <= no else 2 * rightly_no / (said[-1] - said + no)
    best = int(np.argmax(f1))
    if len(probability) <= exact_up_to:
        return float(np.unique(probability)[::-1][best])
    return float(by_level.predicted[best] / by_level.users[best])


def _roc(positive: Flags, probability: Floats, exact_up_to: int) -> tuple[Floats, Floats]:
    """False positive rate and recall from (0, 0) on, one point a level, the highest probability first."""
    by_level = levels(positive.astype(np.float64), probability, exact_up_to=exact_up_to)
    hit, missed = np.cumsum(by_level.truth), np.cumsum(by_level.users - by_level.truth)
    return np.append(0.0, missed / missed[-1]), np.append(0.0, hit / hit[-1])
