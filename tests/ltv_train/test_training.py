"""Every candidate on every origin, without Ray: what is fitted, written and said."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltv_features import files
from ltv_features.errors import ShardsRefused
from ltv_train import data, promotion
from ltv_train.config import BoostingSettings, GateSettings, NetworkSettings, RaySettings, TrainSettings
from ltv_train.judging.backtest import bundle_of
from ltv_train.judging.prediction_files import read_predictions
from ltv_train.money import Money
from ltv_train.origin_work import prepare
from ltv_train.predict import predict
from ltv_train.training import train_all
from ltv_train.value_fit import NetworkFit
from tests.network_world import DAY, some_world, write_splits, write_world

FOLD = date(2026, 2, 1)
CANARY = "canary-0123456789"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "RAY_AUTH_TOKEN")
SETTINGS = TrainSettings(
    networks={
        "small": NetworkSettings(encoder="gru", hidden=16, batch_size=64, steps=8, seeds_in_refit=2),
        "flat": NetworkSettings(encoder="mlp", hidden=16, batch_size=64, steps=4, seeds_in_refit=1),
    },
    boosting=BoostingSettings(trees=5, seeds=1, min_child=5),
    ray=RaySettings(workers=0),
)


@contextmanager
def heard_in(place: Path) -> Iterator[None]:
    """What is logged meanwhile is written into a file."""
    top, handler = logging.getLogger(), logging.FileHandler(place)
    before = top.level
    top.addHandler(handler)
    top.setLevel(logging.INFO)
    try:
        yield
    finally:
        top.setLevel(before)
        top.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A training on a past origin and a night, with two networks; its log lies beside it."""
    root = tmp_path_factory.mktemp("lake")
    for seed, day in enumerate((FOLD, DAY), start=1):
        write_world(root, users=200, seed=seed, day=day)
    origins = [FOLD.isoformat(), DAY.isoformat()]
    out = root / "out"
    with pytest.MonkeyPatch.context() as patch, heard_in(root / "log.txt"):
        for name in SECRETS:
            patch.setenv(name, CANARY)
        told = train_all(str(root), origins, str(out), SETTINGS, storage=str(root / "storage"), run_name="run")
    files.write_json(str(out / "run.json"), told)
    return out, told


