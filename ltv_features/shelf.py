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

GROUP_BLOCKS = 16
GROUPS_A_FILE = 8


@dataclass
class Shelf:
    """The files of one bucket that one task writes: examples wait until they fill a row group of GROUP_BLOCKS."""

    root: str
    folder: str
    name: str
    layout: Layout
    waiting: list[tuple[project.Examples, Mapping[str, Array]]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    _groups: list[pa.RecordBatch] = field(default_factory=list)
    _count: int = 0

    def add(self, examples: project.Examples, columns: Mapping[str, Array]) -> None:
        """Takes examples in their final order and writes as many full row groups as there are."""
        self.waiting.append((examples, columns))
        self._count += len(examples.user_key)
        if self._count >= GROUP_BLOCKS * BLOCK_EXAMPLES:
            self._cut(GROUP_BLOCKS * BLOCK_EXAMPLES)

    def close(self) -> list[Fact]:
        """Writes the rest and returns one fact a file."""
        if self._count:
            self._cut(self._count)
        if self._groups:
            self._write()
        return self.facts

    def _cut(self, size: int) -> None:
        examples = project.Examples.concat([part for part, _ in self.waiting])
        columns = {name: np.concatenate([c[name] for _, c in self.waiting]) for name in self.waiting[0][1]}
        start = 0
        for start in range(0, self._count - size + 1, size):
            part = np.arange(start, start + size)
            cut = {name: values[part] for name, values in columns.items()}
            self._groups.append(blocks.to_blocks(examples.take(part), cut, self.layout))
            if len(self._groups) == GROUPS_A_FILE:
                self._write()
        rest = np.arange(start + size, self._count)
        self._count = len(rest)
        kept = {name: values[rest] for name, values in columns.items()}
        self.waiting = [(examples.take(rest), kept)] if len(rest) else []

    def _write(self) -> None:
        sink = io.BytesIO()  # lz4: files are 1.6 times those of zstd, and are read twice as fast, every epoch
        with pq.ParquetWriter(sink, self.layout.schema, compression="lz4", use_dictionary=False) as writer:
            for group in self._groups:
                writer.write_batch(group, row_group_size=GROUP_BLOCKS)
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
                "row_groups": [group.num_rows for group in self._groups],
                "examples": [int(np.sum(group.column("n").to_numpy())) for group in self._groups],
                "weight": float(sum(np.sum(group.column("weight").flatten().to_numpy()) for group in self._groups)),
            }
        )
        self._groups = []
