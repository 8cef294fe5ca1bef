"""A build_features that is killed right after any of its commits, and run again, equals one clean run.

To die before a commit is to die after the one before it.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import build_features
from jobs._entry import Run
from ltv_features.tables import Lake
from tests.killing import Killed, arm
from tests.night_shop import FIRST, Shop, commits, rows_of
from tests.score_world import settings_of

pytestmark = [pytest.mark.spark, pytest.mark.slow]

POINTS = ("user_state", "user_items", "ledger")


def shop_in(folder: Path, spark: SparkSession) -> Shop:
    shop = Shop(Lake(spark, str(folder / "lake")))
    shop.events([shop.event(f"u{n}", 0.5) for n in range(12)])
    return shop


def build(folder: Path, spark: SparkSession, days: int) -> None:
    build_features.main(Run(settings_of(folder), FIRST + timedelta(days), "test", spark))


def tables_of(shop: Shop) -> dict[str, list[str]]:
    """Every row, what tells runs apart left out."""
    return {name: rows_of(shop.lake.read(name).drop("run_id", "input_digest")) for name in POINTS}


def test_killed_anywhere_and_run_again_equals_one_clean_run(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, torn = (shop_in(tmp_path / name, spark) for name in ("clean", "torn"))
    for days in (1, 2):  # built as a whole, then merged on top
        for shop in (clean, torn):
            shop.events([shop.event("u1", days - 0.7, item_id="i1"), shop.event("u2", 0.1, "view", item_id="i2")])
        build(tmp_path / "clean", spark, days)
        for table in POINTS:
            arm(monkeypatch, table, after=True)
            with pytest.raises(Killed):
                build(tmp_path / "torn", spark, days)
            monkeypatch.undo()
        build(tmp_path / "torn", spark, days)
        assert tables_of(torn) == tables_of(clean)
    made = {name: commits(torn.lake, name) for name in ("user_state", "user_items")}
    assert made == {name: commits(clean.lake, name) for name in made}, "a commit was made twice"
    assert made["user_state"][-1] == "MERGE"
