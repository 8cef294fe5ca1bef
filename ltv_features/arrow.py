"""Arrow schemas from the contract's type words, and the few conversions every kernel module shares.

Kernel room: NumPy and Arrow only.
"""

from collections.abc import Iterable

import pyarrow as pa

from ltv_features.contract import Column, Table

_SCALARS = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


def arrow_type(word: str) -> pa.DataType:
    """The Arrow type of a contract type word.

    >>> arrow_type("list<struct<a:int64,b:string>>")
    ListType(list<item: struct<a: int64, b: string>>)

    Raises ValueError on a word that is not of the language.
    """
    if word in _SCALARS:
        return _SCALARS[word]
    head, bracket, rest = word.partition("<")
    if not bracket or not rest.endswith(">"):
        raise ValueError(f"unknown contract type {word!r}; known: {', '.join(_SCALARS)}, list<>, struct<>, map<>")
    body = rest[:-1]
    if head == "list":
        return pa.list_(arrow_type(body))
    if head == "map":
        key, value = _split(body)
        return pa.map_(arrow_type(key), arrow_type(value))
    if head == "struct":
        pairs = (part.split(":", 1) for part in _split(body))
        return pa.struct([pa.field(name, arrow_type(kind)) for name, kind in pairs])
    raise ValueError(f"unknown contract type {word!r}")


def arrow_schema(columns: Table | Iterable[Column]) -> pa.Schema:
    """The Arrow schema of a table or of a list of columns, in their order."""
    listed = columns.columns if isinstance(columns, Table) else columns
    return pa.schema([pa.field(c.name, arrow_type(c.type), nullable=c.nullable) for c in listed])


def _split(body: str) -> list[str]:
    """The parts of `a,b<c,d>,e` at commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(body):
        depth += (sign == "<") - (sign == ">")
        if sign == "," and depth == 0:
            parts.append(body[start:place])
            start = place + 1
    return [*parts, body[start:]]
