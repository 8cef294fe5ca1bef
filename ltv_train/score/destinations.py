"""A published night leaves the building: rows of a destination, one CSV with its manifest, and the Delta table.

Every row is an `upsert` of a whole night; sending changes only, with clears and deletes, is not built yet. Order of the
last step: suppression, then eligibility (only scored users are there), then the checks on the written file.
"""

import csv
import hashlib
import io
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import files
from ltv_features.contract import SCHEMA_VERSION, Table
from ltv_features.errors import ContractBroken, ExportRefused, InputMissing, LtvError
from ltv_features.ledger import Hop
from ltv_features.parsing import BLANKS
from ltv_train.config import ExportSettings

DATA, MANIFEST = "part-00000.csv", "manifest.json"
_NIGHT_SIGNS = len("2026-01-01")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Suppressed:
    """Who must not be exported, and the digest of the list that says so."""

    users: tuple[str, ...]
    sha256: str


def read_suppression(settings: ExportSettings) -> Suppressed:
    """The suppression list as it is now. Raises ExportRefused when it is missing, malformed, or empty without leave."""
    try:
        content = files.read_bytes(settings.suppression)
    except InputMissing as error:
        raise ExportRefused(
            f"no suppression list, no export: {settings.suppression} cannot be read; next: write it, a CSV with a "
            "column user_id; where nobody asked to be left alone only that header, and allow_empty_suppression = true"
        ) from error
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ExportRefused(f"suppression list {settings.suppression}: not CSV in UTF-8: {error}") from error
    if not rows or "user_id" not in rows[0]:
        header = rows[0] if rows else []
        raise ExportRefused(
            f"suppression list {settings.suppression}: expected a column user_id, actual header {header}"
        )
    place = rows[0].index("user_id")
    short = [number for number, row in enumerate(rows[1:], start=2) if row and len(row) <= place]
    if short:
        raise ExportRefused(f"suppression list {settings.suppression}: line {short[0]} has no user_id")
    users = tuple(sorted({_as_ingested(row[place]) for row in rows[1:] if row} - {""}))
    if not users and not settings.allow_empty_suppression:
        raise ExportRefused(
            f"suppression list {settings.suppression} is empty; next: fill it, or say allow_empty_suppression = true"
        )
    return Suppressed(users, hashlib.sha256(content).hexdigest())


def suppression_problems(settings: ExportSettings) -> list[LtvError]:
    """What would refuse the export at the end of the night, said at its beginning; the export reads the list again."""
    try:
        read_suppression(settings)
    except ExportRefused as error:
        return [error]
    return []


def _as_ingested(user_id: str) -> str:
    """The id in the one spelling that ingest gives ids: composed, trimmed of the same blanks."""
    return unicodedata.normalize("NFC", user_id).strip(BLANKS)


def export_rows(
    scores: DataFrame, recommendations: DataFrame | None, table: Table, *, settings: ExportSettings, currency: str,
    suppressed: Suppressed,
) -> DataFrame:  # fmt: skip
    """The rows of the export, in the contract's columns, without suppressed users."""
    rows = scores.join(F.broadcast(_blocked(scores, suppressed)), on="user_id", how="left_anti")
    if recommendations is None or not settings.top_items:
        rows = rows.withColumn("top_items", F.lit(None).cast("array<string>"))
    else:
        ids = F.transform("items", lambda item: item["item_id"])
        top = recommendations.select("user_id", F.slice(ids, 1, settings.top_items).alias("top_items"))
        rows = rows.join(top, on="user_id", how="left")
    key = F.concat_ws(
        "|", F.lit(settings.destination), "user_id", F.col("as_of").cast("string"), F.lit(str(SCHEMA_VERSION))
    )
    own = {"currency": F.lit(currency), "op": F.lit("upsert"), "row_key": F.sha2(key, 256)}
    return rows.withColumns(own).select(*table.column_names)


def _blocked(scores: DataFrame, suppressed: Suppressed) -> DataFrame:
    return scores.sparkSession.createDataFrame([(user,) for user in suppressed.users], "user_id string")


def hop(scores: DataFrame, written: int, suppressed: Suppressed) -> Hop:
    """The account of an export: a scored user is written or suppressed."""
    held = scores.join(F.broadcast(_blocked(scores, suppressed)), on="user_id", how="left_semi").count()
    return Hop("scores to export", scores.count(), written, {"suppressed": held})


