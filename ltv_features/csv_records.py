"""What a delimited file holds, read without Spark: its header, how many records, and how its lines end.

A quoted field may hold line breaks. A quote that nobody closes would swallow the lines after it, so a record of several
lines must be written strictly: every quote closed before a delimiter, and as many fields as the header. Lines that end
in different ways would be cut differently by different readers, so every record must end like the first.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

MAX_FIELD = 1 << 20
"""Most characters in a field, here and for Spark."""
LF, CRLF = "\n", "\r\n"
_SAID = {LF: "LF", CRLF: "CRLF", "\r": "CR"}


@dataclass(frozen=True)
class Records:
    """The header's fields, the number of records after it (blank lines are none), and how every line ends."""

    header: tuple[str, ...]
    rows: int
    line_end: str


def records_in(stream: TextIO, *, delimiter: str, quote: str, multiline: bool) -> Records:
    """What a stream opened with newline="\\n" holds.

    Raises ValueError, with the number of its first line, on a record whose end cannot be told.
    """
    csv.field_size_limit(MAX_FIELD)
    ends = _Ends()
    if not multiline:
        lines = ends.held(stream)
        header = next(csv.reader([next(lines, "")], delimiter=delimiter, quotechar=quote), [])
        return Records(tuple(header), sum(1 for line in lines if line.strip()), ends.end)
    source = _Lines(stream)
    reader = csv.reader(source, delimiter=delimiter, quotechar=quote)
    header, rows, first = [], -1, 1
    while (record := _next(reader)) is not None:
        if rows >= 0 and len(source.read) > 1 and not _is_strict(source.read, len(header), delimiter, quote):
            raise ValueError(
                f"line {first}: a quote is not closed, {len(source.read)} lines would become one record; "
                "csv.multiline = false reads line by line where no field holds a line break"
            )
        ends.hold(source.read[-1], reader.line_num)
        header = record if rows < 0 else header
        rows += bool(record) or rows < 0
        first = reader.line_num + 1
        source.forget()
    return Records(tuple(header), max(0, rows), ends.end)


class _Ends:
    """How lines end: like the first of them."""

    def __init__(self) -> None:
        self._first: str | None = None

    @property
    def end(self) -> str:
        """The end of every line; LF where no line has one."""
        return self._first or LF

    def held(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines, each of them held."""
        for number, line in enumerate(lines, start=1):
            self.hold(line, number)
            if "\r" in line.removesuffix(self.end):
                raise _lone(number)
            yield line

    def hold(self, line: str, number: int) -> None:
        """Nothing where the line ends like the first one. Raises ValueError where it does not."""
        end = line[len(line.rstrip("\r\n")) :]
        if not end:  # the last one
            return
        if end not in (LF, CRLF):
            raise _lone(number)
        self._first = self._first or end
        if end != self._first:
            raise ValueError(
                f"line {number} ends in {_SAID[end]}, the lines before it in {_SAID[self._first]}: "
                "every line must end in the same way"
            )


def _lone(number: int) -> ValueError:
    return ValueError(f"line {number} holds a carriage return (CR) without a line feed, outside quotes")


def _next(reader: "Iterator[list[str]]") -> list[str] | None:
    """The next record; None after the last. Raises ValueError with the line of what cannot be read."""
    try:
        return next(reader, None)
    except csv.Error as error:
        number: int = reader.line_num  # type: ignore[attr-defined]
        if "new-line character" in str(error):
            raise _lone(number) from error
        raise ValueError(f"line {number}: {error}") from error


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
