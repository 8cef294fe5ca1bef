"""From a shard set to batches: every example once, nothing damaged or missing goes unnoticed."""

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features.errors import InputMissing, LoaderStuck, ShardsRefused
from ltv_train import data, manifest, petastorm_compat
from ltv_train.data import Manifest, Padded
from ltv_train.plan import Bucket, ShardFile
from tests.shard_builders import write_small_set

LENGTHS = [(7 * number) % 40 for number in range(1500)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """1,500 training, 130 validation and 70 slice examples of 0 to 39 tokens."""
    root = tmp_path_factory.mktemp("shards")
    return data.load_manifest(
        write_small_set(root, {"train": LENGTHS, "validation": LENGTHS[:130], "slice": LENGTHS[:70]})
    )


@pytest.fixture
def fresh(tmp_path: Path) -> Manifest:
    """A small set of its own, to be damaged."""
    return data.load_manifest(write_small_set(tmp_path, {"train": [1, 2, 3] * 60, "slice": [5]}))


def epoch(manifest: Manifest, *, rank: int = 0, world: int = 1, batch_size: int = 128, epoch: int = 0) -> list[Padded]:
    plan = data.plan_of(manifest, "train", rank=rank, world=world, batch_size=batch_size, seed=1, epoch=epoch)
    return list(data.padded_batches(manifest, "train", plan))


def keys(batches: list[Padded]) -> list[int]:
    return [int(key) for batch in batches for key in batch.columns["user_key"][: batch.rows, 0]]


@pytest.mark.parametrize(("world", "batch_size"), [(1, 512), (2, 128), (3, 32)])
def test_the_ranks_read_every_example_once_an_epoch(shards: Manifest, world: int, batch_size: int) -> None:
    for number in range(2):
        ranks = [epoch(shards, rank=rank, world=world, batch_size=batch_size, epoch=number) for rank in range(world)]
        assert Counter(key for rank in ranks for key in keys(rank)) == Counter(range(1, 1501))
        assert len({tuple(batch.length for batch in rank) for rank in ranks}) == 1
        assert all(batch.rows <= batch_size for rank in ranks for batch in rank)


def test_a_rank_without_examples_left_steps_on_one_row_of_weight_zero(fresh: Manifest) -> None:
    lone = epoch(fresh, rank=4, world=5)
    assert [batch.rows for batch in lone] == [0] * len(lone)
    assert [batch.columns["weight"].tolist() for batch in lone] == [[[0.0]]] * len(lone)
    assert keys(lone) == []


def test_the_order_is_fresh_each_epoch_and_the_same_on_a_rerun(shards: Manifest) -> None:
    orders = [keys(epoch(shards, epoch=number)) for number in (0, 1, 0)]
    assert orders[0] == orders[2]
    assert orders[0] != orders[1]


def test_a_step_mixes_blocks_of_several_row_groups(shards: Manifest) -> None:
    stored = data.read_all(shards, "train").examples.user_key.tolist()
    read = keys(epoch(shards, batch_size=512))[:512]
    places = [stored.index(key) for key in read]
    assert max(places) - min(places) > 1024, "further apart than one row group of 16 blocks"


def test_a_small_pool_still_draws_at_random(shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "POOL_BLOCKS", 6)
    stored = data.read_all(shards, "train").examples.user_key.tolist()
    firsts = [stored.index(int(batch.columns["user_key"][0, 0])) for batch in epoch(shards, batch_size=64)]
    steps_back = sum(after < before for before, after in itertools.pairwise(firsts))
    assert steps_back > 5, "blocks leave the pool in another order than they came in"


def test_rows_keep_their_own_values(shards: Manifest) -> None:
    for batch in epoch(shards):
        key = batch.columns["user_key"]
        lengths = batch.columns["length"][:, 0]
        assert lengths.tolist() == [LENGTHS[int(one) - 1] for one in key[:, 0]]
        np.testing.assert_allclose(batch.columns["label_spend_minor"][:, :1], key)
        filled = np.arange(batch.length) < lengths[:, None]
        expected = np.where(filled, key + np.arange(batch.length), 0)
        np.testing.assert_array_equal(batch.columns["item_no"], expected)


def test_read_all_gives_the_examples_of_the_batches(shards: Manifest) -> None:
    arrays = data.read_all(shards, "train")
    assert sorted(arrays.examples.user_key.tolist()) == list(range(1, 1501))
    np.testing.assert_allclose(arrays.labels["orders"][:, 0], arrays.examples.user_key)
    assert arrays.weight.sum() == 1500
    by_key = dict(zip(arrays.examples.user_key.tolist(), arrays.examples.lengths.tolist(), strict=True))
    assert [by_key[key] for key in range(1, 1501)] == LENGTHS


def test_small_buckets_are_merged_into_the_next_longer_one(shards: Manifest) -> None:
    assert [bucket.length for bucket in shards.splits["train"]] == [64]
    assert [bucket.length for bucket in shards.splits["slice"]] == [8, 16, 32, 64]


def test_intact_files_pass(shards: Manifest) -> None:
    data.verify(shards)


def _file(manifest: Manifest) -> Path:
    return Path(manifest.folder) / manifest.splits["train"][0].files[0].path


def test_a_missing_file_is_named(fresh: Manifest) -> None:
    _file(fresh).unlink()
    with pytest.raises(ShardsRefused, match=r"part-00000-0000\.parquet: missing"):
        data.verify(fresh)


def test_an_extra_file_is_named(fresh: Manifest) -> None:
    (_file(fresh).parent / "part-99999-0000.parquet").write_bytes(b"x")
    with pytest.raises(ShardsRefused, match=r"part-99999-0000\.parquet: not in the manifest"):
        data.verify(fresh)


@pytest.mark.parametrize("kept", [0, 100])
def test_a_cut_file_is_named_with_its_size(fresh: Manifest, kept: int) -> None:
    _file(fresh).write_bytes(_file(fresh).read_bytes()[:kept])
    with pytest.raises(ShardsRefused, match=rf"expected \d+ bytes, actual {kept}"):
        data.verify(fresh)


def test_one_flipped_bit_is_named(fresh: Manifest) -> None:
    content = bytearray(_file(fresh).read_bytes())
    content[len(content) // 2] ^= 1
    _file(fresh).write_bytes(content)
    with pytest.raises(ShardsRefused, match="expected SHA-256"):
        data.verify(fresh)


def test_another_schema_version_is_refused(fresh: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SCHEMA_VERSION", 99)
    with pytest.raises(ShardsRefused, match="schema version 1, this code reads 99"):
        data.load_manifest(fresh.folder)


def test_a_folder_without_a_manifest_is_an_input_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        data.load_manifest(str(tmp_path))


@pytest.mark.parametrize(("copies", "message"), [(0, "actual"), (2, "more blocks")])
def test_a_row_group_lost_or_delivered_twice_fails_the_epoch(
    fresh: Manifest, monkeypatch: pytest.MonkeyPatch, copies: int, message: str
) -> None:
    honest = petastorm_compat.row_groups

    def faulty(*args: object, **kwargs: object) -> object:
        groups = list(honest(*args, **kwargs))  # type: ignore[arg-type]
        return (group for group in [*groups[1:], *groups[:1] * copies])

    monkeypatch.setattr(petastorm_compat, "row_groups", faulty)
    with pytest.raises(ShardsRefused, match=message):
        epoch(fresh)


@pytest.mark.slow
def test_a_hundred_epochs_on_two_ranks_lose_and_double_nothing(shards: Manifest) -> None:
    for number in range(100):
        ranks = [epoch(shards, rank=rank, world=2, epoch=number) for rank in range(2)]
        assert Counter(key for rank in ranks for key in keys(rank)) == Counter(range(1, 1501)), number


def test_a_loader_that_gives_nothing_any_more_ends_the_epoch_by_name_in_time(
    shards: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, forever = petastorm_compat.row_groups, threading.Event()

    def stuck(*args: object, **kwargs: object) -> Generator[pa.Table, None, None]:
        yield next(honest(*args, **kwargs))  # type: ignore[arg-type]
        forever.wait()

    monkeypatch.setattr(petastorm_compat, "row_groups", stuck)
    plan = data.plan_of(shards, "train", rank=0, world=1, batch_size=128, seed=1, epoch=0)
    began = time.monotonic()
    with pytest.raises(LoaderStuck, match=r"value/2026-03-01, T=64, share 0 of 1: expected a row group within 0\.4 s"):
        list(data.padded_batches(shards, "train", plan, loader_seconds=0.4))
    assert time.monotonic() - began < 5
    forever.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reading_thread_that_dies_without_a_word_ends_the_epoch_in_time(
    shards: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: object, **given: object) -> None:
        raise SystemExit  # not an Exception: petastorm's thread ends and tells nobody

    monkeypatch.setattr(petastorm_compat._Worker, "process", dies)
    plan = data.plan_of(shards, "train", rank=0, world=1, batch_size=128, seed=1, epoch=0)
    with pytest.raises(LoaderStuck):
        list(data.padded_batches(shards, "train", plan, loader_seconds=0.4))


def test_a_loader_that_fails_says_what_failed(shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: object, **given: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(petastorm_compat._Worker, "process", fails)
    with pytest.raises(OSError, match="the disk is gone"):
        epoch(shards)


def with_an_empty_file(manifest: Manifest) -> Manifest:
    """The same set with a file without a row, rightly listed."""
    bucket = manifest.splits["train"][0]
    empty = "train/T=8/part-00000-9999.parquet"
    path = f"{manifest.folder}/{empty}"
    schema = pq.read_schema(_file(manifest))
    pq.write_table(schema.empty_table(), path)
    content = Path(path).read_bytes()
    assert pq.ParquetFile(path).num_row_groups == 1, "one row group without a row"
    added = ShardFile(empty, hashlib.sha256(content).hexdigest(), len(content), (0,), (0,))
    files = (added, *bucket.files)
    return replace(manifest, splits={**manifest.splits, "train": (Bucket(bucket.length, files),)})


def test_a_shard_without_a_row_is_skipped_with_a_note(fresh: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    emptied = with_an_empty_file(fresh)
    with caplog.at_level("INFO"):
        data.verify(emptied)
    assert "part-00000-9999.parquet holds no row and is skipped" in caplog.text
    for world in (1, 2, 3):
        ranks = [epoch(emptied, rank=rank, world=world) for rank in range(world)]
        assert Counter(key for rank in ranks for key in keys(rank)) == Counter(range(1, 181))
    assert len(data.read_all(emptied, "train").examples.user_key) == 180


def test_more_ranks_than_row_groups_step_alike_and_read_everything_once(fresh: Manifest) -> None:
    assert len(fresh.splits["train"][0].groups) == 4
    ranks = [epoch(fresh, rank=rank, world=7, batch_size=16) for rank in range(7)]
    assert len({len(rank) for rank in ranks}) == 1
    assert Counter(key for rank in ranks for key in keys(rank)) == Counter(range(1, 181))


def test_two_and_four_ranks_read_about_as_much_of_a_small_set(shards: Manifest) -> None:
    for world in (2, 4):
        read = [len(keys(epoch(shards, rank=rank, world=world))) for rank in range(world)]
        assert max(read) <= 1.5 * min(read), read


def test_an_empty_split_is_refused_by_name(fresh: Manifest) -> None:
    with pytest.raises(ShardsRefused, match="'validation' is empty"):
        data.read_all(fresh, "validation")


def test_row_groups_arrive_as_arrow_tables(shards: Manifest) -> None:
    paths = [f"{shards.folder}/{file.path}" for file in shards.splits["train"][0].files]
    group = next(petastorm_compat.row_groups(paths, share=petastorm_compat.Share(0, 1), seed=1))
    assert isinstance(group, pa.Table)
