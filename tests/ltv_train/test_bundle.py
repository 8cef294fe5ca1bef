"""A model folder is whole, unchanged and made for this code, or it is refused."""

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features.errors import BundleRefused, InputMissing
from ltv_train import bundle, bundle_rules
from ltv_train.bundle import Bundle, load, write

CONFIG = {"name": "constant", "horizons_days": [30, 90]}


def some_bundle(parent: Path, *, weight: str = "1.5") -> Bundle:
    return write(parent, kind="naive", config=CONFIG, files={"weights.json": f'{{"w": {weight}}}'.encode()})


def rewrite_digest(folder: Path, name: str) -> None:
    """Makes a changed file look intended, as somebody would who also edits the digests."""
    digests = json.loads((folder / "digests.json").read_bytes())
    digests[name] = bundle.hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "digests.json").write_text(json.dumps(digests))


def test_a_bundle_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = some_bundle(tmp_path)
    found = load(made.path)
    assert (found.kind, found.digest, found.horizons_days) == ("naive", made.path.name, (30, 90))
    assert found.periods_days == [(0, 30), (30, 90)]
    assert found.json_of("weights.json") == {"w": 1.5}
    assert (made.path / "card.md").read_text().startswith("# constant")


def test_the_same_content_is_the_same_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    assert some_bundle(tmp_path).path == some_bundle(tmp_path).path
    assert some_bundle(tmp_path, weight="2.5").digest != some_bundle(tmp_path).digest
    assert len(list(tmp_path.iterdir())) == 2


def test_every_file_left_out_is_named(tmp_path: Path) -> None:
    made = some_bundle(tmp_path / "made")
    names = [place.name for place in made.path.iterdir() if place.name != "digests.json"]
    assert len(names) == 4
    for name in names:
        copy = shutil.copytree(made.path, tmp_path / f"without {name}")
        (copy / name).unlink()
        with pytest.raises(BundleRefused, match=f"{name}: missing"):
            load(copy)


def test_a_folder_without_digests_was_never_finished(tmp_path: Path) -> None:
    made = some_bundle(tmp_path)
    (made.path / "digests.json").unlink()
    with pytest.raises(InputMissing, match="never finished"):
        load(made.path)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    made = some_bundle(tmp_path / "made")
    for place in (place for place in made.path.iterdir() if place.name != "digests.json"):
        content = bytearray(place.read_bytes())
        content[len(content) // 2] ^= 1
        copy = shutil.copytree(made.path, tmp_path / f"flipped {place.name}")
        (copy / place.name).write_bytes(content)
        with pytest.raises(BundleRefused, match=rf"{place.name}: expected SHA-256 \w+..., actual"):
            load(copy)


def test_an_extra_file_is_refused(tmp_path: Path) -> None:
    made = some_bundle(tmp_path)
    (made.path / "extra.json").write_text("{}")
    with pytest.raises(BundleRefused, match=r"extra.json: not in the digests"):
        load(made.path)


def test_a_link_is_refused_because_it_may_lead_out(tmp_path: Path) -> None:
    made = some_bundle(tmp_path)
    outside = tmp_path / "outside.json"
    shutil.move(made.path / "weights.json", outside)
    (made.path / "weights.json").symlink_to(outside)
    with pytest.raises(BundleRefused, match=r"weights.json is a link"):
        load(made.path)


@pytest.mark.parametrize("name", ["../x.json", "/x.json", "a/../x.json", ".x.json", "", "x\0.json", "x" * 80 + ".json"])
def test_a_name_that_could_leave_the_folder_is_never_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleRefused, match="file name"):
        write(tmp_path, kind="naive", config=CONFIG, files={name: b"{}"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["weights.pkl", "weights.pt", "weights"])
def test_a_file_that_could_hold_code_is_never_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleRefused, match="expected one of"):
        write(tmp_path, kind="naive", config=CONFIG, files={name: b"x"})


def test_a_bundle_of_another_contract_is_refused_with_the_difference(tmp_path: Path) -> None:
    made = some_bundle(tmp_path)
    contract = made.json_of("contract.json")
    contract["aggregates"][0] = "recency_weeks"
    (made.path / "contract.json").write_text(json.dumps(contract))
    rewrite_digest(made.path, "contract.json")
    with pytest.raises(BundleRefused, match=r"only in the bundle \['recency_weeks'\].*this code \['recency_days'"):
        load(made.path)


