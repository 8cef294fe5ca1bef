"""What a fit is, what it gives, where it runs and who keeps its checkpoints: the words of the training room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from ltv_train import data, loop
from ltv_train.config import NetworkSettings
from ltv_train.loop import Ranks


class Fit(Protocol):
    """One network to be fitted, as values that travel to a worker, and what it is made of.

    `epochs`: how many to take, as frozen by earlier fits, whose last weights are the result; None: from the settings or
    the number of examples, ended early by validation loss, and the best weights on it are the result. `epochs_of` names
    earlier fits whose median epochs are taken. `steps_share`: of the steps so found; less than 1 where the network
    starts from one that was trained before. `everybody`: whether the validation split is learned from, too.
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
    def epochs(self) -> float | None: ...
    @property
    def epochs_of(self) -> tuple[str, ...]: ...
    @property
    def steps_share(self) -> float: ...
    @property
    def everybody(self) -> bool: ...

    def shape(self, manifest: data.Manifest) -> dict[str, Any]:
        """Sizes of the network, JSON-able; stored with the weights."""

    def network(self, manifest: data.Manifest) -> nn.Module:
        """The network before its first step."""

    def batch(self, columns: Mapping[str, Any], manifest: data.Manifest) -> loop.Step:
        """One step's columns as tensors; no rows become one row of weight 0."""

    def frozen(self, epochs: float) -> Self:
        """The same fit for a given number of epochs, below one a share of it: nothing has to stop it, so it learns from
        everybody."""


@dataclass(frozen=True)
class FitResult:
    """What a fit gave: averaged weights, their shape, the epoch and step they are of, and what happened on the way.

    `passes`: the epochs, below one the share of it that was learned. `curve` has a row an epoch: epoch, step,
    train_loss, validation_loss (absent without a validation split).
    `examples_read` counts real examples by epoch and rank, `examples_planned` those that an epoch should hold.
    """

    name: str
    weights: dict[str, Tensor]
    shape: dict[str, Any]
    epochs: int
    steps: int
    skipped_steps: int
    passes: float
    curve: list[dict[str, float]] = field(default_factory=list)
    examples_read: list[list[int]] = field(default_factory=list)
    examples_planned: int = 0


class Keeper(Protocol):
    """Who keeps checkpoints: `keep` is called once an epoch by every rank, with the same state."""

    def latest(self) -> dict[str, Any] | None: ...

    def keep(self, state: dict[str, Any], metrics: dict[str, float]) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where a rank trains: its ranks, device, how a model is shared with the others, and how long it waits for rows."""

    ranks: Ranks = field(default_factory=Ranks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda model: model
    loader_seconds: float = data.LOADER_SECONDS
