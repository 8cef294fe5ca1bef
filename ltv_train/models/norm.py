"""Batch normalisation over real tokens alone: padding and rows of weight 0 enter no statistic.

Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift" (2015). For presets that ask for it: a batch here holds rows of about one length, and length goes with value.
"""

import torch
from torch import Tensor, nn

_MOMENTUM = 0.1
_EPSILON = 1e-5
_LEAST_TOKENS = 2


class TokenNorm(nn.Module):
    """Normalises [B, T, C] by channel. A batch with fewer than two tokens that count is normalised as when scoring.

    The running mean and variance are a plain mean over the first ten batches, so that a short fit can trust them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_variance", torch.ones(width))
        self.register_buffer("running_batches", torch.zeros(()))

    def forward(self, x_BTC: Tensor, counted_BT: Tensor) -> Tensor:
        known = torch.as_tensor(self.running_mean), torch.as_tensor(self.running_variance)
        mean, variance = self._measured(x_BTC.float(), counted_BT, *known) if self.training else known
        return (x_BTC.float() - mean) * torch.rsqrt(variance + _EPSILON) * self.weight + self.bias

    def _measured(self, x_BTC: Tensor, counted_BT: Tensor, *known: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance [C] of the tokens that count, noted in the running ones; the latter without tokens."""
        counted = counted_BT[:, :, None]
        tokens = counted.sum()
        usable = tokens >= _LEAST_TOKENS
        mean = torch.where(counted, x_BTC, 0).sum(dim=(0, 1)) / tokens.clamp(min=1)
        squares = torch.where(counted, (x_BTC - mean).square(), 0).sum(dim=(0, 1))
        variance = squares / tokens.clamp(min=1)
        self._note(usable, mean, squares / (tokens - 1).clamp(min=1))
        return torch.where(usable, mean, known[0]), torch.where(usable, variance, known[1])

    @torch.no_grad()
    def _note(self, usable: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics; a batch that is not finite, whose step will be skipped, moves nothing."""
        noted = usable & torch.isfinite(mean + variance).all()
        batches = torch.as_tensor(self.running_batches).add_(noted)
        move = torch.clamp(1 / batches.clamp(min=1), min=_MOMENTUM)
        for running, now in ((self.running_mean, mean), (self.running_variance, variance)):
            known = torch.as_tensor(running)
            known.copy_(torch.where(noted, torch.lerp(known, now, move), known))
