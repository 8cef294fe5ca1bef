"""How much rank quality is lost when a part of what the model sees is dealt out anew among customers.

A part (a subject of the features, the inputs of the classical model, the sequence of events) is taken as a whole from
another customer, so that what belongs together stays together. Source: Breiman, "Random Forests" (2001); the shuffling
is scikit-learn's `permutation_importance`. May import: NumPy, scikit-learn, metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import parallel_config
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from ltv_features.aggregates import NAMES
from ltv_features.project import Examples
from ltv_train.explain.words import phrase_of
from ltv_train.metrics.value import normalised_gini
from ltv_train.predictions import Predictor

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SEQUENCE, PACE = "the sequence of events", "inputs of the classical model"


@dataclass(frozen=True)
class Part:
    """What is shuffled together: columns of the aggregates, the anchor's inputs, or the tokens."""

    columns: tuple[int, ...] = ()
    anchor: bool = False
    tokens: bool = False


@dataclass(frozen=True)
class Importance:
    """`lost` and `spread` by part, the most important first: the mean loss of Gini over shuffles, and its deviation."""

    lost: Mapping[str, float]
    spread: Mapping[str, float]
    gini: float
    users: int


def parts_of_examples() -> dict[str, Part]:
    """Every subject of the aggregates, the inputs of the classical model, and the sequence of events."""
    subjects = [phrase_of(name, 0).subject for name in NAMES]
    named = {subject: tuple(i for i, s in enumerate(subjects) if s == subject) for subject in dict.fromkeys(subjects)}
    parts = {subject: Part(columns=columns) for subject, columns in named.items()}
    return parts | {PACE: Part(anchor=True), SEQUENCE: Part(tokens=True)}


def importance(
    predictor: Predictor,
    examples: Examples,
    spend: Floats,
    parts: Mapping[str, Part],
    *,
    repeats: int,
    seed: int,
) -> Importance:
    """The loss of normalised Gini of the mean at the longest horizon, part by part, against `spend` [N]."""
    used = {name: part for name, part in parts.items() if _varies(examples, part)}
    gini = normalised_gini(spend, predictor.predict(examples).mean[:, -1])
    lost, spread = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    if used and np.isfinite(gini):
        own = np.tile(np.arange(len(examples))[:, None], (1, len(used)))
        asked = _Dealt(predictor, examples, tuple(used.values()))
        with parallel_config(backend="threading", n_jobs=-1):  # predicting leaves Python's lock to the others
            made = permutation_importance(asked, own, spend, scoring=_gini, n_repeats=repeats, random_state=seed)
        lost |= dict(zip(used, made.importances_mean.tolist(), strict=True))
        spread |= dict(zip(used, made.importances_std.tolist(), strict=True))
    order = sorted(lost, key=lambda name: -lost[name])
    return Importance({n: lost[n] for n in order}, {n: spread[n] for n in order}, float(gini), len(examples))


def dealt(examples: Examples, rows: Ints, parts: tuple[Part, ...]) -> Examples:
    """The examples with part number p of row i taken from row `rows[i, p]`."""
    made, aggregates = examples, examples.aggregates.copy()
    for number, part in enumerate(parts):
        donor, columns = rows[:, number], np.array(part.columns, np.int64)
        aggregates[:, columns] = examples.aggregates[donor][:, columns]
        if part.anchor:
            made = replace(made, anchor=examples.anchor[donor])
        if part.tokens:
            lent = examples.take(donor)
            made = replace(made, offsets=lent.offsets, tokens=lent.tokens)
    return replace(made, aggregates=aggregates)


class _Dealt(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A predictor in the shape that scikit-learn shuffles: column p of X says whose part p each row gets."""

    def __init__(self, predictor: Predictor, examples: Examples, parts: tuple[Part, ...]) -> None:
        self.predictor, self.examples, self.parts = predictor, examples, parts

    def fit(self, x: Ints, y: Floats) -> "_Dealt":
        """Nothing: the model is fitted."""
        return self

    def predict(self, x: Ints) -> Floats:
        """[N] the mean up to the longest horizon."""
        return self.predictor.predict(dealt(self.examples, x, self.parts)).mean[:, -1]


def _gini(estimator: _Dealt, x: Any, y: Floats) -> float:
    return normalised_gini(y, estimator.predict(np.asarray(x, np.int64)))


def _varies(examples: Examples, part: Part) -> bool:
    """Whether dealing the part anew can change anything at all."""
    columns = examples.aggregates[:, list(part.columns)]
    same = bool((columns == columns[:1]).all()) and not (part.tokens and len(next(iter(examples.tokens.values()))))
    return not (same and (not part.anchor or bool((examples.anchor == examples.anchor[:1]).all())))
