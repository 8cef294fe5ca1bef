"""Starting a job as a person would, with what people get wrong: one message, the right exit code, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.__main__ import main as jobs_main
from jobs._entry import Job, Settings, flags, run_jobs
from ltv_features.errors import FutureLeak
from ltv_features.strict import load

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


MANY = """
[lak]
root = "lake"
[shop]
curency = "EUR"
horizons_days = [0, 30]
[score]
high_share = 0.7
[sources.orders]
path = "none.csv"
format = "csv"
lookup = {source = "oders", on = {a = "b"}, columns = []}
[sources.orders.events]
event_type = "purchas"
histry = true
caps.rating = 3
[sources.orders.events.columns]
user = "customer"
time = "time"
amount = "paid"
unit_price = "price"
"""


def test_problems_of_every_kind_are_told_together(tmp_path):
    (tmp_path / "shop.toml").write_text(MANY)
    argv = ["--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"]
    done = jobs(tmp_path, "land_files", *argv)
    assert done.returncode == 2
    for part in (
        "10 problem(s)",
        "lak: unknown key; did you mean 'lake'?",
        "lake: Field required\n",
        "export: Field required\n",
        "shop.curency: unknown key; did you mean 'currency'?",
        "shop.horizons_days.0: Input should be greater than or equal to 1 (got 0)",
        "sources.orders.events.event_type: unknown event type; did you mean 'purchase'?",
        "sources.orders.events.histry: unknown key; did you mean 'history'?",
        "sources.orders.events.columns: give amount (of the line) or unit_price",
    ):
        assert part in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"shop.toml"}


def test_a_file_that_is_not_there_is_told_beside_a_key_that_is_misspelt(tmp_path):
    (tmp_path / "shop.toml").write_text(GOOD.replace('"purchase"', '"purchase"\nhistry = true'))
    done = jobs(tmp_path, "land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 2
    for part in ("did you mean 'history'?", "'orders': no file at", "suppression.csv cannot be read"):
        assert part in done.stderr


def test_what_may_only_follow_from_another_mistake_is_not_told(tmp_path):
    (tmp_path / "shop.toml").write_text(GOOD.replace('event_type = "purchase"', 'evnt_type = "purchase"'))
    done = jobs(tmp_path, "land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert "did you mean 'event_type'?" in done.stderr
    assert "give either event_type" not in done.stderr


def test_a_configuration_in_another_encoding_is_refused_with_its_line(tmp_path):
    (tmp_path / "shop.toml").write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n" + GOOD.encode())
    done = jobs(tmp_path, "land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert "line 2: byte 0xe9 is not UTF-8" in done.stderr


def test_training_without_shards_names_the_next_step_and_writes_nothing(tmp_path):
    (tmp_path / "shop.toml").write_text(GOOD)
    done = jobs(tmp_path, "train", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 3
    assert "build_examples" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"shop.toml"}


def test_only_paths_are_made_absolute_whatever_a_column_is_called(tmp_path):
    text = GOOD.replace("[sources.orders.events]", '[sources.orders.lookup]\nsource = "orders"\n'
                        'on = {path = "path"}\ncolumns = []\n[sources.orders.events]')  # fmt: skip
    (tmp_path / "shop.toml").write_text(text)
    settings = load(tmp_path / "shop.toml", Settings)
    assert settings.sources["orders"].lookup.on == {"path": "path"}
    assert settings.sources["orders"].path == str(tmp_path / "orders.csv")
    assert settings.export.folder == str(tmp_path / "export")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('root = "lake"', 'root = "foo://bucket/lake"', "lake.root: foo:// is not an address"),
        (
            'folder = "export"',
            'folder = "s3://bucket/export"',
            "export.folder: an address is not supported",
        ),
        (
            'format = "csv"',
            'format = "csv"\nlookup = {source = "order", on = {a = "b"}, columns = []}',
            "sources.orders.lookup.source: no source 'order'; did you mean 'orders'?",
        ),
        ('root = "lake"', 'root = ""', "lake.root: String should have at least 1 character"),
        ("[export]", '[ingest]\nearliest_date = "2000-02-30"\n[export]', "ingest.earliest_date: day is"),
        ('"purchase"', '"purchase"\ntime_zone = "Mars/Phobos"', "not a time zone such as"),
        ('format = "csv"', 'format = "csv"\ncsv.encoding = "UFT-8"', "did you mean 'UTF-8'?"),
        (
            "[export]",
            "[score]\nhigh_share = 0.7\n[export]",
            "0.7 and low_share 0.4 are more than 1",
        ),
        ('"purchase"', '"purchase"\ntime_formats = ["bb.QQ"]', "Q, b: no letters of a datetime pattern"),
    ],
)
def test_a_value_that_nothing_could_use_is_refused(tmp_path, old, new, complaint):
    (tmp_path / "shop.toml").write_text(GOOD.replace(old, new, 1))
    done = jobs(tmp_path, "land_files", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert complaint in done.stderr


def test_an_error_of_a_python_worker_ends_as_itself(tmp_path, capsys):
    (tmp_path / "shop.toml").write_text(GOOD)

    def main(run):
        trace = (
            f"An exception was thrown from the Python worker:\n  File ...\n{FutureLeak.__module__}.FutureLeak: 2 rows\n"
        )
        raise RuntimeError(trace)

    argv = ["--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"]
    assert run_jobs(lambda: [Job("fails", main, False)], flags().parse_args(argv)) == FutureLeak.exit_code
    assert capsys.readouterr().err == "error: FutureLeak: 2 rows\n"
    with pytest.raises(ZeroDivisionError):
        run_jobs(lambda: [Job("breaks", lambda run: 1 / 0, False)], flags().parse_args(argv))


def test_what_is_not_where_the_configuration_says_is_told_before_spark_is_opened(tmp_path, monkeypatch, capsys):
    other = '[sources.people]\npath = "people"\nformat = "delta"\n[sources.people.users]\nuser = "id"\n[export]'
    (tmp_path / "shop.toml").write_text(GOOD.replace("[export]", other.replace('"id"', '"id"\nvalid_from = "always"')))
    opened = []
    monkeypatch.setattr("ltv_features.session.open_session", lambda *about: opened.append(about) or 1 / 0)
    argv = ["land_files", "ingest_events", "--config", str(tmp_path / "shop.toml"), "--as-of", "2026-01-01"]
    assert jobs_main(argv) == 3
    told = capsys.readouterr().err
    for part in ("3 problems", "'orders': no file at", "'people': no Delta table at", "suppression.csv cannot be read"):
        assert part in told
    assert opened == []
    (tmp_path / "orders.csv").write_text("customer,time\n")
    (tmp_path / "people" / "_delta_log").mkdir(parents=True)
    (tmp_path / "suppression.csv").write_text("user_id\nu1\n")
    with pytest.raises(ZeroDivisionError):
        jobs_main(argv)
    assert len(opened) == 1
