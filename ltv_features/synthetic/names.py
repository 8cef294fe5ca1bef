"""Numbers as the shop writes them: ids of people, orders and items, amounts of money, times."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.synthetic.draws import Flags, Ints

MONEY = pa.decimal128(18, 2)
TIME = pa.timestamp("us", tz="UTC")


def names(prefix: str, numbers: Ints, digits: int = 5) -> pa.Array:
    """The prefix and the number with at least that many digits.

    >>> names("c", np.array([7, 123456])).to_pylist()
    ['c00007', 'c123456']
    """
    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def joined(prefix: str, first: Ints, second: Ints) -> pa.Array:
    """The prefix, a number, a dash and another number."""
    parts = (pa.array(first).cast(pa.string()), pa.array(second).cast(pa.string()))
    return pc.binary_join_element_wise(pc.binary_join_element_wise(prefix, parts[0], ""), parts[1], "-")


def picked(words: tuple[str, ...], numbers: npt.NDArray[Any]) -> pa.Array:
    """The word of each number."""
    return pa.array(words, pa.string()).take(pa.array(numbers, pa.int64()))


def money(minor: Ints) -> pa.Array:
    """Exact decimals with two digits from whole numbers of cents.

    >>> money(np.array([5, 1290])).to_pylist()
    [Decimal('0.05'), Decimal('12.90')]
    """
    halves = np.stack([minor, minor >> 63], axis=1).astype("<i8")
    return pa.Array.from_buffers(MONEY, len(minor), [None, pa.py_buffer(halves.tobytes())])


def instants(seconds: Ints) -> pa.Array:
    """UTC timestamps from seconds since 1970."""
    return pa.array(seconds * 1_000_000, pa.int64()).cast(TIME)


def only_where(mask: Flags, values: pa.Array) -> pa.Array:
    """The values where the mask says so, else null."""
    return pc.if_else(pa.array(mask), values, pa.scalar(None, values.type))
