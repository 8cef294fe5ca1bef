"""A run that was cut and resumed ends with the same bits as one that was not."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ltv_features.errors import TrainingFailed
from ltv_train import checkpoint, data, loop
from ltv_train.checkpoint import FolderKeeper
from ltv_train.config import NetworkSettings
from ltv_train.fits import FitResult, Place, frozen, run_all
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world

SETTINGS = NetworkSettings(hidden=16, batch_size=64, steps=15, dropout=0.3, encoder="lstm")


class Killed(Exception):
    """Stands for a process that dies."""


class DyingKeeper(FolderKeeper):
    """Keeps what it is given and dies after some epochs."""

    def __init__(self, folder: str, epochs: int) -> None:
        super().__init__(folder)
        self._left = epochs

    def keep(self, state: dict[str, Any], metrics: dict[str, float]) -> None:
        super().keep(state, metrics)
        self._left -= 1
        if not self._left:
            raise Killed


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> list[NetworkFit]:
    """Two fits of three epochs on 320 examples."""
    folder, rows = write_world(tmp_path_factory.mktemp("shards"), users=320)
    return [
        NetworkFit(f"fit {seed}", folder, SETTINGS, some_encoding(rows), some_anchors(), seed, epochs)
        for seed, epochs in ((1, None), (2, 3))
    ]


def same(ours: list[FitResult], theirs: list[FitResult]) -> bool:
    return all(
        one.steps == other.steps
        and one.curve == other.curve
        and one.examples_read == other.examples_read
        and all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def unbroken(fits: list[NetworkFit], tmp_path_factory: pytest.TempPathFactory) -> list[FitResult]:
    """What comes of them when nothing goes wrong."""
    return run_all(fits, Place(), FolderKeeper(str(tmp_path_factory.mktemp("unbroken"))))


@pytest.mark.parametrize("epochs", [2, 3, 4])
def test_a_resumed_run_ends_with_the_bits_of_an_unbroken_one(
    fits: list[NetworkFit], unbroken: list[FitResult], tmp_path: Path, epochs: int
) -> None:
    with pytest.raises(Killed):
        run_all(fits, Place(), DyingKeeper(str(tmp_path / "broken"), epochs))
    assert same(run_all(fits, Place(), FolderKeeper(str(tmp_path / "broken"))), unbroken)


def test_a_finished_run_is_not_trained_again(fits: list[NetworkFit], tmp_path: Path) -> None:
    first = run_all(fits, Place(), FolderKeeper(str(tmp_path)))
    again = run_all(fits, Place(), DyingKeeper(str(tmp_path), 1))
    assert same(first, again)


def test_every_example_is_read_once_an_epoch_and_seeds_differ(unbroken: list[FitResult]) -> None:
    one, two = unbroken
    assert one.examples_read == [[256]] * len(one.curve)
    assert [row["step"] for row in two.curve] == [5.0, 10.0, 15.0]
    assert (two.epochs, two.steps) == (3, 15)
    assert not torch.equal(one.weights["head.project.weight"], two.weights["head.project.weight"])


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / checkpoint.STATE_FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingFailed, match=r"state\.pt"):
        checkpoint.load(str(tmp_path))


class Effect:
    """Stands for a checkpoint that somebody else has made: to read it back is to run something."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.place,)


def test_a_checkpoint_that_would_run_something_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    effect, state = tmp_path / "effect", tmp_path / checkpoint.STATE_FILE
    torch.save({"step": 1, "model": Effect(effect)}, state)
    with pytest.raises(TrainingFailed, match=r"state\.pt: not readable \(UnpicklingError\)"):
        checkpoint.load(str(tmp_path))
    assert not effect.exists()
    torch.load(state, weights_only=False)
    assert effect.exists(), "else this test sees nothing"


def test_noise_differs_between_ranks_and_epochs_and_comes_back() -> None:
    def drawn(epoch: int, rank: int) -> float:
        checkpoint.seed_epoch(1, epoch, rank)
        return float(torch.rand(()))

    assert drawn(0, 0) == drawn(0, 0)
    assert len({drawn(epoch, rank) for epoch in range(3) for rank in range(3)}) == 9


def test_a_refit_takes_the_median_epochs_of_the_fits_it_names(fits: list[NetworkFit]) -> None:
    done = [{"name": name, "passes": passes} for name, passes in (("a", 2), ("b", 4), ("c", 3), ("other", 9))]
    refit = frozen(replace(fits[0], epochs_of=("a", "b", "c")), done)
    assert (refit.epochs, refit.everybody) == (3, True)
    assert (frozen(fits[0], done).epochs, frozen(fits[0], done).everybody) == (None, False)


def test_a_refit_of_fits_that_ended_within_an_epoch_takes_as_large_a_share_of_its_own(
    fits: list[NetworkFit], tmp_path: Path
) -> None:
    short = replace(fits[0], epochs=None, settings=fits[0].settings.model_copy(update={"steps": 2}))
    [fold] = run_all([short], Place(), FolderKeeper(str(tmp_path / "fold")))
    refit = frozen(replace(short, epochs_of=(fold.name,)), [vars(fold)])
    [made] = run_all([refit], Place(), FolderKeeper(str(tmp_path / "refit")))
    assert (fold.steps, made.examples_planned) == (2, 320)
    assert made.steps == pytest.approx(fold.steps * 320 / 256, abs=0.5)


def test_a_validation_loss_that_is_none_is_no_gain(
    fits: list[NetworkFit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, math.nan, math.nan, math.nan])
    monkeypatch.setattr(loop, "validate", lambda *given: next(losses))
    [made] = run_all([replace(fits[0], epochs=None)], Place(), FolderKeeper(str(tmp_path)))
    assert made.epochs == 1
    assert len(made.curve) > 1


def test_a_refit_learns_from_everybody_and_watches_nobody(fits: list[NetworkFit], tmp_path: Path) -> None:
    manifest = data.load_manifest(fits[0].shards)
    [made] = run_all([fits[0].frozen(2)], Place(), FolderKeeper(str(tmp_path)))
    assert (manifest.examples("train"), manifest.examples("validation")) == (256, 64)
    assert (made.examples_read, made.examples_planned) == ([[320], [320]], 320)
    assert all("validation_loss" not in row for row in made.curve)
