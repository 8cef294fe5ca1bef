"""P6a, P9 and P10: groups of processes that stand ready and train a pass each time they are told to, in turns.

A group starts once: what it takes to start Ray or a process group is no part of any turn. A turn begins with the file
`go-<turn>` in the group's folder, for which its ranks wait asleep; each leaves `told-<turn>-<rank>.json`.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel as DDP

from ltv_train import loop
from ltv_train.allocator import keep_memory
from ltv_train.loop import Ranks, Recipe
from tests.benchmarks.compare import cpu_seconds
from tests.benchmarks.shard_world import World
from tests.benchmarks.training import STEPS, from_shards, held_back

_PATIENCE_SECONDS = 600.0
OVER = "over"


@dataclass(frozen=True)
class Told:
    """What one rank says of one turn: seconds of its wall and of its CPU, and what it learned from."""

    wall: float
    cpu: float
    steps: int
    examples: int
    loss: float


@dataclass(frozen=True)
class Task:
    """What every rank of a group is given; `keeps` whether it keeps its memory (see allocator.py)."""

    world: World
    folder: Path
    ranks: int
    keeps: bool = True


def serve(task: Task, ranks: Ranks, wrap: Callable[[nn.Module], nn.Module] = lambda model: model) -> None:
    """What a rank does until the group is over."""
    if task.keeps:
        keep_memory()
    learner = loop.start(task.world.fit.network(task.world.manifest), Recipe(STEPS), wrap)
    loop.weigh(learner, held_back(task.world), ranks, torch.device("cpu"))
    turn = 0
    while _go(task.folder, turn):
        ranks.total(torch.zeros(1))  # nobody begins before all are there
        wall, cpu = time.monotonic(), time.process_time()
        batches = from_shards(task.world, turn, rank=ranks.rank, ranks=ranks.world)
        epoch = loop.train_epoch(learner, batches, ranks, torch.device("cpu"))
        told = Told(time.monotonic() - wall, time.process_time() - cpu, epoch.steps, epoch.examples, epoch.loss)
        unfinished = task.folder / f"unfinished-{ranks.rank}"
        unfinished.write_text(json.dumps(asdict(told)))
        unfinished.rename(task.folder / f"told-{turn}-{ranks.rank}.json")
        turn += 1


def _go(folder: Path, turn: int) -> bool:
    while not (folder / f"go-{turn}").exists():
        if (folder / OVER).exists():
            return False
        time.sleep(0.01)
    return True


def plain_rank(rank: int, task: Task) -> None:
    """One rank of a plain process group with gloo and DDP."""
    if task.ranks == 1:
        serve(task, Ranks())
        return
    place = f"file://{task.folder}/meeting"
    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=task.ranks)
    serve(task, Ranks(rank, task.ranks, summed), DDP)
    dist.destroy_process_group()


def ray_rank(config: dict[str, Any]) -> None:
    """One rank of Ray Train, with the process group that Ray made."""
    import ray.train

    context = ray.train.get_context()
    serve(config["task"], Ranks(context.get_world_rank(), context.get_world_size(), summed), DDP)


def summed(tensor: Tensor) -> Tensor:
    """The tensor added up over all ranks."""
    here = tensor.clone()
    dist.all_reduce(here)
    return here


class Group:
    """Ranks that stand ready; `turn` runs one pass on all of them."""

    def __init__(self, task: Task, alive: Callable[[], bool]) -> None:
        self._task, self._alive, self._turn = task, alive, 0

    def turn(self) -> list[Told]:
        """What each rank says of the next turn. Raises TimeoutError or RuntimeError when one does not answer."""
        folder, turn = self._task.folder, self._turn
        (folder / f"go-{turn}").touch()
        files = [folder / f"told-{turn}-{rank}.json" for rank in range(self._task.ranks)]
        began = time.monotonic()
        while not all(file.exists() for file in files):
            if not self._alive():
                raise RuntimeError(f"a rank of {folder} ended before turn {turn} did; its error is printed above")
            if time.monotonic() - began > _PATIENCE_SECONDS:
                raise TimeoutError(f"{folder}, turn {turn}: no answer within {_PATIENCE_SECONDS:.0f} s")
            time.sleep(0.01)
        self._turn += 1
        return [Told(**json.loads(file.read_text())) for file in files]


@contextmanager
def plain_group(task: Task) -> Iterator[Group]:
    """Ranks started by torch.multiprocessing."""
    task.folder.mkdir()
    context = mp.spawn(plain_rank, args=(task,), nprocs=task.ranks, join=False)
    try:
        yield Group(task, lambda: all(process.is_alive() for process in context.processes))
    finally:
        (task.folder / OVER).touch()
        while not context.join(timeout=_PATIENCE_SECONDS):
            pass


@contextmanager
def others_load() -> Iterator[list[float]]:
    """A list that receives, at the end, how many cores were kept busy meanwhile by anything but us."""
    told: list[float] = []
    wall, busy, own = time.monotonic(), _busy_seconds(), cpu_seconds()
    yield told
    seconds = time.monotonic() - wall
    told.append((_busy_seconds() - busy - (cpu_seconds() - own)) / seconds)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)
