"""Eight customers whose states, scores and published night are small enough to check by hand.

anna and gus are twins with three orders, bert has one, cleo only looked; dora objects (she said so after the night),
emil has a dated profile and no event, fred an undated one and no event, hugo bought and has two undated profiles of
which one objects. After the night anna buys, sends back, buys.
"""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from jobs._entry import Run, Settings
from ltv_features import contract, features, ledger
from ltv_features.increment import inputs_of
from ltv_features.kept import ITEMS_BOUGHT, STATES
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train import bundle, predict, training
from ltv_train.baselines import fit_baselines
from ltv_train.bundle import Bundle
from ltv_train.predictions import Predictions
from ltv_train.registry import model_row
from ltv_train.score.production import promote
from tests.value_world import some_examples, some_material

NIGHT = date(2026, 4, 1)
HORIZONS = (30, 90)
KEYS = {"anna": 11, "gus": 12, "bert": 13, "cleo": 14, "dora": 15, "emil": 16, "fred": 17, "hugo": 18}
ELIGIBLE = {"anna", "bert", "cleo", "emil", "gus"}
NEVER = {"mean_minor": [150.0, 450.0], "p_purchase": [0.1, 0.25]}
"""What customers without an order are worth: 1.50 in 30 days, 4.50 in 90."""

HAPPENED = (
    ("anna", -60, "purchase", 2_000),
    ("anna", -30, "purchase", 2_500),
    ("anna", -5, "purchase", 3_000),
    ("gus", -60, "purchase", 2_000),
    ("gus", -30, "purchase", 2_500),
    ("gus", -5, "purchase", 3_000),
    ("bert", -50, "purchase", 1_000),
    ("cleo", -3, "view", 0),
    ("dora", -20, "purchase", 9_000),
    ("hugo", -20, "purchase", 9_000),
    ("anna", 0, "purchase", 3_000),
    ("anna", 10, "refund", 1_000),
    ("anna", 29, "view", 0),
    ("anna", 30, "purchase", 7_000),
    ("bert", 91, "purchase", 8_000),
)
"""(who, days after the night, what, minor units), each at 00:00: day 0 is the first instant of the window."""

PROFILES = (
    ("dora", -100, True, False),
    ("dora", 5, True, True),
    ("emil", -10, True, False),
    ("fred", None, False, False),
    ("hugo", None, False, True),
    ("hugo", None, False, False),
)
"""(who, days after the night or None for an undated one, dated, objects)."""


def midnight(days: int) -> datetime:
    """00:00 UTC so many days after the night."""
    return datetime(NIGHT.year, NIGHT.month, NIGHT.day, tzinfo=UTC) + timedelta(days)


def settings_of(folder: Path) -> Settings:
    """Settings of the world below `folder`; the suppression list names gus."""
    return Settings.model_validate(
        {
            "lake": {"root": str(folder / "lake")},
            "shop": {"currency": "EUR", "horizons_days": list(HORIZONS)},
            "sources": {"orders": {"path": "orders.csv", "format": "csv"}},
            "export": {"folder": str(folder / "export"), "suppression": str(folder / "suppression.csv")},
        }
    )


def run_in(folder: Path, spark: SparkSession, *, run_id: str = "test") -> Run:
    """What a job of the night in `folder` is given."""
    return Run(settings_of(folder), NIGHT, run_id, spark)


def rate_bundle(parent: Path) -> Bundle:
    """The baseline "what was spent a day, times days", with the worth of those who never bought."""
    material = some_material(60)
    built = next(each for each in fit_baselines(material) if each.name == "spend_rate")
    config = dict(built.config) | {"never_bought": NEVER}
    anchors = material.anchors.at_origin()
    return bundle.write(parent, kind=built.kind, config=config, files=built.files, anchors=anchors)


