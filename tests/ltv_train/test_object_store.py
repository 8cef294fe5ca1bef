"""Shards on an object store: everything that works on a folder works on an address, through fsspec's memory store."""

from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import fsspec
import pytest
import torch

from ltv_features import files
from ltv_features.errors import ShardsRefused
from ltv_train import data, distributed
from ltv_train.config import NetworkSettings, RaySettings
from ltv_train.data import Manifest
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world
from tests.shard_builders import write_small_set


@pytest.fixture
def bucket() -> Iterator[str]:
    """An address of its own, emptied afterwards."""
    address = f"memory://{uuid4().hex}"
    yield address
    files.remove_folder(address)


@pytest.fixture
def shards(bucket: str) -> Manifest:
    """1,500 training and 70 slice examples."""
    return data.load_manifest(write_small_set(bucket, {"train": [n % 40 for n in range(1500)], "slice": [3] * 70}))


@pytest.mark.parametrize(("world", "batch_size"), [(1, 512), (3, 32)])
def test_the_ranks_read_every_example_once_an_epoch(shards: Manifest, world: int, batch_size: int) -> None:
    data.verify(shards)
    read: Counter[int] = Counter()
    for rank in range(world):
        plan = data.plan_of(shards, "train", rank=rank, world=world, batch_size=batch_size, seed=1, epoch=0)
        for batch in data.padded_batches(shards, "train", plan):
            read.update(int(key) for key in batch.columns["user_key"][: batch.rows, 0])
    assert read == Counter(range(1, 1501))
    assert sorted(data.read_all(shards, "train").examples.user_key.tolist()) == list(range(1, 1501))


def _first(shards: Manifest) -> str:
    return files.join(shards.folder, shards.splits["train"][0].files[0].path)


def test_files_that_are_missing_extra_cut_or_changed_are_named(shards: Manifest) -> None:
    whole = files.read_bytes(_first(shards))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content, said in ((whole[:100], "actual 100"), (b"", "actual 0"), (bytes(flipped), "expected SHA-256")):
        files.write_bytes(_first(shards), content)
        with pytest.raises(ShardsRefused, match=said):
            data.verify(shards)
    files.write_bytes(_first(shards), whole)
    data.verify(shards)
    files.write_bytes(files.join(shards.folder, "train/T=64/part-9.parquet"), whole)
    with pytest.raises(ShardsRefused, match=r"part-9\.parquet: not in the manifest"):
        data.verify(shards)
    files.remove_folder(files.join(shards.folder, "train/T=64/part-9.parquet"))
    files.remove_folder(_first(shards))
    with pytest.raises(ShardsRefused, match="missing"):
        data.verify(shards)


def test_a_fit_reads_and_keeps_its_epochs_there_and_gives_the_bits_of_a_folder(bucket: str, tmp_path) -> None:
    made = []
    for root in (bucket, str(tmp_path)):
        folder, rows = write_world(root, users=320)
        settings = NetworkSettings(hidden=16, batch_size=128, steps=9)
        fit = NetworkFit("fit", folder, settings, some_encoding(rows), some_anchors(), 1, 3)
        runs = files.join(root, "runs")
        none = RaySettings(workers=0)
        made.append(distributed.run_fits([fit], ray_settings=none, storage_path=runs, run_name="a")[0])
        assert files.exists(files.join(runs, "a", "state.pt"))
    there, here = made
    assert there.examples_read == here.examples_read == [[256]] * 3
    assert all(torch.equal(there.weights[name], here.weights[name]) for name in here.weights)
    assert fsspec.url_to_fs(bucket)[0].protocol == "memory"
