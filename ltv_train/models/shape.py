"""What every encoder is built from, and what every encoder answers with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """Sizes of a network: rows of each embedding, numeric token fields F, aggregates A, periods P, width D."""

    vocabulary: Mapping[str, int]
    numeric: int
    aggregates: int
    periods: int
    width: int
    layers: int = 1
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self) | {"vocabulary": dict(self.vocabulary)}


@dataclass(frozen=True)
class Encoded:
    """What an encoder says: `summary` [B, D], and for sequence encoders `states` [B, T, D] (padding included)."""

    summary: Tensor
    states: Tensor | None = None
