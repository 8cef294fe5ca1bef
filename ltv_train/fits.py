"""A list of network fits, trained one after the other, epoch by epoch, and continued where the last checkpoint ended.

Every rank runs the same code; nothing here knows whether there is one or many, or who keeps the checkpoints.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ltv_features.errors import LtvError, TrainingFailed
from ltv_train import checkpoint, data, loop
from ltv_train.allocator import keep_memory
from ltv_train.fit import Fit, FitResult, Keeper, Place
from ltv_train.loop import Learner, Ranks
from ltv_train.manifest import EVERYBODY, TRAIN, VALIDATION
from ltv_train.optimisers import Recipe
from ltv_train.plan import Plan
from ltv_train.progress import Pace
from ltv_train.sizes import rank_batch, steps_for, whole_epochs

__all__ = ["Fit", "FitResult", "Keeper", "Place", "curve_of", "run_all"]

log = logging.getLogger(__name__)


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
    """The results of all fits in order; goes on from the keeper's latest state, at the right fit and epoch.

    Raises what went wrong with fit, epoch and rank in its words; TrainingFailed for what Torch raised, such as another
    rank that did not come to a sum in time.
    """
    torch.set_num_threads(1)
    keep_memory()
    kept = keeper.latest() or {"done": [], "current": None}
    done: list[dict[str, Any]] = kept["done"]
    resumed: dict[str, Any] | None = kept["current"]
    pace = Pace([_expected_rows(fit, place) for fit in fits])
    for number, fit in enumerate(fits[len(done) :], start=len(done)):
        for state in _epochs(frozen(fit, done), place, resumed, pace, number):
            result = state.get("result")
            done = [*done, result] if result else done
            metrics = {**state["progress"]["curve"][-1], "fits_done": float(len(done))}
            keeper.keep({"done": done, "current": None if result else state}, metrics)
        resumed = None
    return [FitResult(**result) for result in done]


def curve_of(fit: Fit, place: Place) -> Iterator[dict[str, float]]:
    """The row of the learning curve after every epoch of one fit from its first step on, for as long as it is asked."""
    for state in _epochs(fit, place, None, Pace([_expected_rows(fit, place)]), 0):
        yield state["progress"]["curve"][-1]


def frozen(fit: Fit, done: Sequence[Mapping[str, Any]]) -> Fit:
    """The fit with its epochs taken from the finished fits that it names; as it is when it names none."""
    chosen = [result["passes"] for result in done if result["name"] in fit.epochs_of]
    passes = median(chosen) if chosen else 0.0
    return fit.frozen(passes if passes < 1 else round(passes)) if chosen else fit


def _epochs(fit: Fit, place: Place, state: dict[str, Any] | None, pace: Pace, number: int) -> Iterator[dict[str, Any]]:
    """Trains epoch by epoch; each item is the state after an epoch, the last one with the result."""
    source = _Source(fit, place)
    plan = source.plan(source.rows, 0)
    learner = _learner(fit, source.manifest, _steps(fit, len(plan.steps)), place)
    progress = _Progress()
    if place.ranks.rank == 0:
        said = (pace.place(number), fit.name, plan.total, len(plan.steps), plan.world, plan.remainder)
        log.info("%s, %s: %d examples an epoch in %d steps on each of %d rank(s), remainder %d", *said)
    if state is not None:
        checkpoint.restore(learner, state["learner"])
        progress = _Progress(**state["progress"])
    else:
        with _told(fit, progress, place.ranks):
            loop.weigh(learner, source.batches(VALIDATION, 0), place.ranks, place.device)
    finished = False
    while not finished:
        began = time.monotonic()
        with _told(fit, progress, place.ranks):
            finished = _epoch(fit, learner, progress, source, place)
        pace.note(sum(progress.examples_read[-1]), time.monotonic() - began)
        if place.ranks.rank == 0:
            _tell(fit, learner, progress, pace, number, finished)
        state = {"learner": checkpoint.state_of(learner), "progress": vars(progress)}
        yield state | ({"result": vars(_result(fit, source, learner, progress))} if finished else {})


def _epoch(fit: Fit, learner: Learner, progress: _Progress, source: "_Source", place: Place) -> bool:
    """One epoch with its validation; says whether the fit is finished."""
    checkpoint.seed_epoch(fit.seed, progress.epoch, place.ranks.rank)
    batches = source.batches(source.rows, progress.epoch)
    trained = loop.train_epoch(learner, batches, place.ranks, place.device, fit.name)
    held = source.batches(VALIDATION, 0) if source.rows == TRAIN else ()
    validated = loop.validate(learner, held, place.ranks, place.device)
    counts = torch.zeros(place.ranks.world, dtype=torch.float64)
    counts[place.ranks.rank] = trained.examples
    progress.examples_read.append([int(count) for count in place.ranks.total(counts)])
    row = {"epoch": float(progress.epoch), "step": float(learner.step), "train_loss": trained.loss}
    progress.curve.append(row | ({"validation_loss": validated} if math.isfinite(validated) else {}))
    progress.epoch += 1
    judged = source.rows == TRAIN and bool(source.manifest.splits.get(VALIDATION))
    gain = not judged or validated < progress.best_loss  # a loss that is none is no gain
    patient = fit.epochs is not None or _patient(fit.settings.patience_epochs, learner, progress, validated, gain)
    return learner.step >= learner.recipe.steps or not patient


def _patient(patience: int, learner: Learner, progress: _Progress, validated: float, gain: bool) -> bool:
    """Whether to go on; keeps the best averaged weights by validation loss (by being last, without one)."""
    if gain:
        progress.best_loss = progress.best_loss if math.isnan(validated) else validated
        progress.best_epoch, progress.best_step, progress.epochs_without_gain = progress.epoch, learner.step, 0
        progress.best_weights = {name: value.clone() for name, value in learner.averaged.state_dict().items()}
        return True
    progress.epochs_without_gain += 1
    return progress.epochs_without_gain < patience


def _result(fit: Fit, source: "_Source", learner: Learner, progress: _Progress) -> FitResult:
    weights = progress.best_weights or learner.averaged.state_dict()
    epochs, steps = progress.best_epoch or progress.epoch, progress.best_step or learner.step
    an_epoch = max(1, len(source.plan(source.rows, 0).steps))
    return FitResult(
        name=fit.name,
        weights={name: value.detach().cpu().clone() for name, value in weights.items()},
        shape=fit.shape(source.manifest),
        epochs=epochs,
        steps=steps,
        skipped_steps=learner.skipped,
        passes=epochs if steps >= an_epoch else steps / an_epoch,
        curve=progress.curve,
        examples_read=progress.examples_read,
        examples_planned=source.manifest.examples(source.rows),
    )


def _learner(fit: Fit, manifest: data.Manifest, steps: int, place: Place) -> Learner:
    return loop.start(fit.network(manifest).to(place.device), Recipe.of(fit.settings, steps), place.wrap)


def _steps(fit: Fit, steps_per_epoch: int) -> int:
    """Steps of the whole fit, in whole epochs."""
    wanted = fit.epochs * steps_per_epoch if fit.epochs else steps_for(fit.settings, steps_per_epoch)
    return whole_epochs(max(1, round(wanted * fit.steps_share)), steps_per_epoch)


def _expected_rows(fit: Fit, place: Place) -> int:
    """Rows that all ranks read in all epochs, when none of them is saved by stopping early."""
    source = _Source(fit, place)
    steps_per_epoch = max(1, len(source.plan(source.rows, 0).steps))
    return -(-_steps(fit, steps_per_epoch) // steps_per_epoch) * source.manifest.examples(source.rows)


def _tell(fit: Fit, learner: Learner, progress: _Progress, pace: Pace, number: int, finished: bool) -> None:
    row = progress.curve[-1]
    validated = f", validation {row['validation_loss']:.4f}" if "validation_loss" in row else ""
    left = 0.0 if finished else 1 - learner.step / learner.recipe.steps
    log.info(
        "%s, %s: epoch %d, step %d of %d, loss %.4f%s, %s",
        pace.place(number), fit.name, progress.epoch, learner.step, learner.recipe.steps, row["train_loss"], validated,
        pace.line(number, left),
    )  # fmt: skip


@contextmanager
def _told(fit: Fit, progress: _Progress, ranks: Ranks) -> Iterator[None]:
    """Adds to an error which fit, epoch and rank it struck."""
    where = f"{fit.name}, epoch {progress.epoch + 1}, rank {ranks.rank} of {ranks.world}"
    try:
        yield
    except LtvError as error:
        raise type(error)(f"{where}: {error}") from error
    except RuntimeError as error:
        raise TrainingFailed(f"{where}: {error}; next: see whether another rank stopped or memory ran out") from error


class _Source:
    """The batches of one fit for one rank; `rows` names the split that it learns from.

    Validation stops a fit early; where nothing has to, everybody is learned from.
    """

    def __init__(self, fit: Fit, place: Place) -> None:
        self.manifest = data.load_manifest(fit.shards)
        self.rows = EVERYBODY if fit.everybody else TRAIN
        self._fit, self._place = fit, place

    def plan(self, split: str, epoch: int) -> Plan:
        ranks, seed = self._place.ranks, self._fit.seed
        size = rank_batch(self._fit.settings.batch_size, ranks.world)
        return data.plan_of(
            self.manifest, split, rank=ranks.rank, world=ranks.world, batch_size=size, seed=seed, epoch=epoch
        )

    def batches(self, split: str, epoch: int) -> Iterator[loop.Step]:
        if split == VALIDATION and not self.manifest.splits.get(split):
            return
        seconds = self._place.loader_seconds
        for step in data.padded_batches(self.manifest, split, self.plan(split, epoch), loader_seconds=seconds):
            yield self._fit.batch(step.columns, self.manifest)
