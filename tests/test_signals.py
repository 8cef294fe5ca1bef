"""A night that is stopped by a signal ends at once, with one line and a shell's exit code, and leaves nobody behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.test_commands import GOOD

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("run.sh", "demo.sh", "children.sh")
PYTHON = """#!{python}
import os, pathlib, sys, time
pathlib.Path("{pids}").joinpath(str(os.getpid())).touch()
time.sleep(60)
"""
SLOW_JOB = """
import sys
from jobs._entry import Job, flags, run_jobs

def main(run):
    print("in Spark", run.spark.sparkContext._gateway.proc.pid, flush=True)
    run.spark.sql("SELECT java_method('java.lang.Thread', 'sleep', 60000L)").collect()

sys.exit(run_jobs(lambda: [Job("slow", main, True)], flags().parse_args(sys.argv[1:])))
"""


def heard(number: signal.Signals) -> Callable[[], None]:
    """For a child: what our own shell may have told us to ignore is not ignored."""
    return lambda: (signal.signal(number, signal.SIG_DFL), None)[1]


def deaf() -> None:
    """For a child: it starts as shells start children in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def wait_until(told: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)


@pytest.mark.parametrize("script", ["run.sh", "demo.sh"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_script_that_is_stopped_stops_its_child_and_waits_for_it(
    tmp_path: Path, script: str, number: signal.Signals, code: int
) -> None:
    here, pids = tmp_path / "deploy" / "local", tmp_path / "pids"
    for folder in (here, pids, tmp_path / "bin", tmp_path / ".demo" / "data", tmp_path / "deploy" / "configs"):
        folder.mkdir(parents=True)
    (tmp_path / "deploy" / "configs" / "demo.toml").touch()
    for name in SCRIPTS:
        if (ROOT / "deploy" / "local" / name).exists():
            shutil.copy(ROOT / "deploy" / "local" / name, here)
    (here / "setup.sh").write_text("true\n")
    (here / "env.sh").write_text(f'LTV_ROOT="{tmp_path}" PATH="{tmp_path}/bin:$PATH"\n')
    (tmp_path / "bin" / "python").write_text(PYTHON.format(python=sys.executable, pids=pids))
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / "shop.toml").write_text("")
    given = ["--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"] if script == "run.sh" else []
    process = subprocess.Popen(
        ["bash", str(here / script), *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=heard(number), start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: list(pids.iterdir()))
        (child,) = [int(file.name) for file in pids.iterdir()]
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert process.returncode == code
        assert "stopped by" in said
        assert "during" in said
        assert not psutil.pid_exists(child)
    finally:
        _end(process)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whom", "code", "line"),
    [
        (signal.SIGINT, "the process", 130, "stopped by Ctrl-C; run again to go on"),
        (signal.SIGTERM, "the process", 143, "stopped by a request to terminate (SIGTERM); run again to go on"),
        (signal.SIGTERM, "all of them", 143, "stopped by a request to terminate (SIGTERM); run again to go on"),
    ],
)
def test_a_job_that_is_stopped_in_a_call_of_spark_says_one_line_and_takes_spark_with_it(
    tmp_path: Path, number: signal.Signals, whom: str, code: int, line: str
) -> None:
    (tmp_path / "shop.toml").write_text(GOOD)
    words = ["--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_JOB, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=deaf, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        java = next(int(text.split()[-1]) for text in process.stdout if text.startswith("in Spark"))
        time.sleep(3)
        if whom == "all of them":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        assert said.splitlines()[-1] == line
        assert "Traceback" not in said
        assert "Py4J" not in said
        wait_until(lambda: not psutil.pid_exists(java), 20)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Nothing of ours goes on, whatever the test found."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(timeout=20)
