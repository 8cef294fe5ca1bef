"""Starting a job as a person would, with what people get wrong: one message, the right exit code, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GOOD = """
[lake]
root = "lake"
[sources.orders]
path = "orders.csv"
format = "csv"
[sources.orders.events]
event_type = "purchase"
[sources.orders.events.columns]
user = "customer"
time = "time"
[export]
folder = "export"
suppression = "suppression.csv"
"""


def jobs(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "jobs", *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_an_unknown_job_lists_the_jobs(tmp_path):
    done = jobs(tmp_path, "scoreusers", "--config", "x", "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert "unknown: scoreusers" in done.stderr
    assert "score_users" in done.stderr


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday", "2026-1-1"])
def test_a_date_that_is_none_is_refused(tmp_path, day):
    done = jobs(tmp_path, "train", "--config", "x", "--as-of", day)
    assert done.returncode == 2
    assert "--as-of" in done.stderr


def test_a_configuration_that_is_not_there(tmp_path):
    done = jobs(tmp_path, "train", "--config", str(tmp_path / "none.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 3
    assert "none.toml" in done.stderr


def test_every_mistake_in_a_configuration_is_listed_at_once_with_the_nearest_key(tmp_path):
    bad = GOOD.replace('root = "lake"', 'rot = "lake"') + "[shop]\nhorizons_days = [0, 30]\ncurrency = 5\n"
    (tmp_path / "shop.toml").write_text(bad)
    done = jobs(tmp_path, "train", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 2
    for part in ("did you mean 'root'", "lake.root", "horizons_days.0", "currency"):
        assert part in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"shop.toml"}


def test_training_without_shards_names_the_next_step_and_writes_nothing(tmp_path):
    (tmp_path / "shop.toml").write_text(GOOD)
    done = jobs(tmp_path, "train", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 3
    assert "build_examples" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"shop.toml"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('root = "lake"', 'root = "foo://bucket/lake"', "lake.root: Value error, foo:// is not an address"),
        ('"purchase"', '"purchase"\ntime_zone = "Mars/Phobos"', "not a time zone such as"),
        ('"purchase"', '"purchase"\ntime_formats = ["bb.QQ"]', "Q, b: no letters of a datetime pattern"),
    ],
)
def test_a_value_that_nothing_could_use_is_refused(tmp_path, old, new, complaint):
    (tmp_path / "shop.toml").write_text(GOOD.replace(old, new, 1))
    done = jobs(tmp_path, "land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert complaint in done.stderr
