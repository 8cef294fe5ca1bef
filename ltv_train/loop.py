"""Training in plain PyTorch, one process or one rank of many: epochs, validation, averaging, early stopping.

Losses are sums and weights added over ranks and divided once. The loop knows no Ray: whoever runs it hands in `reduce`
(adds a tensor over ranks) and takes a `Progress` after every epoch, which together with the `Learner` is all that a
resumed run needs.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ltv_features.errors import TrainingFailed
from ltv_train.batch import Batch
from ltv_train.losses import PARTS, LossSums, total, value_loss
from ltv_train.models.network import NetworkShape, ValueNetwork

log = logging.getLogger("ltv.train")

Reduce = Callable[[Tensor], Tensor]
Feed = Callable[[int], Iterable[Batch]]
"""The batches of an epoch; of validation the epoch number is ignored."""

_EMA = 0.99
_WARM_UP_SHARE = 0.05
_MAX_BAD_STEPS = 5
_SMALLEST_START = 0.05


@dataclass(frozen=True)
class FitPlan:
    """How long and how hard to train: `steps_per_epoch` is the same on all ranks."""

    epochs: int
    steps_per_epoch: int
    learning_rate: float
    weight_decay: float
    clip_norm: float
    patience_epochs: int
    seed: int


@dataclass(frozen=True)
class Progress:
    """How far a fit has come; plain values, so that it can be stored. `best_epoch` is 0 until one was validated."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    skipped_steps: int = 0
    history: tuple[dict[str, float], ...] = field(default=())
    examples: tuple[int, ...] = field(default=())

    def done(self, plan: FitPlan) -> bool:
        """Whether all epochs are over or validation has not improved for too long."""
        return self.epoch >= plan.epochs or (0 < self.best_epoch <= self.epoch - plan.patience_epochs)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Progress":
        """The progress that `to_dict` wrote."""
        return Progress(**values | {"history": tuple(values["history"]), "examples": tuple(values["examples"])})


class Learner:
    """A network in training: weights, their running average, the best average so far, optimiser and schedule."""

    def __init__(self, shape: NetworkShape, plan: FitPlan, *, device: str = "cpu") -> None:
        torch.manual_seed(plan.seed)
        self.device = device
        self.model = ValueNetwork(shape).to(device)
        self.step_model: nn.Module = self.model
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(_EMA))
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        steps = plan.epochs * plan.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            max_lr=plan.learning_rate,
            total_steps=max(steps, 2) + 1,
            pct_start=max(_WARM_UP_SHARE, 1.5 / (max(steps, 2) + 1)),
            cycle_momentum=False,
        )

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a stored state."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])

    def keep_best(self) -> None:
        """Remembers the averaged weights as the best so far."""
        self.best = {name: value.clone() for name, value in self.average.module.state_dict().items()}


def train(
    learner: Learner,
    plan: FitPlan,
    training: Feed,
    validation: Feed,
    *,
    reduce: Reduce,
    world: int = 1,
    progress: Progress | None = None,
    name: str = "network",
) -> Iterator[Progress]:
    """Progress after each epoch until the plan is done. Raises TrainingFailed when the loss stays non-finite."""
    now = progress or Progress()
    while not now.done(plan):
        started = time.monotonic()
        trained = train_epoch(learner, training(now.epoch), plan, reduce=reduce, world=world)
        held_out = evaluate(learner, validation(now.epoch), reduce=reduce)
        better = held_out < now.best_loss
        if better:
            learner.keep_best()
        epoch, step = now.epoch + 1, now.step + trained.steps
        row = {"epoch": epoch, "step": step, "train_loss": trained.loss, "validation_loss": held_out}
        now = replace(
            now,
            epoch=epoch,
            step=step,
            best_epoch=epoch if better else now.best_epoch,
            best_loss=min(held_out, now.best_loss),
            skipped_steps=now.skipped_steps + trained.skipped,
            history=(*now.history, row),
            examples=(*now.examples, trained.examples),
        )
        seconds = time.monotonic() - started
        log.info(
            "%s: epoch %d of %d, step %d, loss %.4f, validation %.4f%s, %.0f examples/s a rank, %.0f s to go",
            *(name, epoch, plan.epochs, step, trained.loss, held_out, " (best)" if better else ""),
            *(trained.examples / max(seconds, 1e-9), seconds * (plan.epochs - epoch)),
        )
        yield now


@dataclass(frozen=True)
class EpochResult:
    """What one rank saw in an epoch; `loss` is over all ranks."""

    loss: float
    steps: int
    examples: int
    skipped: int


def train_epoch(
    learner: Learner, batches: Iterable[Batch], plan: FitPlan, *, reduce: Reduce, world: int
) -> EpochResult:
    """One pass. A step whose loss or gradient is not finite is skipped and counted; five in a row end the fit."""
    learner.model.train()
    sums, steps, examples, skipped, bad = torch.zeros(len(PARTS) + 1), 0, 0, 0, 0
    for batch in batches:
        there = batch.to(learner.device)
        parts = value_loss(learner.model.head, learner.step_model(there), there)
        both = reduce(torch.cat([parts.sums.detach(), parts.weight.detach()[None]]).clone())
        weight = both[-1]
        if float(learner.model.start_losses.sum()) == 0.0 and float(weight) > 0 and bool(both.isfinite().all()):
            learner.model.start_losses.copy_((both[:-1] / weight).abs().clamp(min=_SMALLEST_START))
        if not bool(both.isfinite().all()):
            skipped, bad = skipped + 1, bad + 1
            if bad == _MAX_BAD_STEPS:
                raise TrainingFailed(f"the loss was not finite for {bad} steps in a row at step {steps}")
            steps += 1
            continue
        bad = 0
        # ranks average their gradients, so each rank divides its sums by its fair share of all weight
        loss = total(LossSums(parts.sums, weight / world), learner.model.start_losses.clamp(min=1e-9))
        learner.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learner.model.parameters(), plan.clip_norm)
        learner.optimiser.step()
        learner.schedule.step()
        learner.average.update_parameters(learner.model)
        sums += both.cpu()
        steps += 1
        examples += int((batch.weight > 0).sum())
    return EpochResult(_mean_loss(sums, learner), steps, examples, skipped)


@torch.no_grad()
def evaluate(learner: Learner, batches: Iterable[Batch], *, reduce: Reduce) -> float:
    """The loss of the averaged weights over all ranks."""
    model = learner.average.module
    model.eval()
    sums = torch.zeros(len(PARTS) + 1, device=learner.device)
    for batch in batches:
        there = batch.to(learner.device)
        parts = value_loss(model.head, model(there), there)
        sums += torch.cat([parts.sums, parts.weight[None]])
    return _mean_loss(reduce(sums).cpu(), learner)


def _mean_loss(sums: Tensor, learner: Learner) -> float:
    start = learner.model.start_losses.cpu().clamp(min=1e-9)
    return float(total(LossSums(sums[:-1], sums[-1]), start))
