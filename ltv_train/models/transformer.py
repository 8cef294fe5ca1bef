"""The self-attention encoder: every token weighs all tokens before it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

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
            AttentionBlock(shape.width, heads=shape.heads, dropout=shape.dropout) for _ in shape.widths
        )
        self.norm = nn.LayerNorm(shape.width)
        self.nothing = nn.Parameter(torch.zeros(shape.width))
        self.width = shape.width

    def forward(self, batch: Batch) -> Encoded:
        x_BTD = filled_up(self.embed(batch), self.width)
        x_BTD = x_BTD + waves(x_BTD.shape[1], self.width).to(x_BTD)
        for block in self.blocks:
            x_BTD = block(x_BTD)
        states_BTD = self.norm(x_BTD)
        return Encoded(last_state(states_BTD, batch.lengths, self.nothing), states_BTD)


class AttentionBlock(nn.Module):
    """[B, T, D] -> [B, T, D]: what earlier tokens add, then two layers by token; each normalised before, added after.

    Not nn.TransformerEncoderLayer: when scoring, its own fast path took three times as long at 256 tokens on a CPU.
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.told = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.dropout(self.told(self._attention(self.before(x_BTD))))
        wide = torch.relu(self.wide(self.between(x_BTD)))
        made: Tensor = x_BTD + self.dropout(self.narrow(wide))
        return made

    def _attention(self, x_BTD: Tensor) -> Tensor:
        users, tokens, width = x_BTD.shape
        parts = self.asked(x_BTD).reshape(users, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return mixed.transpose(1, 2).reshape(users, tokens, width)


def waves(tokens: int, width: int) -> Tensor:
    """[T, D] what tells places apart: sines and cosines of growing length (Vaswani et al., section 3.5).

    >>> waves(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    slow = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST_WAVE) / width))
    angles = torch.arange(tokens)[:, None] * slow
    return torch.stack([torch.sin(angles), torch.cos(angles)], dim=2).reshape(tokens, width)
