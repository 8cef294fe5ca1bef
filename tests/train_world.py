"""A lake that holds nothing but shards: all that `train` needs, small enough to be trained in seconds."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from jobs._entry import Run, Settings
from ltv_features import files
from ltv_features.strict import load
from ltv_train.value_fit import NetworkFit
from tests.network_world import write_world

NIGHT = date(2026, 3, 1)
CONFIG = """
[lake]
root = "lake"
[shop]
currency = "EUR"
horizons_days = [30, 90]
[sources.orders]
path = "orders.csv"
format = "csv"
[export]
folder = "export"
suppression = "suppression.csv"
[train]
warm_start = {warm_start}
[train.ray]
workers = 0
[train.networks.lstm]
hidden = 16
batch_size = 64
steps = {steps}
seeds_in_refit = 2
[train.boosting]
trees = 4
seeds = 1
min_child = 5
"""


def write_lake(
    folder: Path, nights: Mapping[date, Sequence[date]], *, users: int = 160, steps: int = 12, warm_start: bool = False
) -> Path:
    """Writes the value sets of the origins of each night, and the configuration; returns the latter's path."""
    for night, origins in nights.items():
        root = folder / "lake" / "shards" / str(night)
        for seed, origin in enumerate(origins, start=1):
            write_world(root, users=users, seed=seed, day=origin)
        top = {"as_of": str(night), "input_digest": f"shards of {night}", "value": [str(day) for day in origins]}
        files.write_json(str(root / "manifest.json"), top | {"basket": []})
    config = folder / "train.toml"
    config.write_text(CONFIG.format(steps=steps, warm_start=str(warm_start).lower()))
    return config


def run_of(config: Path, night: date = NIGHT) -> Run:
    """What the job is given."""
    return Run(load(config, Settings), night, "test", None)


def training_of(config: Path, night: date = NIGHT) -> Path:
    """The folder of all trainings of a night."""
    return config.parent / "lake" / "training" / str(night)


@contextmanager
def signalled_at(number: int, name: str) -> Iterator[None]:
    """Sends this process a signal in the middle of a step, when so many batches have been made."""
    honest, made = NetworkFit.batch, []

    def stopped(self: NetworkFit, *given: Any) -> Any:
        made.append(1)
        if len(made) == number:
            os.kill(os.getpid(), getattr(signal, name))
        return honest(self, *given)

    NetworkFit.batch = stopped  # type: ignore[method-assign]
    try:
        yield
    finally:
        NetworkFit.batch = honest  # type: ignore[method-assign]


@contextmanager
def counted_batches() -> Iterator[list[int]]:
    """A list that gets an entry for every batch that is made for a network."""
    honest, made = NetworkFit.batch, list[int]()

    def counted(self: NetworkFit, *given: Any) -> Any:
        made.append(1)
        return honest(self, *given)

    NetworkFit.batch = counted  # type: ignore[method-assign]
    try:
        yield made
    finally:
        NetworkFit.batch = honest  # type: ignore[method-assign]
