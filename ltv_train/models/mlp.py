"""The encoder that knows no order: what the aggregates say, and the tokens as a bag where the shape asks for it."""

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.aligned import AlignedLinear
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.states import filled_up, real_tokens


class MlpEncoder(nn.Module):
    """ReLU layers over the aggregates, the first twice as wide as the shape's first; has no states.

    With an `embedding` the mean vector of the real tokens stands beside the aggregates (zeros without a token).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.embedding
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, width) if width else None
        inputs, widths = shape.aggregates + (width or 0), (2 * shape.widths[0], *shape.widths)
        parts: list[nn.Module] = []
        for before, after in zip((inputs, *widths[:-1]), widths, strict=True):
            parts += [AlignedLinear(before, after), nn.ReLU(), nn.Dropout(shape.dropout)]
        self.layers = nn.Sequential(*parts[:-1])
        self.width = shape.width

    def forward(self, batch: Batch) -> Encoded:
        known = [batch.aggregates] if self.embed is None else [batch.aggregates, self._bag(self.embed(batch), batch)]
        return Encoded(filled_up(self.layers(torch.cat(known, dim=1)), self.width))

    @staticmethod
    def _bag(x_BTC: Tensor, batch: Batch) -> Tensor:
        real_BT = real_tokens(batch.lengths, x_BTC.shape[1])
        return torch.where(real_BT[:, :, None], x_BTC, 0).sum(dim=1) / batch.lengths.clamp(min=1)[:, None]
