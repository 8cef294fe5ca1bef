"""Raw values become ids and scaled numbers, with a vocabulary and statistics fitted on training rows only.

The same functions serve training and scoring. Kernel room: NumPy and Arrow only. B users, A aggregates, N tokens.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.aggregates import UNITS
from ltv_features.contract import EVENT_TYPES, NUMERIC_FIELDS, TYPE_ID
from ltv_features.moments import Moments, Tally
from ltv_features.ragged import Array

PADDING, UNKNOWN, FIRST_KNOWN = 0, 1, 2
LEARNED_FIELDS = ("item_no", "category_no", "brand_no")
"""Fields whose vocabulary is fitted; the others are numbered by the contract."""
_FIXED_SIZES = {"event_type": len(EVENT_TYPES) + 1, "hour": 25, "weekday": 8}
_CLIP = 5.0
_TOKEN_UNITS = {
    "amount_minor": "minor",
    "discount_minor": "minor",
    "lines": "count",
    "quantity": "count",
    "gap_days": "days",
    "age_days": "days",
    "rating": "ratio",
    "dwell_seconds": "count",
}
_MONEY = np.array([unit == "minor" for unit in UNITS])
_LOGGED = np.array([unit not in ("ratio", "flag") for unit in UNITS])
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of a column after its transform; deviation 0 marks a constant, which becomes 0."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Encoding:
    """A vocabulary and scales. `numbers` holds the known raw ids of each learned field, ascending: id = place + 2."""

    numbers: dict[str, npt.NDArray[np.int64]]
    money_scale_minor: float
    tokens: dict[str, Scale]
    columns: tuple[Scale, ...]

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """Embedding rows that each categorical field needs, padding and unknown included."""
        return _FIXED_SIZES | {name: len(known) + FIRST_KNOWN for name, known in self.numbers.items()}

    def ids(self, field: str, raw: Array) -> npt.NDArray[np.int64]:
        """Embedding rows for raw ids of any shape; 0 stays 0, an id that training did not know is 1."""
        if field not in LEARNED_FIELDS:
            return raw.astype(np.int64)
        table = self._tables[field]
        return np.asarray(table[np.minimum(raw.astype(np.uint64), np.uint64(len(table) - 1))])

    def numeric(self, field: str, raw: Array) -> Floats:
        """A token field of any shape, transformed, standardised and clipped to +-5."""
        return _standard(_transform(raw, _TOKEN_UNITS[field], self.money_scale_minor), self.tokens[field])

    def aggregates(self, raw: Array) -> Floats:
        """[B, A] aggregates, transformed, standardised and clipped to +-5."""
        values = raw.astype(np.float64)
        values[:, _MONEY] /= self.money_scale_minor
        moved = np.where(_LOGGED, _signed_log(values), values)
        mean, deviation = self._scales
        scaled = _clipped((moved - mean) / np.where(deviation == 0.0, 1.0, deviation))
        scaled[:, deviation == 0.0] = 0.0
        return scaled

    @cached_property
    def _tables(self) -> dict[str, npt.NDArray[np.int64]]:
        """The embedding row of every raw number up to the largest that is known, and UNKNOWN for all above it."""
        tables: dict[str, npt.NDArray[np.int64]] = {}
        for name, known in self.numbers.items():
            tables[name] = np.full(int(known.max(initial=0)) + 2, UNKNOWN, np.int64)
            tables[name][known] = np.arange(len(known)) + FIRST_KNOWN
            tables[name][0] = PADDING
        return tables

    @cached_property
    def _scales(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] mean and deviation of the aggregates."""
        return np.array([scale.mean for scale in self.columns]), np.array([scale.deviation for scale in self.columns])

    def to_parts(self) -> tuple[pa.Table, dict[str, Any]]:
        """The vocabulary as a table (field, number) and everything else as JSON-able values."""
        fields = [name for name in LEARNED_FIELDS for _ in self.numbers[name]]
        numbers = np.concatenate([self.numbers[name] for name in LEARNED_FIELDS])
        scaling = {
            "money_scale_minor": self.money_scale_minor,
            "tokens": {name: [scale.mean, scale.deviation] for name, scale in self.tokens.items()},
            "columns": [[scale.mean, scale.deviation] for scale in self.columns],
        }
        return pa.table({"field": pa.array(fields, pa.string()), "number": pa.array(numbers, pa.int64())}), scaling

    @staticmethod
    def from_parts(vocabulary: pa.Table, scaling: dict[str, Any]) -> "Encoding":
        """The encoding that `to_parts` took apart."""
        field = np.asarray(vocabulary["field"].to_pylist(), object)
        number = vocabulary["number"].to_numpy()
        return Encoding(
            numbers={name: np.sort(number[field == name]) for name in LEARNED_FIELDS},
            money_scale_minor=float(scaling["money_scale_minor"]),
            tokens={name: Scale(*pair) for name, pair in scaling["tokens"].items()},
            columns=tuple(Scale(*pair) for pair in scaling["columns"]),
        )


