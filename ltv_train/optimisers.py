"""How weights walk: optimisers, schedules and penalties by name, and the precision of the products on the way.

May import: Torch, the settings of a network. Knows no batch, no rank and no loss.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ltv_features.errors import TrainingFailed
from ltv_train.network_settings import NetworkSettings

_DROPS = 3


@dataclass(frozen=True)
class Recipe:
    """`steps` in all, and what the settings of the network say of the same names."""

    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    optimiser: str = "adamw"
    momentum: float = 0.9
    l1: float = 0.0
    l2: float = 0.0
    schedule: str = "cosine"
    warm_up_share: float = 0.05
    decay: float = 0.1
    decay_steps: int | None = None
    precision: str = "auto"

    @staticmethod
    def of(settings: NetworkSettings, steps: int) -> "Recipe":
        """The recipe of a network that is to take so many steps."""
        named = [field.name for field in fields(Recipe) if field.name != "steps"]
        return Recipe(steps, **{name: getattr(settings, name) for name in named})


def optimiser_of(weights: Iterable[nn.Parameter], recipe: Recipe) -> Optimizer:
    """The optimiser by its name: AdamW (Loshchilov and Hutter, 2019), Adam (Kingma and Ba, 2015), or SGD with
    momentum. Fused: one pass over all weights, a fifth of the time of one after the other."""
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(weights, lr=recipe.learning_rate, momentum=recipe.momentum, fused=True)


def schedule_of(optimiser: Optimizer, recipe: Recipe) -> LambdaLR:
    """What moves the learning rate of the optimiser after every step."""
    return LambdaLR(optimiser, lambda step: rate(step, recipe))


def rate(step: int, recipe: Recipe) -> float:
    """The share of the peak learning rate at a step: a linear warm-up, then the recipe's schedule.

    >>> [round(rate(step, Recipe(100)), 2) for step in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    >>> [round(rate(step, Recipe(100, schedule="step", decay=0.5, decay_steps=40)), 2) for step in (5, 44, 45, 99)]
    [1.0, 1.0, 0.5, 0.25]
    """
    warm = round(recipe.steps * recipe.warm_up_share)
    warm = max(1, warm) if recipe.warm_up_share else 0
    if step < warm:
        return (step + 1) / warm
    return _SCHEDULES[recipe.schedule](step - warm, max(1, recipe.steps - warm), recipe)


def _cosine(step: int, steps: int, recipe: Recipe) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def _constant(step: int, steps: int, recipe: Recipe) -> float:
    return 1.0


def _exponential(step: int, steps: int, recipe: Recipe) -> float:
    return float(recipe.decay ** (step / (recipe.decay_steps or steps / _DROPS)))


def _step(step: int, steps: int, recipe: Recipe) -> float:
    return float(recipe.decay ** math.floor(step / (recipe.decay_steps or steps / _DROPS)))


_SCHEDULES: dict[str, Callable[[int, int, Recipe], float]] = {
    "cosine": _cosine,
    "constant": _constant,
    "exponential": _exponential,
    "step": _step,
}


@torch.no_grad()
def penalise(weights: Iterable[Tensor], recipe: Recipe) -> None:
    """Adds the gradient of l1 x sum|w| + l2 x sum w^2 over all matrices; biases and scales go free."""
    if not (recipe.l1 or recipe.l2):
        return
    for weight in weights:
        if weight.grad is not None and weight.dim() > 1:
            weight.grad.add_(weight.sign(), alpha=recipe.l1).add_(weight, alpha=2 * recipe.l2)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of a forward pass in training; what is validated, published and scored is float32 always.

    "auto" is bfloat16 on a GPU that has it and float32 elsewhere, so that a CPU gives the same weights whatever its
    instructions. Raises TrainingFailed when bfloat16 is asked of a GPU that lacks it.
    """
    able = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bfloat16" and not able:
        raise TrainingFailed(f"{device} has no bfloat16; next: precision = 'float32' for this network")
    wanted = precision == "bfloat16" or (precision == "auto" and device.type == "cuda" and able)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)
