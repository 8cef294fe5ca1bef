"""Files to raw Delta tables: each file once, by the digest of its content, nothing interpreted.

A raw table has the source's own columns, a column for lines that do not fit (text formats), and RAW_EXTRA. Its columns
are those of the first landing: later files may lack unmapped ones (null) or bring new ones (left out, with a warning).
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features import ledger
from ltv_features.columns import needed_columns, require_columns, root_of, with_optional_keys
from ltv_features.config import Rates
from ltv_features.contract import RAW_EXTRA, RAW_PREFIX
from ltv_features.delivery import READING, DeliveredFile, find_files, look_at, read_file
from ltv_features.digest import digest_of
from ltv_features.errors import ContractBroken, InputMissing, LtvError, RowsUnexplained
from ltv_features.external import commits_of, present
from ltv_features.files import sha256_of
from ltv_features.parsing import quoted
from ltv_features.session import session_settings
from ltv_features.sources import SourceSettings
from ltv_features.tables import Lake

log = logging.getLogger("ltv")

JOB = "land_files"
FILES_A_COMMIT = 64
_LANDED = "landed"
ANEW = "anew"
"""What a commit notes that holds the whole of an external table, not what came since."""
_COLUMN_MAPPING = "spark.databricks.delta.properties.defaults.columnMapping.mode"


@dataclass(frozen=True)
class Landing:
    """A source with its files that are new, by digest, and how many of its files are in the raw table already."""

    name: str
    source: SourceSettings
    files: tuple[tuple[str, DeliveredFile], ...]
    known_files: int


def raw_table(source: str) -> str:
    """The name of the raw table of a source."""
    return RAW_PREFIX + source


def look_over(lake: Lake, name: str, source: SourceSettings, *, needed: Sequence[str]) -> Landing:
    """What is to be landed for a source; nothing is written.

    `needed` are the columns that the configuration speaks of. Raises InputMissing when there is no file, ContractBroken
    when one is not of the format or lacks a needed column.
    """
    known = _known_digests(lake, raw_table(name))
    if source.format == "delta":
        files, landed_before = commits_of(lake.spark, name, source.path, known)
    else:
        digests = {sha256_of(path): path for path in find_files(name, source.path)}
        files = [(digest, look_at(path, source)) for digest, path in digests.items() if digest not in known]
        landed_before = len(digests) - len(files)
    if source.format == "jsonl":
        files = _completed(lake, name, source, files, needed)
    for digest, file in files:
        where = f"source {name!r}, file {file.path}"
        if source.format != "delta" or digest == files[-1][0]:  # an earlier commit may know fewer columns
            require_columns(needed, file.columns, where=where)
        if taken := sorted({column.name for column in RAW_EXTRA} & set(file.columns)):
            raise ContractBroken(f"{where}: columns {taken} bear names that landing adds itself; next: rename them")
    return Landing(name, source, tuple(files), landed_before)


def _completed(
    lake: Lake, name: str, source: SourceSettings, files: Sequence[tuple[str, DeliveredFile]], needed: Sequence[str]
) -> list[tuple[str, DeliveredFile]]:
    """Files of JSON lines with the mapped keys that they leave out; an empty one leaves out all."""
    known = {column for _, file in files for column in file.columns}
    if lake.exists(raw_table(name)):
        known |= {*lake.read(raw_table(name)).columns}
    completed = []
    for digest, file in files:
        columns = with_optional_keys(file.columns, needed, source, known)
        if not file.rows:
            columns = tuple(dict.fromkeys((*columns, *map(root_of, needed))))
        completed.append((digest, replace(file, columns=columns)))
    return completed


def look_over_all(
    lake: Lake, sources: Mapping[str, SourceSettings], rates: Rates | None = None
) -> tuple[list[Landing], list[LtvError]]:
    """`look_over` for every source, and everything that is wrong with them; nothing is written."""
    found: list[Landing] = []
    problems: list[LtvError] = []
    for name, source in sources.items():
        try:
            found.append(look_over(lake, name, source, needed=needed_columns(name, sources, rates)))
        except (InputMissing, ContractBroken) as error:
            problems.append(error)
    return found, problems


def land(lake: Lake, landing: Landing, *, landed_ts: datetime) -> None:
    """Appends the new files, up to FILES_A_COMMIT in one commit.

    Raises ContractBroken when one cannot be read, RowsUnexplained when Spark reads other rows in it than were counted;
    of the files of that commit none is landed then.
    """
    for start in range(0, len(landing.files), FILES_A_COMMIT):
        _append(lake, landing.name, landing.source, landing.files[start : start + FILES_A_COMMIT], landed_ts)


def land_anew(lake: Lake, name: str, source: SourceSettings) -> None:
    """Replaces the raw table of an external Delta table by what that is now, in one commit that says so."""
    _append(lake, name, source, [present(lake.spark, source.path)], datetime.now(UTC), whole=True)


def unaccounted(lake: Lake, *names: str) -> Iterator[tuple[str, ledger.Hop]]:
    """The landings of these sources, oldest first, that the ledger does not know: digest of the files, and account.

    Rows were counted in the files without Spark, and noted with the commit; what was committed is counted in the table.
    """
    known = ledger.digests(lake, job=JOB)
    for name in names:
        table = raw_table(name)
        landings = [landed for note in lake.notes(table) if (landed := note.get(_LANDED))]
        for landed in reversed(landings):
            digest = digest_of(JOB, sorted(landed))
            if digest in known:
                continue
            committed = lake.read(table).where(F.col("_file_sha256").isin(list(landed))).count()
            yield digest, ledger.Hop(f"{name}: files to {table}", sum(landed.values()), committed)


def _known_digests(lake: Lake, table: str) -> set[str]:
    """The files that were landed, as commits note them, so one whose rows were all erased does not come back.

    Where the log of the table does not reach back to its beginning any more, those of the rows that are there too.
    """
    if (version := lake.version(table)) is None:
        return set()
    history = lake.history(table, version)
    noted = {digest for commit in history for digest in commit.note.get(_LANDED, ())}
    if history[-1].version == 0:
        return noted
    return noted | {row[0] for row in lake.read(table).select("_file_sha256").distinct().collect()}


def _append(
    lake: Lake, name: str, source: SourceSettings, files: Sequence[tuple[str, DeliveredFile]], landed_ts: datetime,
    *, whole: bool = False,
) -> None:  # fmt: skip
    awkward = any(re.search(r"[ ,;{}()\n\t=]", column) for _, file in files for column in file.columns)
    app = f"{JOB}/{name}/{digest_of(sorted(digest for digest, _ in files), *(['anew'] if whole else []))}"
    instead = "_row_number >= 0" if whole else None
    note: dict[str, object] = {_LANDED: {digest: file.rows for digest, file in files}} | ({ANEW: True} if whole else {})
    with session_settings(lake.spark, READING | {_COLUMN_MAPPING: "name" if awkward else "none"}):
        try:
            rows = [_with_extra(read_file(lake.spark, f, source), digest, f, landed_ts) for digest, f in files]
            union = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), rows)
            if source.format in ("csv", "jsonl"):
                _hold_read(name, union, files)
            extra = [column.name for column in RAW_EXTRA]
            union = union.select(*[quoted(column) for column in union.columns if column not in extra], *extra)
            union = _as_landed_before(lake, name, union)
            lake.append(union, raw_table(name), app=app, version=1, note=note, instead_of=instead)
        except (PySparkException, Py4JError) as error:
            paths = ", ".join(file.path for _, file in files[:3])
            raise ContractBroken(
                f"source {name!r}: expected readable {source.format} and a raw table at {lake.path(raw_table(name))}, "
                f"actual failure while landing {paths}"
                f"{' and more' if len(files) > 3 else ''}: {_first_cause(error)}; "
                "next: deliver the file again, or look at the folder of the table"
            ) from error


def _hold_read(name: str, rows: DataFrame, files: Sequence[tuple[str, DeliveredFile]]) -> None:
    """Nothing where Spark reads as many rows of each file as were counted in it. Raises RowsUnexplained where not."""
    counts = rows.groupBy("_file_sha256").count().collect()
    read = {row["_file_sha256"]: row["count"] for row in counts}
    other = [(f, read.get(digest, 0)) for digest, f in files if read.get(digest, 0) != f.rows]
    if other:
        wrong = [f"{f.path}: expected {f.rows} rows, actual {rows_read}" for f, rows_read in other]
        raise RowsUnexplained(
            f"source {name!r}: Spark reads other rows than were counted in {len(wrong)} file(s), nothing of them was "
            f"landed: {'; '.join(wrong[:5])}{' and more' if len(wrong) > 5 else ''}; next: deliver the file again, "
            "or correct delimiter, quote, multiline and encoding of the source"
        )


def _with_extra(rows: DataFrame, digest: str, file: DeliveredFile, landed_ts: datetime) -> DataFrame:
    return rows.withColumns({"_file_sha256": F.lit(digest), "_landed_ts": F.lit(file.committed_ts or landed_ts)})


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
    if gone := sorted(column for column in set(table) - set(given) if not column.startswith("_")):
        log.warning(
            "source %s: columns %s are gone and stay empty; without an `event_id` of its own a line is known by all of "
            "its columns, so lines that come again without these count again",
            *(name, gone),
        )
    return rows.select(*[_column_or_null(c, kind, given).alias(c) for c, kind in table.items()])


def _column_or_null(name: str, kind: T.DataType, given: dict[str, T.DataType]) -> Column:
    return F.col(quoted(name)) if name in given else F.lit(None).cast(kind)


def _first_cause(error: Exception) -> str:
    """The shortest useful line of a Spark failure: its deepest stated cause, without the stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0][:300]
