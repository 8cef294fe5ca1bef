"""Delivered files (CSV, JSON lines, Parquet; plain or .gz) as Spark frames, one a file, with each row's place.

What can be wrong with a file is found here, on the driver, before Spark starts: nothing there, another format, no
header. Text stays text; only Parquet has types. Its timestamps without a zone are read as UTC, nanoseconds become
microseconds.
"""

import csv
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ltv_features.csv_records import LF, MAX_FIELD, records_in
from ltv_features.errors import ContractBroken, InputMissing, LtvError
from ltv_features.files import exists, join
from ltv_features.json_records import objects_in
from ltv_features.parsing import quoted
from ltv_features.sources import SourceSettings

CORRUPT = "_corrupt"
"""Extra raw column of text formats: the line as delivered where it does not fit the header, is no JSON or would be
misread."""

READING = {
    # One task reads one text file, so that a row's place in its file is its place in the task.
    "spark.sql.files.maxPartitionBytes": str(1 << 60),
    "spark.sql.files.minPartitionNum": "1",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.legacy.javaCharsets": "true",
    # Raw tables of several files are read by several tasks afterwards.
    "spark.sql.files.maxRecordsPerFile": "250000",
}


@dataclass(frozen=True)
class DeliveredFile:
    """One file: its path for Spark and fsspec, its own columns in order, its rows; of Parquet what to convert, of CSV
    how its lines end, of JSON the lines that Spark would misread, by row number.

    Of an external Delta table one commit after another is delivered: `version`, its `parts` (None: all of the table at
    that version) and when it was committed.
    """

    path: str
    columns: tuple[str, ...]
    rows: int
    nanoseconds: frozenset[str] = frozenset()
    zoneless: frozenset[str] = frozenset()
    misread: Mapping[int, str] = field(default_factory=dict)
    version: int | None = None
    parts: tuple[str, ...] | None = None
    committed_ts: datetime | None = None
    line_end: str = LF


def find_files(source: str, path: str) -> list[str]:
    """The files that `path` (a file, folder or glob) names, sorted; names that start with `.` or `_` are left out.

    Raises InputMissing when there are none.
    """
    fs, place = fsspec.url_to_fs(path)
    if fs.isdir(place):
        found = [file for file in fs.find(place) if _is_visible(file[len(place) :])]
    elif fs.isfile(place):
        found = [place]
    else:
        found = [file for file in fs.glob(place) if fs.isfile(file)] if re.search(r"[*?\[]", place) else []
    if not found:
        raise InputMissing(f"source {source!r}: no file at {path}; next: check sources.{source}.path")
    scheme = path.split("://")[0] + "://" if "://" in path else ""
    return sorted(scheme + file for file in found)


def missing_paths(sources: Mapping[str, SourceSettings]) -> list[LtvError]:
    """An error for each source that has nothing at its path; of Delta tables at an address only Spark can tell."""
    problems: list[LtvError] = []
    for name, source in sources.items():
        if source.format == "delta":
            if "://" not in source.path and not exists(join(source.path, "_delta_log")):
                problems.append(no_table(name, source.path))
            continue
        try:
            find_files(name, source.path)
        except InputMissing as error:
            problems.append(error)
    return problems


def no_table(source: str, path: str) -> InputMissing:
    """What is said where a source of Delta has no table."""
    return InputMissing(f"source {source!r}: no Delta table at {path}; next: check sources.{source}.path")


def look_at(path: str, source: SourceSettings) -> DeliveredFile:
    """What the file holds, read without Spark. Raises ContractBroken when it is not of the format or ends too early."""
    try:
        if source.format == "parquet":
            return _look_at_parquet(path)
        if source.format == "csv":
            return _look_at_csv(path, source)
        return _look_at_json(path, source)
    except OSError as error:
        raise InputMissing(f"{path}: cannot be read ({error}); next: deliver the file again") from error
    except (ValueError, EOFError, csv.Error, zlib.error, pa.ArrowInvalid) as error:
        raise ContractBroken(
            f"{path}: expected {source.format}, actual content is not: {error}; next: check the source's format, "
            "delimiter and encoding, or deliver the file again"
        ) from error


