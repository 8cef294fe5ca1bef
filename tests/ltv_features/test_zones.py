"""The same bits in every time zone of machine and session."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def night_in(zone: str, folder: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "tests.zone_night", str(folder), zone]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"TZ": zone}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_time_zones_of_machine_and_session_on_both_sides_of_utc_make_the_same_bits(tmp_path: Path) -> None:
    zones = {"Asia/Kolkata": "a", "America/St_Johns": "b"}
    made = [night_in(zone, tmp_path / name) for zone, name in zones.items()]
    assert made[0] == made[1]
    assert (made[0]["first_day"], made[0]["events_before"]) == ("2024-02-29", 5)  # of six, one lies on the night's day
