"""The convolutional encoder: patterns of a few tokens, wherever in the history they stand."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltv_train.batch import Batch
from ltv_train.models.aligned import aligned
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.norm import TokenNorm
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.states import counted_tokens, filled_up, largest_state


class CnnEncoder(nn.Module):
    """Causal convolutions, then the largest answer of each filter over the real tokens; no token: a learned state.

    Source: Kim, "Convolutional Neural Networks for Sentence Classification" (2014), on the maximum over time.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inputs, widths = shape.embedding or shape.widths[0], shape.widths
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, inputs)
        self.layers = nn.ModuleList(
            CausalConvolution(*sizes, shape.kernel) for sizes in zip((inputs, *widths[:-1]), widths, strict=True)
        )
        self.norms = nn.ModuleList(TokenNorm(width) for width in widths if shape.batch_norm)
        self.dropout = nn.Dropout(shape.dropout)
        self.nothing = nn.Parameter(torch.zeros(shape.width))
        self.width = shape.width

    def forward(self, batch: Batch) -> Encoded:
        x_BTC = self.embed(batch)
        for number, layer in enumerate(self.layers):
            x_BTC = layer(self.dropout(x_BTC) if number else x_BTC)
            if len(self.norms):
                x_BTC = self.norms[number](x_BTC, counted_tokens(batch))
        states_BTD = filled_up(x_BTC, self.width)
        return Encoded(largest_state(states_BTD, batch.lengths, self.nothing), states_BTD)


class CausalConvolution(nn.Module):
    """[B, T, inputs] -> [B, T, filters], not below 0: each place sees itself and the `kernel` - 1 places before it."""

    def __init__(self, inputs: int, filters: int, kernel: int) -> None:
        super().__init__()
        self.inputs, self.before = aligned(inputs), kernel - 1
        self.filters = nn.Conv1d(self.inputs, filters, kernel)

    def forward(self, x_BTC: Tensor) -> Tensor:
        x_BCT = filled_up(x_BTC, self.inputs).transpose(1, 2)
        return torch.relu(self.filters(functional.pad(x_BCT, (self.before, 0))).transpose(1, 2))
