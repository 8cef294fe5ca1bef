"""The search over settings: what may be tried, what is adopted, and trials that are stopped early on Ray Tune."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from ray.tune.schedulers import TrialScheduler

from ltv_train.config import NetworkSettings, RaySettings, TrainSettings
from ltv_train.network_settings import MOST_EPOCHS
from ltv_train.search import MANY_EXAMPLES, Trial, judged, with_changes
from ltv_train.search_settings import SearchSettings
from ltv_train.tune import _scheduler, run_search
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world

USUAL = Trial({}, (1.0, 1.0), 3)


def test_a_setting_that_is_better_everywhere_is_adopted() -> None:
    found = judged([USUAL, Trial({"hidden": 16}, (0.99, 0.97), 3), Trial({"hidden": 32}, (0.98, 0.96), 3)], 1_000)
    assert found.changed == {"hidden": 32}
    assert found.reason == "lower validation loss by +0.0200, +0.0400 at 2 past origin(s)"


def test_on_a_small_log_a_setting_that_is_better_at_one_origin_only_is_luck() -> None:
    lucky = Trial({"hidden": 16}, (0.90, 1.01), 3)
    assert judged([USUAL, lucky], MANY_EXAMPLES - 1).changed == {}
    assert judged([USUAL, lucky], MANY_EXAMPLES).changed == {"hidden": 16}


def test_on_a_small_log_one_origin_tells_no_gain_from_luck() -> None:
    once = [Trial({}, (1.0,), 3), Trial({"hidden": 16}, (0.5,), 3)]
    found = judged(once, MANY_EXAMPLES - 1)
    assert (found.changed, "one past origin" in found.reason) == ({}, True)
    assert judged(once, MANY_EXAMPLES).changed == {"hidden": 16}


def test_nothing_better_leaves_the_settings_as_they_are() -> None:
    found = judged([USUAL, Trial({"hidden": 16}, (1.0, 1.0), 3)], MANY_EXAMPLES)
    assert (found.adopted, found.changed) == (0, {})


def test_changes_are_checked_like_settings_that_a_person_wrote() -> None:
    assert with_changes(NetworkSettings(layers=2), {"hidden": 32}) == NetworkSettings(layers=2, hidden=32)
    with pytest.raises(ValidationError, match="dropout"):
        with_changes(NetworkSettings(), {"dropout": 2.0})


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ({}, "nothing to try"),
        ({"dropout": [0.3, 0.1]}, "below the second"),
        ({"learning_rate": [0.0, 0.1]}, "greater than 0"),
        ({"encoder": ["lsmt"]}, "encoder"),
        ({"hidden": [0]}, "hidden"),
        ({"hidden": [16], "grace_epochs": MOST_EPOCHS + 1}, "grace_epochs"),
        ({"batch_size": [64, 1000]}, r"batch_size\.1\n.*the nearest are 960 and 1024"),
        ({"network": "other", "hidden": [16]}, "there is no network 'other'"),
    ],
)
def test_a_search_of_nothing_or_of_nonsense_is_refused(space: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        TrainSettings.model_validate({"search": space})


def test_a_trial_that_lies_behind_after_the_epochs_of_grace_is_stopped() -> None:
    scheduler = _scheduler(SearchSettings(hidden=[16, 32], grace_epochs=2, reduction=2))
    assert scheduler.set_search_properties("validation_loss", "min")
    names = ("first", "worse", "best")
    trials = {name: SimpleNamespace(trial_id=name, config={"trial": n}) for n, name in enumerate(names, start=1)}
    trials["usual"] = SimpleNamespace(trial_id="usual", config={"trial": 0})
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)

    def goes_on(name: str, epoch: int, loss: float) -> bool:
        told = {"training_iteration": epoch, "validation_loss": loss}
        return bool(scheduler.on_trial_result(None, trials[name], told) == TrialScheduler.CONTINUE)

    assert all(goes_on(name, 1, loss) for name, loss in zip(names, (0.5, 9.0, 0.4), strict=True))
    assert [goes_on(name, 2, loss) for name, loss in zip(names, (0.5, 0.8, 0.4), strict=True)] == [True, False, True]
    assert goes_on("usual", 2, 9.0), "it is what the others are compared with"
    assert not goes_on("best", MOST_EPOCHS, 0.1)


@pytest.mark.ray
def test_trials_run_side_by_side_and_the_settings_as_they_were_are_among_them(tmp_path: Path) -> None:
    fits = []
    for seed in (1, 2):
        folder, rows = write_world(tmp_path / str(seed), users=320, seed=seed)
        usual = NetworkSettings(hidden=16, batch_size=128, steps=9, learning_rate=1e-5)
        fits.append(NetworkFit(f"lstm {seed}", folder, usual, some_encoding(rows), some_anchors(), 1))
    space = SearchSettings(trials=2, learning_rate=[1e-2, 3e-2], hidden=[16, 32], encoder=["gru", "mlp"])
    settings = RaySettings(workers=2)
    found = run_search(fits, space, ray_settings=settings, storage_path=str(tmp_path / "runs"), run_name="search")
    assert [bool(trial.changed) for trial in found.trials] == [False, True, True]
    assert all(len(trial.losses) == 2 and 1 <= trial.epochs <= 3 for trial in found.trials)
    assert {"learning_rate", "hidden", "encoder"} == set(found.trials[1].changed)
    assert found.trials[found.adopted].loss < found.trials[0].loss, "a hundred times the usual rate learns more"
