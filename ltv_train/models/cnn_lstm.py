"""A convolution below recurrent layers: short patterns first, then their order."""

import torch
from torch import nn

from ltv_train.batch import Batch
from ltv_train.models.cnn import CausalConvolution
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.recurrent import RecurrentStack
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.states import last_state


class CnnLstmEncoder(nn.Module):
    """`filters` causal filters of `kernel` tokens, LSTM layers over what they answer, and the last real state."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inputs = shape.embedding or shape.filters
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, inputs)
        self.convolution = CausalConvolution(inputs, shape.filters, shape.kernel)
        self.stack = RecurrentStack(shape, "lstm", shape.filters)
        self.nothing = nn.Parameter(torch.zeros(shape.width))

    def forward(self, batch: Batch) -> Encoded:
        states_BTD = self.stack(self.convolution(self.embed(batch)), batch)
        return Encoded(last_state(states_BTD, batch.lengths, self.nothing), states_BTD)
