"""Chances held against what happened, and corrected where past origins show that a correction would have helped.

Intercept and slope are fitted by likelihood against Platt's smoothed targets. Chances of a model that learned of many
past days are often too sure; but a shop that changes moves them for reasons that the past does not teach, so a
correction that would not have lowered the log loss at each of the two newest origins, fitted on those before, is not
adopted. Origins lie closer together than a horizon is long, so their windows share days: the test tells a model that is
too sure from a shop that changes, and is no proof. May import: NumPy, SciPy, calibration, evaluation for its folds.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ltv_train.adjusting.calibration import AS_IT_WAS, MIN_P, Calibration, Line, logits
from ltv_train.judging.evaluation import Fold
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
_JUDGED = 2
"""So many newest origins must all gain; each needs another one before it."""
_BOUNDS = ((-5.0, 5.0), (0.1, 10.0))
"""Of intercept and slope: the order of customers stays, and no chance is thrown to the other end."""


def fit_calibration(folds: Sequence[Fold], name: str) -> Calibration:
    """The lines by which what candidate `name` said at these past origins would have been most likely."""
    said = Predictions.concat([fold.predictions[name] for fold in folds])
    bought = np.concatenate([fold.purchased for fold in folds])
    active: tuple[Line, ...] = ()
    if folds[0].active is not None:
        active = _lines(1.0 - said.p_churn, 1.0 - np.concatenate([fold.churned for fold in folds]))
    users = len(np.unique(np.concatenate([fold.user_key for fold in folds])))
    return Calibration(_lines(said.p_purchase, bought), active, users)


def would_have_helped(folds: Sequence[Fold], name: str) -> bool:
    """Whether lines fitted on the origins before lower the log loss at each of the newest two; False with too few."""
    if len(folds) <= _JUDGED:
        return False
    for newest in range(len(folds) - _JUDGED, len(folds)):
        fold, taught = folds[newest], fit_calibration(folds[:newest], name)
        said = fold.predictions[name]
        if _log_loss(fold, taught.applied(said)) >= _log_loss(fold, said):
            return False
    return True


def _log_loss(fold: Fold, said: Predictions) -> float:
    """Mean over customers, horizons and, where it is an event of its own, churn."""
    pairs = [(fold.purchased, said.p_purchase)]
    if fold.active is not None:
        pairs.append((fold.churned, said.p_churn))
    losses = []
    for happened, chance in pairs:
        p = np.clip(chance, MIN_P, 1 - MIN_P)
        losses.append(-np.mean(happened * np.log(p) + (1 - happened) * np.log1p(-p)))
    return float(np.mean(losses))


def _lines(chance: Floats, happened: Floats) -> tuple[Line, ...]:
    return tuple(_line(chance[:, h], happened[:, h]) for h in range(chance.shape[1]))


def _line(chance: Floats, happened: Floats) -> Line:
    """The most likely line; as it was where all or none had the event."""
    yes = float(happened.sum())
    no = len(happened) - yes
    if not (yes and no):
        return AS_IT_WAS
    logit = logits(chance)
    target = np.where(happened > 0, (yes + 1) / (yes + 2), 1 / (no + 2))

    def surprise(line: Floats) -> tuple[float, Floats]:
        score = line[0] + line[1] * logit
        wrong = (special.expit(score) - target) / len(target)
        return float(np.mean(np.logaddexp(0.0, score) - target * score)), np.array([wrong.sum(), wrong @ logit])

    found = optimize.minimize(surprise, AS_IT_WAS, jac=True, method="L-BFGS-B", bounds=_BOUNDS).x
    return float(found[0]), float(found[1])
