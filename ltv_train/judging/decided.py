"""Purchase and churn as decisions: what comes of saying yes from a probability on, at .5 and at the best threshold.

The window that is judged never chooses its threshold: it comes from the earlier past origins, or, at the first of them,
each half of the users is judged with the threshold of the other. (Windows of neighbouring origins overlap by their
horizon, so the season is not hidden from the threshold; the people's outcomes are what it cannot memorise.)
May import: NumPy, metrics, evaluation, halves. No Spark, no Ray.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltv_train.judging.evaluation import Fold
from ltv_train.judging.halves import half_of
from ltv_train.metrics.classification import Decisions, auc, best_threshold, brier, decisions
from ltv_train.metrics.deciles import Deciles, deciles

Floats = npt.NDArray[np.float64]
Event = Literal["purchase", "churn"]
EVENTS: tuple[Event, ...] = ("purchase", "churn")
HALF = 0.5


@dataclass(frozen=True)
class Decided:
    """One candidate's P(event) at one origin and horizon, used to decide; `reliability` has ten points.

    `share` of the users did it. `threshold` is the best one, found as `chosen` says; the mean of two where the halves
    differ.
    """

    origin: str
    candidate: str
    horizon_days: int
    event: Event
    users: int
    share: float
    auc: float
    auc_active: float
    brier: float
    threshold: float
    chosen: str
    at_half: Decisions
    at_best: Decisions
    reliability: Deciles


def decided(folds: Sequence[Fold], candidate: str, horizons_days: Sequence[int], h: int, event: Event) -> Decided:
    """How the decisions of `candidate` went at the newest of `folds` (oldest first), horizon number `h`."""
    fold = folds[-1]
    truth, said = _told(fold, candidate, h, event)
    threshold, chosen = _thresholds(folds, candidate, h, event)
    active = fold.segments.active if fold.segments else np.zeros(len(truth), bool)
    return Decided(
        origin=fold.origin,
        candidate=candidate,
        horizon_days=horizons_days[h],
        event=event,
        users=len(truth),
        share=float(truth.mean()) if len(truth) else float("nan"),
        auc=auc(truth, said),
        auc_active=auc(truth[active], said[active]),
        brier=brier(truth, said),
        threshold=float(threshold.mean()) if len(threshold) else HALF,
        chosen=chosen,
        at_half=decisions(truth, said >= HALF),
        at_best=decisions(truth, said >= threshold),
        reliability=deciles(truth, said),
    )


def threshold_to_use(folds: Sequence[Fold], candidate: str, h: int, event: Event) -> float:
    """The best threshold over all past origins: the one to use from now on; .5 without any."""
    told = [_told(fold, candidate, h, event) for fold in folds]
    return best_threshold(*_joined(told)) if told else HALF


def _thresholds(folds: Sequence[Fold], candidate: str, h: int, event: Event) -> tuple[Floats, str]:
    """The threshold [N] of each user of the newest fold, and how it was chosen."""
    *earlier, fold = folds
    if earlier:
        value = threshold_to_use(earlier, candidate, h, event)
        return np.full(len(fold.user_key), value), f"on {len(earlier)} earlier past origin(s)"
    truth, said = _told(fold, candidate, h, event)
    half = half_of(fold.user_key)
    by_side = [best_threshold(truth[half != side], said[half != side]) for side in (0, 1)]
    return np.asarray(by_side)[half], "on the other half of the users"


def _told(fold: Fold, candidate: str, h: int, event: Event) -> tuple[Floats, Floats]:
    """What happened and what was said, [N] each."""
    said = fold.predictions[candidate]
    if event == "purchase":
        return fold.purchased[:, h], said.p_purchase[:, h]
    return fold.churned[:, h], said.p_churn[:, h]


def _joined(told: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.concatenate([truth for truth, _ in told]), np.concatenate([said for _, said in told])
