"""Recurrent encoders: the cell is an argument."""

from typing import Literal

import torch
from torch import nn

from ltv_train.batch import Batch
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.shape import Encoded, Shape

Cell = Literal["rnn", "gru", "lstm"]
_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentEncoder(nn.Module):
    """Reads tokens oldest first and answers with the state after the last real one; no token: a learned state.

    Padding lies behind the real tokens, so no real state ever sees it.
    """

    def __init__(self, shape: Shape, cell: Cell) -> None:
        super().__init__()
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, shape.width)
        dropout = shape.dropout if shape.layers > 1 else 0.0
        self.cell = _CELLS[cell](shape.width, shape.width, shape.layers, batch_first=True, dropout=dropout)
        self.nothing = nn.Parameter(torch.zeros(shape.width))

    def forward(self, batch: Batch) -> Encoded:
        states_BTD, _ = self.cell(self.embed(batch))
        last_B = (batch.lengths - 1).clamp(min=0)
        rows_B = torch.arange(len(last_B), device=last_B.device)
        summary_BD = torch.where((batch.lengths > 0)[:, None], states_BTD[rows_B, last_B], self.nothing)
        return Encoded(summary_BD, states_BTD)
