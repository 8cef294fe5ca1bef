"""Files to raw Delta tables: each file once, by the digest of its content, nothing interpreted.

A raw table has the source's own columns, a column for lines that do not fit (text formats), and RAW_EXTRA. Its columns
are those of the first landing: later files may lack unmapped ones (null) or bring new ones (left out, with a warning).
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.columns import needed_columns, require_columns
from ltv_features.config import Rates
from ltv_features.contract import RAW_EXTRA, RAW_PREFIX
from ltv_features.delivery import READING, Delivered, find_files, look_at, read_file
from ltv_features.digest import digest_of
from ltv_features.errors import ContractBroken, InputMissing
from ltv_features.files import sha256_of
from ltv_features.ledger import Hop
from ltv_features.parsing import quoted
from ltv_features.session import session_settings
from ltv_features.sources import SourceSettings
from ltv_features.tables import Lake

log = logging.getLogger("ltv")

FILES_A_COMMIT = 64
_COLUMN_MAPPING = "spark.databricks.delta.properties.defaults.columnMapping.mode"


@dataclass(frozen=True)
class Landing:
    """A source with its files that are new, by digest, and how many of its files are in the raw table already."""

    name: str
    source: SourceSettings
    files: tuple[tuple[str, Delivered], ...]
    known_files: int


def raw_table(source: str) -> str:
    """The name of the raw table of a source."""
    return RAW_PREFIX + source


def look_over(lake: Lake, name: str, source: SourceSettings, *, needed: Sequence[str]) -> Landing:
    """What is to be landed for a source; nothing is written.

    `needed` are the columns that the configuration speaks of. Raises InputMissing when there is no file, ContractBroken
    when one is not of the format or lacks a needed column.
    """
    digests = {sha256_of(path): path for path in find_files(name, source.path)}
    known = _known_digests(lake, raw_table(name))
    files = [(digest, look_at(path, source)) for digest, path in digests.items() if digest not in known]
    for _, file in files:
        where = f"source {name!r}, file {file.path}"
        require_columns(needed, file.columns, where=where)
        if taken := sorted({column.name for column in RAW_EXTRA} & set(file.columns)):
            raise ContractBroken(f"{where}: columns {taken} bear names that landing adds itself; next: rename them")
    return Landing(name, source, tuple(files), len(digests) - len(files))


def look_over_all(lake: Lake, sources: Mapping[str, SourceSettings], rates: Rates | None = None) -> list[Landing]:
    """`look_over` for every source, with one message for all that is missing. Raises as it does, before any write."""
    found, missing = [], []
    for name, source in sources.items():
        try:
            found.append(look_over(lake, name, source, needed=needed_columns(name, sources, rates)))
        except InputMissing as error:
            missing.append(error)
    if missing:
        raise InputMissing("; ".join(map(str, missing)))
    return found


def land(lake: Lake, landing: Landing, *, landed_ts: datetime) -> Hop:
    """Appends the new files, up to FILES_A_COMMIT in one commit, and accounts for their rows from what was committed.

    Raises ContractBroken when a file cannot be read.
    """
    for start in range(0, len(landing.files), FILES_A_COMMIT):
        _append(lake, landing.name, landing.source, landing.files[start : start + FILES_A_COMMIT], landed_ts)
    return _account(lake, landing)


def _account(lake: Lake, landing: Landing) -> Hop:
    """Rows were counted in the files without Spark; what was committed is counted in the table."""
    rows_in = sum(file.rows for _, file in landing.files)
    of_files = F.col("_file_sha256").isin([digest for digest, _ in landing.files])
    committed = lake.read(raw_table(landing.name)).where(of_files).count()
    return Hop(f"{landing.name}: files to {raw_table(landing.name)}", rows_in, committed)


def _known_digests(lake: Lake, table: str) -> set[str]:
    if not lake.exists(table):
        return set()
    return {row[0] for row in lake.read(table).select("_file_sha256").distinct().collect()}


def _append(
    lake: Lake, name: str, source: SourceSettings, files: Sequence[tuple[str, Delivered]], landed_ts: datetime
) -> None:
    awkward = any(re.search(r"[ ,;{}()\n\t=]", column) for _, file in files for column in file.columns)
    app = f"land_files/{name}/{digest_of(sorted(digest for digest, _ in files))}"
    with session_settings(lake.spark, READING | {_COLUMN_MAPPING: "name" if awkward else "none"}):
        try:
            rows = [_with_extra(read_file(lake.spark, file, source), digest, landed_ts) for digest, file in files]
            whole = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), rows)
            extra = [column.name for column in RAW_EXTRA]
            whole = whole.select(*[quoted(column) for column in whole.columns if column not in extra], *extra)
            lake.append(_as_landed_before(lake, name, whole), raw_table(name), app=app, version=1)
        except (PySparkException, Py4JError) as error:
            paths = ", ".join(file.path for _, file in files[:3])
            raise ContractBroken(
                f"source {name!r}: expected readable {source.format} and a raw table at {lake.path(raw_table(name))}, "
                f"actual failure while landing {paths}"
                f"{' and more' if len(files) > 3 else ''}: {_first_cause(error)}; "
                "next: deliver the file again, or look at the folder of the table"
            ) from error


def _with_extra(rows: DataFrame, digest: str, landed_ts: datetime) -> DataFrame:
    return rows.withColumns({"_file_sha256": F.lit(digest), "_landed_ts": F.lit(landed_ts)})


def _as_landed_before(lake: Lake, name: str, rows: DataFrame) -> DataFrame:
    """`rows` with the columns and types of the raw table, if there is one. Raises ContractBroken on a changed type."""
    if not lake.exists(raw_table(name)):
        return rows
    table = {field.name: field.dataType for field in lake.read(raw_table(name)).schema}
    given = {field.name: field.dataType for field in rows.schema}
    changed = [
        f"{c}: expected {table[c].simpleString()}, actual {given[c].simpleString()}"
        for c in given
        if c in table and table[c] != given[c]
    ]
    if changed:
        raise ContractBroken(
            f"source {name!r}: column types differ from the files landed before: {'; '.join(changed)}; next: deliver "
            "the old types, or land under a new source name"
        )
    if new := sorted(set(given) - set(table)):
        log.warning("source %s: new columns %s are left out; the raw table keeps its first columns", name, new)
    return rows.select(*[_column_or_null(c, kind, given).alias(c) for c, kind in table.items()])


def _column_or_null(name: str, kind: T.DataType, given: dict[str, T.DataType]) -> Column:
    return F.col(quoted(name)) if name in given else F.lit(None).cast(kind)


def _first_cause(error: Exception) -> str:
    """The shortest useful line of a Spark failure: its deepest stated cause, without the stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0][:300]