class EncodingFitter:
    """Collects training rows in pieces and finishes into an Encoding.

    Ids and order amounts are counted by value and unscaled columns are summed, so memory does not follow tokens. Only
    the money aggregates are kept row by row until the median order, and with it the money scale, is known.
    """

    def __init__(self, *, min_count: int, cap: int) -> None:
        self._min_count, self._cap = min_count, cap
        self._ids = {name: Tally() for name in LEARNED_FIELDS}
        self._money = {name: Tally() for name, unit in _TOKEN_UNITS.items() if unit == "minor"}
        self._orders = Tally()
        self._tokens = {name: Moments() for name, unit in _TOKEN_UNITS.items() if unit != "minor"}
        self._columns = {a: Moments() for a, unit in enumerate(UNITS) if unit != "minor"}
        self._kept: dict[int, list[Array]] = {a: [] for a, unit in enumerate(UNITS) if unit == "minor"}
        self._rows = 0

    def add(self, aggregates: Array, tokens: dict[str, Array]) -> None:
        """Takes [B, A] aggregates and flat [N] token fields (no padding) of training rows."""
        self._rows += len(aggregates)
        for name, tally in (self._ids | self._money).items():
            tally.add(tokens[name])
        amounts = tokens["amount_minor"]
        self._orders.add(amounts[(tokens["event_type"] == TYPE_ID["purchase"]) & (amounts > 0)])
        for name, moments in self._tokens.items():
            moments.add(_transform(tokens[name], _TOKEN_UNITS[name], 1.0))
        for a, moments in self._columns.items():
            moments.add(_transform(aggregates[:, a], UNITS[a], 1.0))
        for a, kept in self._kept.items():
            kept.append(aggregates[:, a].astype(np.float32))

    def finish(self) -> Encoding:
        """The encoding. Raises ValueError when no row was added."""
        if not self._rows:
            raise ValueError("an encoding needs at least one training row")
        money = self._orders.median() or 1.0
        tokens, columns = self._tokens.copy(), self._columns.copy()
        for name, tally in self._money.items():
            tokens[name] = Moments()
            tokens[name].add(_transform(tally.values, "minor", money), tally.counts)
        for a, kept in self._kept.items():
            columns[a] = Moments()
            columns[a].add(_transform(np.concatenate(kept), "minor", money))
        return Encoding(
            numbers={name: self._known(name) for name in LEARNED_FIELDS},
            money_scale_minor=money,
            tokens={name: Scale(*tokens[name].mean_and_deviation) for name in NUMERIC_FIELDS},
            columns=tuple(Scale(*columns[a].mean_and_deviation) for a in range(len(UNITS))),
        )

    def _known(self, name: str) -> npt.NDArray[np.int64]:
        """The ids seen often enough, at most `cap` of them: the most frequent, the lower number where equal."""
        tally = self._ids[name]
        enough = np.flatnonzero((tally.counts >= self._min_count) & (tally.values != PADDING))
        best = enough[np.argsort(-tally.counts[enough], kind="stable")][: self._cap]
        return np.sort(tally.values[best]).astype(np.int64)


def _transform(raw: Array, unit: str, money_scale_minor: float) -> npt.NDArray[np.float64]:
    """Signed log1p of money (in the money scale), counts and days; ratios and flags as they are."""
    values = raw.astype(np.float64)
    if unit in ("ratio", "flag"):
        return values
    if unit == "minor":
        values = values / money_scale_minor
    return _signed_log(values)


def _signed_log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.copysign(np.log1p(np.abs(values)), values))


def _standard(values: npt.NDArray[np.float64], scale: Scale) -> Floats:
    """Standardised and clipped; a missing value (NaN) lies at the mean, which is 0."""
    if scale.deviation == 0.0:
        return np.zeros(values.shape, np.float32)
    return _clipped((values - scale.mean) / scale.deviation)


def _clipped(scaled: npt.NDArray[np.float64]) -> Floats:
    made = np.clip(scaled, -_CLIP, _CLIP).astype(np.float32)
    made[np.isnan(made)] = 0.0
    return made
