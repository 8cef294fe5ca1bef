"""From states [B, T, C] to what an encoder says: which are real, the last of them, the largest, and none at all."""

import torch
from torch import Tensor
from torch.nn import functional

from ltv_train.batch import Batch


def real_tokens(lengths_B: Tensor, tokens: int) -> Tensor:
    """Bool [B, T]: the tokens that are no padding.

    >>> real_tokens(torch.tensor([0, 2]), 3)
    tensor([[False, False, False],
            [ True,  True, False]])
    """
    return torch.arange(tokens, device=lengths_B.device) < lengths_B[:, None]


def counted_tokens(batch: Batch) -> Tensor:
    """Bool [B, T]: the real tokens of rows that count."""
    return real_tokens(batch.lengths, batch.numeric.shape[1]) & (batch.weight > 0)[:, None]


def last_state(states_BTD: Tensor, lengths_B: Tensor, nothing_D: Tensor) -> Tensor:
    """[B, D] the state of each row's last real token; `nothing` where there is none."""
    last_B = (lengths_B - 1).clamp(min=0)
    rows_B = torch.arange(len(last_B), device=last_B.device)
    return torch.where((lengths_B > 0)[:, None], states_BTD[rows_B, last_B], nothing_D)


def largest_state(states_BTD: Tensor, lengths_B: Tensor, nothing_D: Tensor) -> Tensor:
    """[B, D] the largest value of each channel over a row's real tokens; `nothing` where there is none."""
    real_BT = real_tokens(lengths_B, states_BTD.shape[1])
    hidden_BTD = states_BTD.masked_fill(~real_BT[:, :, None], torch.finfo(states_BTD.dtype).min)
    return torch.where((lengths_B > 0)[:, None], hidden_BTD.amax(dim=1), nothing_D)


def filled_up(x: Tensor, width: int) -> Tensor:
    """The last dimension filled with zeros up to `width`.

    >>> filled_up(torch.ones(1, 2), 4)
    tensor([[1., 1., 0., 0.]])
    """
    return x if x.shape[-1] == width else functional.pad(x, (0, width - x.shape[-1]))
