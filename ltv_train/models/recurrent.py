"""Recurrent encoders: the cell is an argument."""

from typing import Literal

import torch
from torch import Tensor, nn

from ltv_train.batch import Batch
from ltv_train.models.aligned import aligned
from ltv_train.models.embed import TokenEmbedding
from ltv_train.models.norm import TokenNorm
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.states import counted_tokens, filled_up, last_state

Cell = Literal["rnn", "gru", "lstm"]
_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentEncoder(nn.Module):
    """Reads tokens oldest first and answers with the state after the last real one; no token: a learned state."""

    def __init__(self, shape: Shape, cell: Cell) -> None:
        super().__init__()
        inputs = shape.embedding or shape.widths[0]
        self.embed = TokenEmbedding(shape.vocabulary, shape.numeric, inputs)
        self.stack = RecurrentStack(shape, cell, inputs)
        self.nothing = nn.Parameter(torch.zeros(shape.width))

    def forward(self, batch: Batch) -> Encoded:
        states_BTD = self.stack(self.embed(batch), batch)
        return Encoded(last_state(states_BTD, batch.lengths, self.nothing), states_BTD)


class RecurrentStack(nn.Module):
    """[B, T, inputs] -> [B, T, D]: layer upon layer, each normalised where the shape says so, dropout between them."""

    def __init__(self, shape: Shape, cell: Cell, inputs: int) -> None:
        super().__init__()
        widths = shape.widths
        self.layers = nn.ModuleList(
            RecurrentLayer(cell, *sizes) for sizes in zip((inputs, *widths[:-1]), widths, strict=True)
        )
        self.norms = nn.ModuleList(TokenNorm(width) for width in widths if shape.batch_norm)
        self.dropout = nn.Dropout(shape.dropout)
        self.width = shape.width

    def forward(self, x_BTC: Tensor, batch: Batch) -> Tensor:
        for number, layer in enumerate(self.layers):
            x_BTC = layer(self.dropout(x_BTC) if number else x_BTC)
            if len(self.norms):
                x_BTC = self.norms[number](x_BTC, counted_tokens(batch))
        return filled_up(x_BTC, self.width)


class RecurrentLayer(nn.Module):
    """[B, T, inputs] -> [B, T, width]: one layer of a cell.

    Inside it is as wide as the next multiple of LANES, so that a row's answer does not depend on its place in the batch
    (see aligned.py). The units too many are dead: nothing leads into them, they say 0, and nothing is taken from them,
    so their weights get no gradient and stay 0.
    """

    def __init__(self, cell: Cell, inputs: int, width: int) -> None:
        super().__init__()
        self.inputs, self.width = aligned(inputs), width
        self.cell = _CELLS[cell](self.inputs, aligned(width), batch_first=True)
        self._bury()

    def forward(self, x_BTC: Tensor) -> Tensor:
        states_BTC, _ = self.cell(filled_up(x_BTC, self.inputs))
        alive: Tensor = states_BTC[:, :, : self.width]
        return alive

    @torch.no_grad()
    def _bury(self) -> None:
        for name, weight in self.cell.named_parameters():
            gates = weight.view(-1, aligned(self.width), *weight.shape[1:])
            gates[:, self.width :] = 0
            if name.startswith("weight_hh"):
                weight[:, self.width :] = 0
