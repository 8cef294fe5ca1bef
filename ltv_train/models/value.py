"""The value network: an encoder, the aggregates and the anchor beside it, and the value head on top."""

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.aligned import AlignedLinear
from ltv_train.models.heads import HEADS, Params, ValueHead
from ltv_train.models.shape import Shape


class ValueNetwork(nn.Module):
    """Any encoder under any value head; aggregates and the anchor's logs join after the encoder."""

    def __init__(self, encoder: nn.Module, shape: Shape, *, residual: bool, head: str = "ziln") -> None:
        super().__init__()
        self.encoder = encoder
        self.dense = nn.Sequential(
            AlignedLinear(shape.aggregates, 2 * shape.width),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * shape.width, shape.width),
            nn.ReLU(),
        )
        self.trunk = nn.Sequential(
            AlignedLinear(2 * shape.width + shape.periods + shape.named, shape.width),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
        )
        self.head: ValueHead = HEADS[head](
            shape.width, shape.periods, residual=residual, activity=shape.activity, named=shape.named
        )

    @property
    def loss_weights(self) -> tuple[float, ...]:
        """What each loss term of the head counts."""
        return self.head.loss_weights

    def forward(self, batch: Batch) -> Params:
        encoded = self.encoder(batch)
        joined = torch.cat(
            [encoded.summary, self.dense(batch.aggregates), batch.anchor_log, *self._named_log(batch)], dim=1
        )
        summary_BD = self.trunk(joined).float()
        with torch.autocast(summary_BD.device.type, enabled=False):  # probabilities and money are float32 always
            said: Params = self.head(summary_BD, batch.anchor_log, batch.named_log)
        return said

    def _named_log(self, batch: Batch) -> list[Tensor]:
        """How far away and how large an occurrence is, as its anchor says it; nothing where none is spoken of."""
        return [batch.named_log] if self.head.named else []

    def loss(self, said: Params, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sums of the head's loss terms over the batch, and the weight they are to be divided by."""
        return self.head.loss(said, batch.labels, batch.weight)