def read_file(spark: SparkSession, file: DeliveredFile, source: SourceSettings) -> DataFrame:
    """The file's rows: its own columns and `_row_number`, rising from 0; text formats add CORRUPT."""
    if source.format == "delta":
        return read_commit(spark, file)
    place = re.sub(r"([\\{}\[\]*?^])", r"\\\1", file.path)
    reader = spark.read
    if source.format == "parquet":
        own = [_parquet_column(name, file) for name in file.columns]
        return reader.parquet(place).select(*own, F.col("_metadata.row_index").alias("_row_number"))
    reader = reader.schema(", ".join(f"{quoted(name)} string" for name in (*file.columns, CORRUPT)))
    reader = reader.options(mode="PERMISSIVE", columnNameOfCorruptRecord=CORRUPT)
    if source.format == "csv":
        look = source.csv
        frame = reader.csv(
            place, header=True, multiLine=look.multiline, sep=look.delimiter, quote=look.quote, escape=look.quote,
            encoding=look.encoding, enforceSchema=True, maxCharsPerColumn=MAX_FIELD, lineSep=file.line_end,
        )  # fmt: skip
    else:
        frame = reader.json(place)
    place_in_task = F.monotonically_increasing_id().bitwiseAND((1 << 33) - 1)
    rows = frame.select("*", place_in_task.alias("_row_number"))
    if file.misread:
        lines = F.create_map(*[F.lit(word) for pair in file.misread.items() for word in pair])
        rows = rows.withColumn(CORRUPT, F.coalesce(F.try_element_at(lines, F.col("_row_number").cast("int")), CORRUPT))
    return rows


def read_commit(spark: SparkSession, commit: DeliveredFile) -> DataFrame:
    """The rows that a commit of an external table brought, numbered as they are read, once, for the landing."""
    rows = spark.read.format("delta").option("versionAsOf", str(commit.version)).load(commit.path)
    if commit.parts is not None:
        rows = spark.read.schema(rows.schema).option("basePath", commit.path).parquet(*commit.parts)
    own = [F.col(quoted(name)) for name in commit.columns]
    return rows.select(*own, F.monotonically_increasing_id().alias("_row_number"))


def _is_visible(relative: str) -> bool:
    return not any(part.startswith((".", "_")) for part in relative.split("/") if part)


def _look_at_csv(path: str, source: SourceSettings) -> DeliveredFile:
    look = source.csv
    encoding = "utf-8-sig" if look.encoding.upper() == "UTF-8" else look.encoding
    with fsspec.open(path, "rt", compression="infer", encoding=encoding, errors="replace", newline="\n") as stream:
        found = records_in(stream, delimiter=look.delimiter, quote=look.quote, multiline=look.multiline)
    if not found.header:
        raise ValueError("it is empty, not even a header line")
    if any("\0" in name for name in found.header):
        raise ValueError("its header holds NUL bytes")
    names = _distinct([name.strip() or f"_column_{place}" for place, name in enumerate(found.header)])
    return DeliveredFile(path, names, found.rows, line_end=found.line_end)


def _look_at_json(path: str, source: SourceSettings) -> DeliveredFile:
    with fsspec.open(path, "rt", compression="infer", encoding="utf-8-sig") as stream:
        found = objects_in(stream, source.ids)
    return DeliveredFile(path, _distinct(found.keys), found.rows, misread=found.misread)


def _look_at_parquet(path: str) -> DeliveredFile:
    with fsspec.open(path, "rb") as stream:
        footer = pq.ParquetFile(stream)
        schema = footer.schema_arrow
        stored = {
            footer.schema.column(i).path: footer.schema.column(i).physical_type for i in range(len(footer.schema))
        }
    times = {field.name: field.type for field in schema if pa.types.is_timestamp(field.type)}
    return DeliveredFile(
        path,
        _distinct(list(schema.names)),
        footer.metadata.num_rows,
        # the older INT96 form is read by Spark as it is
        nanoseconds=frozenset(c for c, kind in times.items() if kind.unit == "ns" and stored.get(c) == "INT64"),
        zoneless=frozenset(c for c, kind in times.items() if kind.tz is None),
    )


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise ValueError(f"column names must differ by more than case: {twice}")
    return tuple(names)


def _parquet_column(name: str, file: DeliveredFile) -> Column:
    column = F.col(quoted(name))
    if name in file.nanoseconds:
        return F.timestamp_micros(_micros(column)).alias(name)
    return column.cast("timestamp").alias(name) if name in file.zoneless else column


def _micros(nanoseconds: Column) -> Column:
    """Whole microseconds, rounded down also before 1970."""
    return F.call_function("div", nanoseconds - F.pmod(nanoseconds, F.lit(1000)), F.lit(1000))
