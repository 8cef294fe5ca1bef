"""The README is true: its own-data steps are taken word by word, and what it lists is there."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pyarrow.csv as pcsv
import pytest

from jobs._entry import Settings
from ltv_features import errors
from ltv_features.strict import load
from ltv_features.synthetic import make_world
from tests.conftest import quick_elsewhere

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    return README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def block(text: str, language: str, number: int = 0) -> str:
    """The fenced block of that language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)[number]


@pytest.mark.slow
@pytest.mark.ray
def test_your_own_data_in_ten_minutes_ends_at_scores_and_an_export(tmp_path):
    steps = section("Your own data in ten minutes")
    header = block(steps, "csv").splitlines()[0]
    world = make_world(users=200, days=300, seed=11, start=date(2025, 3, 7))
    assert ",".join(world.orders.column_names) == header
    pcsv.write_csv(world.orders, tmp_path / "orders.csv")
    (tmp_path / "my.toml").write_text(block(steps, "toml"))
    commands = block(steps, "bash").replace("deploy/local/run.sh", f'"{ROOT}/deploy/local/run.sh"')
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1200,
        env={k: v for k, v in quick_elsewhere().items() if not k.startswith(("RAY_", "PYSPARK_PYTHON", "LTV_"))},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (tmp_path / "lake" / "scores" / "_delta_log").is_dir()
    assert (tmp_path / "lake" / "reports" / "2026-01-01" / "evaluation.html").is_file()
    assert len(list((tmp_path / "export" / "crm").glob("*/manifest.json"))) == 1


@pytest.mark.parametrize("number", range(len(re.findall("```toml", section("Data: mapping, quarantine, replay")))))
def test_what_the_data_section_shows_is_a_configuration(tmp_path, number):
    shown = block(section("Data: mapping, quarantine, replay"), "toml", number)
    rest = '[lake]\nroot = "lake"\n[export]\nfolder = "export"\nsuppression = "suppression.csv"\n'
    (tmp_path / "shop.toml").write_text(rest + shown)
    assert load(tmp_path / "shop.toml", Settings).sources


def test_the_table_of_jobs_names_every_job():
    listed = set(re.findall(r"^\| `(\w+)` \|", section("Jobs"), flags=re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "jobs").glob("[a-z]*.py")}


def test_the_table_of_exit_codes_covers_every_error():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Jobs"), flags=re.MULTILINE)}
    raised = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LtvError)
    }
    assert raised <= listed


def test_every_file_that_the_tree_names_is_there():
    named = re.findall(r"^  (\w+(?:\.py|/))", section("Where things are"), flags=re.MULTILINE)
    missing = [name for name in named if not list(ROOT.glob(f"*/{name.rstrip('/')}"))]
    assert named
    assert not missing
