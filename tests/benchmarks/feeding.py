"""P5: what feeds a network, without the network: our loader against memory, and against bare row groups."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ltv_features import blocks
from ltv_features.contract import BLOCK_EXAMPLES
from ltv_train import data
from ltv_train.allocator import keep_memory
from ltv_train.plan import Bucket
from tests.benchmarks import shard_world
from tests.benchmarks.compare import Result, in_turns
from tests.benchmarks.memory import columns_drawn, columns_in_memory
from tests.benchmarks.shard_world import World

Sums = tuple[int, int, int]
"""Examples read, and the sums of their keys and of their lengths."""


def p5(*, examples: int = 200_000, rounds: int = 7) -> list[Result]:
    """Batches of 512 in random order through Petastorm; raw columns, as `fits` gets them."""
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    keep_memory()
    with tempfile.TemporaryDirectory(prefix="ltv-p5-") as folder:
        world = shard_world.write_world(Path(folder), examples, width=64, held=0)
        held = columns_in_memory(world)
        truth = (world.manifest.examples("train"), examples * (examples + 1) // 2)

        def ours(turn: int) -> Sums:
            steps = data.padded_batches(world.manifest, "train", world.plan(turn))
            return _summed((batch.columns for batch in steps), truth)

        def from_memory(turn: int) -> Sums:
            return _summed(columns_drawn(held, world.plan(turn)), truth)

        def from_row_groups(turn: int) -> Sums:
            return _summed(_row_groups(world), truth)

        memory = in_turns(from_memory, ours, rounds=rounds)
        arrow = in_turns(from_row_groups, ours, rounds=rounds)
    what = f"{examples:,} examples in batches through Petastorm, by the rate of"
    return [
        Result("P5", f"{what} gathering them from tensors in memory", memory.ratio, 0.3, 0.5, False, memory.told()),
        Result("P5", f"{what} reading row groups with pyarrow", arrow.ratio, 0.5, 0.8, False, arrow.told()),
    ]


def _row_groups(world: World) -> Iterable[dict[str, object]]:
    """Every row group in the order of the files, each column as one matrix of its real rows; nothing is mixed."""
    for bucket in world.manifest.splits["train"]:
        for file in bucket.files:
            yield from _groups_of(f"{world.manifest.folder}/{file.path}", world, bucket)


def _groups_of(path: str, world: World, bucket: Bucket) -> Iterable[dict[str, object]]:
    columns = world.manifest.layout(bucket.length).columns
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            group = file.read_row_group(number, use_threads=False)
            real = sum(group.column("n").to_pylist())
            full = len(group) * BLOCK_EXAMPLES
            assert real == full or number == file.num_row_groups - 1, "only the last row group is filled up"
            yield {name: blocks.matrix(group, name, width)[:real] for name, (_, width) in columns.items()}


def _summed(steps: Iterable[object], truth: tuple[int, int]) -> Sums:
    examples = keys = tokens = 0
    for columns in steps:
        examples += len(columns["user_key"])  # type: ignore[index]
        keys += int(columns["user_key"].sum())  # type: ignore[index]
        tokens += int(columns["length"].sum())  # type: ignore[index]
    assert (examples, keys) == truth, f"expected {truth} examples and sum of keys, actual {(examples, keys)}"
    return examples, keys, tokens


ALL = {"P5": p5}
