"""The network: tokens through an encoder, aggregates and anchor beside it, a value head on top."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.heads import ValueHead, ValueParameters
from ltv_train.models.recurrent import Recurrent

ENCODERS = ("mlp", "rnn", "gru", "lstm")
"""mlp reads the aggregates only."""


@dataclass(frozen=True)
class NetworkShape:
    """Everything that decides the shapes of the weights; stored in the bundle."""

    encoder: str
    vocabulary_sizes: Mapping[str, int]
    aggregates: int
    periods: int
    width: int
    layers: int
    dropout: float
    residual_on_anchor: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


class ValueNetwork(nn.Module):
    """A Batch to the raw numbers of the head, [B, P, 3]."""

    start_losses: Tensor

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        if shape.encoder not in ENCODERS:
            raise ValueError(f"unknown encoder {shape.encoder!r}; known: {', '.join(ENCODERS)}")
        self.shape = shape
        width = shape.width
        self.dense = nn.Sequential(
            nn.Linear(shape.aggregates + shape.periods, width),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.embedding, self.encoder = None, None
        if shape.encoder != "mlp":
            self.embedding = TokenEmbedding(shape.vocabulary_sizes, width)
            self.encoder = Recurrent(shape.encoder, width, shape.layers, shape.dropout)  # type: ignore[arg-type]
        joined = width * (1 if self.encoder is None else 2)
        self.join = nn.Sequential(nn.Dropout(shape.dropout), nn.Linear(joined, width), nn.ReLU())
        self.head = ValueHead(width, shape.periods, residual_on_anchor=shape.residual_on_anchor)
        # what each part of the loss was at the first step, so that parts weigh alike; 0 until then
        self.register_buffer("start_losses", torch.zeros(3))

    def forward(self, batch: Batch) -> Tensor:
        anchor = batch.anchor_log.clamp(-8, 8) / 4
        parts = [self.dense(torch.cat([batch.aggregates, anchor], dim=1))]
        if self.embedding is not None and self.encoder is not None:
            tokens_BTD = self.embedding(batch.ids, batch.numeric, batch.lengths)
            parts.append(self.encoder(tokens_BTD, batch.lengths))
        return torch.as_tensor(self.head(self.join(torch.cat(parts, dim=1))))

    def parameters_of(self, batch: Batch) -> ValueParameters:
        """Parameters of the whole horizons, [B, H]."""
        return self.head.params(self(batch), batch.anchor_log)
