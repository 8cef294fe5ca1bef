"""Lists of structs as flat NumPy columns and offsets, and the reductions over runs that the kernel is made of.

Kernel room: NumPy and Arrow only. B users, N entries over all users; `who` [N] is the user's row of each entry.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.errors import ContractBroken

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]
Columns = dict[str, Array]
_FEW = 4
"""Runs of one entry are passed over where there are so many of them for each further entry."""


def unpack(column: pa.ChunkedArray | pa.ListArray) -> tuple[Ints, Columns]:
    """Offsets [B + 1] and the flat columns [N] of a list<struct> column."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    lengths = np.diff(lists.offsets.to_numpy()).astype(np.int64)
    flat = lists.flatten()
    columns = {
        flat.type.field(i).name: flat.field(i).to_numpy(zero_copy_only=False) for i in range(flat.type.num_fields)
    }
    return offsets_of(lengths), columns


def unpack_dense(column: pa.ChunkedArray | pa.ListArray, width: int) -> Array:
    """[B, width] of a list column whose lists all have `width` numbers."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).reshape(len(lists), width)


def pack(lengths: Ints, columns: Mapping[str, Array], kind: pa.DataType) -> pa.ListArray:
    """A list<struct> array of the given type from lengths [B] and flat columns [N]."""
    item = kind.value_type
    children = [pa.array(columns[item.field(i).name], item.field(i).type) for i in range(item.num_fields)]
    entries = pa.StructArray.from_arrays(children, fields=[item.field(i) for i in range(item.num_fields)])
    return pa.ListArray.from_arrays(pa.array(offsets_of(lengths), pa.int32()), entries, type=kind)


def pack_dense(rows: Array, kind: pa.DataType) -> pa.ListArray:
    """A list array of the given type from a matrix [B, width]."""
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    flat = pa.array(np.ascontiguousarray(rows).reshape(-1), kind.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=kind)


def offsets_of(lengths: Ints) -> Ints:
    """Offsets [B + 1] from lengths [B]."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def owners(lengths: Ints) -> Ints:
    """The row that owns each entry, [N], from lengths [B]."""
    return np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)


def order_by(*keys: Array) -> Ints:
    """The stable order by `keys`, the first one the most significant.

    Leading keys are packed into one number as far as 62 bits allow; a later key is looked at only where the keys before
    it tie, and sorted only where it is not ascending there. So what is sorted already, as the two sides of a merge
    are, costs little.
    """
    code, packed = _packed(keys)
    order = np.argsort(code, kind="stable")
    place: Ints = np.arange(len(order), dtype=np.int64)
    run = code[order]
    for key in keys[packed:]:
        tied = _tied(run)
        place, run = place[tied], run[tied]
        if not len(place):
            break
        values = key[order[place]]
        if bool(((run[1:] == run[:-1]) & (values[1:] < values[:-1])).any()):
            within = np.lexsort((values, run))
            order[place], values = order[place][within], values[within]
        starts = run_starts(run, values)
        run = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(place))))
    return order


def _packed(keys: Sequence[Array]) -> tuple[Ints, int]:
    """Leading keys as one number [N] that sorts as they do, and how many of them fit; at least the first."""
    code, cells = keys[0].astype(np.int64), 1
    for number, key in enumerate(keys):
        low, high = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        cells *= high - low + 1
        if cells > 1 << 62:
            return code, max(number, 1)
        shifted = key.astype(np.int64) - low
        code = shifted if number == 0 else code * (high - low + 1) + shifted
    return code, len(keys)


def _tied(run: Ints) -> Array:
    """Which entries of a sorted column have an equal neighbour."""
    same = run[1:] == run[:-1]
    return np.append(same, False) | np.insert(same, 0, False) if len(run) else np.zeros(0, bool)


def run_starts(*keys: Array) -> Ints:
    """Where a new run begins in columns sorted together; empty for empty columns."""
    return np.flatnonzero(_fresh(*keys)).astype(np.int64)


