"""Both primaries of several candidates on the same draws of users, so that what is common to them cancels out.

A user who stands in several folds is drawn in all of them at once, so that overlapping windows do not count as new
evidence. Draws are weights on rows sorted once, so a draw costs no sort. Source: Efron and Tibshirani, An Introduction
to the Bootstrap (1993), chapters 13 and 16. F folds, C candidates. May import: NumPy, evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.judging.evaluation import Fold

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """Normalised Gini of the mean and absolute error of the median, longest horizon: `drawn` [D, 2, F, C] of D draws.

    `plain` [2, F, C] is of all users that were drawn from, each once. Money is in minor units.
    """

    plain: Floats
    drawn: Floats


def draw(folds: Sequence[Fold], names: Sequence[str], *, draws: int, seed: int, most_users: int) -> Draws:
    """The candidates `names` at all `folds`, at least one; more than `most_users` are thinned by an even stride."""
    users = np.unique(np.concatenate([fold.user_key for fold in folds]))
    users = users[:: max(1, -(-len(users) // most_users))]
    weighed = [_Weighed(fold, names, users) for fold in folds]
    rng = np.random.default_rng(seed)
    drawn = [_measured(weighed, _weights(rng, len(users))) for _ in range(draws)]
    return Draws(_measured(weighed, np.ones(len(users))), np.stack(drawn))


def gained(measured: Floats, base: int) -> Floats:
    """[..., 2, F, C] Gini gained and share of error saved against candidate number `base`; above 0 is better."""
    gini, error = measured[..., 0, :, :], measured[..., 1, :, :]
    other = error[..., base : base + 1]
    saved = 1 - np.divide(error, other, out=(error > 0) + np.ones_like(error), where=other > 0)
    return np.stack([gini - gini[..., base : base + 1], saved], axis=-3)


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


def _weights(rng: np.random.Generator, users: int) -> Floats:
    return np.bincount(rng.integers(0, users, users), minlength=users).astype(np.float64)


def _measured(folds: Sequence[_Weighed], weight: Floats) -> Floats:
    """[2, F, C] measures by fold."""
    return np.stack([fold.measure(weight) for fold in folds], axis=1)
