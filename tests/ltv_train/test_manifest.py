"""What lies beside the splits of a shard set is that of the build, or nobody reads it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features.errors import ShardsRefused
from ltv_train import data, promotion
from ltv_train.config import GateSettings
from ltv_train.data import Manifest
from tests.shard_builders import write_small_set

OUTCOMES = "outcomes.parquet"
PARTS = [pa.table({"user_key": [1, 2]}), pa.table({"user_key": [3]})]


@pytest.fixture
def fresh(tmp_path: Path) -> Manifest:
    """A set with both of its tables, to be damaged."""
    tables = {"users.parquet": PARTS, OUTCOMES: PARTS}
    return data.load_manifest(write_small_set(tmp_path, {"train": [1, 2], "slice": [5]}, tables=tables))


def flip(place: Path) -> None:
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)


def test_tables_that_nobody_touched_are_read_as_their_tasks_left_them(fresh: Manifest) -> None:
    data.verify(fresh)
    assert sorted(fresh.tables) == [OUTCOMES, "users.parquet"]
    for name in fresh.tables:
        assert data.read_table(fresh, name) == pa.concat_tables(PARTS)


@pytest.mark.parametrize("name", ["users.parquet", OUTCOMES])
def test_one_flipped_bit_of_a_table_is_named(fresh: Manifest, name: str) -> None:
    flip(Path(fresh.folder, name))
    for reads in (lambda: data.verify(fresh), lambda: data.read_table(fresh, name)):
        with pytest.raises(ShardsRefused, match=rf"{name}: expected SHA-256 \w+\.\.\., actual"):
            reads()


def test_a_table_of_another_build_is_named(fresh: Manifest) -> None:
    pq.write_table(PARTS[0], Path(fresh.folder, OUTCOMES))
    for reads in (lambda: data.verify(fresh), lambda: data.read_table(fresh, OUTCOMES)):
        with pytest.raises(ShardsRefused, match=rf"{OUTCOMES}: expected \d+ bytes, actual \d+"):
            reads()


def test_a_table_that_is_missing_is_named(fresh: Manifest) -> None:
    Path(fresh.folder, OUTCOMES).unlink()
    with pytest.raises(ShardsRefused, match=rf"{OUTCOMES}: missing"):
        data.verify(fresh)


@pytest.mark.parametrize("listed", [{}, None])
def test_a_table_that_no_manifest_lists_is_not_read(fresh: Manifest, listed: dict[str, str] | None) -> None:
    """Such as those of a build before tables were listed."""
    place = Path(fresh.folder, "manifest.json")
    told = json.loads(place.read_bytes())
    told.pop("tables")
    place.write_text(json.dumps(told if listed is None else told | {"tables": listed}))
    without = data.load_manifest(fresh.folder)
    for reads in (lambda: data.verify(without), lambda: data.read_table(without, OUTCOMES)):
        with pytest.raises(ShardsRefused, match=rf"(?s){OUTCOMES}: not in the manifest.*next: run build_examples"):
            reads()


def test_no_candidate_is_judged_by_outcomes_that_were_changed(fresh: Manifest) -> None:
    flip(Path(fresh.folder, OUTCOMES))
    run = {"origins": ["2026-02-01", "2026-03-01"]}
    with pytest.raises(ShardsRefused, match=OUTCOMES):
        promotion.judged("nowhere", run, fresh.folder, before=None, settings=GateSettings())
