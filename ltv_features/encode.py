"""Raw values become ids and scaled numbers, with a vocabulary and statistics fitted on training rows only.

The same functions serve training and scoring. Kernel room: NumPy and Arrow only. B users, A aggregates, N tokens.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.aggregates import UNITS
from ltv_features.contract import EVENT_TYPES, NUMERIC_FIELDS, TYPE_ID
from ltv_features.moments import Moments, Tally, without_outliers
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
Impute = Literal["mean", "median"]
Outliers = Literal["clip", "none"]


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of a column after its transform; deviation 0 marks a constant, which becomes 0.

    `missing`: what a missing number becomes once it is standardised; 0 is the mean.
    """

    mean: float
    deviation: float
    missing: float = 0.0

    def to_list(self) -> list[float]:
        """The arguments that make it again."""
        return [self.mean, self.deviation] + [self.missing] * (self.missing != 0.0)


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
        return _standard(_transform(raw, _TOKEN_UNITS[field], self.money_scale_minor, np.float32), self.tokens[field])

    def aggregates(self, raw: Array) -> Floats:
        """[B, A] aggregates, transformed, standardised and clipped to +-5."""
        values = raw.astype(np.float32)
        values[:, _MONEY] /= np.float32(self.money_scale_minor)
        values[:, _LOGGED] = _signed_log(values[:, _LOGGED])
        mean, deviation, missing = self._scales
        scaled = _clipped((values - mean) / np.where(deviation == 0.0, np.float32(1.0), deviation), missing)
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
    def _scales(self) -> Floats:
        """[3, A] mean, deviation and what is missing, of the aggregates."""
        return np.array([[scale.mean, scale.deviation, scale.missing] for scale in self.columns], np.float32).T

    def to_parts(self) -> tuple[pa.Table, dict[str, Any]]:
        """The vocabulary as a table (field, number) and everything else as JSON-able values."""
        fields = [name for name in LEARNED_FIELDS for _ in self.numbers[name]]
        numbers = np.concatenate([self.numbers[name] for name in LEARNED_FIELDS])
        scaling = {
            "money_scale_minor": self.money_scale_minor,
            "tokens": {name: scale.to_list() for name, scale in self.tokens.items()},
            "columns": [scale.to_list() for scale in self.columns],
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
            tokens={name: Scale(*said) for name, said in scaling["tokens"].items()},
            columns=tuple(Scale(*said) for said in scaling["columns"]),
        )


class EncodingFitter:
    """Collects training rows in pieces and finishes into an Encoding.

    Ids and order amounts are counted by value and other token fields are summed, so memory does not follow tokens. The
    aggregates are held (not copied) until the money scale is known: they are needed twice.

    `impute`: what a missing aggregate becomes, the mean or the median of the training rows. `outliers`: "clip" fits
    ratios, the one unit whose size no logarithm and no range bounds, on values without outliers.
    """

    def __init__(self, *, min_count: int, cap: int, impute: Impute = "mean", outliers: Outliers = "clip") -> None:
        self._min_count, self._cap, self._impute, self._outliers = min_count, cap, impute, outliers
        self._ids = {name: Tally() for name in LEARNED_FIELDS}
        self._money = {name: Tally() for name, unit in _TOKEN_UNITS.items() if unit == "minor"}
        self._orders = Tally()
        self._tokens = {name: Moments() for name, unit in _TOKEN_UNITS.items() if unit != "minor"}
        self._kept: list[Array] = []

    def add(self, aggregates: Array, tokens: dict[str, Array]) -> None:
        """Takes [B, A] aggregates and flat [N] token fields (no padding) of training rows."""
        self._kept.append(aggregates)
        for name, tally in (self._ids | self._money).items():
            tally.add(tokens[name])
        amounts = tokens["amount_minor"]
        self._orders.add(amounts[(tokens["event_type"] == TYPE_ID["purchase"]) & (amounts > 0)])
        for name, moments in self._tokens.items():
            moments.add(_transform(tokens[name], _TOKEN_UNITS[name], 1.0))

    def finish(self) -> Encoding:
        """The encoding. Raises ValueError when no row was added."""
        if not any(len(piece) for piece in self._kept):
            raise ValueError("an encoding needs at least one training row")
        money = self._orders.median() or 1.0
        tokens = self._tokens.copy()
        for name, tally in self._money.items():
            tokens[name] = Moments()
            tokens[name].add(_transform(tally.values, "minor", money), tally.counts)
        return Encoding(
            numbers={name: self._known(name) for name in LEARNED_FIELDS},
            money_scale_minor=money,
            tokens={name: Scale(*tokens[name].mean_and_deviation) for name in NUMERIC_FIELDS},
            columns=tuple(self._column(a, unit, money) for a, unit in enumerate(UNITS)),
        )

    def _column(self, place: int, unit: str, money_scale_minor: float) -> Scale:
        """The scale of an aggregate; numbers that are not finite count as missing."""
        values = _transform(np.concatenate([piece[:, place] for piece in self._kept]), unit, money_scale_minor)
        values = values[np.isfinite(values)]
        if self._outliers == "clip" and unit == "ratio":
            values = without_outliers(values)
        moments = Moments()
        moments.add(values)
        mean, deviation = moments.mean_and_deviation
        is_mean = self._impute == "mean" or deviation == 0.0
        return Scale(mean, deviation, 0.0 if is_mean else (float(np.median(values)) - mean) / deviation)

    def _known(self, name: str) -> npt.NDArray[np.int64]:
        """The ids seen often enough, at most `cap` of them: the most frequent, the lower number where equal."""
        tally = self._ids[name]
        enough = np.flatnonzero((tally.counts >= self._min_count) & (tally.values != PADDING))
        best = enough[np.argsort(-tally.counts[enough], kind="stable")][: self._cap]
        return np.sort(tally.values[best]).astype(np.int64)


def _transform(
    raw: Array, unit: str, money_scale_minor: float, kind: type[np.floating[Any]] = np.float64
) -> npt.NDArray[Any]:
    """Signed log1p of money (in the money scale), counts and days; ratios and flags as they are.

    What a network is given is worked out in the 32 bits that it reads, statistics in 64.
    """
    values = raw.astype(kind)
    if unit in ("ratio", "flag"):
        return values
    if unit == "minor":
        values = values / kind(money_scale_minor)
    return _signed_log(values)


def _signed_log(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(np.copysign(np.log1p(np.abs(values)), values))


def _standard(values: Floats, scale: Scale) -> Floats:
    """Standardised and clipped."""
    if scale.deviation == 0.0:
        return np.zeros(values.shape, np.float32)
    return _clipped((values - np.float32(scale.mean)) / np.float32(scale.deviation), scale.missing)


def _clipped(scaled: Floats, missing: npt.ArrayLike) -> Floats:
    """Within +-5; a missing value (NaN) becomes `missing`."""
    made = np.clip(scaled, -_CLIP, _CLIP)
    gone = np.isnan(made)
    return np.where(gone, np.asarray(missing, np.float32), made) if gone.any() else made
