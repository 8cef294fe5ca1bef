"""Several models as one: weights found on past origins, values averaged as logarithms, probabilities as logits.

There are two sets of weights, because the mean is judged by rank and the median by its absolute error. Under a few
thousand users the best weights of a grid are mostly luck, so they are drawn halfway to equal ones. Source: Clemen,
"Combining forecasts: a review and annotated bibliography" (1989), on why equal weights are hard to beat.
May import: NumPy, SciPy, bundle, predict, metrics, judging. No Spark, no Ray.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_features.project import Examples
from ltv_train.blend_weights import BlendWeights, equal_weights
from ltv_train.bundle import Bundle, write
from ltv_train.judging.calibration import logits
from ltv_train.judging.evaluation import Fold
from ltv_train.metrics.value import mae, normalised_gini, rmse
from ltv_train.predict import open_predictor
from ltv_train.predictions import Predictions, finished

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


def combine(parts: Mapping[str, Predictions], weights: BlendWeights) -> Predictions:
    """[B, H] the blend of what the members say; rows are blended one by one."""
    said = [parts[name] for name in weights.names]
    mean = _log_mean([part.mean for part in said], weights.mean, weights.scale_minor)
    median, low, high = (
        _log_mean([getattr(part, column) for part in said], weights.median, weights.scale_minor)
        for column in ("median", "low", "high")
    )
    p = _logit_mean([part.p_purchase for part in said], weights.mean)
    own_churn = any(not np.array_equal(part.p_churn, 1.0 - part.p_purchase) for part in said)
    active = _logit_mean([1.0 - part.p_churn for part in said], weights.mean) if own_churn else None
    order = _weighted([part.order_minor for part in said], weights.mean)
    return finished(
        mean,
        median,
        p,
        low=low,
        high=high,
        p_active=active,
        order_minor=order,
        named_mean=_log_mean([part.named_mean for part in said], weights.mean, weights.scale_minor),
        named_purchase=_logit_mean([part.named_purchase for part in said], weights.mean),
    )


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


def half_of(user_key: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[N] 0 or 1 by user, from the top bit of the key times an odd constant (multiplicative hashing)."""
    mixed = user_key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(63)).astype(np.int64)


def write_blend(
    parent: str | Path, members: Mapping[str, Bundle], weights: BlendWeights, *, name: str = "blend"
) -> Bundle:
    """The blend as a bundle that holds its members. Members without any weight stay out."""
    kept = {each: members[each] for each in weights.used.names}
    horizons = next(iter(kept.values())).horizons_days
    config = {
        "name": name,
        "horizons_days": list(horizons),
        "trained_horizons": min(int(one.config.get("trained_horizons", len(horizons))) for one in kept.values()),
        "cap_minor": max(float(one.config["cap_minor"]) for one in kept.values()),
        "named": next(iter(kept.values())).config.get("named", []),
        "never_bought": next(iter(kept.values())).config.get("never_bought"),
        **weights.to_dict(),
    }
    return write(parent, kind="blend", config=config, files={}, members=kept)


def load_predictor(bundle: Bundle) -> "Blend":
    """The blend of a bundle, with its members opened."""
    return Blend(bundle)


class Blend:
    """Asks every member and combines what they say."""

    def __init__(self, bundle: Bundle) -> None:
        whole = BlendWeights.from_dict(bundle.config)
        self.weights = whole.used
        self.members = {name: open_predictor(bundle.member(name)) for name in self.weights.names}

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]."""
        return combine({name: member.predict(examples) for name, member in self.members.items()}, self.weights)


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
            results[number] += measured(fold, _log_mean(parts, weights.tolist(), scale))
    return results / len(folds)


def _log_mean(parts: Sequence[Floats], weights: Sequence[float], scale: float) -> Floats:
    return np.expm1(_weighted([np.log1p(part / scale) for part in parts], weights)) * scale


def _logit_mean(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    return np.asarray(special.expit(_weighted([logits(part) for part in parts], weights)))


def _weighted(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        total = total + weight * part
    return total
