"""The encoder without tokens: what the aggregates alone can say."""

from torch import nn

from ltv_train.batch import Batch
from ltv_train.models.aligned import AlignedLinear
from ltv_train.models.shape import Encoded, Shape


class MlpEncoder(nn.Module):
    """Two layers over the aggregates; has no states."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            AlignedLinear(shape.aggregates, 2 * shape.width),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * shape.width, shape.width),
            nn.ReLU(),
        )

    def forward(self, batch: Batch) -> Encoded:
        return Encoded(self.layers(batch.aggregates))
