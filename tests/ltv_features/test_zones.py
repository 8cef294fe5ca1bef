"""The same bits in every time zone of machine, Java and session."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltv_features.tables import Lake
from tests import zone_night

ROOT = Path(__file__).parents[2]
MACHINE, ELSEWHERE = "Asia/Kolkata", ("America/St_Johns", "Pacific/Chatham")
"""On both sides of UTC, none of them whole hours away from it."""


@pytest.mark.slow
@pytest.mark.spark
def test_the_time_zones_of_machine_java_and_session_change_no_bit(lake: Lake, tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "tests.zone_night", str(tmp_path / "there"), *ELSEWHERE]
    zone = os.environ | {"TZ": MACHINE}
    done = subprocess.run(command, cwd=ROOT, env=zone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2_000:]
    there = json.loads(done.stdout.splitlines()[-1])
    assert zone_night.nights(lake, tmp_path / "here") == there
    assert (there["first_day"], there["events_before"]) == ("2024-02-29", 5)  # of six, one lies on the night's day