@pytest.mark.parametrize(("ours", "age"), [(2, "an older"), (0, "a newer")])
def test_a_bundle_of_another_schema_version_says_which_one_made_it_and_which_one_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: int, age: str
) -> None:
    made = some_bundle(tmp_path)
    monkeypatch.setattr(bundle_rules, "SCHEMA_VERSION", ours)
    with pytest.raises(BundleRefused, match=rf"schema_version: expected {ours}, .* actual 1, made by {age} version"):
        load(made.path)
    assert load(some_bundle(tmp_path / "again").path).json_of("contract.json")["schema_version"] == ours


@pytest.mark.parametrize(
    ("place", "limit", "complaint"),
    [
        (bundle, "_MAX_FILE_BYTES", r"weights\.json: larger than 1 bytes"),
        (bundle_rules, "_MAX_DIGESTS_BYTES", r"digests\.json is a link or larger than 1 bytes"),
        (bundle_rules, "_MAX_FILES", r"lists 4 files, expected .* at most 1"),
    ],
)
def test_a_bundle_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: ModuleType, limit: str, complaint: str
) -> None:
    made = some_bundle(tmp_path)
    monkeypatch.setattr(place, limit, 1)
    monkeypatch.setattr(bundle, "sha256_of", lambda path: 1 / 0)
    with pytest.raises(BundleRefused, match=complaint):
        load(made.path)


@pytest.mark.parametrize(("limit", "most"), [("_MAX_TABLE_ROWS", 9_999), ("_MAX_TABLE_BYTES", 79_999)])
def test_a_small_file_that_unpacks_to_a_large_table_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    same, stream = pa.table({"number": np.zeros(10_000, np.int64)}), pa.BufferOutputStream()
    pq.write_table(same, stream, compression="zstd", use_dictionary=False)
    packed = stream.getvalue().to_pybytes()
    assert len(packed) < 2_000
    made = write(tmp_path, kind="naive", config=CONFIG, files={"vocab.parquet": packed})
    assert made.table_of("vocab.parquet") == same
    monkeypatch.setattr(bundle_rules, limit, most)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: 1 / 0)
    with pytest.raises(BundleRefused, match=rf"vocab\.parquet: expected at most .*{most}.* actual 10000 and 8\d{{4}};"):
        made.table_of("vocab.parquet")


@pytest.mark.parametrize("content", ["not json", "[]", "{}", '{"../../x": "0"}'])
def test_digests_that_are_no_such_list_are_refused(tmp_path: Path, content: str) -> None:
    made = some_bundle(tmp_path)
    (made.path / "digests.json").write_text(content)
    with pytest.raises(BundleRefused, match=r"digests.json|file name"):
        load(made.path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    made = some_bundle(tmp_path, weight="NaN")
    with pytest.raises(BundleRefused, match="holds NaN"):
        made.json_of("weights.json")


def test_a_number_that_is_too_large_to_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"weights\.json holds 1e999"):
        some_bundle(tmp_path, weight="1e999").json_of("weights.json")


def test_a_copy_has_the_same_digest_and_is_not_written_twice(tmp_path: Path) -> None:
    made = some_bundle(tmp_path / "here")
    first = bundle.copy(made, tmp_path / "there")
    written = (first.path / "config.json").stat().st_mtime_ns
    again = bundle.copy(made, tmp_path / "there")
    assert first.digest == again.digest == made.digest
    assert (again.path / "config.json").stat().st_mtime_ns == written


def test_members_are_bundles_of_their_own_inside(tmp_path: Path) -> None:
    member = some_bundle(tmp_path / "members")
    whole = write(tmp_path, kind="blend", config=CONFIG, files={}, members={"one": member})
    assert whole.member("one").digest == member.digest
    (whole.path / "members" / "one" / "weights.json").write_text("{}")
    with pytest.raises(BundleRefused, match=r"members/one/weights.json: expected SHA-256"):
        load(whole.path)


def test_a_lake_at_an_address_is_refused_before_anything_is_trained() -> None:
    bundle.hold_folder("/shared/lake")
    with pytest.raises(BundleRefused, match=r"s3://bucket/lake: expected a path .* next: mount the store"):
        bundle.hold_folder("s3://bucket/lake")
