"""What every model says: amounts, quantiles and probabilities by cumulative horizon. May import: NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ltv_features.contract import HIGH, LOW
from ltv_features.errors import ContractBroken
from ltv_features.project import Examples

Floats = npt.NDArray[np.float64]
NOTHING: Floats = np.zeros((0, 0))


@dataclass(frozen=True)
class Predictions:
    """[B, H] each, by cumulative horizon; money in minor units. Finite, not negative; all but churn rise with H.

    `low` and `high` hold the median between them. `named_mean`, `named_purchase` [B, K]: the next occurrence of each
    named period. `order_minor` [B, 1]: what the next order is expected to be worth. Where a model does not speak of
    one of these five, it has no columns.
    """

    mean: Floats
    median: Floats
    p_purchase: Floats
    p_churn: Floats
    low: Floats = field(default_factory=lambda: NOTHING)
    high: Floats = field(default_factory=lambda: NOTHING)
    named_mean: Floats = field(default_factory=lambda: NOTHING)
    named_purchase: Floats = field(default_factory=lambda: NOTHING)
    order_minor: Floats = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) is NOTHING:
                object.__setattr__(self, each.name, np.zeros((len(self.mean), 0)))

    def __len__(self) -> int:
        return len(self.mean)

    @staticmethod
    def names() -> tuple[str, ...]:
        """What is said, by name."""
        return tuple(each.name for each in fields(Predictions))

    def take(self, rows: npt.NDArray[np.int64]) -> "Predictions":
        """The predictions at `rows`, in that order."""
        return Predictions(**{name: getattr(self, name)[rows] for name in self.names()})

    @staticmethod
    def concat(parts: Sequence["Predictions"]) -> "Predictions":
        """All parts, one after the other; NaN where only others speak of something."""
        return Predictions(
            **{name: _one_below_the_other([getattr(part, name) for part in parts]) for name in Predictions.names()}
        )


def _one_below_the_other(parts: Sequence[Floats]) -> Floats:
    width = max(part.shape[1] for part in parts)
    silent = [np.full((len(part), width), np.nan) for part in parts]
    return np.concatenate([part if part.shape[1] else nan for part, nan in zip(parts, silent, strict=True)])


class Predictor(Protocol):
    """A loaded bundle: the only way in which a model is asked."""

    def predict(self, examples: Examples) -> Predictions:
        """Predictions [B, H] in the order of the examples."""
        ...


def amounts_through_anchor(amounts: Sequence[Floats], anchor: Floats) -> list[Floats]:
    """Amounts [B, K] of the K trained horizons, carried on to all H horizons of `anchor` [B, H].

    Value follows the anchor's: model(h0) x anchor(h) / anchor(h0). Never a stretch by days, which would promise a lost
    customer as much as a new one.
    """
    return [np.concatenate([each, each[:, -1:] * _beyond(each, anchor)], axis=1) for each in amounts]


def chances_through_anchor(chances: Sequence[Floats], anchor: Floats) -> list[Floats]:
    """Probabilities [B, K] carried on likewise: not buying follows the anchor as an exponent, as if orders came at its
    pace."""
    return [np.concatenate([p, 1 - (1 - p[:, -1:]) ** _beyond(p, anchor)], axis=1) for p in chances]


def _beyond(said: Floats, anchor: Floats) -> Floats:
    trained = said.shape[1]
    return np.asarray(anchor[:, trained:] / np.maximum(anchor[:, trained - 1 : trained], 1e-12))


def finished(
    mean: Floats,
    median: Floats,
    p_purchase: Floats,
    *,
    low: Floats = NOTHING,
    high: Floats = NOTHING,
    p_active: Floats | None = None,
    named_mean: Floats = NOTHING,
    named_purchase: Floats = NOTHING,
    order_minor: Floats = NOTHING,
    cap: float = np.inf,
    literal: bool = False,
) -> Predictions:
    """Predictions made legal: not negative, at most `cap`, never falling with the horizon, low <= median <= high.

    The median is 0 where not buying is likelier, low where it is likelier than LOW: so says P(purchase), whatever was
    learned apart from it. A `literal` formula, whose name says what it predicts, is taken at its word.
    Churn is 1 - purchase, or 1 - `p_active` where that is said; a purchase is an activity. Without quantiles those of
    `quantiles_of` stand in. Raises ContractBroken on a number that is not finite: a model that says nothing must not
    pass as one that says 0.
    """
    if not (low.shape[1] and high.shape[1]):
        low, high = (quantiles_of(mean, p_purchase, level) for level in (LOW, HIGH))
    active = p_purchase if p_active is None else p_active
    given = {"mean": mean, "median": median, "p_purchase": p_purchase, "low": low, "high": high, "p_active": active}
    given |= {"named_mean": named_mean, "named_purchase": named_purchase, "order_minor": order_minor}
    for name, values in given.items():
        if not np.isfinite(values).all():
            raise ContractBroken(f"prediction {name}: {int((~np.isfinite(values)).sum())} numbers are not finite")
    mean, median, low, high = (np.maximum.accumulate(np.clip(v, 0.0, cap), axis=1) for v in (mean, median, low, high))
    p = np.maximum.accumulate(np.clip(p_purchase, 0.0, 1.0), axis=1)
    if not literal:
        median, low = emptied_where_unlikely(p, median, low)
    churn = 1.0 - np.maximum(p, np.maximum.accumulate(np.clip(active, 0.0, 1.0), axis=1))
    low, high = np.minimum(low, median), np.maximum(high, median)
    named = [
        NOTHING if said is NOTHING else np.clip(said, 0.0, most)
        for said, most in ((named_mean, cap), (named_purchase, 1.0))
    ]
    return Predictions(mean, median, p, churn, low, high, named[0], named[1], order_minor)


def emptied_where_unlikely(p_purchase: Floats, median: Floats, low: Floats) -> tuple[Floats, Floats]:
    """Median and low, 0 where P(purchase) says that they are: not buying is likelier than 1/2, likelier than LOW."""
    keep = p_purchase[:, : low.shape[1]]
    return np.where(p_purchase < 0.5, 0.0, median), np.where(keep < 1 - LOW, 0.0, low)


def quantiles_of(mean: Floats, p_purchase: Floats, level: float) -> Floats:
    """The quantile of spend that is 0 without a purchase and exponential with one, from its mean and P(purchase).

    P(spend > y) = p exp(-y p / mean), solved for 1 - level; what is said where only a segment's mean is known.

    >>> quantiles_of(np.array([[10.0, 10.0]]), np.array([[0.05, 0.5]]), 0.9).round(2).tolist()
    [[0.0, 32.19]]
    """
    p = np.clip(p_purchase, 1e-12, 1.0)
    return np.asarray(np.maximum(mean, 0.0) / p * np.maximum(np.log(p / (1 - level)), 0.0))
