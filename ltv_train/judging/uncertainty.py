"""How sure the back-test is of each candidate: intervals of its own two primaries, and against the best baseline.

Longest horizon, averaged over past origins, on the same draws of users for all candidates, so that what is common to
them cancels out of a difference. A user who stands in several folds is drawn in all of them at once. Source: Efron and
Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16. May import: NumPy, paired, metrics, evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.judging.evaluation import Fold
from ltv_train.judging.paired import WeightedGini
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
    users = np.unique(np.concatenate([fold.user_key for fold in folds]))
    users = users[:: max(1, -(-len(users) // MAX_USERS))]
    weighed = [_Weighed(fold, names, users) for fold in folds]
    rng = np.random.default_rng(seed)
    drawn = np.stack([_measured(weighed, _draw(rng, len(users))) for _ in range(draws)])
    thinned, whole = _measured(weighed, np.ones(len(users))), _exact(folds, names)
    base = names.index(against)
    own = [_intervals(whole[k], thinned[k], drawn[:, k]) for k in (0, 1)]
    other = [_intervals(*(_against(each, base)[..., k, :, :] for each in (whole, thinned, drawn))) for k in (0, 1)]
    return [Standing(name, *(part[c] for part in (*own, *other))) for c, name in enumerate(names)]


def afterwards(folds: Mapping[int, Fold], against: str) -> dict[int, list[Standing]]:
    """By horizon, of folds of one horizon each, when nothing is decided any more: fewer draws, and the ends jitter."""
    return {days: standings([fold], against, draws=_FEW_DRAWS, seed=1) for days, fold in folds.items()}


class _Weighed:
    """What does not change from draw to draw at one fold."""

    def __init__(self, fold: Fold, names: Sequence[str], users: npt.NDArray[np.int64]) -> None:
        rows = np.flatnonzero(np.isin(fold.user_key, users))
        truth = fold.spend[rows, -1]
        said = [fold.predictions[name] for name in names]
        self.place = np.searchsorted(users, fold.user_key[rows])
        self.best = WeightedGini(truth, truth)
        self.ginis = [WeightedGini(truth, each.mean[rows, -1]) for each in said]
        self.errors = np.stack([np.abs(truth - each.median[rows, -1]) for each in said])

    def measure(self, users_weight: Floats) -> Floats:
        """[2, C] normalised Gini and absolute error."""
        weight = users_weight[self.place]
        best = self.best.raw(weight)
        ginis = [gini.raw(weight) / best if best > 0 else float("nan") for gini in self.ginis]
        return np.stack([ginis, self.errors @ weight / max(weight.sum(), 1)])


def _draw(rng: np.random.Generator, users: int) -> Floats:
    return np.bincount(rng.integers(0, users, users), minlength=users).astype(np.float64)


def _measured(folds: Sequence[_Weighed], weight: Floats) -> Floats:
    """[F, 2, C] turned to [2, F, C]: measures by fold."""
    return np.stack([fold.measure(weight) for fold in folds], axis=1)


def _exact(folds: Sequence[Fold], names: Sequence[str]) -> Floats:
    """The same from all users."""
    made = np.empty((2, len(folds), len(names)))
    for f, fold in enumerate(folds):
        truth = fold.spend[:, -1]
        for c, name in enumerate(names):
            said = fold.predictions[name]
            made[:, f, c] = normalised_gini(truth, said.mean[:, -1]), mae(truth, said.median[:, -1])
    return made


def _against(measured: Floats, base: int) -> Floats:
    """[..., 2, F, C] Gini gained and share of error saved against candidate number `base`."""
    gini, error = measured[..., 0, :, :], measured[..., 1, :, :]
    other = error[..., base : base + 1]
    saved = 1 - np.divide(error, other, out=(error > 0) + np.ones_like(error), where=other > 0)
    return np.stack([gini - gini[..., base : base + 1], saved], axis=-3)


def _intervals(whole: Floats, thinned: Floats, drawn: Floats) -> list[Interval]:
    """By candidate, from [F, C], [F, C] and [D, F, C]; draws are moved by what thinning moved."""
    value, moved, means = whole.mean(axis=0), (whole - thinned).mean(axis=0), drawn.mean(axis=1)
    return [Interval(float(value[c]), *(_edges(means[:, c]) + moved[c]).tolist()) for c in range(len(value))]


def _edges(drawn: Floats) -> Floats:
    """[2] quantiles of the draws that have a meaning; NaN without any."""
    there = drawn[np.isfinite(drawn)]
    return np.quantile(there, ((1 - SHARE) / 2, (1 + SHARE) / 2)) if len(there) else np.full(2, np.nan)
