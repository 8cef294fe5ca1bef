"""How sure the back-test is of each candidate: intervals of its own two primaries, and against the best baseline.

Longest horizon, averaged over past origins. May import: NumPy, draws, metrics, evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.judging.draws import draw, gained
from ltv_train.judging.evaluation import Fold
from ltv_train.metrics.value import mae, normalised_gini

Floats = npt.NDArray[np.float64]
SHARE = 0.9
_FEW_DRAWS = 200
MAX_USERS = 20_000
"""More users than this are thinned by an even stride over their keys: intervals are then wider than they must be."""


@dataclass(frozen=True)
class Interval:
    """A measure and the two-sided interval around it that holds SHARE of the draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """One candidate: Gini of the mean and error of the median, and both against a baseline, where above 0 is better.

    `mae_saved` is a share of the baseline's error. Money is in minor units.
    """

    candidate: str
    gini: Interval
    mae: Interval
    gini_gain: Interval
    mae_saved: Interval


def standings(folds: Sequence[Fold], against: str, *, draws: int, seed: int) -> list[Standing]:
    """Every candidate of the folds, by name; nothing without folds."""
    if not folds:
        return []
    names = sorted(folds[0].predictions)
    made = draw(folds, names, draws=draws, seed=seed, most_users=MAX_USERS)
    measured, base = (_exact(folds, names), made.plain, made.drawn), names.index(against)
    own = [_intervals(*(each[..., k, :, :] for each in measured)) for k in (0, 1)]
    other = [_intervals(*(gained(each, base)[..., k, :, :] for each in measured)) for k in (0, 1)]
    return [Standing(name, *(part[c] for part in (*own, *other))) for c, name in enumerate(names)]


def afterwards(folds: Mapping[int, Fold], against: str) -> dict[int, list[Standing]]:
    """By horizon, of folds of one horizon each, when nothing is decided any more: fewer draws, and the ends jitter."""
    return {days: standings([fold], against, draws=_FEW_DRAWS, seed=1) for days, fold in folds.items()}


def _exact(folds: Sequence[Fold], names: Sequence[str]) -> Floats:
    """The same from all users."""
    made = np.empty((2, len(folds), len(names)))
    for f, fold in enumerate(folds):
        truth = fold.spend[:, -1]
        for c, name in enumerate(names):
            said = fold.predictions[name]
            made[:, f, c] = normalised_gini(truth, said.mean[:, -1]), mae(truth, said.median[:, -1])
    return made


def _intervals(whole: Floats, thinned: Floats, drawn: Floats) -> list[Interval]:
    """By candidate, from [F, C], [F, C] and [D, F, C]; draws are moved by what thinning moved."""
    value, moved, means = whole.mean(axis=0), (whole - thinned).mean(axis=0), drawn.mean(axis=1)
    return [Interval(float(value[c]), *(_edges(means[:, c]) + moved[c]).tolist()) for c in range(len(value))]


def _edges(drawn: Floats) -> Floats:
    """[2] quantiles of the draws that have a meaning; NaN without any."""
    there = drawn[np.isfinite(drawn)]
    return np.quantile(there, ((1 - SHARE) / 2, (1 + SHARE) / 2)) if len(there) else np.full(2, np.nan)
