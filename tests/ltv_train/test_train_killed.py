"""Training that is stopped from outside, wherever it is, goes on and ends with the bytes of one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs import train
from jobs._entry import start
from ltv_features.errors import InputMissing, LtvError, ShardsRefused, TrainingFailed
from ltv_train import distributed
from ltv_train.bundle import load
from ltv_train.distributed import run_fits
from ltv_train.latest import latest_run
from tests.train_world import NIGHT, counted_batches, run_of, signalled_at, training_of, write_lake

KILLED = """
import sys
from jobs import train
from jobs._entry import start
from tests.train_world import signalled_at

with signalled_at(11, "SIGKILL"):
    raise SystemExit(start(train.main, needs_spark=False, argv=sys.argv[1:]))
"""


def finished(config: Path) -> dict[str, Any]:
    """What run.json says of the latest training, without its seconds."""
    folder, told = latest_run(str(training_of(config)))
    for by_name in told["bundles"].values():
        for path in by_name.values():
            load(Path(folder) / path)
    return {name: value for name, value in told.items() if name != "seconds"}


Unbroken = tuple[dict[str, Any], int]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """What comes of it when nobody stops it, and of how many batches."""
    config = write_lake(tmp_path_factory.mktemp("shop"), {NIGHT: [NIGHT]})
    with counted_batches() as made:
        train.main(run_of(config))
    return finished(config), len(made)


def nothing_to_read(config: Path) -> bool:
    """No training that `evaluate` could take for one, and no bundle of a network."""
    training = training_of(config)
    with pytest.raises(InputMissing):
        latest_run(str(training))
    assert not (training / "latest.json").exists()
    return not list(training.rglob("run.json")) and not list(training.rglob("bundles/*/lstm/*/digests.json"))


def goes_on_to(unbroken: Unbroken, config: Path) -> bool:
    """Nothing can be read of the stopped training but its last epoch; the next one goes on there and ends the same."""
    assert nothing_to_read(config)
    assert len(list(training_of(config).glob("ray/*/state.pt"))) == 1, "an epoch is kept"
    told, batches = unbroken
    with counted_batches() as made:
        train.main(run_of(config))
    assert 0 < len(made) < batches, "what was learned before is not learned again"
    return finished(config) == told


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_steps_examples_and_bytes(unbroken: Unbroken, tmp_path: Path) -> None:
    config = write_lake(tmp_path, {NIGHT: [NIGHT]})
    command = [sys.executable, "-c", KILLED, "--config", str(config), "--as-of", str(NIGHT)]
    known = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(command, env=known, capture_output=True, text=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert goes_on_to(unbroken, config)


def test_a_training_that_is_asked_to_end_ends_with_143_and_goes_on(unbroken: Unbroken, tmp_path: Path) -> None:
    config = write_lake(tmp_path, {NIGHT: [NIGHT]})
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with signalled_at(11, "SIGTERM"):
            code = start(train.main, needs_spark=False, argv=["--config", str(config), "--as-of", str(NIGHT)])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert code == 143
    assert goes_on_to(unbroken, config)


def test_what_a_run_says_holds_steps_examples_and_the_digests_of_its_bundles(unbroken: Unbroken) -> None:
    told, night = unbroken[0], str(NIGHT)
    assert told["steps"][night]["lstm"] == [12, 12] or all(steps <= 12 for steps in told["steps"][night]["lstm"])
    assert told["skipped_steps"][night]["lstm"] == [0, 0]
    assert all(epoch == [128] for fit in told["examples_read"][night]["lstm"] for epoch in fit)
    assert len(told["bundles"][night]["lstm"].rsplit("/", 1)[1]) == 16


@pytest.mark.parametrize("error", [TrainingFailed("retries are spent"), ShardsRefused("a short read")])
def test_a_training_that_fails_leaves_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: LtvError
) -> None:
    config = write_lake(tmp_path, {NIGHT: [NIGHT]}, users=60)

    def fails(*given: Any, **settings: Any) -> Any:
        raise error

    monkeypatch.setattr(distributed, "run_fits", fails)
    with pytest.raises(type(error), match=str(error)):
        train.main(run_of(config))
    assert nothing_to_read(config)
    monkeypatch.setattr(distributed, "run_fits", run_fits)
    train.main(run_of(config))
    assert finished(config)["candidates"]


def test_the_files_of_a_finished_run_are_json_without_numbers_that_are_not_finite(unbroken: Unbroken) -> None:
    json.dumps(unbroken[0], allow_nan=False)
