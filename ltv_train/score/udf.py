"""What runs inside Spark's Python workers: states in, scored rows out. Importable, so that a worker loads a model once.

A row that makes the model fail is found by halving its batch and gets a fallback; the others keep their scores.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features import lifetime, next_order
from ltv_features.contract import MICROS_PER_DAY
from ltv_features.errors import LtvError
from ltv_features.project import Examples, project
from ltv_train.predict import cached_predictor
from ltv_train.predictions import Predictions, Predictor, finished

Floats = np.ndarray[Any, np.dtype[np.float64]]
log = logging.getLogger("ltv.score")
MODEL, SEGMENT_MEAN, FALLBACK = "model", "segment_mean", "fallback"
THROUGH_ANCHOR = "model_through_anchor"
"""The model, carried to a horizon that no training row saw whole by the shape of the classical anchor."""
_MEASURES = (
    ("pltv_{}", "mean"),
    ("pltv_{}_p50", "median"),
    ("pltv_{}_low", "low"),
    ("pltv_{}_high", "high"),
    ("p_purchase_{}", "p_purchase"),
    ("p_churn_{}", "p_churn"),
)
_MONEY = ("mean", "median", "low", "high")


@dataclass(frozen=True)
class Scorer:
    """Everything a worker needs, as plain values: the bundle, the night, horizons, and what non-buyers are worth.

    `never_mean_minor` and `never_purchase` [H] are for users without an order, `never_active` where churn is defined by
    activity; `named`: the named periods of [shop], `named_begin`: those that the bundle speaks of, in its order, with
    the first day that it means; `minor_per_unit` turns minor units into units of the currency; `source` is what a row
    says the model's number came from; the discount rate and what follows are those of [shop].
    """

    bundle: str
    digest: str
    as_of: date
    horizons_days: tuple[int, ...]
    never_mean_minor: tuple[float, ...]
    never_purchase: tuple[float, ...]
    minor_per_unit: int
    source: str = MODEL
    never_active: tuple[float, ...] | None = None
    named: tuple[str, ...] = ()
    named_begin: tuple[tuple[str, date], ...] = ()
    discount_rate: float = 0.1
    profit_margin: float = 1.0
    lifetime_years: float = 3.0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Scored rows for states, batch by batch: user_id, as_of, measures by horizon, source, model_digest."""
        predictor = cached_predictor(self.bundle, self.digest)
        for batch in batches:
            if batch.num_rows:
                yield self.scored(pa.Table.from_batches([batch]), predictor)

    def scored(self, states: pa.Table, predictor: Predictor) -> pa.RecordBatch:
        """The rows of one batch of states."""
        midnight = int(np.datetime64(self.as_of, "D").astype(np.int64)) * MICROS_PER_DAY
        examples = project(states, as_of_us=midnight)
        buyers = np.flatnonzero(examples.anchor[:, 0] > 0)
        source = np.full(len(examples), SEGMENT_MEAN, object)
        made = {name: np.tile(getattr(self._never(), name), (len(examples), 1)) for _, name in _MEASURES}
        spoken, said = said_of(predictor, examples.take(buyers), self._never())
        source[buyers] = np.where(spoken, self.source, FALLBACK)
        for _, name in _MEASURES:
            made[name][buyers] = getattr(said, name)
            if name in _MONEY:
                made[name] /= self.minor_per_unit
        columns: dict[str, Any] = {"user_id": examples.user_id, "as_of": [self.as_of] * len(examples)}
        for pattern, name in _MEASURES:
            columns |= {pattern.format(days): made[name][:, h] for h, days in enumerate(self.horizons_days)}
        orders, _, _, age_days, mean_order = examples.anchor.T
        order = np.full(len(examples), np.nan)
        order[buyers] = said.order_minor[:, 0] if said.order_minor.shape[1] else np.nan
        columns |= self._named_columns(said, buyers, len(examples))
        days = next_order.median_days(made["p_purchase"], self.horizons_days)
        columns["expected_next_order_days"] = _or_missing(days)
        columns["expected_next_order_value"] = _or_missing(order / self.minor_per_unit)
        columns["pltv_discounted"] = lifetime.discounted(made["mean"], self.horizons_days, self.discount_rate)
        columns["simple_ltv"] = lifetime.simple(
            orders, mean_order / self.minor_per_unit, age_days, years=self.lifetime_years, margin=self.profit_margin
        )
        columns |= {"score_source": source.tolist(), "model_digest": [self.digest] * len(examples)}
        return pa.RecordBatch.from_pydict(columns)

    def _named_columns(self, said: Predictions, buyers: npt.NDArray[np.int64], users: int) -> dict[str, pa.Array]:
        """Each named period of [shop]: nothing for who never bought, once it has begun, or before it was learned."""
        begins, columns = dict(self.named_begin), {}
        learned = [name for name, _ in self.named_begin]
        measures = (("pltv_{}", said.named_mean / self.minor_per_unit), ("p_purchase_{}", said.named_purchase))
        for name in self.named:
            for pattern, values in measures:
                column = np.full(users, np.nan)
                if name in begins and self.as_of <= begins[name] and values.shape[1]:
                    column[buyers] = values[:, learned.index(name)]
                columns[pattern.format(name)] = _or_missing(column)
        return columns

    def _never(self) -> Predictions:
        """[1, H] what is said of a user without an order; the median is 0 where buying is less likely than not."""
        mean, p = np.array([self.never_mean_minor]), np.array([self.never_purchase])
        active = None if self.never_active is None else np.array([self.never_active])
        return finished(mean, mean, p, p_active=active)


def _or_missing(values: Floats) -> pa.Array:
    """NaN becomes null: nothing is known, which is no number."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def said_of(
    predictor: Predictor, examples: Examples, fallback: Predictions
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Predictions]:
    """Whether the model spoke [B], and what is said [B, H]: by the model, or `fallback` [1, H] for a poison row."""
    empty = fallback.take(np.zeros(0, np.int64))
    if not len(examples):
        return np.zeros(0, bool), empty
    try:
        return np.ones(len(examples), bool), predictor.predict(examples)
    except (LtvError, ArithmeticError, ValueError, RuntimeError, IndexError) as error:
        if len(examples) == 1:
            log.warning("one user makes the model fail (%s): a fallback speaks", type(error).__name__)
            return np.zeros(1, bool), fallback
    half = len(examples) // 2
    sides = (np.arange(half), np.arange(half, len(examples)))
    parts = [said_of(predictor, examples.take(side), fallback) for side in sides]
    return np.concatenate([part[0] for part in parts]), Predictions.concat([part[1] for part in parts])
