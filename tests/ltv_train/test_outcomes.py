"""What a published night promised against what happened, on customers whose purchases are known."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import monitor
from ltv_features import files
from ltv_features.errors import InputMissing
from ltv_features.tables import Lake
from ltv_train.score import outcomes
from tests.score_world import ELIGIBLE, HORIZONS, NIGHT, copy_world, run_in

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def lake(spark: SparkSession, published_world: Path) -> Lake:
    return run_in(published_world, spark).lake


@pytest.fixture(scope="module")
def rows(lake: Lake) -> list[dict]:
    said = outcomes.candidates_said(lake, NIGHT, HORIZONS, 100)
    return [row.asDict() for row in outcomes.outcomes(lake, NIGHT, HORIZONS, said, 100).collect()]


def of(rows: list[dict], candidate: str, days: int) -> dict[str, dict]:
    mine = [row for row in rows if (row["candidate"], row["horizon_days"]) == (candidate, days)]
    assert len(mine) == len({row["user_id"] for row in mine})
    return {row["user_id"]: row for row in mine}


def test_only_horizons_that_have_passed_are_due(lake: Lake) -> None:
    for days, due in ((30, [30]), (89, [30]), (90, [30, 90])):
        assert outcomes.matured(lake, NIGHT + timedelta(days), HORIZONS) == {NIGHT: due}


def test_before_anything_has_matured_the_dates_are_said(lake: Lake) -> None:
    message = "matured by 2026-04-30; published: 2026-04-01; the first horizon ends on 2026-05-01"
    with pytest.raises(InputMissing, match=message):
        outcomes.matured(lake, NIGHT + timedelta(29), HORIZONS)


def test_spend_is_what_was_paid_in_the_window_less_what_came_back(rows: list[dict]) -> None:
    month, quarter = of(rows, "published", 30), of(rows, "published", 90)
    assert (month["anna"]["spend"], month["anna"]["purchased"]) == (20.0, True)
    assert (quarter["anna"]["spend"], quarter["anna"]["purchased"]) == (90.0, True)


def test_whoever_did_nothing_in_the_window_spent_nothing(rows: list[dict]) -> None:
    for days in HORIZONS:
        published = of(rows, "published", days)
        assert set(published) == ELIGIBLE
        for user in ELIGIBLE - {"anna"}:
            assert (published[user]["spend"], published[user]["purchased"]) == (0.0, False)


def test_the_promise_is_that_of_the_night(rows: list[dict], lake: Lake) -> None:
    scored = {row.user_id: row for row in lake.read("scores").collect()}
    for days in HORIZONS:
        for user, row in of(rows, "published", days).items():
            promised = [
                scored[user][f"pltv_{days}"],
                scored[user][f"pltv_{days}_p50"],
                scored[user][f"p_purchase_{days}"],
            ]
            assert [row["pltv"], row["pltv_p50"], row["p_purchase"]] == promised


def test_candidates_speak_in_units_of_the_currency_about_their_own_users(rows: list[dict]) -> None:
    said = of(rows, "lstm", 90)
    assert set(said) == {"anna", "bert", "gus"}
    anna = said["anna"]
    assert [anna["pltv"], anna["pltv_p50"], anna["p_purchase"], anna["spend"]] == [40.0, 20.0, 0.9, 90.0]
    assert [of(rows, "lstm", 30)["bert"][name] for name in ("pltv", "spend")] == [1.0, 0.0]


def test_measures_compare_the_same_users_with_the_published_score_first(rows: list[dict]) -> None:
    measured = outcomes.measured(rows)
    assert [(row.candidate, row.horizon_days, row.users) for row in measured] == [
        ("published", 90, 3),
        ("lstm", 90, 3),
        ("published", 30, 3),
        ("lstm", 30, 3),
    ]
    lstm = measured[1]
    assert lstm.mae == pytest.approx((70 + 1 + 3) / 3)
    assert lstm.bias == pytest.approx((40 + 2 + 6 - 90) / 3)
    assert (lstm.gini, lstm.auc_purchase) == (1.0, 1.0)
    everybody = outcomes.measured(rows, scored_by_all=False)
    assert [(row.candidate, row.users) for row in everybody[:2]] == [("published", len(ELIGIBLE)), ("lstm", 3)]


def test_the_published_score_brings_its_intervals_from_the_scores_of_the_night(rows: list[dict], lake: Lake) -> None:
    scored = {row.user_id: row for row in lake.read("scores").collect()}
    folds = outcomes.folds(rows, outcomes.intervals(lake, NIGHT, HORIZONS))
    for days in HORIZONS:
        said = folds[days].predictions
        for end in ("low", "high"):
            expected = [[scored[user][f"pltv_{days}_{end}"]] for user in ("anna", "bert", "gus")]
            assert getattr(said["published"], end).tolist() == expected
        assert said["lstm"].low.shape == (3, 0)


def test_a_night_without_a_training_of_its_own_is_judged_by_its_published_score_alone(
    spark: SparkSession, published_world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy_world(published_world, tmp_path / "world")
    shutil.rmtree(folder / "lake" / "training")
    run = replace(run_in(folder, spark), as_of=NIGHT + timedelta(30))
    with caplog.at_level("INFO"):
        monitor.main(run)
    rows = run.lake.read("outcomes")
    assert [row["candidate"] for row in rows.select("candidate").distinct().collect()] == ["published"]
    assert rows.count() == len(ELIGIBLE)
    assert f"{NIGHT}: nothing was trained for it, so the published score stands alone" in caplog.text
    page = files.read_bytes(files.join(run.settings.lake.root, "reports", str(NIGHT), "outcome.html")).decode()
    assert "Intervals: promised and kept, 30 days" in page


def test_what_is_measured_comes_with_how_sure_it_is(rows: list[dict]) -> None:
    told = outcomes.with_intervals(rows)
    assert [str(one) for one, _ in told] == [str(one) for one in outcomes.measured(rows)]
    for one, sure in told:
        assert (one.candidate, one.mae) == (sure.candidate, pytest.approx(sure.mae.value))
        assert sure.mae.low <= sure.mae.value <= sure.mae.high


def test_outcomes_are_made_anew_after_another_training(lake: Lake, tmp_path: Path) -> None:
    copied = Lake(lake.spark, str(tmp_path / "lake"))
    shutil.copytree(lake.root, copied.root)
    before = outcomes.made_from(copied, NIGHT, [30])
    assert before == outcomes.made_from(lake, NIGHT, [30])
    files.write_json(f"{copied.root}/training/{NIGHT}/latest.json", {"run": "train-other", "input_digest": "x"})
    assert outcomes.made_from(copied, NIGHT, [30]) != before
