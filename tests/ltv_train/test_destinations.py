"""A night on its way out: who must not be in it, what the file says, and what is refused."""

import csv
import hashlib
import io
import json
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import export_crm
from ltv_features import contract
from ltv_features.errors import ContractBroken, ExportRefused, InputMissing
from ltv_train.config import ExportSettings
from ltv_train.score import destinations
from ltv_train.score.destinations import Suppressed
from tests.score_world import ELIGIBLE, HORIZONS, NIGHT, copy_world, run_in

TABLE = contract.crm_export(HORIZONS)
NOBODY = Suppressed((), "0" * 64)
NASTY = ('comma, "quoted"', "two\nlines", "carriage\rreturn", "=cmd|' /C calc'!A0", "'=cmd", "+1", "-1", "@a", "ünï→漢")


def settings(folder: Path, listed: str | bytes | None, *, allow_empty: bool = False) -> ExportSettings:
    place = folder / "suppression.csv"
    if listed is not None:
        place.write_bytes(listed.encode() if isinstance(listed, str) else listed)
    return ExportSettings(folder=str(folder), suppression=str(place), allow_empty_suppression=allow_empty)


def rows_of(*users: str) -> list[dict[str, Any]]:
    """One export row a user, worth 1, 2, 3 ... in the longest horizon."""
    kinds: dict[str, Any] = {"string": "x", "float64": 0.5, "int32": 1, "date": NIGHT}
    made = []
    for place, user in enumerate(sorted(users), start=1):
        row = {c.name: kinds.get(c.type) for c in TABLE.columns}
        own = {"user_id": user, "pltv_90": float(place), "value_tier": "high" if place == 1 else "low", "op": "upsert"}
        made.append(row | own | {"top_items": [f"i{place}", 'a "b"'] if place == 1 else None})
    return made


def read_back(folder: Path) -> list[dict[str, str]]:
    content = (folder / "part-00000.csv").read_bytes().decode()
    return list(csv.DictReader(io.StringIO(content, newline=""), strict=True))


def test_the_list_names_users_once_each_as_ids_are_spelt(tmp_path: Path) -> None:
    decomposed = "cafe\u0301"
    listed = f"\ufeffname,user_id\nAnn, anna \nBo,bert\n\nBo,bert\nC,{decomposed}\nD,\n"
    suppressed = destinations.read_suppression(settings(tmp_path, listed))
    assert suppressed.users == ("anna", "bert", "caf\u00e9")
    assert suppressed.sha256 == hashlib.sha256(listed.encode()).hexdigest()


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (None, "no suppression list, no export"),
        (b"user_id\n\xff\xfe\n", "not CSV in UTF-8"),
        ("customer\nanna\n", "expected a column user_id, actual header .'customer'"),
        ("", "expected a column user_id"),
        ("name,user_id\nAnn\n", "line 2 has no user_id"),
        ('user_id\n"anna\nbert\ngus\n', "not CSV"),
        ("user_id\n", "is empty; next: fill it, or say allow_empty_suppression"),
        ("user_id\n\n  \n", "is empty"),
    ],
)
def test_without_a_usable_list_nothing_leaves(listed: str | bytes | None, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=reason):
        destinations.read_suppression(settings(tmp_path, listed))


def test_an_empty_list_passes_where_it_is_meant(tmp_path: Path) -> None:
    assert destinations.read_suppression(settings(tmp_path, "user_id\n", allow_empty=True)).users == ()
    with pytest.raises(ExportRefused, match="no suppression list"):
        destinations.read_suppression(settings(tmp_path / "elsewhere", None, allow_empty=True))


def test_nasty_ids_come_back_as_they_were_and_start_no_formula(tmp_path: Path) -> None:
    destinations.deliver(tmp_path / "one", rows_of(*NASTY), TABLE, {}, NOBODY)
    read = [row["user_id"] for row in read_back(tmp_path / "one")]
    assert not [user for user in read if user.startswith(("=", "+", "-", "@", "\t", "\r"))]
    runs = ("=", "+", "-", "@")
    assert [
        user[1:] if user.startswith("'") and user.lstrip("'").startswith(runs) else user for user in read
    ] == sorted(NASTY)
    content = (tmp_path / "one" / "part-00000.csv").read_bytes()
    assert content.endswith(b"\n")
    assert b"\r\n" not in content


def test_unknown_is_empty_and_a_list_is_json(tmp_path: Path) -> None:
    destinations.deliver(tmp_path / "one", rows_of("anna", "bert"), TABLE, {}, NOBODY)
    first, second = read_back(tmp_path / "one")
    assert tuple(first) == TABLE.column_names
    assert json.loads(first["top_items"]) == ["i1", 'a "b"']
    assert second["top_items"] == ""
    assert [first["pltv_90"], first["as_of"], first["value_decile"]] == ["1.0", "2026-04-01", "1"]