def folder_of(settings: ExportSettings, night: date, input_digest: str) -> Path:
    """Where one run of one destination lies."""
    return Path(settings.folder) / settings.destination / f"{night}-{input_digest}"


def delivered(folder: Path) -> bool:
    """Whether the export is there, whole. Raises ContractBroken when a file is not the one of its manifest."""
    if not (folder / MANIFEST).exists():
        return False
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, facts in manifest["files"].items():
        whole = (folder / name).is_file()
        actual = hashlib.sha256((folder / name).read_bytes()).hexdigest() if whole else "a missing file"
        if actual != facts["sha256"]:
            raise ContractBroken(
                f"export {folder / name}: expected SHA-256 {facts['sha256'][:16]}..., actual {actual[:16]}..."
            )
    return True


def deliver(
    folder: Path, rows: Sequence[Mapping[str, Any]], table: Table, facts: Mapping[str, Any], suppressed: Suppressed
) -> None:
    """Writes the data and, last, the manifest. Raises ExportRefused when what was written is not what was meant."""
    content = as_csv(rows, table.column_names)
    _check(content, rows, suppressed, table)
    folder.mkdir(parents=True, exist_ok=True)
    _private(folder / DATA, content)
    manifest = dict(facts) | {
        "schema_version": SCHEMA_VERSION,
        "files": {DATA: {"rows": len(rows), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}},
        "rows": len(rows),
        "counts": {name: _counted(rows, name) for name in ("op", "value_tier", "score_source")},
        "columns": {name: _column(rows, name) for name in table.column_names if _is_number(rows, name)},
        "suppressed": {"listed": len(suppressed.users), "list_sha256": suppressed.sha256},
        "previous_manifest": _previous(folder),
    }
    _private(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n")


def as_csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """RFC 4180 in UTF-8 with header and LF; empty is unknown; text that a spreadsheet would run gets a quote first."""
    lines = [_line(names), *(_line([_cell(row[name]) for name in names]) for row in rows)]
    return "".join(lines).encode()


def _line(cells: Sequence[str]) -> str:
    """One row; the writer is told CR LF, because it quotes only those line ends that it would write itself."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return _guarded(json.dumps(value, ensure_ascii=False))
    return _guarded(value) if isinstance(value, str) else str(value)


def _guarded(text: str) -> str:
    """Reversible: a text that looks guarded already is guarded once more, so no two users become one."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _check(content: bytes, rows: Sequence[Mapping[str, Any]], suppressed: Suppressed, table: Table) -> None:
    """Reads the file back: one row a user, all there, nobody who is suppressed."""
    read = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    users = [row["user_id"] for row in read]
    meant = [_guarded(row["user_id"]) for row in rows]
    leaked = {_guarded(user) for user in suppressed.users} & set(users)
    if users != meant or len(set(users)) != len(users) or leaked:
        raise ExportRefused(
            f"the written file does not hold what was meant: {len(users)} rows of {len(set(users))} users, expected "
            f"{len(meant)}; {len(leaked)} suppressed users in it; nothing was delivered"
        )
    if read and tuple(read[0]) != table.column_names:
        raise ExportRefused(f"the written header is {tuple(read[0])}, expected {table.column_names}")


def _private(path: Path, content: bytes) -> None:
    """All or nothing, readable by its owner only."""
    hidden = path.with_name(f".{path.name}-{os.getpid()}")
    with open(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    hidden.replace(path)


def _previous(folder: Path) -> str | None:
    """The manifest of the latest earlier delivery to the same destination: a gap in this chain is a lost night.

    A night may be delivered again with a newer list; such folders differ by digest, so the chain itself says the order.
    """
    night = folder.name[:_NIGHT_SIGNS]
    named = {
        path.parent.name: json.loads(path.read_text())["previous_manifest"]
        for path in folder.parent.glob(f"*/{MANIFEST}")
        if path.parent != folder and path.parent.name[:_NIGHT_SIGNS] <= night
    }
    later = {folder.name}
    while more := {name for name, before in named.items() if before and before.split("/")[0] in later} - later:
        later |= more
    heads = named.keys() - later - {before.split("/")[0] for name, before in named.items() if before}
    return f"{max(heads)}/{MANIFEST}" if heads else None


def _counted(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    values = [str(row[name]) for row in rows]
    return {value: values.count(value) for value in sorted(set(values))}


def _is_number(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row[name], float) for row in rows)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    values = [row[name] for row in rows if row[name] is not None]
    return {"sum": round(sum(values), 6), "min": min(values), "max": max(values), "nulls": len(rows) - len(values)}
