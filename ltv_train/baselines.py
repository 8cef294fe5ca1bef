"""Baselines that every model has to beat, as bundles with the same `predict`.

All of them give one number for mean and median, but for the constant one, whose median is that of training. Quantiles
are multiples of that number, least in pinball loss on training rows; P(buy) is a logistic curve over the logarithm of
the score (Platt 1999), fitted on training rows.
May import: NumPy, SciPy, anchors. No Spark, no Ray.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ltv_features.aggregates import NAMES
from ltv_features.contract import HIGH, LOW
from ltv_features.project import Examples
from ltv_train.anchors import AT_ORIGIN, Anchors
from ltv_train.bundle import Bundle
from ltv_train.candidates import Built, Material
from ltv_train.named import Named
from ltv_train.predictions import NOTHING, Predictions, amounts_through_anchor, chances_through_anchor, finished

Floats = npt.NDArray[np.float64]
_WINDOWS = (7, 14, 30, 60, 90, 180)
_RFM = ("recency_days", "order_rate", "order_mean", "spend_rate")
"""Rates rather than counts: counts of a long history mean something else than those of a short one."""
_FILE = "baseline.json"


def fit_baselines(material: Material) -> list[Built]:
    """Every baseline: all_zero, mean, last_<window>_days, spend_rate, linear_rfm, anchor."""
    horizons = material.horizons_days
    window = min(_WINDOWS, key=lambda days: abs(days - horizons[-1]))
    seen = [material.mature(h) for h in range(material.trained_horizons)]
    means = [float(s.spend.mean()) for s in seen]
    medians = [float(np.median(s.spend)) for s in seen]
    ends = [np.quantile(s.spend, (LOW, HIGH), method="inverted_cdf").tolist() for s in seen]
    nothing = [0.0] * len(seen)
    pace = material.anchors.cumulative_values(material.examples.anchor, material.cutoff_no, horizons).mean(axis=0)
    described: list[tuple[str, str, dict[str, Any]]] = [
        ("all_zero", "naive", {"variant": "constant", "mean": nothing, "median": nothing, "pace": pace.tolist()}),
        (
            "mean",
            "naive",
            {"variant": "constant", "mean": means, "median": medians, "ends": ends, "pace": pace.tolist()},
        ),
        (f"last_{window}_days", "naive", {"variant": "column", "column": f"spend_{window}", "per_days": window}),
        ("spend_rate", "naive", {"variant": "column", "column": "spend_rate", "per_days": 1}),
        ("linear_rfm", "linear_rfm", {"variant": "linear", "weights": _linear_weights(material)}),
        ("anchor", "anchor", {"variant": "anchor"}),
    ]
    return [_built(name, kind, parameters, material) for name, kind, parameters in described]


def load_predictor(bundle: Bundle) -> "Baseline":
    """The baseline of a bundle."""
    cap, named = float(bundle.config["cap_minor"]), Named.from_config(bundle.config.get("named", []))
    return Baseline(bundle.json_of(_FILE), bundle.horizons_days, bundle.anchors(), cap, named)


class Baseline:
    """A score by formula, and a logistic curve over it."""

    def __init__(
        self, parameters: Mapping[str, Any], horizons_days: tuple[int, ...], anchors: Anchors, cap: float, named: Named
    ) -> None:
        self.parameters, self.horizons_days, self.anchors, self.cap = parameters, horizons_days, anchors, cap
        self.named = named

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H]."""
        origin = np.full(len(examples), AT_ORIGIN, np.int32)
        curves = self.parameters["platt"]
        days = self.horizons_days[: len(curves)]
        each = [score(self.parameters, examples, origin, h, days[h], self.anchors) for h in range(len(days))]
        mean = np.stack(each, axis=1)
        median, anchor = mean, self.anchors.cumulative_values(examples.anchor, origin, self.horizons_days)
        if self.parameters["variant"] == "constant":
            median, anchor = (np.tile(self.parameters[name], (len(examples), 1)) for name in ("median", "pace"))
        low, high = (self._quantiles(mean, end) for end in (0, 1))
        mean, median, low, high = amounts_through_anchor([mean, median, low, high], anchor)
        p, *active = chances_through_anchor([_chances(mean, curves) for curves in self._curves()], anchor)
        churn = active[0] if active else None
        order = self.anchors.order_value(examples.anchor)
        own = {"named_mean": NOTHING, "named_purchase": NOTHING}
        if self.named.names:  # of these every baseline says what the anchor says
            values = self.named.at_origin(self.anchors, examples.anchor)
            lifts, *curves = zip(*self.parameters["named"], strict=True)
            own["named_mean"] = values * np.array(lifts)
            own["named_purchase"] = _chances(values, list(zip(*curves, strict=True)))
        return finished(mean, median, p, low=low, high=high, p_active=churn, order_minor=order, cap=self.cap, **own)

    def _curves(self) -> list[list[tuple[float, float]]]:
        """The logistic curves by horizon: of a purchase, and of any activity where that is asked for."""
        return [self.parameters[name] for name in ("platt", "platt_active") if name in self.parameters]

    def _quantiles(self, mean: Floats, end: int) -> Floats:
        """[B, K] the lower (0) or upper (1) quantile."""
        if "ends" in self.parameters:
            return np.tile([pair[end] for pair in self.parameters["ends"]], (len(mean), 1))
        return np.asarray(mean * np.array([pair[end] for pair in self.parameters["multiples"]]))


