"""What every encoder is built from, and what every encoder answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """Sizes of a network: rows of each embedding, numeric token fields F, aggregates A, periods P, width D.

    `layers`: the width of each layer of the encoder, or how many there are of width D; the last one is at most D.
    `embedding`: width of a token's vector, that of the first layer where it is None. `filters`: of the convolution
    before recurrent layers; `kernel`: tokens that a filter sees; `heads`: of self-attention.
    `activity` and `named`: whether the head has a hazard of activity, and of how many named periods it speaks.
    """

    vocabulary: Mapping[str, int]
    numeric: int
    aggregates: int
    periods: int
    width: int
    layers: int | Sequence[int] = 1
    dropout: float = 0.1
    embedding: int | None = None
    batch_norm: bool = False
    filters: int = 64
    kernel: int = 3
    heads: int = 4
    activity: bool = False
    named: int = 0

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each layer of the encoder."""
        return (self.width,) * self.layers if isinstance(self.layers, int) else tuple(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self) | {"vocabulary": dict(self.vocabulary)}


@dataclass(frozen=True)
class Encoded:
    """What an encoder says: `summary` [B, D], and for sequence encoders `states` [B, T, D] (padding included).

    A state knows its own token and those before it, never a later one, and so never the padding behind them all.
    """

    summary: Tensor
    states: Tensor | None = None
