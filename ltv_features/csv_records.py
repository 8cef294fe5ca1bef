"""How many records a delimited file holds, counted without Spark; a record whose end cannot be told is refused.

A quoted field may hold line breaks. A quote that nobody closes would swallow the lines after it, so a record of several
lines must be written strictly: every quote closed before a delimiter, and as many fields as the header.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import TextIO

MAX_FIELD = 1 << 20
"""Most characters in a field, here and for Spark."""


def header_and_rows(stream: TextIO, *, delimiter: str, quote: str, multiline: bool) -> tuple[list[str], int]:
    """The header's fields and the number of records after it; blank lines are none.

    Raises ValueError, with the number of its first line, on a record whose end cannot be told.
    """
    csv.field_size_limit(MAX_FIELD)
    lines = (line.replace("\r", "") for line in stream)
    if not multiline:
        header = next(csv.reader(lines, delimiter=delimiter, quotechar=quote), [])
        return header, sum(1 for line in lines if line.strip())
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=delimiter, quotechar=quote)
    header = next(reader, [])
    rows, first = 0, reader.line_num + 1
    source.forget()
    for record in reader:
        if len(source.read) > 1 and not _is_strict(source.read, len(header), delimiter, quote):
            raise ValueError(
                f"line {first}: a quote is not closed, {len(source.read)} lines would become one record; "
                "csv.multiline = false reads line by line where no field holds a line break"
            )
        rows += bool(record)
        first = reader.line_num + 1
        source.forget()
    return header, rows


class _Lines:
    """Lines that remember what was read since they were told to forget: the lines of one record."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.read: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.read.append(line)
        return line

    def forget(self) -> None:
        self.read = []


def _is_strict(lines: list[str], fields: int, delimiter: str, quote: str) -> bool:
    try:
        records = list(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True))
    except csv.Error:
        return False
    return len(records) == 1 and len(records[0]) == fields