def _chances(mean: Floats, curves: list[tuple[float, float]]) -> Floats:
    """[B, K] probabilities from scores [B, K or more], one logistic curve a horizon."""
    return np.stack([special.expit(a + b * np.log1p(mean[:, h])) for h, (a, b) in enumerate(curves)], axis=1)


def score(
    parameters: Mapping[str, Any],
    examples: Examples,
    cutoff_no: npt.NDArray[np.int32],
    h: int,
    days: float,
    anchors: Anchors,
) -> Floats:
    """[B] minor units expected in horizon number `h` of `days` days; not negative."""
    kinds: dict[str, Callable[[], Floats]] = {
        "constant": lambda: np.full(len(examples), parameters["mean"][h]),
        "column": lambda: column(examples, parameters["column"]) * days / parameters["per_days"],
        "linear": lambda: np.asarray((_design(examples) * np.asarray(parameters["weights"][h])).sum(axis=1)),
        "anchor": lambda: anchors.expected_value(examples.anchor, cutoff_no, days),
    }
    return np.maximum(kinds[parameters["variant"]](), 0.0)


def column(examples: Examples, name: str) -> Floats:
    """[B] one aggregate by name."""
    return examples.aggregates[:, NAMES.index(name)].astype(np.float64)


def platt(scores: Floats, happened: Floats) -> tuple[float, float]:
    """(a, b) of P = 1 / (1 + exp(-(a + b score))), most likely with b not negative; the base rate for a constant."""
    rate = (happened.sum() + 0.5) / (len(happened) + 1.0) if len(happened) else 0.5
    base = float(special.logit(rate))
    if len(happened) < 2 or np.ptp(scores) == 0 or np.ptp(happened) == 0:
        return base, 0.0
    deviation = float(scores.std())

    def loss(ab: Floats) -> float:
        z = ab[0] + ab[1] * scores / deviation
        return float(np.mean(np.logaddexp(0.0, z) - happened * z))

    found = optimize.minimize(loss, np.array([base, 0.1]), method="L-BFGS-B", bounds=[(-30, 30), (0, 30)])
    return float(found.x[0]), float(found.x[1]) / deviation


def multiple(spend: Floats, score: Floats, level: float) -> float:
    """The c for which c x score has the least pinball loss of spend at this level; 0 where no score is above 0.

    It is the quantile of spend / score, weighted by the score (Koenker and Bassett, "Regression Quantiles", 1978).

    >>> multiple(np.array([1.0, 4.0, 90.0]), np.array([1.0, 2.0, 30.0]), 0.5)
    3.0
    """
    rows = np.flatnonzero(score > 0)
    if not len(rows):
        return 0.0
    ratio = spend[rows] / score[rows]
    order = np.argsort(ratio, kind="stable")
    weight = np.cumsum(score[rows][order])
    return float(ratio[order][np.searchsorted(weight, level * weight[-1])])


def _built(name: str, kind: str, parameters: dict[str, Any], material: Material) -> Built:
    curves, active, multiples = [], [], []
    for h, days in enumerate(material.horizons_days[: material.trained_horizons]):
        seen = material.mature(h)
        rows = material.examples.take(seen.rows)
        said = score(parameters, rows, material.cutoff_no[seen.rows], h, float(days), material.anchors)
        curves.append(platt(np.log1p(said), seen.bought))
        active.append(platt(np.log1p(said), seen.active))
        multiples.append([multiple(seen.spend, said, level) for level in (LOW, HIGH)])
    fitted = {"platt": curves, "multiples": multiples} | ({"platt_active": active} if material.activity else {})
    if material.named.names:
        fitted["named"] = _named(material)
    config = {
        "name": name,
        "horizons_days": list(material.horizons_days),
        "trained_horizons": material.trained_horizons,
        "cap_minor": material.cap_minor,
    }
    return Built(name, kind, config, {_FILE: json.dumps(parameters | fitted).encode()})


def _named(material: Material) -> list[list[float]]:
    """For each named period: spend of its past occurrences over what the anchor expected, and (a, b) of buying."""
    labels, inputs = material.train.labels, material.examples.anchor
    values = material.named.anchor_values(material.anchors, inputs, material.cutoff_no)
    made = []
    for k in range(len(material.named.names)):
        rows = np.flatnonzero(labels["named_mask"][:, k] > 0)
        spend = np.maximum(labels["named_spend_minor"][rows, k], 0.0)
        lift = float(spend.sum() / max(values[rows, k].sum(), 1e-9))
        made.append([lift, *platt(np.log1p(values[rows, k]), labels["named_purchased"][rows, k].astype(np.float64))])
    return made


def _design(examples: Examples) -> Floats:
    return np.stack([np.ones(len(examples)), *(column(examples, name) for name in _RFM)], axis=1)


def _linear_weights(material: Material) -> list[list[float]]:
    """Least squares of spend on recency, frequency (orders a day) and monetary value, for each horizon."""
    weights = []
    for h in range(material.trained_horizons):
        seen = material.mature(h)
        x = _design(material.examples.take(seen.rows))
        fitted = np.linalg.lstsq(x, seen.spend, rcond=None)[0]
        weights.append([float(value) for value in fitted])
    return weights
