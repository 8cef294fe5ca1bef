"""Two procedures on the same users: how the two primaries differ, with a bootstrap over users that spans all folds.

A user who stands in several folds is drawn in all of them at once, so that overlapping windows do not count as new
evidence. Draws are weights on rows sorted once, so a draw costs no sort. Source: Efron and Tibshirani, An Introduction
to the Bootstrap (1993), chapter 16. May import: NumPy. No Spark, no Ray, no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MAX_USERS = 100_000
"""More users than this are thinned by an even stride over their keys: the interval is then wider than it must be."""


@dataclass(frozen=True)
class Judged:
    """One procedure at one fold: `user_key` [N], `truth` [N], its `mean` and `median` [N], one horizon, minor units."""

    user_key: npt.NDArray[np.int64]
    truth: Floats
    mean: Floats
    median: Floats


@dataclass(frozen=True)
class Differences:
    """Candidate against another: `gini` and `mae` (share of the other's error saved), above 0 is better; with draws."""

    gini: float
    mae: float
    gini_draws: Floats
    mae_draws: Floats

    def gini_bound(self, share: float) -> float:
        """The `share` quantile of the draws: .1 is the one-sided 90 % lower bound."""
        return float(np.nanquantile(self.gini_draws, share)) if np.isfinite(self.gini_draws).any() else float("nan")

    def mae_bound(self, share: float) -> float:
        """The `share` quantile of the draws of the saved share of error."""
        return float(np.nanquantile(self.mae_draws, share)) if np.isfinite(self.mae_draws).any() else float("nan")


class WeightedGini:
    """Normalised Gini of one ranking for any weights of its rows; equal predictions share their spend."""

    def __init__(self, truth: Floats, said: Floats) -> None:
        self.order, self.truth = np.argsort(-said, kind="stable"), truth
        ranked = said[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ranked) != 0), len(said) - 1) if len(said) else np.zeros(0, int)
        self.spend = truth[self.order]

    def raw(self, weight: Floats) -> float:
        """Twice the area between the gain curve and chance; NaN when nothing was spent."""
        mine = weight[self.order]
        users = np.append(0.0, np.cumsum(mine)[self.ends])
        spend = np.append(0.0, np.cumsum(mine * self.spend)[self.ends])
        if not len(self.ends) or not spend[-1] or not users[-1]:
            return float("nan")
        area = np.sum(np.diff(users) * (spend[1:] + spend[:-1])) / 2
        return float(2 * area / (users[-1] * spend[-1]) - 1)


def differences(first: Sequence[Judged], second: Sequence[Judged], *, draws: int, seed: int) -> Differences:
    """`first` against `second`, fold by fold on the same users, averaged over folds."""
    users = np.unique(np.concatenate([fold.user_key for fold in first]))
    users = users[:: max(1, -(-len(users) // MAX_USERS))]
    folds = [_Fold(one, other, users) for one, other in zip(first, second, strict=True)]
    gini, mae = _averaged(folds, np.ones(len(users)))
    rng = np.random.default_rng(seed)
    drawn = np.empty((draws, 2))
    for number in range(draws):
        weight = np.bincount(rng.integers(0, len(users), len(users)), minlength=len(users)).astype(np.float64)
        drawn[number] = _averaged(folds, weight)
    return Differences(gini, mae, drawn[:, 0], drawn[:, 1])


class _Fold:
    """What does not change from draw to draw."""

    def __init__(self, first: Judged, second: Judged, users: npt.NDArray[np.int64]) -> None:
        rows = np.flatnonzero(np.isin(first.user_key, users))
        self.place = np.searchsorted(users, first.user_key[rows])
        truth = first.truth[rows]
        self.best = WeightedGini(truth, truth)
        self.ginis = [WeightedGini(truth, side.mean[rows]) for side in (first, second)]
        self.errors = [np.abs(truth - side.median[rows]) for side in (first, second)]

    def measure(self, users_weight: Floats) -> tuple[float, float]:
        weight = users_weight[self.place]
        best = self.best.raw(weight)
        ranks = [gini.raw(weight) / best if best > 0 else float("nan") for gini in self.ginis]
        mine, other = (float(weight @ error) for error in self.errors)
        return ranks[0] - ranks[1], 1 - mine / other if other > 0 else float(-(mine > 0))


def _averaged(folds: Sequence[_Fold], weight: Floats) -> tuple[float, float]:
    gini, mae = np.mean([fold.measure(weight) for fold in folds], axis=0)
    return float(gini), float(mae)
