"""The weights of a blend, found on past origins, and what the blend would have said there.

Under a few thousand users the best weights of a grid are mostly luck, so they are drawn halfway to equal ones. Source:
Clemen, "Combining forecasts: a review and annotated bibliography" (1989), on why equal weights are hard to beat.
May import: NumPy, blend, metrics, evaluation, halves. No Spark, no Ray.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ltv_train.blend import combine, log_mean
from ltv_train.blend_weights import BlendWeights, equal_weights
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.halves import half_of
from ltv_train.metrics.value import mae, normalised_gini, rmse
from ltv_train.predictions import Predictions

Floats = npt.NDArray[np.float64]
FEW_USERS = 5_000
_TENTHS, _FIFTHS = 10, 5
_MANY = 5
"""From so many members on the grid is coarser: 7 in tenths are 8,008 points, in fifths 462."""
_EQUAL_GINI = 5e-4
"""Differences of Gini below this are a tie, settled by the squared error."""


def fit_weights(
    folds: Sequence[Fold], names: Sequence[str], *, scale_minor: float, users: int | None = None
) -> BlendWeights:
    """The weights that did best at past origins, longest horizon; equal ones where there is one fold or none.

    `scale_minor` is the amount at which the logarithm starts to bend, the median order of training. Folds count alike.
    `users` decides whether to shrink; without it the largest fold does.
    """
    if len(folds) < 2 or len(names) < 2:
        return equal_weights(names, scale_minor, f"equal: {len(folds)} past origin(s) are too few to choose by")
    grid = simplex(len(names))
    mean = _best_mean(folds, names, grid, scale_minor)
    median = _best_median(folds, names, grid, scale_minor)
    how = f"grid of {'tenths' if len(names) < _MANY else 'fifths'} over {len(folds)} past origins"
    users = max(len(fold.user_key) for fold in folds) if users is None else users
    if users < FEW_USERS:
        mean, median = (mean + 1 / len(names)) / 2, (median + 1 / len(names)) / 2
        how += f", drawn halfway to equal weights for {users} users"
    return BlendWeights(tuple(names), tuple(mean.tolist()), tuple(median.tolist()), scale_minor, how)


def simplex(members: int) -> Floats:
    """[G, members] all weights in tenths (fifths for five and more members) that add up to 1, from the most even on, so
    that ties go to the even ones.

    >>> len(simplex(3)), simplex(2)[0].tolist(), len(simplex(7))
    (66, [0.5, 0.5], 462)
    """
    parts = _TENTHS if members < _MANY else _FIFTHS
    bars = itertools.combinations(range(parts + members - 1), members - 1)
    points = [np.diff([-1, *places, parts + members - 1]) - 1 for places in bars]
    return np.array(sorted(points, key=lambda point: int(point @ point)), np.float64) / parts


def cross_fitted(folds: Sequence[Fold], names: Sequence[str], *, scale_minor: float) -> list[Predictions]:
    """What the blend says at each fold when no user's own outcome chose the weights: for the back-test only.

    Users are halved by key; each half is blended with the weights of the other.
    """
    halves = [half_of(fold.user_key) for fold in folds]
    users = max((len(fold.user_key) for fold in folds), default=0)
    weights = []
    for side in (0, 1):
        others = [fold.take(np.flatnonzero(half != side)) for fold, half in zip(folds, halves, strict=True)]
        weights.append(fit_weights(others, names, scale_minor=scale_minor, users=users))
    made = []
    for fold, half in zip(folds, halves, strict=True):
        order = np.argsort(half, kind="stable")
        sides = [fold.take(np.flatnonzero(half == side)).predictions for side in (0, 1)]
        joined = Predictions.concat([combine(parts, w) for parts, w in zip(sides, weights, strict=True)])
        made.append(joined.take(np.argsort(order, kind="stable")))
    return made


def _best_mean(folds: Sequence[Fold], names: Sequence[str], grid: Floats, scale: float) -> Floats:
    def measured(fold: Fold, said: Floats) -> tuple[float, float]:
        truth = fold.spend[:, -1]
        return normalised_gini(truth, said), rmse(truth, said) / max(float(truth.mean()), 1e-9)

    results = _search(folds, names, grid, scale, "mean", measured)
    rank = results[:, 0]
    close = np.flatnonzero(rank >= np.nanmax(rank) - _EQUAL_GINI) if np.isfinite(rank).any() else np.arange(1)
    return np.asarray(grid[close[np.argmin(results[close, 1])]])


def _best_median(folds: Sequence[Fold], names: Sequence[str], grid: Floats, scale: float) -> Floats:
    def measured(fold: Fold, said: Floats) -> tuple[float, float]:
        truth = fold.spend[:, -1]
        return mae(truth, said) / max(float(truth.mean()), 1e-9), 0.0

    results = _search(folds, names, grid, scale, "median", measured)
    return np.asarray(grid[np.argmin(results[:, 0])])


def _search(
    folds: Sequence[Fold],
    names: Sequence[str],
    grid: Floats,
    scale: float,
    column: str,
    measured: Callable[[Fold, Floats], tuple[float, float]],
) -> Floats:
    """[G, 2] measures of every point of the grid, averaged over folds."""
    results = np.zeros((len(grid), 2))
    for fold in folds:
        parts = [getattr(fold.predictions[name], column)[:, -1] for name in names]
        for number, weights in enumerate(grid):
            results[number] += measured(fold, log_mean(parts, weights.tolist(), scale))
    return results / len(folds)
