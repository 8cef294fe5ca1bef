"""Examples as Parquet rows: BLOCK_EXAMPLES examples flattened into one row, and back.

A block holds examples whose token lists fit one length T. Every column but `n` is a list in C order: 64 x width values,
width 1 for keys, A for aggregates, T for a token field. The last block of a batch is filled up at its tail with
zeros, weight 0 included; `n` counts its real examples. NumPy and Arrow only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ltv_features.contract import (
    ANCHOR_INPUTS,
    BLOCK_EXAMPLES,
    CATEGORICAL_FIELDS,
    LABEL_FIELDS,
    LENGTH_BUCKETS,
    MAX_BASKET,
    NAMED_LABELS,
    NEXT_LABELS,
    NUMERIC_FIELDS,
    PERIOD_LABELS,
)
from ltv_features.errors import ContractBroken
from ltv_features.project import Examples

Array = np.ndarray[Any, np.dtype[Any]]

LABEL_PREFIX = "label_"
TOKEN_TYPES = dict.fromkeys(CATEGORICAL_FIELDS, "int32") | dict.fromkeys(NUMERIC_FIELDS, "float32")
KEY_TYPES = {"user_key": "int64", "cutoff_no": "int32", "weight": "float32", "length": "int32"}


@dataclass(frozen=True)
class Extra:
    """A column beside the features: a label, or the target of a basket; `width` values an example."""

    name: str
    type: str
    width: int


def value_extras(periods: int, named: int = 0) -> tuple[Extra, ...]:
    """The label columns of a value block: by period, of the next purchase, and by named period where there are any."""
    kinds = {name: "float64" if name == "spend_minor" else "float32" for name in LABEL_FIELDS}
    widths = {name: (kind, periods) for name, kind in kinds.items()}
    widths |= dict.fromkeys(PERIOD_LABELS, ("float64", periods)) | dict.fromkeys(NEXT_LABELS, ("float64", 1))
    widths |= {name: ("float64", named) for name in NAMED_LABELS if named}
    return tuple(Extra(LABEL_PREFIX + name, kind, width) for name, (kind, width) in widths.items())


BASKET_EXTRAS = (Extra("target_item_no", "int32", MAX_BASKET), Extra("target_size", "int32", 1))
"""The next basket: its first MAX_BASKET items by number, 0 behind them, and how many items it has in all."""


@dataclass(frozen=True)
class Layout:
    """Shape of the blocks of one bucket: T tokens, A aggregates, and the columns beside the features."""

    length: int
    aggregates: int
    extras: tuple[Extra, ...]

    @property
    def columns(self) -> dict[str, tuple[str, int]]:
        """Type and values an example of every list column, in order."""
        keys = {name: (kind, 1) for name, kind in KEY_TYPES.items()}
        dense = {"aggregates": ("float32", self.aggregates), "anchor": ("float64", len(ANCHOR_INPUTS))}
        tokens = {name: (kind, self.length) for name, kind in TOKEN_TYPES.items()}
        return keys | dense | tokens | {extra.name: (extra.type, extra.width) for extra in self.extras}

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the file; no list and no value may be null, which also spares a reader to look."""
        fields = [pa.field("n", pa.int32(), nullable=False)]
        for name, (kind, _) in self.columns.items():
            fields.append(pa.field(name, _list_of(kind), nullable=False))
        return pa.schema(fields)


def bucket_of(lengths: Array, buckets: tuple[int, ...] = LENGTH_BUCKETS) -> Array:
    """The smallest bucket that holds each length.

    >>> bucket_of(np.array([0, 8, 9, 256])).tolist()
    [8, 8, 16, 256]

    Raises ContractBroken when a length is above the largest bucket.
    """
    if len(lengths) and int(lengths.max()) > buckets[-1]:
        raise ContractBroken(f"an example has {int(lengths.max())} tokens, the largest bucket holds {buckets[-1]}")
    return np.asarray(buckets)[np.searchsorted(np.asarray(buckets), lengths)]


