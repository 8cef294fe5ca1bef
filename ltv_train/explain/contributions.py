"""What each feature adds to what boosting says of each customer: exact TreeSHAP, by LightGBM itself.

The logarithm of the mean is a base plus one number a feature, for every row; exp of a number is the factor by which the
feature raises or lowers the value. Trees that multiply the classical model begin at its logarithm, which is told as
three columns: how often somebody orders, whether they still do, and how much an order is.
Source: Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles" (2018).
May import: NumPy, LightGBM through trees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import numpy.typing as npt

from ltv_features.project import Examples
from ltv_train.classical.anchors import AT_ORIGIN
from ltv_train.classical.trees import FEATURE_NAMES, Boosting, features
from ltv_train.explain.words import START

Floats = npt.NDArray[np.float64]
_LEAST = 1e-6
LEAST_AGE_DAYS = 28.0
"""A pace is told over no less than this, or one order of yesterday would be a pace."""


@dataclass(frozen=True)
class Contributions:
    """`added` [N, F] to the logarithm of the mean (in units of `scale_minor`), by the `values` [N, F] of `names`.

    `base` + the sum of a row is the logarithm of the row's mean up to `horizon_days`, averaged over seeds and members.
    `usual_start` [3] is what the columns of the classical model are told against.
    """

    names: tuple[str, ...]
    values: Floats
    added: Floats
    base: float
    horizon_days: int
    usual_start: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> "Contributions":
        """The same for `rows` alone."""
        return replace(self, values=self.values[rows], added=self.added[rows])

    @property
    def usual(self) -> Floats:
        """[F] the median value of each feature."""
        known = [column[~np.isnan(column)] for column in self.values.T]
        return np.array([np.median(column) if len(column) else np.nan for column in known])

    @property
    def log_mean(self) -> Floats:
        """[N] the logarithm that the contributions add up to."""
        return np.asarray(self.base + self.added.sum(axis=1))

    @property
    def strength(self) -> Floats:
        """[F] mean size of what a feature adds, either way."""
        return np.asarray(np.abs(self.added).mean(axis=0))


def contributions(boosting: Boosting, examples: Examples, *, usual_start: Floats | None = None) -> Contributions:
    """The contributions of one boosting model, up to the longest horizon that it was trained on.

    The columns of the classical model are told against their means over these rows, or against `usual_start`: then a
    row's contributions do not depend on the other rows.
    """
    last = len(boosting.means) - 1
    days = boosting.horizons_days[last]
    origin = np.full(len(examples), AT_ORIGIN, np.int32)
    x = features(examples, origin, boosting.anchors, boosting.horizons_days[-1])
    start = _start(boosting, examples, last)
    usual = start.mean(axis=0) if usual_start is None else usual_start
    parts = np.mean([_shap(booster, x) for booster in boosting.means[last]], axis=0)
    constant = np.log(days) if boosting.offsets[last].variant == "e" else 0.0
    return Contributions(
        names=(*FEATURE_NAMES, *START),
        values=np.column_stack([x, _start_values(examples, days)]),
        added=np.column_stack([parts[:, :-1], start - usual]),
        base=float(parts[0, -1] + usual.sum() + constant + boosting.offsets[last].log_base),
        horizon_days=days,
        usual_start=usual,
    )


def combined(parts: Mapping[str, Contributions], weights: Mapping[str, float]) -> Contributions:
    """Several models as one, as a blend of their logarithms: contributions averaged by weight.

    They are models of one training: same features, same anchors, same horizon.
    """
    first, total = next(iter(parts.values())), sum(weights[name] for name in parts)
    shares = {name: weights[name] / total if total else 1 / len(parts) for name in parts}
    return replace(
        first,
        added=sum((shares[name] * part.added for name, part in parts.items()), np.zeros_like(first.added)),
        base=sum(shares[name] * part.base for name, part in parts.items()),
        usual_start=sum((shares[name] * part.usual_start for name, part in parts.items()), np.zeros(len(START))),
    )


def _start(boosting: Boosting, examples: Examples, h: int) -> Floats:
    """[N, 3] the logarithm that the trees begin at, as START; zeros where that is not the classical model's."""
    offset, days = boosting.offsets[h], float(boosting.horizons_days[h])
    if offset.variant == "e":
        return np.zeros((len(examples), len(START)))
    origin = np.full(len(examples), AT_ORIGIN, np.int32)
    whole = boosting.anchors.expected_value(examples.anchor, origin, days)
    orders, alive, order_value, _ = boosting.anchors.features(examples.anchor, origin, days).T
    often = np.log(np.maximum(orders / np.maximum(alive, _LEAST), _LEAST))
    size = np.log(np.maximum(order_value / offset.money_scale_minor, _LEAST))
    still = offset.values(whole, np.full(len(examples), days)) - offset.log_base - often - size
    return np.stack([often, still, size], axis=1)


def _start_values(examples: Examples, days: float) -> Floats:
    """[N, 3] what the classical model reads for each of START: orders in `days` at the pace so far, recency, order."""
    orders, _, last, age, mean = examples.anchor.T
    return np.stack([orders / np.maximum(age, LEAST_AGE_DAYS) * days, age - last, mean], axis=1)


def _shap(booster: lightgbm.Booster, x: Floats) -> Floats:
    """[N, F + 1]: contributions to the raw score, and what it is without any feature."""
    return np.asarray(booster.predict(x, pred_contrib=True, num_threads=1), np.float64)
