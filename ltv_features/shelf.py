"""The shard files of one bucket: examples wait until they fill a row group, groups until they fill a file."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import blocks, files, project
from ltv_features.blocks import Layout
from ltv_features.contract import BLOCK_EXAMPLES

Array = np.ndarray[Any, np.dtype[Any]]
Fact = dict[str, Any]
"""What a task tells the driver about one thing that it wrote or counted; JSON-able."""

FILE_BLOCKS = 128
MOST_BLOCKS, MOST_TOKENS = 16, 1024
"""Blocks of a row group, and the tokens an example of all its blocks together: about 4 MB, a batch or two."""
SHARES = 8
"""A file has a multiple of so many row groups, of about equal size: ranks share row groups, and each waits for all."""


def group_sizes(blocks: int, length: int) -> list[int]:
    """Blocks of each row group of a file of so many blocks of `length` tokens an example.

    >>> group_sizes(128, 8), group_sizes(20, 8), group_sizes(3, 8), len(group_sizes(128, 256))
    ([16, 16, 16, 16, 16, 16, 16, 16], [3, 3, 3, 3, 2, 2, 2, 2], [1, 1, 1], 32)
    """
    most = max(1, min(MOST_BLOCKS, MOST_TOKENS // length))
    groups = min(blocks, -(-blocks // (most * SHARES)) * SHARES)
    return [blocks // groups + (number < blocks % groups) for number in range(groups)]


@dataclass
class Shelf:
    """The files of one bucket that one task writes: examples wait until they fill a file."""

    root: str
    folder: str
    name: str
    layout: Layout
    waiting: list[tuple[project.Examples, Mapping[str, Array]]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    _count: int = 0

    def add(self, examples: project.Examples, columns: Mapping[str, Array]) -> None:
        """Takes examples in their final order and writes as many full files as there are."""
        self.waiting.append((examples, columns))
        self._count += len(examples.user_key)
        if self._count >= FILE_BLOCKS * BLOCK_EXAMPLES:
            self._cut(FILE_BLOCKS * BLOCK_EXAMPLES)

    def close(self) -> list[Fact]:
        """Writes the rest and returns one fact a file."""
        if self._count:
            self._cut(self._count)
        return self.facts

    def _cut(self, size: int) -> None:
        examples = project.Examples.concat([part for part, _ in self.waiting])
        columns = {name: np.concatenate([c[name] for _, c in self.waiting]) for name in self.waiting[0][1]}
        start = 0
        for start in range(0, self._count - size + 1, size):
            part = np.arange(start, start + size)
            cut = {name: values[part] for name, values in columns.items()}
            self._write(blocks.to_blocks(examples.take(part), cut, self.layout))
        rest = np.arange(start + size, self._count)
        self._count = len(rest)
        kept = {name: values[rest] for name, values in columns.items()}
        self.waiting = [(examples.take(rest), kept)] if len(rest) else []

    def _write(self, batch: pa.RecordBatch) -> None:
        sizes = group_sizes(batch.num_rows, self.layout.length)
        starts = np.cumsum([0, *sizes[:-1]])
        sink = io.BytesIO()  # lz4: files are 1.6 times those of zstd, and are read twice as fast, every epoch
        with pq.ParquetWriter(sink, self.layout.schema, compression="lz4", use_dictionary=False) as writer:
            for start, size in zip(starts, sizes, strict=True):
                writer.write_batch(batch.slice(start, size), row_group_size=size)
        content = sink.getvalue()
        path = f"{self.folder}/T={self.layout.length}/{self.name}-{len(self.facts):04d}.parquet"
        files.write_bytes(files.join(self.root, path), content)
        self.facts.append(
            {
                "fact": "file",
                "folder": self.folder,
                "length": self.layout.length,
                "path": path,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "row_groups": sizes,
                "examples": np.add.reduceat(batch.column("n").to_numpy(), starts).tolist(),
                "weight": float(np.sum(batch.column("weight").flatten().to_numpy())),
            }
        )