def to_blocks(examples: Examples, columns: Mapping[str, Array], layout: Layout) -> pa.RecordBatch:
    """Blocks of the examples in their order; `columns` holds weight [N] and the extras [N, width].

    Raises ContractBroken when a column is missing or has another shape than the layout.
    """
    rows = len(examples.user_key)
    given: dict[str, Array] = {
        "user_key": examples.user_key,
        "cutoff_no": examples.cutoff_no,
        "length": examples.lengths,
        "aggregates": examples.aggregates,
        "anchor": examples.anchor,
        **examples.padded(layout.length),
        **columns,
    }
    blocks = -(-rows // BLOCK_EXAMPLES)
    counts = np.full(blocks, BLOCK_EXAMPLES, dtype=np.int32)
    if rows % BLOCK_EXAMPLES:
        counts[-1] = rows % BLOCK_EXAMPLES
    arrays = [pa.array(counts)]
    for name, (kind, width) in layout.columns.items():
        arrays.append(_flattened(name, given.get(name), kind, width, rows, blocks))
    return pa.RecordBatch.from_arrays(arrays, schema=layout.schema)


def from_blocks(table: pa.Table | pa.RecordBatch, layout: Layout) -> tuple[Examples, dict[str, Array]]:
    """The real examples of blocks, ragged again, and weight [N] and extras [N, width]; the fill is dropped.

    Raises ContractBroken when a list is null or has another length than the layout. Blocks carry no user_id: it is
    empty here, `users.parquet` of the set has it.
    """
    counts = table.column("n").to_numpy()
    real = (np.arange(BLOCK_EXAMPLES) < counts[:, None]).ravel()
    dense = {name: matrix(table, name, width)[real] for name, (_, width) in layout.columns.items()}
    lengths = dense["length"][:, 0].astype(np.int64)
    filled = np.arange(layout.length) < lengths[:, None]
    examples = Examples(
        user_key=dense["user_key"][:, 0],
        user_id=pa.repeat("", len(lengths)),
        aggregates=dense["aggregates"],
        anchor=dense["anchor"],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tokens={name: dense[name][filled] for name in TOKEN_TYPES},
        cutoff_no=dense["cutoff_no"][:, 0],
    )
    extras = {extra.name: dense[extra.name] for extra in layout.extras}
    return examples, {"weight": dense["weight"][:, 0], **extras}


def matrix(table: pa.Table | pa.RecordBatch, name: str, width: int) -> Array:
    """A list column as [blocks x 64, width], without a copy where the column is one chunk.

    Raises ContractBroken on a null or a list of another length.
    """
    column = table.column(name)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [flat(chunk, name, BLOCK_EXAMPLES * width) for chunk in chunks]
    joined = (
        parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, column.type.value_type.to_pandas_dtype()), *parts])
    )
    return joined.reshape(-1, width)


def flat(lists: pa.ListArray, name: str, size: int) -> Array:
    """The values of lists of equal length `size`, zero-copy and read-only. Raises ContractBroken where they are not."""
    values = lists.values
    offsets = _numbers(lists.offsets)  # `flatten` would look at every list
    lengths = offsets[1:] - offsets[:-1]
    if lists.null_count or values.null_count or bool((lengths != size).any()):
        found = sorted(set(lengths.tolist()))[:5]
        raise ContractBroken(f"block column {name!r}: expected lists of {size} values, found {found}, or nulls")
    return _numbers(values)[offsets[0] : offsets[-1]]


def _numbers(array: pa.Array) -> Array:
    """A read-only view of the numbers of an array without nulls; `to_numpy` would let go of the interpreter's lock,
    which is dear where another thread waits for it."""
    if not len(array):
        return np.zeros(0, array.type.to_pandas_dtype())
    whole = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    whole.flags.writeable = False
    return whole[array.offset : array.offset + len(array)]


def _flattened(name: str, values: Array | None, kind: str, width: int, rows: int, blocks: int) -> pa.ListArray:
    if values is None or values.size != rows * width:
        actual = "missing" if values is None else str(values.shape)
        raise ContractBroken(f"block column {name!r}: expected {rows} x {width} values, actual {actual}")
    size = BLOCK_EXAMPLES * width
    padded = np.zeros(blocks * size, dtype=kind)
    padded[: rows * width] = values.reshape(-1)
    offsets = np.arange(blocks + 1, dtype=np.int32) * size
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(padded), type=_list_of(kind))


def _list_of(kind: str) -> pa.DataType:
    return pa.list_(pa.field("element", pa.type_for_alias(kind), nullable=False))
