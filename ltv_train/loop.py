"""One epoch of training, in plain PyTorch. Knows nothing of where batches come from or of who else trains.

Ranks are known only as a sum over them: every loss is a sum divided once by the sum of all ranks' weights, so a batch
that is short on one rank counts for what it holds.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from ltv_features.errors import Diverged
from ltv_train.optimisers import Recipe, autocast, optimiser_of, penalise, schedule_of

log = logging.getLogger(__name__)
AVERAGED_SHARE = 0.1
"""The weight average looks back over about this share of all steps."""
MOST_SKIPPED_IN_A_ROW = 5
_LOG_SECONDS = 10.0


class Step(Protocol):
    """What a network eats in one step; `weight` [B] is 0 for a row that must not count."""

    @property
    def weight(self) -> Tensor: ...

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; `total` adds a tensor up over all of them."""

    rank: int = 0
    world: int = 1
    total: Callable[[Tensor], Tensor] = field(default=lambda tensor: tensor)


@dataclass
class Learner:
    """Everything that changes while a network learns; a checkpoint holds exactly this.

    `model` may be wrapped for several ranks and shares its weights with `bare`; `averaged` is the running mean of the
    weights and is what is validated and published; `scales` are the loss terms at the start. A network owns its loss:
    `loss(said, batch)` gives sums by term and the weight they are to be divided by, `loss_weights` what a term counts.
    """

    model: nn.Module
    bare: Any
    averaged: Any
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    recipe: Recipe
    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    scales: Tensor | None = None
    now: list[Tensor] = field(init=False, repr=False)
    mean: list[Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lists weights and running statistics once; whatever changes them afterwards changes them in place."""
        self.now = [*self.bare.parameters(), *_running(self.bare)]
        self.mean = [*self.averaged.parameters(), *_running(self.averaged)]


@dataclass(frozen=True)
class Epoch:
    """What one pass said: mean loss over all ranks, steps taken, and real examples that this rank read."""

    loss: float
    steps: int
    examples: int


def start(network: nn.Module, recipe: Recipe, wrap: Callable[[nn.Module], nn.Module] = lambda model: model) -> Learner:
    """A learner before its first step; `wrap` makes the model that ranks share.

    From here on this process uses one torch thread: on CPUs, processes are what runs side by side.
    """
    torch.set_num_threads(1)
    optimiser = optimiser_of(network.parameters(), recipe)
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    return Learner(wrap(network), network, averaged, optimiser, schedule_of(optimiser, recipe), recipe)


def train_epoch(learner: Learner, batches: Iterable[Step], ranks: Ranks, device: torch.device, name: str = "") -> Epoch:
    """One pass over `batches`; what comes after the last step of the recipe is read, and counted, but not learned.

    Raises Diverged when five steps in a row had a loss or gradient that is not finite.
    """
    learner.model.train()
    total, weight, first, examples = 0.0, 0.0, learner.step, 0
    began = told = time.monotonic()
    for batch in batches:
        examples += int((batch.weight > 0).sum())
        if learner.step >= learner.recipe.steps:
            continue
        loss, counted = _step(learner, batch.to(device), ranks)
        total, weight = total + loss * counted, weight + counted
        now = time.monotonic()
        if ranks.rank == 0 and now - told > _LOG_SECONDS:
            told = now
            _tell(learner, name, learner.step - first, examples, now - began)
    _share_running(learner, ranks)
    return Epoch(total / weight if weight else math.nan, learner.step - first, examples)


def validate(learner: Learner, batches: Iterable[Step], ranks: Ranks, device: torch.device) -> float:
    """The loss of the averaged weights over all ranks; NaN when there is nothing to validate on."""
    sums = _sums(learner, batches, ranks, device)
    if learner.scales is None or not sums[-1] > 0:
        return math.nan
    return float(_weighted(learner, sums[:-1] / sums[-1], learner.scales.double().cpu()))


def weigh(learner: Learner, batches: Iterable[Step], ranks: Ranks, device: torch.device) -> None:
    """Measures the loss terms before the first step, over rows of every length: from there on they weigh alike.

    Without rows the first step's batch decides, whose rows are all about equally long.
    """
    sums = _sums(learner, batches, ranks, device)
    if sums[-1] > 0 and bool(torch.isfinite(sums).all()):
        learner.scales = _scales(sums[:-1] / sums[-1]).float().to(device)


def _sums(learner: Learner, batches: Iterable[Step], ranks: Ranks, device: torch.device) -> Tensor:
    """Sums of the loss terms and of the weight over all ranks, by the averaged weights."""
    sums = torch.zeros(len(learner.bare.loss_weights) + 1, dtype=torch.float64)
    with torch.no_grad():
        for batch in batches:
            here = batch.to(device)
            parts, weight = learner.averaged.loss(learner.averaged(here), here)
            sums += torch.cat([parts, weight[None]]).double().cpu()
    return ranks.total(sums)


def _step(learner: Learner, batch: Step, ranks: Ranks) -> tuple[float, float]:
    """The step's loss over all ranks and its weight, (0, 0) for a skipped step.

    What decides about the step (loss, weight, length of the gradient) is brought to the host once, at its end: a GPU
    waits for nothing in between.
    """
    with autocast(learner.recipe.precision, batch.weight.device):
        said = learner.model(batch)
    sums, weight = learner.bare.loss(said, batch)
    everywhere = ranks.total(torch.cat([sums.detach(), weight[None]]))
    of_all = everywhere[-1].clamp(min=1e-9)
    if learner.scales is None and bool(torch.isfinite(everywhere).all()) and everywhere[-1] > 0:
        learner.scales = _scales(everywhere[:-1] / of_all)
    learner.optimiser.zero_grad(set_to_none=True)
    learner.step += 1
    if learner.scales is None:
        return _skip(learner)
    (_weighted(learner, sums / of_all, learner.scales) * ranks.world).backward()  # type: ignore[no-untyped-call]
    penalise(learner.now, learner.recipe)
    gradients = [weights.grad for weights in learner.now if weights.grad is not None]
    mean = _weighted(learner, everywhere[:-1] / of_all, learner.scales)
    loss, counted, norm = torch.stack([mean, everywhere[-1], _norm(gradients)]).tolist()
    if not math.isfinite(loss + counted + norm):
        return _skip(learner)
    if norm > learner.recipe.clip_norm:
        torch._foreach_mul_(gradients, learner.recipe.clip_norm / (norm + 1e-6))
    learner.skipped_in_a_row = 0
    learner.optimiser.step()
    learner.schedule.step()
    _average(learner)
    return loss, counted


def _norm(gradients: list[Tensor]) -> Tensor:
    """The length of all gradients together."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def _scales(terms: Tensor) -> Tensor:
    """The size of each loss term; 1 for one that no row had a label for, so that it does not drown the others later.

    >>> _scales(torch.tensor([2.0, -1e-9, 0.0])).tolist()
    [2.0, 0.0010000000474974513, 1.0]
    """
    return torch.where(terms == 0, torch.ones_like(terms), terms.abs().clamp(min=1e-3))


def _weighted(learner: Learner, terms: Tensor, scales: Tensor) -> Tensor:
    return (terms / scales * terms.new_tensor(learner.bare.loss_weights)).sum()


def _skip(learner: Learner) -> tuple[float, float]:
    learner.schedule.step()
    learner.skipped += 1
    learner.skipped_in_a_row += 1
    if learner.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
        raise Diverged(
            f"step {learner.step}: {MOST_SKIPPED_IN_A_ROW} steps in a row without a finite loss and gradient; expected "
            "finite numbers; next: look for extreme amounts in the training rows, or lower the network's learning_rate"
        )
    return 0.0, 0.0


@torch.no_grad()
def _average(learner: Learner) -> None:
    """Moves the averaged weights towards the current ones; early on it looks back over fewer steps."""
    window = max(1.0, learner.recipe.steps * AVERAGED_SHARE)
    torch._foreach_lerp_(learner.mean, learner.now, 1 / min(window, 1 + learner.step / 4))


def _share_running(learner: Learner, ranks: Ranks) -> None:
    """Makes running statistics (of batch norm) the mean over ranks, so that all of them validate and keep the same."""
    for model in (learner.bare, learner.averaged) if ranks.world > 1 else ():
        for running in _running(model):
            running.copy_(ranks.total(running) / ranks.world)


def _running(model: nn.Module) -> list[Tensor]:
    """The buffers that training moves, known by their names."""
    return [values for name, values in model.named_buffers() if name.rpartition(".")[2].startswith("running_")]


def _tell(learner: Learner, name: str, steps: int, examples: int, seconds: float) -> None:
    left = (learner.recipe.steps - learner.step) * seconds / max(1, steps)
    log.info(
        "%s: step %d of %d, %.0f examples/s on this rank, about %.0f s left",
        name, learner.step, learner.recipe.steps, examples / seconds, left,
    )  # fmt: skip
