"""What a bundle folder may hold: names that stay inside it, kinds of files without code, and the contract it needs.

May import: the contract. No model, no reader.
"""

import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features.aggregates import NAMES
from ltv_features.contract import CATEGORICAL_FIELDS, NUMERIC_FIELDS, SCHEMA_VERSION
from ltv_features.errors import BundleRefused

DIGESTS = "digests.json"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_SUFFIXES = (".json", ".txt", ".safetensors", ".parquet", ".md")
_MAX_DIGESTS_BYTES, _MAX_FILES = 4 << 20, 10_000
_MAX_TABLE_ROWS, _MAX_TABLE_BYTES = 20_000_000, 2 << 30
"""Rows and unpacked bytes of a table: a small file can say that it is a large one."""


def contract_facts() -> dict[str, Any]:
    """What a model silently relies on: if any of it differs, the model must not speak."""
    return {
        "schema_version": SCHEMA_VERSION,
        "aggregates": list(NAMES),
        "categorical_fields": list(CATEGORICAL_FIELDS),
        "numeric_fields": list(NUMERIC_FIELDS),
    }


def checked_name(name: str) -> str:
    """`name` itself. Raises BundleRefused unless it is 1 to 64 letters, digits, '.', '_', '-' without a leading dot."""
    if not _NAME.fullmatch(name):
        raise BundleRefused(f"bundle file name {name!r}: expected {_NAME.pattern}")
    return name


def checked_path(path: str) -> str:
    """`path` itself: plain names with slashes between, ending as a file without code does. Raises BundleRefused."""
    for part in path.split("/"):
        checked_name(part)
    if not path.endswith(_SUFFIXES):
        raise BundleRefused(f"bundle file {path!r}: expected one of {', '.join(_SUFFIXES)}")
    return path


def digests_of(folder: Path) -> dict[str, str]:
    """The digests by path, read before anything else is opened. Raises BundleRefused when they are no such list."""
    place = folder / DIGESTS
    if place.is_symlink() or place.stat().st_size > _MAX_DIGESTS_BYTES:
        raise BundleRefused(f"bundle {folder}: {DIGESTS} is a link or larger than {_MAX_DIGESTS_BYTES} bytes")
    digests = parsed(folder, DIGESTS, place.read_bytes())
    if not {"config.json", "contract.json"} <= set(digests) or len(digests) > _MAX_FILES:
        raise BundleRefused(
            f"bundle {folder}: {DIGESTS} lists {len(digests)} files, expected config.json and contract.json among at "
            f"most {_MAX_FILES}"
        )
    return {checked_path(path): str(digest) for path, digest in digests.items()}


def parsed(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    """The object in a JSON file. Raises BundleRefused when it is none or holds numbers that are not finite."""

    def refuse(constant: str) -> Any:
        raise BundleRefused(f"bundle {folder}: {name} holds {constant}")

    def finite(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refuse(text)

    try:
        value = json.loads(content, parse_constant=refuse, parse_float=finite)
    except ValueError as error:
        raise BundleRefused(f"bundle {folder}: {name} is not JSON: {error}; next: train again") from error
    if not isinstance(value, dict):
        raise BundleRefused(f"bundle {folder}: {name} is a {type(value).__name__}, expected an object")
    return value


def table_in(folder: Path, name: str, content: bytes) -> pa.Table:
    """The table in a Parquet file. Raises BundleRefused when it is none, or would take too much once unpacked."""
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        facts = file.metadata
        unpacked = sum(facts.row_group(place).total_byte_size for place in range(facts.num_row_groups))
        if facts.num_rows > _MAX_TABLE_ROWS or unpacked > _MAX_TABLE_BYTES:
            raise BundleRefused(
                f"bundle {folder}: {name}: expected at most {_MAX_TABLE_ROWS} rows and {_MAX_TABLE_BYTES} bytes "
                f"unpacked, actual {facts.num_rows} and {unpacked}; next: train again"
            )
        return file.read()
    except (pa.ArrowException, OSError) as error:
        raise BundleRefused(f"bundle {folder}: {name} is no Parquet file: {error}; next: train again") from error


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """What is said otherwise under the same name, by name; None stands for what is not there.

    >>> differences({"width": 16, "periods": 2}, {"width": 16, "depth": 3})
    ['depth: expected None, actual 3', 'periods: expected 2, actual None']
    """
    names = sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
    return [f"{name}: expected {expected.get(name)}, actual {actual.get(name)}" for name in names]


def contract_problems(stored: Mapping[str, Any]) -> list[str]:
    """How the contract of a bundle differs from this code's; empty where it does not."""
    problems = []
    for key, here in contract_facts().items():
        there = stored.get(key)
        if here == there:
            continue
        if key == "schema_version":
            age = "a newer" if isinstance(there, int) and there > here else "an older"
            problems.append(f"{key}: expected {here}, that of this code, actual {there!r}, made by {age} version of it")
        elif isinstance(here, list) and isinstance(there, list):
            gone, new = [x for x in there if x not in here], [x for x in here if x not in there]
            problems.append(f"{key}: only in the bundle {gone}, only in this code {new}, or another order")
        else:
            problems.append(f"{key}: the bundle has {there!r}, this code has {here!r}")
    return problems


def listed(folder: Path) -> list[str]:
    """Relative paths of all regular files. Raises BundleRefused on a link, which could lead out of the folder."""
    found = []
    for place in sorted(folder.rglob("*")):
        if place.is_symlink():
            raise BundleRefused(f"bundle {folder}: {place.name} is a link; next: copy the bundle as plain files")
        if place.is_file():
            found.append(place.relative_to(folder).as_posix())
    return found
