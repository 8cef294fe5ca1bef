"""Evaluations noted in MLflow for people to look at: parameters, metrics, report, bundle, a mirror of the promotion.

Room: nothing here is read back by any job; the truth stays in `models`. A record is written below the lake first and
sent then, so that an evaluation that could not be sent is sent when `evaluate` runs again. MLflow is slow to import
and is imported in the moment of sending alone. May import: MLflow.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltv_features import files
from ltv_features.errors import TrackingFailed
from ltv_train.config import TrackingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("ltv.tracking")
DIGEST_TAG = "ltv.input_digest"
_FILE = "tracking.json"
_RETRIES = "1"
_PARAMS, _METRICS = 100, 1_000
"""The most of each that MLflow takes in one request."""
_NOISY = ("mlflow", "alembic", "urllib3", "sqlalchemy")


def note(root: str, night: str, record: Mapping[str, Any]) -> None:
    """Writes the record of an evaluation beside its report; it counts as not sent."""
    files.write_json(_place(root, night), {**record, "sent_to": None})


def send(root: str, night: str, settings: TrackingSettings) -> None:
    """Sends the night's record where it is not there yet. What goes wrong is said as a warning, and nothing stops."""
    if not settings.enabled or not files.exists(_place(root, night)):
        return
    uri, artefacts = destination(root, settings)
    if uri is None:
        log.info("not tracked: the lake %s is no local folder; next: name a server in [tracking] uri", root)
        return
    record = files.read_json(_place(root, night))
    if record["sent_to"] == uri:
        return
    try:
        with _surroundings(settings):
            run = _delivered(root, record, uri, artefacts, settings)
    except Exception as error:  # whatever MLflow, its database or the network raise: people's view may not stop a night
        told = " ".join(str(error).split())[:300]
        where = f"{uri}: expected to note the evaluation of {night}, actual {type(error).__name__}: {told}"
        failed = TrackingFailed(f"{where}; next: see that it answers, then run evaluate for {night} again")
        log.warning("%s: %s", type(failed).__name__, failed)
        return
    files.write_json(_place(root, night), {**record, "sent_to": uri})
    log.info("tracked as run %s at %s", run, uri)


def destination(root: str, settings: TrackingSettings) -> tuple[str | None, str | None]:
    """Where to send, and where artefacts lie: both None where there is no place, the latter where a server decides."""
    if settings.uri.startswith("http"):
        return settings.uri, None
    if not settings.uri and "://" in root:
        return None, None
    uri = settings.uri or f"sqlite:///{os.path.abspath(files.join(root, 'mlruns', 'mlflow.db'))}"
    return uri, str(Path(uri.removeprefix("sqlite:///")).parent / "artifacts")


def _place(root: str, night: str) -> str:
    return files.join(root, "reports", night, _FILE)


def _delivered(
    root: str, record: Mapping[str, Any], uri: str, artefacts: str | None, settings: TrackingSettings
) -> str:
    """The id of the run that holds the record: one that is there, one that was left unfinished, or a new one."""
    from mlflow import MlflowClient

    for name in _NOISY:  # importing MLflow has set its own levels
        logging.getLogger(name).setLevel(logging.ERROR)
    ends = time.monotonic() + settings.total_seconds
    if artefacts is not None:
        Path(artefacts).mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=uri)
    experiment = _experiment(client, settings.experiment or f"ltv {root}", artefacts)
    found = client.search_runs([experiment], f"tags.`{DIGEST_TAG}` = '{record['tags'][DIGEST_TAG]}'")
    if found and found[0].info.status == "FINISHED":
        return str(found[0].info.run_id)
    run = found[0] if found else client.create_run(experiment, tags=record["tags"], run_name=record["name"])
    for _ in _requests(client, run.info.run_id, root, record):
        if time.monotonic() > ends:
            raise TimeoutError(f"more than total_seconds = {settings.total_seconds}")
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _experiment(client: "MlflowClient", name: str, artefacts: str | None) -> str:
    known = client.get_experiment_by_name(name)
    return str(known.experiment_id if known else client.create_experiment(name, artifact_location=artefacts))


def _requests(client: "MlflowClient", run: str, root: str, record: Mapping[str, Any]) -> Iterator[None]:
    """Sends the record piece by piece; after each one the caller looks at the clock."""
    from mlflow.entities import Metric, Param

    params = [Param(name, value) for name, value in record["params"].items()]
    metrics = [Metric(each["name"], each["value"], each["time_ms"], each["step"]) for each in record["metrics"]]
    for start in range(0, len(params), _PARAMS):
        client.log_batch(run, params=params[start : start + _PARAMS])
        yield
    for start in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=metrics[start : start + _METRICS])
        yield
    with tempfile.TemporaryDirectory() as scratch:
        for place, path in _artefacts(root, record["artefacts"]):
            local = Path(scratch, path.rsplit("/", 1)[-1])
            local.write_bytes(files.read_bytes(path))
            client.log_artifact(run, str(local), place)
            yield


def _artefacts(root: str, artefacts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(folder in the run, path) of every file; an artefact is a file or a folder below the lake."""
    for place, path in artefacts.items():
        whole = files.join(root, path)
        below = files.list_files(whole) if not path.endswith(".html") else []
        for name in below:
            parent = name.rpartition("/")[0]
            yield (f"{place}/{parent}" if parent else place), files.join(whole, name)
        if not below:
            yield place, whole


@contextmanager
def _surroundings(settings: TrackingSettings) -> Iterator[None]:
    """Short patience, no telemetry and no talk of libraries, for as long as something is sent."""
    wanted = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(settings.request_seconds),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": _RETRIES,
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    os.environ.update(wanted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what MLflow's own libraries say to its authors
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
