"""P4: a night on top of an earlier one against building it from all events."""

import shutil
import tempfile
from pathlib import Path

from ltv_features.config import SparkSettings
from ltv_features.features import Night
from ltv_features.increment import inputs_of
from ltv_features.kept import KEPT_TABLES
from ltv_features.session import open_session
from ltv_features.tables import Lake
from tests.benchmarks import world
from tests.benchmarks.compare import Result, in_turns

HISTORY_DAYS = 365


def p4(*, users: int = 200_000, events: int = 50_000_000, rounds: int = 3) -> list[Result]:
    """A night that touches 1 % of the users."""
    with tempfile.TemporaryDirectory(prefix="ltv-p4-") as folder:
        spark = open_session(SparkSettings(driver_memory="6g"), "P4")
        lake = Lake(spark, f"{folder}/lake")
        world.write_items(lake)
        for part in range(parts := max(1, events // 10_000_000)):
            days = (HISTORY_DAYS * part // parts, HISTORY_DAYS * (part + 1) // parts)
            world.append(lake, world.events(lake, events // parts, users=users, days=days, salt=part + 1), part + 1)
        _made(lake, HISTORY_DAYS)
        anew = Lake(spark, f"{folder}/anew")

        def arrive(turn: int) -> None:
            few, day = users // 100, HISTORY_DAYS + turn
            rows = world.events(lake, few * 3, users=users, days=(day, day + 1), salt=100 + turn, among=few)
            world.append(lake, rows, 100 + turn)

        def a_night(turn: int) -> object:
            return _made(lake, HISTORY_DAYS + 1 + turn)

        def a_rebuild(turn: int) -> object:
            shutil.rmtree(anew.root, ignore_errors=True)
            Path(anew.root).mkdir()
            for name in ("events", "items"):
                Path(anew.root, name).symlink_to(Path(lake.root, name))
            return _made(anew, HISTORY_DAYS + 1 + turn)

        def agree() -> bool:
            return _signatures(lake) == _signatures(anew)

        pairs = in_turns(a_night, a_rebuild, rounds=rounds, before=arrive, agree=agree)
        spark.stop()
    what = f"a night of 1 % of {users:,} users, {events:,} events of history, by a full rebuild"
    return [Result("P4", what, pairs.ratio, 0.15, 0.05, True, pairs.told())]


def _made(lake: Lake, days: int) -> list[int]:
    """Both tables as of so many days, accounts included; returns what the accounts leave unexplained."""
    as_of, inputs = world.night(days), inputs_of(lake)
    night = Night(lake, as_of)
    for kept in KEPT_TABLES:
        night.bring(kept, inputs, f"digest-{days}")
    left = [hop.unexplained for hop in night.accounts()]
    night.done()
    return left


def _signatures(lake: Lake) -> list[tuple[int, int]]:
    return [world.signature(lake.read(kept.table.name)) for kept in KEPT_TABLES]


ALL = {"P4": p4}