def test_the_manifest_says_what_the_data_are_and_both_are_private(tmp_path: Path) -> None:
    suppressed = Suppressed(("gus", "nobody"), "5" * 64)
    destinations.deliver(tmp_path / "one", rows_of("anna", "bert", "cleo"), TABLE, {"as_of": "2026-04-01"}, suppressed)
    data, manifest = tmp_path / "one" / "part-00000.csv", tmp_path / "one" / "manifest.json"
    told = json.loads(manifest.read_text())
    assert told["files"]["part-00000.csv"] == {
        "rows": 3,
        "bytes": data.stat().st_size,
        "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
    }
    assert (told["rows"], told["as_of"], told["previous_manifest"]) == (3, "2026-04-01", None)
    assert told["counts"]["value_tier"] == {"high": 1, "low": 2}
    assert told["columns"]["pltv_90"] == {"sum": 6.0, "min": 1.0, "max": 3.0, "nulls": 0}
    assert told["suppressed"] == {"listed": 2, "list_sha256": "5" * 64}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, manifest)] == [0o600, 0o600]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["manifest.json", "part-00000.csv"]


def test_the_manifest_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, private = [], destinations._private
    monkeypatch.setattr(
        destinations, "_private", lambda path, content: (written.append(path.name), private(path, content))
    )
    destinations.deliver(tmp_path / "one", rows_of("anna"), TABLE, {}, NOBODY)
    assert written == ["part-00000.csv", "manifest.json"]
    (tmp_path / "one" / "manifest.json").unlink()
    assert not destinations.delivered(tmp_path / "one")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other/one"):
        destinations.deliver(tmp_path / name, rows_of(*NASTY), TABLE, {}, NOBODY)
    for name in ("part-00000.csv", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / "one" / name).read_bytes()


def test_a_file_that_was_changed_after_delivery_is_refused(tmp_path: Path) -> None:
    destinations.deliver(tmp_path / "one", rows_of("anna", "bert"), TABLE, {}, NOBODY)
    assert destinations.delivered(tmp_path / "one")
    data = tmp_path / "one" / "part-00000.csv"
    data.write_bytes(data.read_bytes().replace(b"anna", b"Anna"))
    with pytest.raises(ContractBroken, match=r"part-00000.csv: expected SHA-256"):
        destinations.delivered(tmp_path / "one")
    data.unlink()
    with pytest.raises(ContractBroken, match=r"part-00000.csv.*missing"):
        destinations.delivered(tmp_path / "one")


def test_a_suppressed_user_or_a_user_twice_stops_the_delivery_before_a_byte_is_written(tmp_path: Path) -> None:
    for users, listed in ((("anna", "=gus"), ("=gus",)), (("anna", "anna"), ("gus",))):
        with pytest.raises(ExportRefused, match="nothing was delivered"):
            destinations.deliver(tmp_path / "one", rows_of(*users), TABLE, {}, Suppressed(listed, "5" * 64))
    assert not (tmp_path / "one").exists()


def test_each_manifest_names_the_one_before_it(tmp_path: Path) -> None:
    where = settings(tmp_path, None)
    nights = [date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 2)]
    folders = [destinations.folder_of(where, night, "abc") for night in nights]
    for folder in folders:
        destinations.deliver(folder, rows_of("anna"), TABLE, {}, NOBODY)
    destinations.deliver(folders[1], rows_of("anna"), TABLE, {}, NOBODY)  # again, when a later night is there
    told = [json.loads((folder / "manifest.json").read_text())["previous_manifest"] for folder in folders]
    assert told == [None, "2026-03-30-abc/manifest.json", "2026-03-31-abc/manifest.json"]
    assert folders[0] == tmp_path / "crm" / "2026-03-30-abc"


def test_a_night_delivered_again_with_a_newer_list_follows_its_first_delivery(tmp_path: Path) -> None:
    names = ("2026-03-30-bbb", "2026-03-31-fff", "2026-03-31-aaa", "2026-04-01-ccc")
    for name in names:
        destinations.deliver(tmp_path / name, rows_of("anna"), TABLE, {}, NOBODY)
    told = [json.loads((tmp_path / name / "manifest.json").read_text())["previous_manifest"] for name in names]
    assert told == [None, *(f"{name}/manifest.json" for name in names[:3])]


@pytest.mark.spark
@pytest.mark.slow
def test_the_export_of_a_published_night_leaves_suppressed_users_out_and_runs_once(
    spark: SparkSession, published_world: Path, tmp_path: Path
) -> None:
    run = run_in(copy_world(published_world, tmp_path / "world"), spark)
    export_crm.main(run)
    [folder] = (tmp_path / "world" / "export" / "crm").iterdir()
    assert {row["user_id"] for row in read_back(folder)} == ELIGIBLE - {"gus"}
    rows = {row.user_id: row for row in run.lake.read("crm_export").collect()}
    assert set(rows) == ELIGIBLE - {"gus"}
    assert {(row.currency, row.op, row.top_items) for row in rows.values()} == {("EUR", "upsert", None)}
    key = f"crm|anna|{NIGHT}|{contract.SCHEMA_VERSION}"
    assert rows["anna"].row_key == hashlib.sha256(key.encode()).hexdigest()
    told = json.loads((folder / "manifest.json").read_text())
    assert (told["rows"], told["suppressed"]["listed"]) == (len(ELIGIBLE) - 1, 2)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    version = run.lake.version("crm_export")
    export_crm.main(run_in(tmp_path / "world", spark, run_id="again"))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert run.lake.version("crm_export") == version


@pytest.mark.spark
def test_a_night_that_is_not_published_is_not_exported(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="publish_night"):
        export_crm.main(run_in(tmp_path, spark))
    assert not (tmp_path / "export").exists()