def write_world(folder: Path, spark: SparkSession) -> None:
    """Tables up to user_state, the bundle and its promotion, the suppression list."""
    lake = Lake(spark, str(folder / "lake"))
    _write_events(lake)
    _write_profiles(lake)
    lake.upsert(spark.createDataFrame([], spark_schema(contract.ITEMS)), contract.ITEMS)
    for kept, digest in ((STATES, "states"), (ITEMS_BOUGHT, "items")):
        features.Night(lake, NIGHT).bring(kept, inputs_of(lake), digest)
    hop = ledger.Hop("events in user_state", 0, 0)
    ledger.record(lake, job="build_features", as_of=NIGHT, input_digest="states", run_id="test", hops=[hop])
    made = rate_bundle(folder / "lake" / "bundles")
    said = {"as_of": NIGHT, "purpose": "value", "bundle": f"bundles/{made.digest}", "digest": made.digest}
    told = {"name": "spend_rate", "grade": "B", "reason": "a test", "input_digest": "judged", "run_id": "test"}
    row = model_row(**said, **told)  # type: ignore[arg-type]
    promote(lake, row)
    (folder / "suppression.csv").write_text("user_id,reason\ngus,asked\nnobody,asked\n")


def copy_world(source: Path, target: Path) -> Path:
    """The same folder elsewhere, to be spoilt."""
    shutil.copytree(source, target)
    return target


def write_training(folder: Path) -> None:
    """What `train` leaves for the night: one candidate that spoke of anna, bert and gus, in that order."""
    run = folder / "lake" / "training" / NIGHT.isoformat() / "run-1"
    examples = some_examples(3, seed=1)
    object.__setattr__(examples, "user_key", np.array([KEYS[name] for name in ("anna", "bert", "gus")]))
    mean = np.array([[1_000.0, 4_000.0], [100.0, 200.0], [300.0, 600.0]])
    p = np.array([[0.5, 0.9], [0.1, 0.2], [0.3, 0.4]])
    said = Predictions(mean, mean / 2, p, 1 - p)
    training.write_predictions(str(run / "predictions" / NIGHT.isoformat() / "lstm.parquet"), examples, said)
    (run / "run.json").write_text('{"candidates": ["lstm"]}')
    (run.parent / "latest.json").write_text('{"run": "run-1", "input_digest": "shards"}')


def plain_scores(folder: Path, states: predict.Examples) -> Predictions:
    """What `predict` says of the states when called without Spark, in minor units."""
    return predict.predict(rate_bundle(folder / "lake" / "bundles"), states)


def _write_events(lake: Lake) -> None:
    rows = []
    for number, (who, days, kind, minor) in enumerate(HAPPENED, start=1):
        is_order = kind in ("purchase", "refund")
        known = {
            "source": "orders",
            "event_id": str(number),
            "event_key": number,
            "user_id": who,
            "user_key": KEYS[who],
            "event_type": kind,
            "event_ts": midnight(days),
            "event_month": f"{midnight(days):%Y-%m}",
            "landed_ts": midnight(100),
            "order_id": f"o{number}" if is_order else None,
            "order_key": number * is_order,
            "quantity": int(is_order),
            "amount_minor": minor,
        }
        zero = dict.fromkeys(("discount_minor", "rating", "dwell_seconds"), 0)
        rows.append(dict.fromkeys(contract.EVENTS.column_names) | zero | known)
    frame = lake.spark.createDataFrame(rows, spark_schema(contract.EVENTS))
    lake.append(frame, contract.EVENTS.name, app="test", version=1, partition_by=contract.EVENTS.partition_by)


def _write_profiles(lake: Lake) -> None:
    rows = [
        (
            who,
            KEYS[who],
            datetime(1970, 1, 1, tzinfo=UTC) if days is None else midnight(days),
            "{}",
            number,
            dated,
            objects,
        )
        for number, (who, days, dated, objects) in enumerate(PROFILES)
    ]
    lake.upsert(lake.spark.createDataFrame(rows, spark_schema(contract.USERS)), contract.USERS)
