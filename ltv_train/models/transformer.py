"""The self-attention encoder: every token weighs all tokens before it."""

import math

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.states import filled_up, last_state

_LONGEST_WAVE = 10_000.0


class TransformerEncoder(nn.Module):
    """Blocks of causal self-attention, and the state of the last real token, which has seen all; no token: a learned
    state.

    Sources: Vaswani et al., "Attention Is All You Need" (2017); Xiong et al., "On Layer Normalization in the
    Transformer Architecture" (2020), on normalising before each part, which trains without a long warm-up.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, shape.embedding or shape.width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width, shape.heads, 2 * shape.width, shape.dropout, batch_first=True, norm_first=True
            )
            for _ in shape.widths
        )
        self.norm = nn.LayerNorm(shape.width)
        self.nothing = nn.Parameter(torch.zeros(shape.width))
        self.width = shape.width

    def forward(self, batch: Batch) -> Encoded:
        x_BTD = filled_up(self.embed(batch), self.width)
        x_BTD = x_BTD + waves(x_BTD.shape[1], self.width).to(x_BTD)
        later_TT = nn.Transformer.generate_square_subsequent_mask(x_BTD.shape[1], x_BTD.device)
        for block in self.blocks:
            x_BTD = block(x_BTD, src_mask=later_TT, is_causal=True)
        states_BTD = self.norm(x_BTD)
        return Encoded(last_state(states_BTD, batch.lengths, self.nothing), states_BTD)


def waves(tokens: int, width: int) -> Tensor:
    """[T, D] what tells places apart: sines and cosines of growing length (Vaswani et al., section 3.5).

    >>> waves(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    slow = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST_WAVE) / width))
    angles = torch.arange(tokens)[:, None] * slow
    return torch.stack([torch.sin(angles), torch.cos(angles)], dim=2).reshape(tokens, width)
