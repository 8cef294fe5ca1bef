"""What a file of JSON lines holds, read without Spark: its keys, how many rows, and which lines say a key twice.

Lines that are not JSON are refused row by row, later; so are lines that say a key twice, of which Spark would take the
last.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MOST_AMBIGUOUS, LONGEST_LINE = 100, 4_096
"""Lines of one file that may say a key twice, and as many signs of each as are kept."""


@dataclass(frozen=True)
class Objects:
    """Every top-level key in order of first appearance, the number of rows (blank lines are none), and by row number
    the lines that say a key twice."""

    keys: tuple[str, ...]
    rows: int
    ambiguous: Mapping[int, str]


def objects_in(stream: Iterable[str]) -> Objects:
    """What the lines of a stream hold.

    Raises ValueError where a line begins an array, none is an object, or more than MOST_AMBIGUOUS say a key twice.

    >>> objects_in(['{"a": 1}\\n', '\\n', '{"b": 2, "b": 3}\\n'])
    Objects(keys=('a', 'b'), rows=2, ambiguous={1: '{"b": 2, "b": 3}'})
    """
    keys: dict[str, None] = {}
    ambiguous: dict[int, str] = {}
    good = rows = 0
    for number, line in enumerate(stream, start=1):
        if line.lstrip().startswith("["):
            raise ValueError(f"line {number} begins an array; JSON lines hold one object a line")
        row, twice = _object(line)
        if twice:
            ambiguous[rows] = line.rstrip("\r\n")[:LONGEST_LINE]
        if len(ambiguous) > MOST_AMBIGUOUS:
            raise ValueError(f"line {number} says the key {twice!r} twice, like {MOST_AMBIGUOUS} lines before it")
        rows += bool(line.strip())
        keys.update(dict.fromkeys(row))
        good += bool(row)
    if rows and not good:
        raise ValueError("no line of it is a JSON object")
    return Objects(tuple(keys), rows, ambiguous)


def _object(line: str) -> tuple[dict[str, Any], str | None]:
    """The line as an object, empty where it is none, and the first key that it says twice."""
    twice: list[str] = []

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    try:
        row = json.loads(line, object_pairs_hook=each_once)
    except (ValueError, RecursionError):
        return {}, None
    return row if isinstance(row, dict) else {}, min(twice, default=None)
