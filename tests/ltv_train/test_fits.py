"""A list of fits: what goes wrong in one is said by name, what is not finite is skipped, and a log can be followed."""

import copy
import logging
import math
import re
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ltv_features.errors import LoaderStuck, ShardsRefused, TrainingFailed
from ltv_train import data, petastorm_compat
from ltv_train.batch import Batch
from ltv_train.checkpoint import FolderKeeper
from ltv_train.config import NetworkSettings, RaySettings, TrainSettings
from ltv_train.fits import Place, run_all
from ltv_train.training import run_name_of
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world

SETTINGS = NetworkSettings(hidden=16, batch_size=64, steps=15)
STEPS_AN_EPOCH = 5


@dataclass(frozen=True)
class SpoiledFit(NetworkFit):
    """A fit some of whose training batches hold a number that is none; counted from 0, validation left out."""

    spoiled: tuple[int, ...] = ()
    seen: tuple[list[int], ...] = ([],)

    def batch(self, columns: Mapping[str, Any], manifest: data.Manifest) -> Batch:
        made = super().batch(columns, manifest)
        if not torch.is_grad_enabled():
            return made
        self.seen[0].append(1)
        if len(self.seen[0]) - 1 in self.spoiled:
            made = copy.copy(made)
            object.__setattr__(made, "aggregates", made.aggregates * math.nan)
        return made


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> NetworkFit:
    """Three epochs of five steps on 256 examples."""
    folder, rows = write_world(tmp_path_factory.mktemp("shards"), users=320)
    made = NetworkFit("fit 1", folder, SETTINGS, some_encoding(rows), some_anchors(), 1, 3)
    plan = data.plan_of(data.load_manifest(folder), "train", rank=0, world=1, batch_size=64, seed=1, epoch=0)
    assert len(plan.steps) == STEPS_AN_EPOCH
    return made


def spoiled(fit: NetworkFit, *steps: int) -> SpoiledFit:
    return SpoiledFit(**vars(fit), spoiled=steps, seen=([],))


def test_a_batch_that_is_not_finite_is_skipped_and_counted_in_the_result(fit: NetworkFit, tmp_path: Path) -> None:
    (made,) = run_all([spoiled(fit, 2, 5)], Place(), FolderKeeper(str(tmp_path)))
    assert (made.skipped_steps, made.steps) == (2, 15)
    assert made.examples_read == [[256]] * 3
    assert all(bool(torch.isfinite(value).all()) for value in made.weights.values())
    assert all(math.isfinite(value) for row in made.curve for value in row.values())


def test_five_in_a_row_end_the_fit_by_name_and_the_last_good_epoch_is_kept(fit: NetworkFit, tmp_path: Path) -> None:
    keeper = FolderKeeper(str(tmp_path))
    bad = range(STEPS_AN_EPOCH, STEPS_AN_EPOCH + 5)
    with pytest.raises(TrainingFailed, match=r"fit 1, epoch 2, rank 0 of 1: step 10: 5 steps in a row"):
        run_all([spoiled(fit, *bad)], Place(), keeper)
    kept = keeper.latest()
    assert kept is not None
    assert kept["done"] == []
    weights = kept["current"]["learner"]["model"]
    assert all(bool(torch.isfinite(value).all()) for value in weights.values())


@pytest.mark.parametrize(("copies", "kind"), [(0, ShardsRefused), (2, ShardsRefused), (None, LoaderStuck)])
def test_a_loader_that_ends_early_doubles_or_hangs_fails_the_epoch_by_name(
    fit: NetworkFit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int | None, kind: type[Exception]
) -> None:
    honest, forever, opened = petastorm_compat.row_groups, threading.Event(), []

    def faulty(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        opened.append(1)
        groups = list(honest(*args, **kwargs))
        if len(opened) <= 4:  # validation, train, validation; then the second epoch
            yield from groups
        elif copies is None:
            forever.wait()
        else:
            yield from groups * copies

    monkeypatch.setattr(petastorm_compat, "row_groups", faulty)
    keeper = FolderKeeper(str(tmp_path))
    with pytest.raises(kind, match=r"^fit 1, epoch \d, rank 0 of 1: .*expected|^fit 1, epoch \d, .*more blocks"):
        run_all([fit], Place(loader_seconds=0.5), keeper)
    kept = keeper.latest()
    assert kept is not None, "the epochs before it are kept"
    forever.set()


def test_every_epoch_has_a_line_with_its_fit_steps_speed_and_time_left(
    fit: NetworkFit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="ltv_train"):
        run_all([fit, replace(fit, name="fit 2", seed=2)], Place(), FolderKeeper(str(tmp_path)))
    said = [record.getMessage() for record in caplog.records if record.name == "ltv_train.fits"]
    assert said[0] == "fit 1 of 2, fit 1: 256 examples an epoch in 5 steps on each of 1 rank(s), remainder 0"
    line = (
        r"fit {0} of 2, fit {0}: epoch {1}, step {2} of 15, loss [\d.]+, validation [\d.]+, [\d,]+ rows/s, .* left .*"
    )
    for number in (1, 2):
        for epoch in (1, 2, 3):
            pattern = line.format(number, epoch, epoch * STEPS_AN_EPOCH)
            assert len([text for text in said if re.fullmatch(pattern, text)]) == 1, said
    assert said[-1].endswith("about 0 s left for all fits")
    assert len(said) == 8


def test_a_share_of_the_steps_is_taken_in_whole_epochs(fit: NetworkFit, tmp_path: Path) -> None:
    shares = {0.5: 10, 0.34: 5, 0.1: 2}
    fits = [replace(fit, name=f"{share}", steps_share=share) for share in shares]
    made = run_all(fits, Place(), FolderKeeper(str(tmp_path)))
    assert [result.steps for result in made] == list(shares.values())


def test_the_name_of_a_run_is_that_of_its_work_and_not_of_its_retries() -> None:
    def name(shards: str = "shards", **ray: Any) -> str:
        return run_name_of(shards, TrainSettings(ray=RaySettings(**ray)))

    retried = [{}, {"max_failures": 9}, {"timeout_seconds": 9}, {"loader_timeout_seconds": 9}, {"address": "auto"}]
    assert len({name(**changed) for changed in retried}) == 1
    others = {name(), name("other shards"), name(workers=3), run_name_of("shards", TrainSettings(seed=2))}
    others.add(run_name_of("shards", TrainSettings(networks={"lstm": NetworkSettings(learning_rate=1e-3)})))
    assert len(others) == 5
    assert re.fullmatch(r"train-[0-9a-f]{16}", name())
