"""Recurrent encoders: the cell is an argument."""

from typing import Literal

import torch
from torch import Tensor, nn

_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(nn.Module):
    """Vectors [B, T, D] to the output at each user's last real token, [B, D]; zeros for a user without tokens.

    Padding stands behind the tokens, so a cell that reads from the left never sees it before the output is taken.
    """

    def __init__(self, cell: Literal["rnn", "gru", "lstm"], width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.cells = _CELLS[cell](width, width, num_layers=layers, batch_first=True, dropout=between)

    def forward(self, x_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        y_BTD, _ = self.cells(x_BTD)
        last = (lengths_B - 1).clamp(min=0)
        y_BD = y_BTD[torch.arange(len(last), device=last.device), last]
        return torch.as_tensor(y_BD * (lengths_B > 0)[:, None])
