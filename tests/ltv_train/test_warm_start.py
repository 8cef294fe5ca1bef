"""A refit that begins where production ended: which rows it takes, when it may, and what is said when it may not."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs import train
from ltv_features import files
from ltv_features.contract import NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_train import data, distributed, models, promoted
from ltv_train.bundle import copy
from ltv_train.judging.backtest import bundle_of
from ltv_train.latest import latest_run
from ltv_train.models import Shape
from ltv_train.starts import Starts
from ltv_train.training import run_name_of
from ltv_train.value_fit import NetworkFit
from ltv_train.warm_start import Copied, Start, begin
from tests.network_world import some_encoding, some_world
from tests.train_world import NIGHT, run_of, training_of, write_lake

PRODUCTION, FOLD = date(2026, 1, 1), date(2026, 2, 1)
EXAMPLES, _ = some_world(64, signal=1.0, seed=1)


def encoding_of(categories: list[int]) -> Encoding:
    """An encoding that knows these category numbers."""
    whole = some_encoding(EXAMPLES)
    return replace(whole, numbers={**whole.numbers, "category_no": np.array(categories, np.int64)})


def network_of(encoding: Encoding, seed: int) -> Any:
    shape = Shape(encoding.vocabulary_sizes, len(NUMERIC_FIELDS), 5, periods=2, width=16)
    return models.build("lstm", shape, residual=True, seed=seed)


def start_of(encoding: Encoding, seed: int) -> Start:
    return Start("0123", network_of(encoding, seed).state_dict(), encoding.numbers)


TABLE = "encoder.embed.tables.category_no.weight"


def test_vocabulary_rows_go_where_their_keys_stand_now_and_the_rest_by_name() -> None:
    old, new = encoding_of([10, 20, 30, 40]), encoding_of([20, 25, 40, 50])
    start, mine, untouched = start_of(old, 1), network_of(new, 2), network_of(new, 2).state_dict()
    copied = begin(mine, start, new)
    before, after = start.weights[TABLE], mine.state_dict()[TABLE]
    assert torch.equal(after[:2], before[:2]), "padding and unknown keep their places"
    assert torch.equal(after[2], before[3]), "20 was the second known key and is the first now"
    assert torch.equal(after[4], before[5]), "40"
    assert torch.equal(after[[3, 5]], untouched[TABLE][[3, 5]]), "25 and 50 are new"
    assert torch.equal(mine.state_dict()["head.project.weight"], start.weights["head.project.weight"])
    assert copied == Copied(len(untouched), len(untouched), rows=2, of_rows=4)


def test_a_wider_embedding_makes_its_whole_room_begin_at_random() -> None:
    old, new = encoding_of([1, 2, 3]), encoding_of(list(range(1, 60)))
    start, mine, untouched = start_of(old, 1), network_of(new, 2), network_of(new, 2).state_dict()
    begin(mine, start, new)
    after = mine.state_dict()
    inside = [name for name in after if name.startswith("encoder.embed.")]
    assert len(inside) > 3
    assert all(torch.equal(after[name], untouched[name]) for name in inside)
    outside = [name for name in after if name not in inside]
    assert all(torch.equal(after[name], start.weights[name]) for name in outside)
    assert any(name.startswith("encoder.") for name in outside)


def test_a_tensor_of_another_shape_begins_at_random() -> None:
    encoding = encoding_of([1, 2, 3])
    start, mine = start_of(encoding, 1), network_of(encoding, 2)
    other = replace(start, weights={**start.weights, "head.project.bias": torch.zeros(99)})
    untouched = mine.state_dict()["head.project.bias"].clone()
    assert begin(mine, other, encoding).tensors == len(start.weights) - 1
    assert torch.equal(mine.state_dict()["head.project.bias"], untouched)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose production, trained and noted for 1 January, is one of its networks; returns its configuration."""
    nights = {PRODUCTION: [PRODUCTION], NIGHT: [FOLD, NIGHT]}
    config = write_lake(tmp_path_factory.mktemp("shop"), nights, warm_start=True)
    train.main(run_of(config, PRODUCTION))
    root = config.parent / "lake"
    folder, told = latest_run(str(training_of(config, PRODUCTION)))
    assert told["starts"] == {"lstm": "cold: nothing was promoted before 2026-01-01"}
    served = copy(bundle_of(folder, told, str(PRODUCTION), "lstm"), root / "bundles")
    row = {"purpose": "value", "bundle": f"bundles/{served.digest}", "digest": served.digest, "name": "lstm"}
    promoted.note(str(root), row | {"as_of": PRODUCTION})
    promoted.note(str(root), row | {"as_of": date(2026, 3, 2), "bundle": "bundles/later"})  # not for this night
    return config


