"""Evaluations in MLflow: one run each, found again, and never a reason for a night to stop."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from ltv_features import files
from ltv_train import tracking
from ltv_train.config import TrackingSettings
from ltv_train.judging.decided import EVENTS, decided
from ltv_train.judging.evaluation import Measures
from ltv_train.metrics.intervals import coverage_by_tier
from ltv_train.tracked import record_of
from tests.backtest_world import an_outcome
from tests.tiny_world import settings_of, write_shop

NIGHT = "2026-03-01"
SETTINGS = TrackingSettings()


def measures(origin: str, candidate: str, gini: float) -> Measures:
    numbers = {each.name: 0.5 for each in fields(Measures)}
    known = {"origin": origin, "candidate": candidate, "horizon_days": 90, "gini": gini, "bias": float("nan")}
    return Measures(**(numbers | known))


def record(tmp_path: Path, *, digest: str = "d1", bundle: str | None = "b1") -> dict[str, Any]:
    """An evaluation with two folds; its report and bundle lie below the lake."""
    root = str(tmp_path / "lake")
    files.write_bytes(files.join(root, "reports", NIGHT, "evaluation.html"), b"<h1>Back-test</h1>")
    files.write_bytes(files.join(root, "bundles", "b1", "members", "lstm", "config.json"), b"{}")
    files.write_bytes(files.join(root, "bundles", "b1", "digests.json"), b"{}")
    rows = [measures("2025-11-01", "lstm", 0.7), measures("2025-12-01", "lstm", 0.8)]
    folds = [replace(an_outcome(), origin=row.origin) for row in rows]
    curve = [
        {"epoch": 1, "step": 5, "train_loss": 1.5, "validation_loss": 1.4},
        {"epoch": 2, "step": 9, "train_loss": 1.2},
    ]
    made = SimpleNamespace(
        run={"run_name": "train-1", "curves": {NIGHT: {"lstm": [curve, curve[:1]]}}},
        horizons_days=(90,),
        folds=folds,
        measures=rows,
        decided=[decided(folds, "lstm", (90,), 0, event) for event in EVENTS],
        verdict=SimpleNamespace(promoted="lstm", grade="A", reasons=("lstm is better",)),
    )
    settings = settings_of(write_shop(Path(tempfile.mkdtemp(dir=tmp_path)), users=3))
    report = f"reports/{NIGHT}/evaluation.html"
    return record_of(made, as_of=NIGHT, input_digest=digest, settings=settings, bundle=bundle, report=report)


def client_of(tmp_path: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/lake/mlruns/mlflow.db")


def runs_in(tmp_path: Path) -> list[Any]:
    client = client_of(tmp_path)
    return [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]


def tracked_before(folder: Path, database: Path) -> Path:
    """The same folder, with an empty database in its lake."""
    (folder / "lake" / "mlruns").mkdir(parents=True)
    shutil.copy(database, folder / "lake" / "mlruns" / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow: making one takes seconds, copying it none."""
    from mlflow import MlflowClient

    place = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{place}").search_experiments()
    return place


@pytest.fixture
def lake(tmp_path: Path, database: Path) -> Path:
    """A folder whose `lake` was tracked before."""
    return tracked_before(tmp_path, database)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Path:
    place = tracked_before(tmp_path_factory.mktemp("tracked"), database)
    tracking.note(str(place / "lake"), NIGHT, record(place))
    tracking.send(str(place / "lake"), NIGHT, SETTINGS)
    return place


