"""P6a, P9 and P10: what keeping memory gains, what a second rank gains, and what Ray Train costs over plain DDP."""

import statistics
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ltv_train import cluster, distributed
from ltv_train.config import RaySettings
from tests.benchmarks import device as devices
from tests.benchmarks import shard_world
from tests.benchmarks.compare import Pairs, Result
from tests.benchmarks.ranks import OVER, Group, Task, Told, others_load, plain_group, ray_rank
from tests.benchmarks.shard_world import World

MOST_OTHERS = 0.5
"""Cores that others may keep busy before wall times say nothing."""
NOISE = 0.05


def p6a(*, examples: int = 8_192, width: int = 64, rounds: int = 5) -> list[Result]:
    """The same pass in two processes, one of which keeps its memory."""
    with _folder("P6a") as folder:
        world = shard_world.write_world(folder, examples, width=width)
        keeps, gives = Task(world, folder / "keeps", 1), Task(world, folder / "gives", 1, keeps=False)
        with plain_group(keeps) as ours, plain_group(gives) as theirs:
            turns = _turns(ours, theirs, rounds, world)
    pairs = Pairs(*_cpu(turns))
    what = f"an LSTM of width {width} trained from shards with memory kept, by the rate without"
    told = f"{_back(pairs).told()}; {devices.named(torch.device('cpu'))}"
    return [Result("P6a", what, _back(pairs).ratio, 1.0, 1.4, False, told)]


def p9(*, examples: int = 24_576, widths: tuple[int, ...] = (64, 128), rounds: int = 5) -> list[Result]:
    """Wall time of the best turn of each; the two share the batch of the one, so both take the same steps."""
    return [_two_ranks(examples, width, rounds) for width in widths]


def _two_ranks(examples: int, width: int, rounds: int) -> Result:
    with _folder("P9") as folder:
        world = shard_world.write_world(folder, examples, width=width)
        tasks = [Task(world, folder / "two", 2), Task(world, folder / "one", 1)]
        with plain_group(tasks[0]) as two, plain_group(tasks[1]) as one, others_load() as others:
            turns = _turns(two, one, rounds, world)
    ours, theirs = (min(_wall(told) for told in side) for side in zip(*turns, strict=True))
    told = f"best of {rounds}: {theirs:.2f} s against {ours:.2f} s of wall; others kept {others[0]:.2f} cores busy"
    cpu = _back(Pairs(*_cpu(turns))).ratio
    busy = f"others kept {others[0]:.2f} cores busy, more than {MOST_OTHERS}" if others[0] > MOST_OTHERS else ""
    what = f"an LSTM of width {width} trained by two ranks with gloo, by the rate of one"
    told += f"; CPU of one by that of two {cpu:.2f}; {devices.named(torch.device('cpu'))}"
    return Result("P9", what, theirs / ours, 1.6, 1.9, False, told, not_judged=busy)


def p10(*, examples: int = 12_288, width: int = 64, rounds: int = 5) -> list[Result]:
    """CPU time inside the ranks, with all threads that Ray keeps there; starting up is left out."""
    with _folder("P10") as folder:
        world = shard_world.write_world(folder, examples, width=width)
        with ray_group(Task(world, folder / "ray", 2)) as ours, plain_group(Task(world, folder / "plain", 2)) as theirs:
            turns = _turns(ours, theirs, rounds, world)
    pairs = _back(Pairs(*_cpu(turns)))
    wall = statistics.median(_wall(theirs) / _wall(ours) for ours, theirs in turns)
    what = f"an LSTM of width {width} trained by two ranks of Ray Train, by the rate of plain DDP"
    told = f"{pairs.told()}; by wall {wall:.2f}; {devices.named(torch.device('cpu'))}"
    return [Result("P10", what, pairs.ratio, 0.95, 0.98, False, told)]


@contextmanager
def ray_group(task: Task) -> Iterator[Group]:
    """Ranks started by the trainer that `train` uses."""
    task.folder.mkdir()
    settings = RaySettings(workers=task.ranks, max_failures=0, timeout_seconds=120)
    with cluster.joined(settings):
        trainer = distributed._trainer([], settings, str(task.folder / "runs"), "benchmark")
        trainer.train_loop_per_worker, trainer.train_loop_config = ray_rank, {"task": task}
        thread = threading.Thread(target=trainer.fit)
        thread.start()
        try:
            yield Group(task, thread.is_alive)
        finally:
            (task.folder / OVER).touch()
            thread.join()


def _turns(ours: Group, theirs: Group, rounds: int, world: World) -> list[tuple[list[Told], list[Told]]]:
    """Turns of both after one to warm up; each read every example, and their losses are within noise."""
    turns = [(ours.turn(), theirs.turn()) for _ in range(1 + rounds)][1:]
    for pair in turns:
        for told in pair:
            assert sum(rank.examples for rank in told) == world.manifest.examples("train"), told
            assert len({(rank.steps, rank.loss) for rank in told}) == 1, told
        losses = [told[0].loss for told in pair]
        assert abs(losses[0] - losses[1]) <= NOISE * abs(losses[1]), losses
    return turns


def _wall(told: Sequence[Told]) -> float:
    return max(rank.wall for rank in told)


def _cpu(turns: list[tuple[list[Told], list[Told]]]) -> list[tuple[float, ...]]:
    return [tuple(sum(rank.cpu for rank in told) for told in side) for side in zip(*turns, strict=True)]


def _back(pairs: Pairs) -> Pairs:
    """Theirs by ours: a rate instead of a time."""
    return Pairs(pairs.theirs, pairs.ours)


@contextmanager
def _folder(benchmark: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"ltv-{benchmark.lower()}-") as folder:
        yield Path(folder)


ALL = {"P6a": p6a, "P9": p9, "P10": p10}
