"""Reasons in plain words: the features that move a customer's value most, each with its value and what is usual.

Arrays in, sentences out: fit for a report and for every row of a night. One reason is about one subject; its windows
and ratios are added up, and the one that moves most is told. May import: NumPy, words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltv_train.explain.words import Phrase, phrase_of
from ltv_train.money import Money

Floats = npt.NDArray[np.float64]
REASONS = 3
_NOTHING = 0.01
"""What moves a value by less than a hundredth is no reason."""


@dataclass(frozen=True)
class Reasons:
    """`sentences` [N][count], the strongest first, empty where a model has fewer; `factors` [N, count]: by how much the
    subject of each multiplies the value, 1 where there is no reason.
    """

    sentences: list[list[str]]
    factors: Floats


def reasons_of(
    added: Floats,
    values: Floats,
    usual: Floats,
    names: Sequence[str],
    *,
    money: Money,
    horizon_days: int,
    count: int = REASONS,
) -> Reasons:
    """Reasons for N rows: contributions `added` [N, F] and `values` [N, F] of features `names`; `usual` [F] values; NaN
    where nothing is known.

    >>> made = reasons_of(
    ...     np.array([[0.6, 0.1, -0.2]]), np.array([[41.0, 90.0, 2.0]]), np.array([6.0, 20.0, 12.0]),
    ...     ["orders_90", "orders", "recency_days"], money=Money("EUR", 100), horizon_days=90, count=2)
    >>> made.sentences[0]
    ['ordered 41 times in the last 90 days (usual: 6)', 'last ordered 2 days ago (usual: 12 days)']
    >>> made.factors.round(2).tolist()
    [[2.01, 0.82]]
    """
    phrases = [phrase_of(name, horizon_days) for name in names]
    subjects = list(dict.fromkeys(phrase.subject for phrase in phrases))
    owned = [np.array([i for i, p in enumerate(phrases) if p.subject == subject]) for subject in subjects]
    moved = np.stack([added[:, own].sum(axis=1) for own in owned], axis=1)
    unusual = (values != usual) & ~(np.isnan(values) & np.isnan(usual))
    speaks = np.stack([own[_loudest(added[:, own], unusual[:, own])] for own in owned], axis=1)
    strongest = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :count]
    sums = np.take_along_axis(moved, strongest, axis=1)
    features = np.take_along_axis(speaks, strongest, axis=1)
    told = np.abs(sums) > _NOTHING
    usual_said = [phrase.value(value, money) for phrase, value in zip(phrases, usual, strict=True)]
    sentences = [
        [
            _sentence(phrases[feature], values[row, feature], usual_said[feature], money) if known else ""
            for feature, known in zip(features[row], told[row], strict=True)
        ]
        for row in range(len(added))
    ]
    return Reasons(sentences, np.where(told, np.exp(sums), 1.0))


def _loudest(added: Floats, unusual: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """[N] which feature of a subject is told: the strongest in its direction, of those with unusual values if any."""
    weight = added * np.sign(added.sum(axis=1, keepdims=True))
    above_all = np.abs(added).max(axis=1, keepdims=True, initial=0.0) + 1.0
    return np.asarray(np.argmax(weight + above_all * (unusual & (weight > 0)), axis=1))


def _sentence(phrase: Phrase, value: float, usual: str, money: Money) -> str:
    said = phrase.said(value, money)
    return f"{said} (usual: {usual})" if phrase.value(value, money) != usual else f"{said}, as usual"