def test_a_run_holds_settings_measures_verdict_report_and_bundle(sent: Path) -> None:
    (run,) = runs_in(sent)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{NIGHT} lstm"
    assert run.data.params["train.networks.lstm.hidden"] == "8"
    assert run.data.params["shop.horizons_days"] == "[14, 28]"
    assert not any(name.startswith(("sources.", "spark.", "tracking.")) for name in run.data.params)
    assert run.data.metrics["gini_90d/lstm"] == 0.8
    assert "bias_90d/lstm" not in run.data.metrics  # not defined, so not there
    history = client_of(sent).get_metric_history(run.info.run_id, "gini_90d/lstm")
    assert [(point.step, point.value) for point in history] == [(0, 0.7), (1, 0.8)]
    tags = run.data.tags
    assert (tags["ltv.promotion"], tags["ltv.grade"]) == (f"lstm serves from {NIGHT}", "A")
    assert (tags["ltv.bundle"], tags["ltv.as_of"], tags["ltv.input_digest"]) == ("b1", NIGHT, "d1")
    assert tags["mlflow.note.content"] == "- lstm is better"
    artefacts = Path(run.info.artifact_uri)
    assert sorted(str(p.relative_to(artefacts)) for p in artefacts.rglob("*") if p.is_file()) == [
        "bundle/digests.json",
        "bundle/members/lstm/config.json",
        "report/evaluation.html",
    ]
    assert artefacts.is_relative_to(sent / "lake" / "mlruns")


def points(place: Path, name: str) -> list[tuple[int, float]]:
    (run,) = runs_in(place)
    return [(point.step, point.value) for point in client_of(place).get_metric_history(run.info.run_id, name)]


def test_a_run_holds_decisions_of_purchase_and_churn_and_coverage_of_intervals(sent: Path) -> None:
    for event in EVENTS:
        expected = decided([an_outcome()] * 2, "lstm", (90,), 0, event)
        assert points(sent, f"best_threshold_{event}_90d/lstm") == [(1, expected.threshold)]
        for name in ("accuracy", "precision", "recall", "f1"):
            assert points(sent, f"{name}_at_half_{event}_90d/lstm") == [(1, getattr(expected.at_half, name))]
            assert points(sent, f"{name}_at_best_{event}_90d/lstm") == [(1, getattr(expected.at_best, name))]
        for name in ("auc", "brier"):  # at both folds, as all measures
            assert points(sent, f"{name}_{event}_90d/lstm") == [(0, 0.5), (1, 0.5)]
    fold = an_outcome()
    said = fold.predictions["published"]
    for tier in coverage_by_tier(*(each[:, 0] for each in (fold.spend, said.mean, said.low, said.high))):
        assert points(sent, f"inside_interval_{tier.tier}_90d/published") == [(0, tier.inside), (1, tier.inside)]
    assert points(sent, "inside_interval_all_90d/lstm") == []  # says no intervals


def test_a_run_holds_the_learning_curve_of_every_fit_by_step(sent: Path) -> None:
    assert points(sent, f"train_loss/lstm {NIGHT} seed 1") == [(5, 1.5), (9, 1.2)]
    assert points(sent, f"validation_loss/lstm {NIGHT} seed 1") == [(5, 1.4)]
    assert points(sent, f"train_loss/lstm {NIGHT} seed 2") == [(5, 1.5)]


def test_the_same_evaluation_again_makes_no_second_run(sent: Path) -> None:
    root, before = str(sent / "lake"), runs_in(sent)[0].info.run_id
    tracking.send(root, NIGHT, SETTINGS)
    tracking.note(root, NIGHT, record(sent))  # as after a crash between sending and noting that it was sent
    tracking.send(root, NIGHT, SETTINGS)
    assert [run.info.run_id for run in runs_in(sent)] == [before]
    assert files.read_json(files.join(root, "reports", NIGHT, "tracking.json"))["sent_to"].startswith("sqlite:///")


def test_a_run_that_was_left_unfinished_is_finished_and_another_evaluation_is_another_run(lake: Path) -> None:
    root, first = str(lake / "lake"), record(lake)
    tracking.note(root, NIGHT, first)
    removed = files.join(root, "reports", NIGHT, "evaluation.html")
    files.remove_folder(removed)
    tracking.send(root, NIGHT, SETTINGS)  # breaks off at the report
    (left,) = runs_in(lake)
    assert left.info.status == "RUNNING"
    files.write_bytes(removed, b"<h1>Back-test</h1>")
    tracking.send(root, NIGHT, SETTINGS)
    (done,) = runs_in(lake)
    assert (done.info.run_id, done.info.status) == (left.info.run_id, "FINISHED")
    held = record(lake, digest="d2", bundle=None)
    tracking.note(root, NIGHT, held)
    tracking.send(root, NIGHT, SETTINGS)
    assert {run.data.tags["ltv.promotion"] for run in runs_in(lake)} == {
        f"lstm serves from {NIGHT}",
        "held: production stays",
    }


