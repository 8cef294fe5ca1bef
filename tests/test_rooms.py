"""Who may know whom, seen from a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.raw_reads import raw_reads
from tests.unsafe_reads import unsafe_reads

KERNEL = (
    "arrow",
    "ragged",
    "clock",
    "event_entries",
    "state",
    "user_items",
    "view",
    "aggregates",
    "project",
    "moments",
    "encode",
    "labels",
    "blocks",
    "baskets",
    "synthetic",
)
FORBIDDEN = (
    "pyspark",
    "delta",
    "torch",
    "ray",
    "petastorm",
    "lightgbm",
    "sklearn",
    "scipy",
    "pandas",
    "pydantic",
    "faiss",
)

MAY_READ_RAW = {
    "ltv_features/lake_reads.py": "the reading half of the only door to Delta",
    "ltv_features/as_of.py": "the only door to time",
    "ltv_features/arrivals.py": "ingest: what of the raw tables is new",
    "ltv_features/delivery.py": "landing: files and commits of a shop",
    "ltv_features/external.py": "landing: a shop's own table",
    "ltv_features/first_event.py": "landing: says in an error when the earliest event is",
    "ltv_features/items.py": "ingest: a number once given to an item or category stays",
    "ltv_features/last_known.py": "ingest: what a customer said before stands in for what is blank",
    "ltv_features/links.py: lake.read(LINKS.name, version)": "ingest: a link that is there already is a repetition",
    "ltv_features/recount.py": "ingest: counts its own commits again",
    "ltv_features/sieve.py": "ingest: an event or link that is there already is a duplicate",
    "ltv_features/written.py": "ingest: writes these tables and counts what it wrote",
    "ltv_features/increment.py: lake.feed(name, _read(name, base), inputs.versions[name])": "what arrived, late or not",
    "ltv_train/score/guards.py: lake.read(table)": "tables of a night, by name",
    "ltv_train/score/nights.py: lake.read(table)": "tables of a night, by name",
    "jobs/score_users.py: lake.spark.read": "its own staged scores",
}
"""Who reads a table of the log past the door to time, or a file by itself, and why: a module, or one reading of it."""
ROOT = Path(__file__).parent.parent


def loaded_by(statement: str) -> set[str]:
    """Top-level modules of a new Python process after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_kernel_loads_neither_spark_nor_torch() -> None:
    statement = "\n".join(f"import ltv_features.{module}" for module in ("contract", *KERNEL))
    assert loaded_by(statement) & set(FORBIDDEN) == set()


def test_the_contract_loads_nothing_but_the_standard_library() -> None:
    found = loaded_by("import ltv_features.contract")
    assert found & {*FORBIDDEN, "numpy", "pyarrow"} == set()
    assert "ltv_features" in found


@pytest.mark.parametrize("module", ["pyspark", "numpy"])
def test_the_check_above_sees_a_module_that_is_loaded(module: str) -> None:
    assert module in loaded_by(f"import {module}")


def test_time_is_looked_at_through_one_door() -> None:
    modules = [path for room in ("jobs", "ltv_features", "ltv_train") for path in sorted((ROOT / room).rglob("*.py"))]
    found = {
        (str(path.relative_to(ROOT)), line, words) for path in modules for line, words in raw_reads(path.read_text())
    }
    used = {name for module, _, words in found for name in (module, f"{module}: {words}") if name in MAY_READ_RAW}
    strangers = [(m, line, words) for m, line, words in found if not {m, f"{m}: {words}"} & MAY_READ_RAW.keys()]
    assert strangers == [], "read through ltv_features/as_of.py, or say in MAY_READ_RAW why not"
    assert used == MAY_READ_RAW.keys(), "what nobody does any more need not be allowed"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lake.read(EVENTS.name)", ["lake.read(EVENTS.name)"]),
        ("self.lake.read(contract.USERS.name, 3)", ["self.lake.read(contract.USERS.name, 3)"]),
        ("run.lake.feed('links', 1, 2)", ["run.lake.feed('links', 1, 2)"]),
        ("lake.read(name='items')", ["lake.read(name='items')"]),
        ("table = EVENTS.name\nrows = lake.read(table)", ["lake.read(table)"]),
        ("spark.read.format('delta').load(lake.path(ITEMS.name))", ["lake.path(ITEMS.name)", "spark.read"]),
        ("lake.spark.sql('SELECT * FROM x')", ["lake.spark.sql"]),
        ("rows.sparkSession.table('x')", ["rows.sparkSession.table"]),
        ("lake.read(SCORES.name)\nlake.read('scores')\nname = 1\nlake.read(name)\nfile.read(9)", []),
        ("lake.read(raw_table(source))\nEVENTS.name", []),
    ],
)
def test_the_check_above_sees_every_way_past_the_door(source: str, words: list[str]) -> None:
    assert [each for _, each in raw_reads(source)] == words


def test_nothing_is_read_that_could_run_something() -> None:
    modules = [path for room in ("jobs", "ltv_features", "ltv_train") for path in sorted((ROOT / room).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): unsafe_reads(path.read_text()) for path in modules}
    assert {path: readers for path, readers in found.items() if readers} == {}, "read with weights_only=True"


@pytest.mark.parametrize(
    ("source", "readers"),
    [
        ("torch.load(x)\ntorch.load(x, weights_only=False)\ntorch.load(x, weights_only=w)", ["torch.load"] * 3),
        ("from torch import load\nload(x)", ["torch.load"]),
        ("np.load(x, allow_pickle=True)\njoblib.load(x)", ["np.load", "joblib.load"]),
        ("pd.read_pickle(x)\ntorch.jit.load(x)", ["pd.read_pickle", "torch.jit.load"]),
        ("torch.load(x, weights_only=True)\nsafetensors.torch.load(x)\nnp.load(x)\njson.load(x)", []),
    ],
)
def test_the_check_above_sees_a_reader_that_may_run_what_it_reads(source: str, readers: list[str]) -> None:
    assert unsafe_reads(source) == readers