def test_no_secret_of_the_environment_is_in_a_bundle_a_checkpoint_the_log_or_the_note_of_the_run(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    written = [place for place in trained[0].parent.rglob("*") if place.is_file()]
    assert {"weights.safetensors", "config.json", "state.pt", "log.txt", "run.json"} <= {each.name for each in written}
    assert "baselines and boosters fitted" in (trained[0].parent / "log.txt").read_text()
    assert [place for place in written if CANARY.encode() in place.read_bytes()] == []


def test_every_network_of_the_settings_is_a_candidate_under_its_name(trained: tuple[Path, dict[str, Any]]) -> None:
    out, told = trained
    assert told["networks"] == ["small", "flat"]
    assert {"small", "flat", "boosting_g", "boosting_e", "spend_rate"} <= set(told["candidates"])
    for name, encoder in (("small", "gru"), ("flat", "mlp")):
        stored = bundle_of(str(out), told, DAY.isoformat(), name)
        assert (stored.config["name"], stored.config["encoder"]) == (name, encoder)


def test_a_network_whose_loss_is_no_number_is_left_out_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, day in enumerate((FOLD, DAY), start=1):
        write_world(tmp_path, users=160, seed=seed, day=day)
    honest = NetworkFit.batch

    def spoilt(self: NetworkFit, *given: Any) -> Any:
        made = honest(self, *given)
        if self.name.startswith("bad "):
            object.__setattr__(made, "aggregates", made.aggregates * np.nan)
        return made

    monkeypatch.setattr(NetworkFit, "batch", spoilt)
    flat = SETTINGS.networks["flat"].model_copy(update={"steps": 8})
    settings = SETTINGS.model_copy(update={"networks": {"bad": flat, "flat": flat}})
    origins = [FOLD.isoformat(), DAY.isoformat()]
    out, storage = str(tmp_path / "out"), str(tmp_path / "storage")
    told = train_all(str(tmp_path), origins, out, settings, storage=storage, run_name="run")
    assert told["networks"] == ["flat"]
    assert "flat" in told["candidates"]
    assert "bad" not in told["candidates"]
    assert told["starts"]["bad"].startswith("left out: bad ")
    assert bundle_of(out, told, DAY.isoformat(), "flat").config["name"] == "flat"


def test_each_network_speaks_for_itself(trained: tuple[Path, dict[str, Any]]) -> None:
    out, _ = trained
    folder = out / "predictions" / DAY.isoformat()
    small, flat = (read_predictions(str(folder / f"{name}.parquet"))[1].mean for name in ("small", "flat"))
    assert small.shape == flat.shape == (40, 2)
    assert not np.allclose(small, flat)


def test_the_refit_takes_its_seeds_and_the_epochs_of_its_own_folds(trained: tuple[Path, dict[str, Any]]) -> None:
    told = trained[1]
    fold, night = (told["curves"][origin] for origin in told["origins"])
    assert {name: len(fits) for name, fits in night.items()} == {"small": 2, "flat": 1}
    assert {name: len(fits) for name, fits in fold.items()} == {"small": 1, "flat": 1}
    for name in told["networks"]:
        chosen = len(fold[name][0])
        assert [len(curve) for curve in night[name]] == [chosen] * len(night[name])


def test_the_refit_learns_from_those_who_stopped_the_folds_too(trained: tuple[Path, dict[str, Any]]) -> None:
    planned = trained[1]["examples_planned"]
    assert {name: planned[FOLD.isoformat()][name][0] for name in planned[FOLD.isoformat()]} == {
        "small": 160,
        "flat": 160,
    }
    assert {name: planned[DAY.isoformat()][name][0] for name in planned[DAY.isoformat()]} == {"small": 200, "flat": 200}


@pytest.mark.parametrize(
    ("spoilt", "said"), [("order", "others than this code's"), ("cut", "manifest.json is not JSON")]
)
def test_shards_of_other_features_or_with_half_a_manifest_are_refused(tmp_path: Path, spoilt: str, said: str) -> None:
    folder, _ = write_world(tmp_path, users=60)
    place = Path(folder) / "manifest.json"
    told = files.read_json(str(place))
    told["aggregates"] = told["aggregates"][::-1]
    place.write_text(json.dumps(told) if spoilt == "order" else place.read_text()[:-40])
    with pytest.raises(ShardsRefused, match=said):
        prepare(folder, SETTINGS, is_refit=True)


def write_quiet_world(root: Path, day: date, *, spenders: int = 0, users: int = 60) -> None:
    """The set of a day after whose cut-offs all but some users spent nothing."""
    examples, labels = some_world(users, signal=1.0, seed=1)
    for name in ("spend_minor", "purchased", "orders"):
        labels[name] = np.where(np.arange(users)[:, None] < spenders, labels[name], 0).astype(labels[name].dtype)
    held = np.arange(users) % 5 == 0
    write_splits(root, examples, labels, {"train": ~held, "validation": held, "slice": held}, day)


def test_where_nobody_spent_after_any_cutoff_the_classical_models_are_the_candidates_and_the_anchor_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (FOLD, DAY):
        write_quiet_world(tmp_path, day)
    origins, out = [FOLD.isoformat(), DAY.isoformat()], tmp_path / "out"
    told = train_all(str(tmp_path), origins, str(out), SETTINGS, storage=str(tmp_path / "storage"), run_name="run")
    assert "nobody spent anything after a cut-off" in caplog.text
    assert (told["origins"], told["networks"]) == ([DAY.isoformat()], [])
    assert "anchor" in told["candidates"]
    assert not [name for name in told["candidates"] if name.startswith("boosting")]
    shards = str(tmp_path / "value" / DAY.isoformat())
    made = promotion.judged(str(out), told, shards, before=None, settings=GateSettings(bootstrap=20))
    assert (made.verdict.promoted, made.verdict.grade) == ("anchor", "U")
    installed = promotion.install(str(out), made, str(tmp_path / "bundles"))
    assert installed is not None
    said = predict(installed, data.read_all(data.load_manifest(shards), "slice").examples)
    assert np.isfinite(said.mean).all()
    assert 0 < said.mean.max() < 12_000  # below twice what anybody had spent: three orders of 20
    assert "anchor" in promotion.report(made, as_of=DAY.isoformat(), money=Money("EUR", 100))


def test_a_past_origin_where_nobody_had_spent_yet_is_left_out(tmp_path: Path) -> None:
    write_quiet_world(tmp_path, FOLD)
    write_quiet_world(tmp_path, DAY, spenders=40)
    origins = [FOLD.isoformat(), DAY.isoformat()]
    fast = SETTINGS.model_copy(update={"networks": {}})
    told = train_all(str(tmp_path), origins, str(tmp_path / "out"), fast, storage=str(tmp_path / "s"), run_name="run")
    assert told["origins"] == [DAY.isoformat()]
    assert {"boosting_g", "boosting_e", "anchor"} <= set(told["candidates"])
