"""P6, P7, P8 and P11: one process that trains: from shards, by our loop, on bucketed lengths, in bf16."""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ltv_train import data, loop
from ltv_train.allocator import keep_memory
from ltv_train.batch import Batch
from ltv_train.inputs import LABEL, columns_of
from ltv_train.loop import Learner, Ranks, Recipe
from tests.benchmarks import device as devices
from tests.benchmarks import shard_world
from tests.benchmarks.compare import Result, in_turns
from tests.benchmarks.memory import batches_drawn, batches_in_memory
from tests.benchmarks.shard_world import World

STEPS = 20_000
"""Far more than any benchmark takes: the learning rate is still warming up."""
NOISE = 0.05


@contextmanager
def world_of(benchmark: str, examples: int, width: int, batch_size: int = 512) -> Iterator[World]:
    """A set of its own, in a process that trains as `fits` would let it."""
    torch.set_num_threads(1)
    keep_memory()
    with tempfile.TemporaryDirectory(prefix=f"ltv-{benchmark.lower()}-") as folder:
        yield shard_world.write_world(Path(folder), examples, width=width, batch_size=batch_size)


@dataclass
class Trainee:
    """A learner and where it trains; `losses` has one entry a pass."""

    learner: Learner
    device: torch.device
    losses: list[float] = field(default_factory=list)

    def passes(self, batches: Iterable[Batch]) -> tuple[int, int]:
        """One pass of our loop; says steps and examples."""
        told = loop.train_epoch(self.learner, batches, Ranks(), self.device)
        self.losses.append(told.loss)
        return told.steps, told.examples


def trainee_of(world: World, device: torch.device, **recipe: str) -> Trainee:
    """A learner of the world's network before its first step, its loss terms weighed over the validation split."""
    learner = loop.start(world.fit.network(world.manifest).to(device), Recipe(STEPS, **recipe))
    loop.weigh(learner, held_back(world), Ranks(), device)
    return Trainee(learner, device)


def held_back(world: World) -> Iterator[Batch]:
    """The batches of the validation split, over which loss terms are weighed."""
    for padded in data.padded_batches(world.manifest, "validation", world.plan(0, split="validation")):
        yield world.fit.batch(padded.columns, world.manifest)


def alike(*trainees: Trainee) -> bool:
    """Whether the losses of the last pass are within noise of each other."""
    losses = [trainee.losses[-1] for trainee in trainees]
    return all(math.isfinite(loss) for loss in losses) and max(losses) - min(losses) <= NOISE * abs(losses[0])


def p6(
    *, examples: int = 16_000, widths: tuple[int, ...] = (64, 128), rounds: int = 5, device: torch.device | None = None
) -> list[Result]:
    """Fed by Petastorm and `fits`' encoding, against encoded tensors in memory; at the small and the large width."""
    device, made = device or devices.chosen(), []
    for width in widths:
        with world_of("P6", examples, width) as world:
            held = batches_in_memory(world)
            fed, remembered = trainee_of(world, device), trainee_of(world, device)
            pairs = in_turns(
                _passes(remembered, lambda turn, world=world, held=held: batches_drawn(held, world.plan(turn))),
                _passes(fed, lambda turn, world=world: from_shards(world, turn)),
                rounds=rounds,
                agree=lambda fed=fed, remembered=remembered: alike(fed, remembered),
                clock=devices.clock_of(device),
            )
        what = f"an LSTM of width {width} trained from shards, by the rate from tensors in memory"
        made.append(Result("P6", what, pairs.ratio, 0.92, 0.97, False, f"{pairs.told()}; {devices.named(device)}"))
    return made


def from_shards(world: World, epoch: int, *, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
    """The batches of an epoch as `fits` makes them."""
    for padded in data.padded_batches(world.manifest, "train", world.plan(epoch, rank=rank, world=ranks)):
        yield world.fit.batch(padded.columns, world.manifest)


def _passes(trainee: Trainee, batches: Callable[[int], Iterable[Batch]]) -> Callable[[int], tuple[int, int]]:
    return lambda turn: trainee.passes(batches(turn))


def p8(*, examples: int = 8_192, width: int = 64, rounds: int = 5, device: torch.device | None = None) -> list[Result]:
    """Steps of one bucket each, against steps of any lengths padded to the longest among them."""
    device = device or devices.chosen()
    with world_of("P8", examples, width) as world:
        held, mixed = batches_in_memory(world), list(_mixed(world))
        bucketed, padded = trainee_of(world, device), trainee_of(world, device)
        pairs = in_turns(
            lambda turn: padded.passes(mixed)[1],
            lambda turn: bucketed.passes(batches_drawn(held, world.plan(turn)))[1],
            rounds=rounds,
            agree=lambda: alike(bucketed, padded),
            clock=devices.clock_of(device),
        )
        tokens = [
            sum(batch.numeric.shape[0] * batch.numeric.shape[1] for batch in each) for each in (mixed, held.values())
        ]
        real = sum(int(batch.lengths.sum()) for batch in mixed)
    what = f"an LSTM of width {width} on {examples:,} skewed examples in buckets, by the rate with random padding"
    told = f"padded by real tokens {tokens[1] / real:.2f} against {tokens[0] / real:.2f}; {devices.named(device)}"
    return [Result("P8", what, pairs.ratio, 5.0, 8.0, False, f"{pairs.told()}; {told}")]


def _mixed(world: World) -> Iterator[Batch]:
    """Batches of rows at random, each padded to its longest row."""
    arrays = data.read_all(world.manifest, "train")
    order = np.random.default_rng(1).permutation(len(arrays.examples))
    for rows in np.array_split(order, -(-len(order) // world.fit.settings.batch_size)):
        chosen = arrays.examples.take(rows)
        columns = columns_of(chosen, int(chosen.lengths.max()))
        labels = {LABEL + name: values[rows] for name, values in arrays.labels.items()}
        yield world.fit.batch({**columns, **labels, "weight": arrays.weight[rows]}, world.manifest)


def p11(
    *, examples: int = 8_192, width: int = 128, rounds: int = 5, device: torch.device | None = None
) -> list[Result]:
    """The forward and backward products in bf16 against float32, with everything else of a step."""
    device = device or devices.chosen()
    what = f"an LSTM of width {width} trained in bf16, by the rate in float32"
    if not devices.bf16_instructions(device):
        reason = f"nothing multiplies bf16 on {devices.named(device)}"
        return [Result("P11", what, math.nan, 1.5, 1.9, False, reason, not_judged=reason)]
    with world_of("P11", examples, width) as world:
        held = batches_in_memory(world)
        whole = trainee_of(world, device, precision="float32")
        half = trainee_of(world, device, precision="bfloat16")
        pairs = in_turns(
            _passes(whole, lambda turn: batches_drawn(held, world.plan(turn))),
            _passes(half, lambda turn: batches_drawn(held, world.plan(turn))),
            rounds=rounds,
            agree=lambda: alike(whole, half),
            clock=devices.clock_of(device),
        )
    return [Result("P11", what, pairs.ratio, 1.5, 1.9, False, f"{pairs.told()}; {devices.named(device)}")]


ALL = {"P6": p6, "P8": p8, "P11": p11}