def run_numbers(*keys: Array) -> Ints:
    """The number [N] of the run that each entry belongs to, from 1, in columns sorted together."""
    return np.cumsum(_fresh(*keys), dtype=np.int64)


def _fresh(*keys: Array) -> Array:
    """[N] whether an entry differs in a key from the one before it, as the first one does."""
    fresh = np.zeros(len(keys[0]), bool)
    fresh[:1] = True
    for key in keys:
        fresh[1:] |= key[1:] != key[:-1]
    return fresh


def reduce_runs(starts: Ints, columns: Columns, operations: Mapping[str, np.ufunc]) -> Columns:
    """One entry a run: each column reduced by its operation (np.add, np.minimum or np.maximum).

    Where most runs have one entry, as in a merge, only the others are worked on: `reduceat` costs the same for each.
    """
    if not len(starts):
        return {name: columns[name][:0] for name in operations}
    follows = np.ones(len(next(iter(columns.values()))), bool)
    follows[starts] = False
    more = np.flatnonzero(follows)
    if not len(more):
        return {name: columns[name] for name in operations}
    if _FEW * len(more) > len(starts):
        return {name: operation.reduceat(columns[name], starts) for name, operation in operations.items()}
    owner = np.searchsorted(starts, more, side="right") - 1
    longer = owner[run_starts(owner)]
    places = np.sort(np.concatenate([starts[longer], more]))
    begins = np.searchsorted(places, starts[longer])
    made = {}
    for name, operation in operations.items():
        reduced = operation.reduceat(columns[name][places], begins)
        made[name] = columns[name][starts]
        if reduced.dtype != made[name].dtype and (reduced.astype(made[name].dtype) != reduced).any():
            made[name] = made[name].astype(reduced.dtype)  # a sum is beyond the type of its column
        made[name][longer] = reduced
    return made


def last_of_each(who: Ints, count: int, limit: int) -> tuple[Ints, Ints]:
    """Places of the last `limit` entries of each of `count` owners, and lengths [count]; `who` must be sorted."""
    lengths = np.bincount(who, minlength=count).astype(np.int64)
    ends = np.cumsum(lengths)
    kept = np.arange(len(who)) >= (ends - np.minimum(lengths, limit))[who]
    return np.flatnonzero(kept), np.minimum(lengths, limit)


def take(columns: Mapping[str, Array], places: Array) -> Columns:
    """The entries at `places` (numbers or a mask) of every column."""
    return {name: values[places] for name, values in columns.items()}


def sum_rows(rows: Array, who: Ints, count: int) -> Array:
    """[count, width] sums of the rows [N, width] of each owner."""
    order = order_by(who)
    starts = run_starts(who[order])
    summed = np.zeros((count, rows.shape[1]), rows.dtype)
    if len(starts):
        summed[who[order][starts]] = np.add.reduceat(rows[order], starts, axis=0)
    return summed


def distinct_users(ids: pa.ChunkedArray, keys: Ints) -> tuple[Ints, pa.Array, Ints]:
    """Keys [B] and ids [B] of the users, sorted by both, and the user's place [N] of each row.

    Two ids with one key stay two users. Raises ContractBroken when one id comes with two keys.
    """
    coded = ids.combine_chunks().dictionary_encode()
    code, distinct = coded.indices.to_numpy(), coded.dictionary
    key = np.zeros(len(distinct), np.int64)
    key[code] = keys
    if bool((key[code] != keys).any()):
        place = int(np.flatnonzero(key[code] != keys)[0])
        raise ContractBroken(
            f"user_id {ids[place].as_py()!r} has user_keys {keys[place]} and {key[code[place]]}, expected one; "
            "next: derive user_key from user_id alone"
        )
    rank = pc.sort_indices(
        pa.table({"key": key, "id": distinct}), sort_keys=[("key", "ascending"), ("id", "ascending")]
    ).to_numpy()
    place_of = np.empty(len(rank), np.int64)
    place_of[rank] = np.arange(len(rank))
    return key[rank], distinct.take(pa.array(rank)), place_of[code]


def concatenate(parts: Sequence[Columns]) -> Columns:
    """The columns of all parts, one part after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
