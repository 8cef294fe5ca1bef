"""A list of network fits, trained one after the other, epoch by epoch, and continued where the last checkpoint ended.

Every rank runs the same code; nothing here knows whether there is one or many, or who keeps the checkpoints.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from ltv_train import checkpoint, data, loop
from ltv_train.config import NetworkSettings
from ltv_train.loop import Learner, Ranks
from ltv_train.optimisers import Recipe
from ltv_train.plan import Plan
from ltv_train.sizes import rank_batch, steps_for

log = logging.getLogger(__name__)


class Fit(Protocol):
    """One network to be fitted, as values that travel to a worker, and what it is made of.

    `epochs`: how many to take, as frozen by earlier fits, whose last weights are the result; None: from the settings or
    the number of examples, ended early by validation loss, and the best weights on it are the result. `epochs_of` names
    earlier fits whose median epochs are taken.
    """

    @property
    def name(self) -> str: ...
    @property
    def shards(self) -> str: ...
    @property
    def settings(self) -> NetworkSettings: ...
    @property
    def seed(self) -> int: ...
    @property
    def epochs(self) -> int | None: ...
    @property
    def epochs_of(self) -> tuple[str, ...]: ...

    def shape(self, manifest: data.Manifest) -> dict[str, Any]:
        """Sizes of the network, JSON-able; stored with the weights."""

    def network(self, manifest: data.Manifest) -> nn.Module:
        """The network before its first step."""

    def batch(self, columns: Mapping[str, Any], manifest: data.Manifest) -> loop.Step:
        """One step's columns as tensors; no rows become one row of weight 0."""

    def frozen(self, epochs: int) -> Self:
        """The same fit for a given number of epochs."""


@dataclass(frozen=True)
class FitResult:
    """What a fit gave: averaged weights, their shape, the epoch and step they are of, and what happened on the way.

    `curve` has a row an epoch: epoch, step, train_loss, validation_loss (absent without a validation split).
    `examples_read` counts real examples by epoch and rank.
    """

    name: str
    weights: dict[str, Tensor]
    shape: dict[str, Any]
    epochs: int
    steps: int
    skipped_steps: int
    curve: list[dict[str, float]] = field(default_factory=list)
    examples_read: list[list[int]] = field(default_factory=list)


class Keeper(Protocol):
    """Who keeps checkpoints: `keep` is called once an epoch by every rank, with the same state."""

    def latest(self) -> dict[str, Any] | None: ...

    def keep(self, state: dict[str, Any], metrics: dict[str, float]) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where a rank trains: its ranks, device, and how a model is shared with the others."""

    ranks: Ranks = field(default_factory=Ranks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda model: model


@dataclass
class _Progress:
    """How far one fit has come; plain values, kept in the checkpoint beside the learner."""

    epoch: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    examples_read: list[list[int]] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    epochs_without_gain: int = 0


def run_all(fits: Sequence[Fit], place: Place, keeper: Keeper) -> list[FitResult]:
    """The results of all fits in order; goes on from the keeper's latest state, at the right fit and epoch."""
    torch.set_num_threads(1)
    kept = keeper.latest() or {"done": [], "current": None}
    done: list[dict[str, Any]] = kept["done"]
    resumed: dict[str, Any] | None = kept["current"]
    for fit in fits[len(done) :]:
        for state in _epochs(frozen(fit, done), place, resumed):
            result = state.get("result")
            done = [*done, result] if result else done
            metrics = {**state["progress"]["curve"][-1], "fits_done": float(len(done))}
            keeper.keep({"done": done, "current": None if result else state}, metrics)
        resumed = None
    return [FitResult(**result) for result in done]


def frozen(fit: Fit, done: Sequence[Mapping[str, Any]]) -> Fit:
    """The fit with its epochs taken from the finished fits that it names; as it is when it names none."""
    chosen = [result["epochs"] for result in done if result["name"] in fit.epochs_of]
    return fit.frozen(round(median(chosen))) if chosen else fit


