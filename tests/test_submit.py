"""The two ways to a cluster: `deploy/submit/spark.sh` and `deploy/submit/ray.sh`, run as a person would run them."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from jobs import score_users
from jobs._entry import Run, Settings
from ltv_features.strict import load
from ltv_train.latest import latest_run
from tests import score_world, train_world

ROOT = Path(__file__).resolve().parents[1]
SUBMIT = ROOT / "deploy" / "submit"
BIN = Path(sys.executable).parent
SCORING = """
[lake]
root = "lake"
[spark]
shuffle_partitions = 2
[shop]
currency = "EUR"
horizons_days = [30, 90]
[sources.orders]
path = "orders.csv"
format = "csv"
[export]
folder = "export"
suppression = "suppression.csv"
"""


def submit(script: str, *arguments: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script with this interpreter's environment and the variables given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONPATH"))}
    found = kept | {"LTV_PYTHON": sys.executable, "PYSPARK_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"} | variables
    command = ["bash", str(SUBMIT / script), *arguments]
    return subprocess.run(command, env=found, cwd="/", capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize("script", ["spark.sh", "ray.sh"])
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no job named"),
        (["score_everything", "--config", "a.toml", "--as-of", "2026-01-01"], "score_everything"),
        (["../train", "--config", "a.toml", "--as-of", "2026-01-01"], "../train"),
        (["_entry", "--config", "a.toml", "--as-of", "2026-01-01"], "_entry"),
        (["train", "--as-of", "2026-01-01"], "--config is missing"),
        (["train", "--config", "a.toml"], "--as-of is missing"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_starts_nothing(script: str, arguments: list[str], complaint: str) -> None:
    told = submit(script, *arguments)
    assert told.returncode == 2
    assert complaint in told.stderr.splitlines()[0]
    assert "usage: bash deploy/submit/" in told.stderr
    assert " train" in told.stderr.splitlines()[-1]
    assert told.stdout == ""


@pytest.mark.parametrize(("script", "package"), [("spark.sh", "pyspark"), ("ray.sh", "ray")])
def test_before_the_set_up_the_next_step_is_named(script: str, package: str, tmp_path: Path) -> None:
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')  # an interpreter without any package
    bare.chmod(0o755)
    told = submit(script, "train", "--config", "a.toml", "--as-of", "2026-01-01", LTV_PYTHON=str(bare))
    assert (told.returncode, told.stdout) == (3, "")
    assert f"{script}: no {package} in {bare}; next: bash deploy/local/setup.sh" in told.stderr


def test_only_training_goes_to_ray() -> None:
    told = submit("ray.sh", "score_users", "--config", "a.toml", "--as-of", "2026-01-01")
    assert (told.returncode, "not a job for this wrapper: score_users" in told.stderr) == (2, True)


@pytest.mark.spark
@pytest.mark.slow
def test_a_night_is_scored_through_spark_submit(spark: SparkSession, tmp_path: Path) -> None:
    score_world.write_world(tmp_path, spark)
    (tmp_path / "night.toml").write_text(SCORING)
    night = str(score_world.NIGHT)
    told = submit("spark.sh", "score_users", "--config", str(tmp_path / "night.toml"), "--as-of", night, timeout=300)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "5 users scored by spend_rate" in told.stdout
    run = Run(load(tmp_path / "night.toml", Settings), score_world.NIGHT, "here", spark)
    assert {row.user_id for row in run.lake.read("scores").collect()} == score_world.ELIGIBLE
    before = run.lake.version("scores")
    score_users.main(run)
    assert run.lake.version("scores") == before  # here the same inputs are recognised as the same


@pytest.mark.spark
@pytest.mark.slow
def test_a_job_that_fails_under_spark_submit_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    told = submit("spark.sh", "score_users", "--config", missing, "--as-of", "2026-01-01", timeout=300)
    said = told.stdout + told.stderr  # Spark's runner hands on what Python says on either as standard output
    assert told.returncode == 3, said
    assert "error: InputMissing: configuration" in said


@dataclass(frozen=True)
class Head:
    """A Ray head of our own: where its jobs are taken, and the token that opens it."""

    address: str
    variables: Mapping[str, str]

    def status(self, token: str | None, *, submit: str | None = None) -> int:
        """The HTTP status of a look at the list of jobs, or of an attempt to run a command; 0 where nobody answers."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = json.dumps({"entrypoint": submit}).encode() if submit else None
        request = urllib.request.Request(f"{self.address}/api/jobs/", headers=headers, data=body)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (urllib.error.URLError, TimeoutError):
            return 0

    def jobs(self) -> set[str]:
        """What was submitted so far, by entry point."""
        headers = {"Authorization": f"Bearer {self.variables['RAY_AUTH_TOKEN']}"}
        request = urllib.request.Request(f"{self.address}/api/jobs/", headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {str(job["entrypoint"]) for job in json.load(answer)}


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head on loopback behind a token that takes jobs, stopped by a signal to its own process."""
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    # the defaults would meet those of another head on this machine
    port, dashboard, agent, metrics, client = free_ports(5)
    scratch = tempfile.mkdtemp(prefix="ray")  # short: the path of a socket has about a hundred letters
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    command = [str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--num-cpus=2"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"]
    command += [f"--ray-client-server-port={client}"]
    command += [f"--temp-dir={scratch}", "--object-store-memory=200000000", "--disable-usage-stats"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with open(Path(scratch) / "head.log", "wb") as log:
        process = subprocess.Popen(command, env=kept | variables | {"PATH": path}, stdout=log, stderr=log)
    made = Head(f"http://127.0.0.1:{dashboard}", variables | {"RAY_API_ADDRESS": f"http://127.0.0.1:{dashboard}"})
    try:
        wait_for(made, process, Path(scratch) / "head.log")
        yield made
    finally:
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            each.kill()  # asked to stop they take half a minute, and nothing of them is needed
        process.wait(timeout=90)
        shutil.rmtree(scratch, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(head: Head, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once a job that does nothing went through: the list of jobs answers before the agent that starts them."""
    command = [str(BIN / "ray"), "job", "submit", "--", "true"]
    known = os.environ | head.variables
    said = ""
    end = time.monotonic() + 150
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        if head.status(head.variables["RAY_AUTH_TOKEN"]) != 200:  # a look costs nothing, the command below seconds
            time.sleep(0.2)
            continue
        told = subprocess.run(command, env=known, capture_output=True, text=True, timeout=90, check=False)
        if told.returncode == 0:
            return
        said = told.stdout + told.stderr
        time.sleep(1)
    raise AssertionError(f"the head takes no jobs: {said}\n{log.read_text()}")


@pytest.mark.ray
@pytest.mark.slow
def test_without_its_token_the_cluster_takes_no_job(head: Head, tmp_path: Path) -> None:
    wrong, written = "0" * 64, tmp_path / "written"
    for token, expected in ((None, 401), (wrong, 403)):
        assert head.status(token) == expected
        assert head.status(token, submit=f"touch {written}") == expected
    assert head.status(head.variables["RAY_AUTH_TOKEN"]) == 200
    arguments = ("train", "--config", str(tmp_path / "none.toml"), "--as-of", "2026-01-01")
    without = {"RAY_API_ADDRESS": head.address, "RAY_AUTH_MODE": "disabled"}
    for variables in (without, without | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": wrong}):
        told = submit("ray.sh", *arguments, **variables)
        assert told.returncode != 0
        assert re.search(r"401|403|[Uu]nauth|[Ii]nvalid", told.stdout + told.stderr), told.stdout + told.stderr
    assert head.jobs() == {"true"}, "only the job that waited for the head to be ready"
    assert not written.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_tiny_shop_is_trained_through_ray_job_submit(head: Head, tmp_path: Path) -> None:
    night = train_world.NIGHT
    config = train_world.write_lake(tmp_path, {night: [date(2026, 1, 30), night]}, steps=2)
    config.write_text(config.read_text().replace("workers = 0", 'workers = 1\naddress = "auto"'))
    arguments = ("--config", str(config), "--as-of", str(night))
    told = submit("ray.sh", "train", *arguments, timeout=400, **head.variables)
    assert told.returncode == 0, told.stdout + told.stderr
    trained, said = latest_run(str(train_world.training_of(config)))
    assert said["origins"][-1] == str(night)
    assert {"lstm", "boosting_g", "spend_rate"} <= set(said["candidates"])
    for origin in said["origins"]:
        assert (Path(trained) / said["bundles"][origin]["lstm"] / "digests.json").exists()
        for fit in said["examples_read"][origin]["lstm"]:
            assert [len(ranks) for ranks in fit] == [1] * len(fit)  # one worker read it all
