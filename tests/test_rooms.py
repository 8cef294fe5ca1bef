"""Who may know whom, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

KERNEL = (
    "arrow",
    "ragged",
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
