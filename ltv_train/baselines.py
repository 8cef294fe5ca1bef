"""Baselines that every model has to beat, fitted; what they then say is in `formulas`.

Quantiles are multiples of the score, least in pinball loss on training rows; P(buy) is a logistic curve over the
logarithm of the score (Platt 1999), fitted on training rows. May import: NumPy, SciPy, anchors. No Spark, no Ray.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ltv_features.contract import HIGH, LOW
from ltv_train.candidates import Built, Material
from ltv_train.classical import rfm_cells
from ltv_train.classical.formulas import FILE, columns, design, score

Floats = npt.NDArray[np.float64]
_WINDOWS = (7, 14, 30, 60, 90, 180)
_RFM = ("recency_days", "order_rate", "order_mean", "spend_rate")
"""Rates rather than counts: counts of a long history mean something else than those of a short one."""
_ORDERS = ("orders", "order_mean", "first_order_age_days")
"""What a spreadsheet has: frequency, average order value, and lifetime so far."""
_CELLS = ("recency_days", "order_rate", "order_mean")


def fit_baselines(material: Material) -> list[Built]:
    """Every baseline: all_zero, mean, last_<window>_days, spend_rate, linear_rfm, linear_orders, rfm_cells, anchor."""
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
        ("linear_rfm", "linear", _linear(material, _RFM)),
        ("linear_orders", "linear", _linear(material, _ORDERS)),
        ("rfm_cells", "cells", _cells(material)),
        ("anchor", "anchor", {"variant": "anchor"}),
    ]
    return [_built(name, kind, parameters, material) for name, kind, parameters in described]


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
    return Built(name, kind, config, {FILE: json.dumps(parameters | fitted).encode()})


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


def _linear(material: Material, names: Sequence[str]) -> dict[str, Any]:
    """Least squares of spend on some aggregates, for each horizon."""
    weights = []
    for h in range(material.trained_horizons):
        seen = material.mature(h)
        x = design(material.examples.take(seen.rows), names)
        fitted = np.linalg.lstsq(x, seen.spend, rcond=None)[0]
        weights.append([float(value) for value in fitted])
    return {"variant": "linear", "columns": list(names), "weights": weights}


def _cells(material: Material) -> dict[str, Any]:
    """Mean spend by RFM cell, for each horizon."""
    edges = rfm_cells.fit_edges(columns(material.examples, _CELLS))
    cells = []
    for h in range(material.trained_horizons):
        seen = material.mature(h)
        cells.append(rfm_cells.fit_means(columns(material.examples.take(seen.rows), _CELLS), seen.spend, edges))
    return {"variant": "cells", "columns": list(_CELLS), "cells": cells}
