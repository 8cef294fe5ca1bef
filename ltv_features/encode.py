"""Raw values become ids and scaled numbers, with a vocabulary and statistics fitted on training rows only.

The same functions serve training and scoring. Kernel room: NumPy and Arrow only. B users, A aggregates, N tokens.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ltv_features.aggregates import UNITS
from ltv_features.contract import EVENT_TYPES, NUMERIC_FIELDS, TYPE_ID
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
        known = self.numbers[field]
        place = np.searchsorted(known, raw)
        found = place < len(known)
        found[found] = known[place[found]] == raw[found]
        return np.where(raw == PADDING, PADDING, np.where(found, place + FIRST_KNOWN, UNKNOWN)).astype(np.int64)

    def numeric(self, field: str, raw: Array) -> Floats:
        """A token field of any shape, transformed, standardised and clipped to +-5."""
        return _standard(_transform(raw, _TOKEN_UNITS[field], self.money_scale_minor), self.tokens[field])

    def aggregates(self, raw: Array) -> Floats:
        """[B, A] aggregates, transformed, standardised and clipped to +-5."""
        moved = [_transform(raw[:, a], unit, self.money_scale_minor) for a, unit in enumerate(UNITS)]
        scaled = [_standard(column, scale) for column, scale in zip(moved, self.columns, strict=True)]
        return np.stack(scaled, axis=1)

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

    Money is counted in the median amount of an order token, so every piece is kept as its order amounts until
    `finish`; ids are counted, other columns are summed.
    """

    def __init__(self, *, min_count: int, cap: int) -> None:
        self._min_count, self._cap = min_count, cap
        self._counts: dict[str, npt.NDArray[np.int64]] = {name: np.zeros(1, np.int64) for name in LEARNED_FIELDS}
        self._amounts: list[Array] = []
        self._tokens: dict[str, list[Array]] = {name: [] for name in NUMERIC_FIELDS}
        self._aggregates: list[Array] = []

    def add(self, aggregates: Array, tokens: dict[str, Array]) -> None:
        """Takes [B, A] aggregates and flat [N] token fields (no padding) of training rows."""
        for name in LEARNED_FIELDS:
            new = np.bincount(tokens[name])
            old = self._counts[name]
            wide = np.zeros(max(len(new), len(old)), np.int64)
            wide[: len(old)] += old
            wide[: len(new)] += new
            self._counts[name] = wide
        amounts = tokens["amount_minor"]
        self._amounts.append(amounts[(tokens["event_type"] == TYPE_ID["purchase"]) & (amounts > 0)])
        for name, kept in self._tokens.items():
            kept.append(tokens[name])
        self._aggregates.append(aggregates)

    def finish(self) -> Encoding:
        """The encoding. Raises ValueError when no row was added."""
        if not self._aggregates:
            raise ValueError("an encoding needs at least one training row")
        amounts = np.concatenate(self._amounts)
        money = float(np.median(amounts)) if len(amounts) else 1.0
        rows = np.concatenate(self._aggregates)
        tokens = {name: np.concatenate(kept) for name, kept in self._tokens.items()}
        return Encoding(
            numbers={name: self._known(name) for name in LEARNED_FIELDS},
            money_scale_minor=money,
            tokens={name: _fit(_transform(raw, _TOKEN_UNITS[name], money)) for name, raw in tokens.items()},
            columns=tuple(_fit(_transform(rows[:, a], unit, money)) for a, unit in enumerate(UNITS)),
        )

    def _known(self, name: str) -> npt.NDArray[np.int64]:
        """The ids seen often enough, at most `cap` of them: the most frequent, the lower number where equal."""
        counts = self._counts[name].copy()
        counts[0] = 0
        enough = np.flatnonzero(counts >= self._min_count)
        best = enough[np.argsort(-counts[enough], kind="stable")][: self._cap]
        return np.sort(best).astype(np.int64)


def _transform(raw: Array, unit: str, money_scale_minor: float) -> npt.NDArray[np.float64]:
    """Signed log1p of money (in the money scale), counts and days; ratios and flags as they are."""
    values = raw.astype(np.float64)
    if unit in ("ratio", "flag"):
        return values
    if unit == "minor":
        values = values / money_scale_minor
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _fit(values: npt.NDArray[np.float64]) -> Scale:
    if not len(values):
        return Scale(0.0, 0.0)
    deviation = float(values.std())
    return Scale(float(values.mean()), deviation if deviation > 1e-9 else 0.0)


def _standard(values: npt.NDArray[np.float64], scale: Scale) -> Floats:
    if scale.deviation == 0.0:
        return np.zeros(values.shape, np.float32)
    return np.clip((values - scale.mean) / scale.deviation, -_CLIP, _CLIP).astype(np.float32)