def note_of(config: Path) -> dict[str, Any]:
    note = promoted.noted_before(str(config.parent / "lake"), NIGHT, "value")
    assert note is not None
    return note


def test_the_refit_starts_warm_and_takes_half_the_steps_and_folds_start_cold(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[NetworkFit] = []
    honest = distributed.run_fits

    def seen(given: list[NetworkFit], **settings: Any) -> Any:
        fits.extend(given)
        return honest(given, **settings)

    monkeypatch.setattr(distributed, "run_fits", seen)
    train.main(run_of(lake))
    _, told = latest_run(str(training_of(lake)))
    assert told["starts"]["lstm"].startswith(f"warm from {note_of(lake)['digest']}: ")
    assert "50% of the steps" in told["starts"]["lstm"]
    assert [fit.start is None for fit in fits] == [True, False, False], "one fold, two seeds of the refit"
    of_fold, of_refit = told["steps"][str(FOLD)]["lstm"], told["steps"][str(NIGHT)]["lstm"]
    assert all(steps < of_fold[0] for steps in of_refit)
    served = files.join(str(lake.parent / "lake"), note_of(lake)["bundle"])
    assert fits[1].start is not None
    assert fits[1].start.digest == Path(served).name
    assert not torch.equal(fits[1].start.weights["head.project.weight"], fits[2].start.weights["head.project.weight"])


def test_the_run_is_another_one_when_it_starts_from_another_production(lake: Path) -> None:
    settings = run_of(lake).settings.train
    names = {run_name_of("shards", settings, digest) for digest in (None, "a", "b")}
    assert len(names) == 3


def a_fit(config: Path, **changes: Any) -> tuple[NetworkFit, data.Manifest]:
    manifest = data.load_manifest(str(config.parent / "lake" / "shards" / str(NIGHT) / "value" / str(NIGHT)))
    settings = run_of(config).settings.train.networks["lstm"].model_copy(update=changes)
    return NetworkFit("lstm", manifest.folder, settings, some_encoding(EXAMPLES), None, 1), manifest  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wanted": False}, "train.warm_start is off"),
        ({"before": None}, "nothing was promoted before 2026-03-01"),
        ({"name": "gru"}, "holds no network 'gru'"),
        ({"encoder": "gru"}, "production's 'lstm' has encoder 'lstm', this one 'gru'"),
        ({"head": "mse"}, "production's 'lstm' has head 'ziln', this one 'mse'"),
        ({"residual_on_anchor": False}, "production's 'lstm' has residual_on_anchor True, this one False"),
        ({"hidden": 32}, "tensors of production have the shape of this one's"),
        ({"oldest": "2025-12-31"}, "the label windows begin at 2025-12-31, before 2026-01-01, up to which production"),
        ({"bundle": "bundles/gone"}, "no digests.json"),
    ],
)
def test_otherwise_it_starts_cold_and_says_why(lake: Path, change: dict[str, Any], reason: str) -> None:
    note: dict[str, Any] | None = note_of(lake) | {name: value for name, value in change.items() if name == "bundle"}
    starts = Starts(str(lake.parent / "lake"), change.get("before", note), change.get("wanted", True))
    settings = ("encoder", "head", "residual_on_anchor", "hidden")
    fit, manifest = a_fit(lake, **{name: value for name, value in change.items() if name in settings})
    if "oldest" in change:
        first = replace(manifest.cutoffs[0], date=change["oldest"])
        manifest = replace(manifest, cutoffs=(first, *manifest.cutoffs))
    name = change.get("name", "lstm")
    assert starts.of(name, [fit], manifest) == [fit]
    assert starts.reasons[name].startswith("cold: ")
    assert reason in starts.reasons[name]


def test_a_night_never_starts_from_a_model_that_came_after_it(lake: Path) -> None:
    root = str(lake.parent / "lake")
    assert promoted.noted_before(root, PRODUCTION, "value") is None
    assert note_of(lake)["as_of"] == str(PRODUCTION)
    later = promoted.noted_before(root, date(2026, 4, 1), "value")
    assert later is not None
    assert later["bundle"] == "bundles/later"
