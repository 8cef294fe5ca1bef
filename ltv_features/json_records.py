"""What a file of JSON lines holds, read without Spark: its keys, how many rows, and which lines Spark would misread.

Lines that are not JSON are refused row by row, later; so are those that say a key twice, of which Spark would take the
last, that hold half a sign (a lone surrogate), which it would make a question mark, that give an id as a number like
1e21, whose last digits were lost before it was written, and that are longer than any event is.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MOST_MISREAD, LONGEST_LINE = 100, 4_096
"""Lines of one file that may be misread, and as many signs of each as are kept."""
MOST_SIGNS = 1 << 24
"""Of one line."""
_MAY_BE_HALF, _HALF = re.compile(r"\\u[dD][89a-fA-F]"), re.compile("[\ud800-\udfff]")
_EXACT = 2**53
"""Up to here a float tells every whole number from the next."""


@dataclass(frozen=True)
class Objects:
    """Every top-level key in order of first appearance, the number of rows (blank lines are none), and by row number
    the lines that Spark would misread."""

    keys: tuple[str, ...]
    rows: int
    misread: Mapping[int, str]


def objects_in(stream: Iterable[str], ids: Collection[str] = ()) -> Objects:
    """What the lines of a stream hold; `ids` are the top-level keys that hold ids.

    Raises ValueError where a line begins an array, none is an object, or more than MOST_MISREAD would be misread.

    >>> objects_in(['{"a": 1}\\n', '\\n', '{"b": 2, "b": 3}\\n', '{"a": 1e21, "b": 1e21}'], ids=["b"])
    Objects(keys=('a', 'b'), rows=3, misread={1: '{"b": 2, "b": 3}', 2: '{"a": 1e21, "b": 1e21}'})
    """
    keys: dict[str, None] = {}
    misread: dict[int, str] = {}
    good = rows = 0
    for number, line in enumerate(stream, start=1):
        if line.lstrip().startswith("["):
            raise ValueError(f"line {number} begins an array; JSON lines hold one object a line")
        row, wrong = _object(line, ids)
        if wrong:
            misread[rows] = line.rstrip("\r\n")[:LONGEST_LINE]
        if len(misread) > MOST_MISREAD:
            raise ValueError(f"line {number} {wrong}, like {MOST_MISREAD} lines before it that would be misread")
        rows += bool(line.strip())
        keys.update(dict.fromkeys(row))
        good += bool(row)
    if rows and not good:
        raise ValueError("no line of it is a JSON object")
    return Objects(tuple(keys), rows, misread)


def _object(line: str, ids: Collection[str]) -> tuple[dict[str, Any], str]:
    """The line as an object, empty where it is none, and what Spark would misread in it, in words; empty if nothing."""
    if len(line) > MOST_SIGNS:
        return {}, f"holds {len(line):,} signs, more than the {MOST_SIGNS:,} of the longest event"
    twice: list[str] = []

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    try:
        row = json.loads(line, object_pairs_hook=each_once)
    except (ValueError, RecursionError):
        return {}, ""
    if not isinstance(row, dict):
        return {}, ""
    if twice:
        return row, f"says the key {min(twice)!r} twice"
    if _MAY_BE_HALF.search(line) and _HALF.search(json.dumps(row, ensure_ascii=False)):
        return row, "holds half a sign (a lone surrogate)"
    lost = [name for name in ids if isinstance(row.get(name), float) and abs(row[name]) >= _EXACT]
    return row, f"gives the id {lost[0]!r} as a number that has lost digits" if lost else ""
