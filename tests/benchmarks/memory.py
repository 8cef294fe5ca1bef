"""The same examples held in memory as tensors: what reading from shards is held against."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from ltv_train import data
from ltv_train.batch import Batch
from tests.benchmarks.shard_world import World

Columns = Mapping[str, Tensor]
Held = TypeVar("Held")


def columns_in_memory(world: World, split: str = "train") -> dict[int, Columns]:
    """All columns of the shards by bucket length, each [N, width]."""
    made: dict[int, list[Mapping[str, Any]]] = {}
    for padded in data.padded_batches(world.manifest, split, world.plan(0, split=split)):
        made.setdefault(padded.length, []).append(padded.columns)
    return {
        length: {name: torch.cat([torch.from_numpy(part[name]) for part in parts]) for name in parts[0]}
        for length, parts in made.items()
    }


def batches_in_memory(world: World, split: str = "train") -> dict[int, Batch]:
    """All examples by bucket length, encoded."""
    return {
        length: world.fit.batch({name: values.numpy() for name, values in columns.items()}, world.manifest)
        for length, columns in columns_in_memory(world, split).items()
    }


def drawn(
    held: Mapping[int, Held], rows: Callable[[Held], int], take: Callable[[Held, Tensor], Held], plan: data.Plan
) -> Iterator[Held]:
    """The steps of a plan over what is held: every row once, in an order that follows from the plan's seeds."""
    chance = torch.Generator().manual_seed(plan.reads[0].seed)
    waiting = {
        read.length: iter(torch.randperm(rows(held[read.length]), generator=chance).tensor_split(read.steps))
        for read in plan.reads
    }
    for length in plan.steps:
        yield take(held[length], next(waiting[length]))


def columns_drawn(held: Mapping[int, Columns], plan: data.Plan) -> Iterator[Columns]:
    """Columns of the rows of each step."""
    return drawn(held, lambda columns: len(columns["user_key"]), lambda columns, rows: _at(columns, rows), plan)


def batches_drawn(held: Mapping[int, Batch], plan: data.Plan) -> Iterator[Batch]:
    """Batches of the rows of each step."""
    return drawn(held, len, rows_of, plan)


def rows_of(batch: Batch, rows: Tensor) -> Batch:
    """The batch of these rows."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return Batch(**{n: v[rows] if isinstance(v, Tensor) else _at(v, rows) for n, v in values.items()})


def _at(columns: Columns, rows: Tensor) -> Columns:
    return {name: values[rows] for name, values in columns.items()}
