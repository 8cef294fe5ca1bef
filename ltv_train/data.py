"""From a shard set to training batches: manifest -> reading plan -> Petastorm -> Batch. The only importer of the layer.

What is read is held against the manifest: digests once before the first epoch (`verify`), counts every epoch.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from ltv_features import blocks, files
from ltv_features.blocks import Layout
from ltv_features.contract import BLOCK_EXAMPLES
from ltv_features.errors import ShardsRefused
from ltv_features.project import Examples
from ltv_train import petastorm_compat
from ltv_train.manifest import Manifest, load_manifest, read_listed, read_table, verify
from ltv_train.plan import Bucket, Plan, Read, reading_plan
from ltv_train.watchdog import watched

__all__ = [
    "Arrays",
    "Manifest",
    "Padded",
    "load_manifest",
    "padded_batches",
    "plan_of",
    "read_all",
    "read_table",
    "verify",
]

Array = np.ndarray[Any, np.dtype[Any]]

POOL_BLOCKS = 64
"""Blocks of one bucket that wait in memory to be drawn at random: four row groups or more."""
LOADER_SECONDS = 120.0
"""How long a rank waits for a row group before it says that the loader is stuck."""


@dataclass(frozen=True)
class Arrays:
    """All examples of a split, ragged: features, weight [N], and labels or targets [N, width] by name."""

    examples: Examples
    weight: Array
    labels: dict[str, Array]

    @property
    def cutoff_no(self) -> Array:
        """The cut-off of each example; -1 at the origin."""
        return np.asarray(self.examples.cutoff_no)


@dataclass(frozen=True)
class Padded:
    """One step as arrays [B, width] by the names of the blocks: tokens [B, T], `weight` [B, 1], and so on.

    `rows` says how many are real: B, or 0 for the one row of weight 0 that stands in where a rank has none left.
    """

    columns: Mapping[str, Array]
    length: int
    rows: int


def read_all(manifest: Manifest, split: str) -> Arrays:
    """Every example of a split in order of bucket and file, through pyarrow.

    Raises ShardsRefused on a file that differs from the manifest, or a short read.
    """
    features, columns = [], []
    for bucket in manifest.buckets(split):
        for file in bucket.files:
            table = read_listed(manifest, file.path, file)
            made, extras = blocks.from_blocks(table, manifest.layout(bucket.length))
            _hold(f"{manifest.folder}/{file.path}", sum(file.examples), len(made.user_key))
            features.append(made)
            columns.append(extras)
    if not features:
        raise ShardsRefused(f"shards {manifest.folder}: split {split!r} is empty; next: run build_examples")
    joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    weight = joined.pop("weight")
    labels = {name.removeprefix(blocks.LABEL_PREFIX): values for name, values in joined.items()}
    return Arrays(Examples.concat(features), weight, labels)


def plan_of(manifest: Manifest, split: str, *, rank: int, world: int, batch_size: int, seed: int, epoch: int) -> Plan:
    """The reading plan of one rank and epoch."""
    buckets = manifest.buckets(split)
    return reading_plan(buckets, rank=rank, world=world, batch_size=batch_size, seed=seed, epoch=epoch)


def padded_batches(
    manifest: Manifest, split: str, plan: Plan, *, loader_seconds: float = LOADER_SECONDS
) -> Iterator[Padded]:
    """The steps of a plan, through Petastorm; a rank without examples left steps on a row of weight 0.

    One reader a bucket, opened at its first step; blocks wait in a pool of POOL_BLOCKS and are drawn from it at random,
    so a step mixes row groups. Raises ShardsRefused when more or fewer examples come than the plan says, LoaderStuck
    when a reader gives nothing for `loader_seconds`.
    """
    by_length = {bucket.length: bucket for bucket in manifest.buckets(split)}
    opened = partial(_bucket_steps, manifest, rank=plan.rank, loader_seconds=loader_seconds)
    steps = {read.length: opened(by_length[read.length], read) for read in plan.reads}
    counted = 0
    try:
        for length in plan.steps:
            batch = next(steps[length])
            counted += batch.rows
            yield batch
        for source in steps.values():
            counted += sum(batch.rows for batch in source)
    finally:
        for source in steps.values():
            source.close()
    _hold(f"{manifest.folder}, {split}, rank {plan.rank} of {plan.world}", plan.examples, counted)


def _bucket_steps(
    manifest: Manifest, bucket: Bucket, read: Read, *, rank: int, loader_seconds: float
) -> Generator[Padded, None, None]:
    layout = manifest.layout(bucket.length)
    drawn = _drawn(_blocks(manifest, bucket, read, layout, loader_seconds), Random(f"{read.seed}/{rank}"))
    for blocks_in_step in read.blocks:
        taken = [next(drawn, None) for _ in range(blocks_in_step)]
        yield from _parts([block for block in taken if block is not None], read.parts, layout)
    if next(drawn, None) is not None:
        raise ShardsRefused(f"{manifest.folder}, T={bucket.length}: more blocks came than the plan holds")


def _blocks(
    manifest: Manifest, bucket: Bucket, read: Read, layout: Layout, seconds: float
) -> Iterator[dict[str, Array]]:
    """The real rows of each block of this share, as views into the row group."""
    if read.share >= read.shares or not any(read.blocks):
        return
    paths = [files.join(manifest.folder, file.path) for file in bucket.filled]
    share = petastorm_compat.Share(read.share, read.shares)
    groups = partial(petastorm_compat.row_groups, paths, share=share, seed=read.seed)
    what = f"{manifest.folder}, T={bucket.length}, share {read.share} of {read.shares}"
    for group in watched(groups, seconds=seconds, what=what):
        yield from _split_group(group, layout)


def _split_group(group: pa.Table, layout: Layout) -> Iterator[dict[str, Array]]:
    whole = {name: blocks.matrix(group, name, width) for name, (_, width) in layout.columns.items()}
    for number, real in enumerate(group.column("n").to_pylist()):
        start = number * BLOCK_EXAMPLES
        yield {name: values[start : start + real] for name, values in whole.items()}


def _drawn(source: Iterator[dict[str, Array]], chance: Random) -> Iterator[dict[str, Array]]:
    """The blocks of a source in random order, through a pool of POOL_BLOCKS."""
    pool: list[dict[str, Array]] = []
    for block in source:
        pool.append(block)
        if len(pool) == POOL_BLOCKS:
            place = chance.randrange(len(pool))
            pool[place], pool[-1] = pool[-1], pool[place]
            yield pool.pop()
    chance.shuffle(pool)
    yield from pool


def _parts(taken: list[dict[str, Array]], parts: int, layout: Layout) -> Iterator[Padded]:
    """One batch of all blocks taken, or `parts` batches of one block."""
    blank = {name: np.zeros((1, width), dtype=kind) for name, (kind, width) in layout.columns.items()}
    if not taken:
        yield from [Padded(blank, layout.length, 0)] * parts
        return
    joined = {name: np.concatenate([block[name] for block in taken]) for name in layout.columns}
    size = BLOCK_EXAMPLES // parts if parts > 1 else len(joined["user_key"])
    for part in range(parts):
        cut = {name: values[part * size : (part + 1) * size] for name, values in joined.items()}
        rows = len(cut["user_key"])
        yield Padded(cut if rows else blank, layout.length, rows)


def _hold(where: str, expected: int, actual: int) -> None:
    if expected != actual:
        raise ShardsRefused(f"{where}: expected {expected} examples, actual {actual}; next: run build_examples again")
