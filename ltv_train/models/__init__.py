"""Room: what is learned: encoders by name, and heads that own their mathematics.
Reads: batches.
Writes: nothing.
May import: Torch, the batch and the losses; no Spark, no Ray, no reader of shards, no loop.
"""

from collections.abc import Callable

import torch
from torch import nn

from ltv_train.models.cnn import CnnEncoder
from ltv_train.models.cnn_lstm import CnnLstmEncoder
from ltv_train.models.heads import HEADS
from ltv_train.models.mlp import MlpEncoder
from ltv_train.models.recurrent import RecurrentEncoder
from ltv_train.models.shape import Encoded, Shape
from ltv_train.models.transformer import TransformerEncoder
from ltv_train.models.value import ValueNetwork

ENCODERS: dict[str, Callable[[Shape], nn.Module]] = {
    "mlp": MlpEncoder,
    "rnn": lambda shape: RecurrentEncoder(shape, "rnn"),
    "gru": lambda shape: RecurrentEncoder(shape, "gru"),
    "lstm": lambda shape: RecurrentEncoder(shape, "lstm"),
    "cnn": CnnEncoder,
    "cnn_lstm": CnnLstmEncoder,
    "transformer": TransformerEncoder,
}
"""Every encoder: name -> how it is built. A new model joins, and is tested, by being listed here."""


def build(encoder: str, shape: Shape, *, residual: bool, seed: int, head: str = "ziln") -> ValueNetwork:
    """The network with weights that follow from `seed` alone. Raises KeyError for a name that is not registered."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ValueNetwork(ENCODERS[encoder](shape), shape, residual=residual, head=head)


__all__ = ["ENCODERS", "HEADS", "Encoded", "Shape", "ValueNetwork", "build"]