def _epochs(fit: Fit, place: Place, state: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Trains epoch by epoch; each item is the state after an epoch, the last one with the result."""
    source = _Source(fit, place.ranks)
    steps_per_epoch = len(source.plan("train", 0).steps)
    steps = fit.epochs * steps_per_epoch if fit.epochs else steps_for(fit.settings, steps_per_epoch)
    learner = _learner(fit, source.manifest, steps, place)
    progress = _Progress()
    if state is not None:
        checkpoint.restore(learner, state["learner"])
        progress = _Progress(**state["progress"])
    else:
        loop.weigh(learner, source.batches("validation", 0), place.ranks, place.device)
    finished = False
    while not finished:
        finished = _epoch(fit, learner, progress, source, place)
        state = {"learner": checkpoint.state_of(learner), "progress": vars(progress)}
        yield state | (
            {"result": vars(_result(fit, fit.shape(source.manifest), learner, progress))} if finished else {}
        )


def _epoch(fit: Fit, learner: Learner, progress: _Progress, source: "_Source", place: Place) -> bool:
    """One epoch with its validation; says whether the fit is finished."""
    checkpoint.seed_epoch(fit.seed, progress.epoch, place.ranks.rank)
    batches = source.batches("train", progress.epoch)
    trained = loop.train_epoch(learner, batches, place.ranks, place.device, fit.name)
    validated = loop.validate(learner, source.batches("validation", 0), place.ranks, place.device)
    counts = torch.zeros(place.ranks.world, dtype=torch.float64)
    counts[place.ranks.rank] = trained.examples
    progress.examples_read.append([int(count) for count in place.ranks.total(counts)])
    row = {"epoch": float(progress.epoch), "step": float(learner.step), "train_loss": trained.loss}
    progress.curve.append(row | ({"validation_loss": validated} if math.isfinite(validated) else {}))
    progress.epoch += 1
    if place.ranks.rank == 0:
        said = (fit.name, progress.epoch, learner.step, learner.recipe.steps, trained.loss, validated)
        log.info("%s: epoch %d, step %d of %d, loss %.4f, validation %.4f", *said)
    patient = fit.epochs is not None or _patient(fit.settings.patience_epochs, learner, progress, validated)
    return learner.step >= learner.recipe.steps or not patient


def _patient(patience: int, learner: Learner, progress: _Progress, validated: float) -> bool:
    """Whether to go on; keeps the best averaged weights by validation loss (by being last, without one)."""
    if math.isnan(validated) or validated < progress.best_loss:
        progress.best_loss = progress.best_loss if math.isnan(validated) else validated
        progress.best_epoch, progress.best_step, progress.epochs_without_gain = progress.epoch, learner.step, 0
        progress.best_weights = {name: value.clone() for name, value in learner.averaged.state_dict().items()}
        return True
    progress.epochs_without_gain += 1
    return progress.epochs_without_gain < patience


def _result(fit: Fit, shape: dict[str, Any], learner: Learner, progress: _Progress) -> FitResult:
    weights = progress.best_weights or learner.averaged.state_dict()
    return FitResult(
        name=fit.name,
        weights={name: value.detach().cpu().clone() for name, value in weights.items()},
        shape=shape,
        epochs=progress.best_epoch or progress.epoch,
        steps=progress.best_step or learner.step,
        skipped_steps=learner.skipped,
        curve=progress.curve,
        examples_read=progress.examples_read,
    )


def _learner(fit: Fit, manifest: data.Manifest, steps: int, place: Place) -> Learner:
    return loop.start(fit.network(manifest).to(place.device), Recipe.of(fit.settings, steps), place.wrap)


class _Source:
    """The batches of one fit for one rank."""

    def __init__(self, fit: Fit, ranks: Ranks) -> None:
        self.manifest = data.load_manifest(fit.shards)
        self._fit, self._ranks = fit, ranks

    def plan(self, split: str, epoch: int) -> Plan:
        size = rank_batch(self._fit.settings.batch_size, self._ranks.world)
        return data.plan_of(
            self.manifest, split, rank=self._ranks.rank, world=self._ranks.world, batch_size=size,
            seed=self._fit.seed, epoch=epoch,
        )  # fmt: skip

    def batches(self, split: str, epoch: int) -> Iterator[loop.Step]:
        if not self.manifest.splits.get(split):
            return
        for step in data.padded_batches(self.manifest, split, self.plan(split, epoch)):
            yield self._fit.batch(step.columns, self.manifest)
