"""How far intervals must be moved, learned where outcomes are known: conformalised quantile regression.

Romano, Patterson, Candes, "Conformalized Quantile Regression" (NeurIPS 2019), theorem 2 (each end by itself): the
conformity score of an end is how far the outcome lies beyond it, and the end is moved by the score's quantile. Scores
are taken of log1p of money, which a small and a large customer can share, and within four groups of the predicted mean.
May import: NumPy, conformal, predictions.
"""

import numpy as np
import numpy.typing as npt

from ltv_features.contract import HIGH, LOW
from ltv_train.adjusting.conformal import Correction
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
GROUPS = 4
LEAST_USERS = 200
"""A group with fewer users has no correction of its own: then all groups share one."""


def fit_correction(
    said: Predictions, spend: Floats, user_key: npt.NDArray[np.int64], *, scale_minor: float
) -> Correction:
    """The correction by users [N] whose `spend` [N, H] after what was said the model did not see.

    A user may be there at several origins: rows give the scores, distinct users how many there are of a group.
    """
    borders, lower, upper = [], [], []
    for h in range(spend.shape[1]):
        mean = said.mean[:, h]
        cuts = np.quantile(mean, np.arange(1, GROUPS) / GROUPS) if len(mean) else np.zeros(0)
        group = np.searchsorted(cuts, mean, side="right")
        if min(len(np.unique(user_key[group == number])) for number in range(GROUPS)) < LEAST_USERS:
            cuts, group = np.zeros(0), np.zeros(len(mean), np.int64)
        truth, low, high = (
            np.log1p(np.maximum(each[:, h], 0.0) / scale_minor) for each in (spend, said.low, said.high)
        )
        count = range(len(cuts) + 1)
        borders.append(tuple(cuts.tolist()))
        lower.append(tuple(_reach((low - truth)[group == number], 1 - LOW) for number in count))
        upper.append(tuple(_reach((truth - high)[group == number], HIGH) for number in count))
    return Correction(scale_minor, tuple(borders), tuple(lower), tuple(upper), len(np.unique(user_key)))


def _reach(scores: Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest score, the largest where there are too few; 0 without any."""
    if not len(scores):
        return 0.0
    place = min(len(scores), int(np.ceil((len(scores) + 1) * level)))
    return float(np.sort(scores)[place - 1])
