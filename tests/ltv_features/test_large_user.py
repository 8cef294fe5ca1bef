"""One user with half a million events: bounded memory, exact totals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.large_user import EVENTS_OF_USER, MEMORY_MIB


@pytest.mark.slow
def test_half_a_million_events_of_one_user_fit_a_small_heap_and_small_workers_and_are_counted_exactly(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.large_user", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3_000:]
    bought = EVENTS_OF_USER // 2
    spent = sum(number % 1000 for number in range(0, EVENTS_OF_USER, 2))
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "events": [bought, bought],
        "orders": EVENTS_OF_USER // 20,
        "lines": bought,
        "gross_minor": spent,
        "hours": EVENTS_OF_USER,
        "bought": [bought, spent],
        "users": 12,
        "unexplained": [0, 0],
        "limit": MEMORY_MIB * 2**20,
    }