def closed_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes every connection and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield int(listening.getsockname()[1])
        for one in held:
            one.close()


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_server_that_does_not_answer_costs_seconds_and_a_named_warning(
    lake: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    root = str(lake / "lake")
    tracking.note(root, NIGHT, record(lake))
    __import__("mlflow")  # its seconds are not the server's
    with silent_server() as silent:
        port = closed_port() if kind == "closed" else silent
        started = time.monotonic()
        settings = TrackingSettings(uri=f"http://127.0.0.1:{port}", request_seconds=1)
        with caplog.at_level(logging.INFO):
            tracking.send(root, NIGHT, settings)
        seconds = time.monotonic() - started
    assert seconds < 15
    (warning,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert warning.name == "ltv.tracking"
    assert f"TrackingFailed: http://127.0.0.1:{port}: expected to note" in warning.getMessage()
    assert f"next: see that it answers, then run evaluate for {NIGHT} again" in warning.getMessage()
    assert files.read_json(files.join(root, "reports", NIGHT, "tracking.json"))["sent_to"] is None
    tracking.send(root, NIGHT, SETTINGS)  # the next step that was named: now it is sent
    assert len(runs_in(lake)) == 1


def test_sending_ends_when_its_time_is_up(
    lake: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.note(str(lake / "lake"), NIGHT, record(lake))
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr(tracking.time, "monotonic", lambda: next(clock))
    tracking.send(str(lake / "lake"), NIGHT, SETTINGS)
    assert "more than total_seconds = 60" in caplog.text
    assert [run.info.status for run in runs_in(lake)] == ["RUNNING"]


def test_what_is_switched_off_or_has_no_place_sends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = str(tmp_path / "lake")
    tracking.send(root, NIGHT, SETTINGS)  # nothing was evaluated
    tracking.note(root, NIGHT, record(tmp_path))
    tracking.send(root, NIGHT, TrackingSettings(enabled=False))
    assert not (tmp_path / "lake" / "mlruns").exists()
    tracking.note("memory://lake", NIGHT, record(tmp_path))
    with caplog.at_level(logging.INFO):
        tracking.send("memory://lake", NIGHT, SETTINGS)
    assert "the lake memory://lake is no local folder; next: name a server in [tracking] uri" in caplog.text


@pytest.mark.parametrize(
    "uri", ["http://me:secret@host", "databricks", "postgresql://host/db", "sqlite:///below.db", "ftp://host"]
)
def test_an_address_with_a_password_or_of_another_kind_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError):
        TrackingSettings(uri=uri)
    for good in ("http://host:5000", "https://host/mlflow", "sqlite:////lake/mlflow.db", ""):
        assert TrackingSettings(uri=good).uri == good


@pytest.mark.slow
def test_nothing_reaches_out_of_the_machine_nothing_is_left_set_and_the_log_stays_ours(tmp_path: Path) -> None:
    tracking.note(str(tmp_path / "lake"), NIGHT, record(tmp_path))
    code = f"""
import logging, os, socket, sys
logging.basicConfig(format="%(name)s %(message)s", level=logging.INFO, stream=sys.stdout)
asked = []
def refused(*names, **_):
    asked.append(names)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = refused
socket.socket.connect = socket.socket.connect_ex = refused
from ltv_train import tracking
from ltv_train.config import TrackingSettings
assert "mlflow" not in sys.modules
before = dict(os.environ)
tracking.send({str(tmp_path / "lake")!r}, {NIGHT!r}, TrackingSettings())
assert dict(os.environ) == before
import threading
print("asked", asked, [t.name for t in threading.enumerate() if "elemetry" in t.name])
logging.getLogger("ltv").info("still heard")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=os.getcwd())
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert [line.split(" ")[0] for line in lines] == ["ltv.tracking", "asked", "ltv"]
    assert "tracked as run" in lines[0]
    assert lines[1] == "asked [] []"
