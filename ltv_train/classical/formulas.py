"""What a fitted baseline says: a score by formula from aggregates and anchor, and logistic curves over it.

All of them give one number for mean and median, but for the constant one, whose median is that of training. Quantiles
are multiples of that number, P(buy) is a logistic curve over its logarithm. May import: NumPy, SciPy, anchors, bundle.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ltv_features.aggregates import NAMES
from ltv_features.project import Examples
from ltv_train.bundle import Bundle
from ltv_train.classical import rfm_cells
from ltv_train.classical.anchors import AT_ORIGIN, Anchors
from ltv_train.named import Named
from ltv_train.predictions import NOTHING, Predictions, amounts_through_anchor, chances_through_anchor, finished

Floats = npt.NDArray[np.float64]
FILE = "baseline.json"


def load_predictor(bundle: Bundle) -> "Baseline":
    """The baseline of a bundle."""
    cap, named = float(bundle.config["cap_minor"]), Named.from_config(bundle.config.get("named", []))
    return Baseline(bundle.json_of(FILE), bundle.horizons_days, bundle.anchors(), cap, named)


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
        named_mean, named_purchase = NOTHING, NOTHING
        if self.named.names:  # of these every baseline says what the anchor says
            values = self.named.at_origin(self.anchors, examples.anchor)
            lifts, *curves = zip(*self.parameters["named"], strict=True)
            named_mean, named_purchase = values * np.array(lifts), _chances(values, list(zip(*curves, strict=True)))
        return finished(
            mean, median, p, low=low, high=high, p_active=churn, order_minor=order, cap=self.cap,
            named_mean=named_mean, named_purchase=named_purchase, literal=True,
        )  # fmt: skip

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
        "linear": lambda: _linear(parameters, examples, h),
        "cells": lambda: rfm_cells.lookup(parameters["cells"][h], columns(examples, parameters["columns"])),
        "anchor": lambda: anchors.expected_value(examples.anchor, cutoff_no, days),
    }
    return np.maximum(kinds[parameters["variant"]](), 0.0)


def column(examples: Examples, name: str) -> Floats:
    """[B] one aggregate by name."""
    return examples.aggregates[:, NAMES.index(name)].astype(np.float64)


def columns(examples: Examples, names: Sequence[str]) -> Floats:
    """[B, len(names)] aggregates by name."""
    return np.stack([column(examples, name) for name in names], axis=1)


def design(examples: Examples, names: Sequence[str]) -> Floats:
    """[B, 1 + len(names)] the rows of a linear regression: a constant, and aggregates by name."""
    return np.concatenate([np.ones((len(examples), 1)), columns(examples, names)], axis=1)


def _linear(parameters: Mapping[str, Any], examples: Examples, h: int) -> Floats:
    rows = design(examples, parameters["columns"])
    return np.asarray((rows * np.asarray(parameters["weights"][h])).sum(axis=1))
