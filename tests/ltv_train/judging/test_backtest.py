"""From a folder that `train` might have left to verdict, installed bundle and page, on quick stand-ins for models."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltv_features import files
from ltv_features.errors import BundleRefused, ContractBroken, InputMissing
from ltv_train import procedures, promotion
from ltv_train.bundle import load
from ltv_train.config import GateSettings, NetworkSettings, TrainSettings
from ltv_train.judging import backtest
from ltv_train.judging.backtest import Backtest
from ltv_train.judging.prediction_files import write_predictions
from ltv_train.latest import latest_run
from ltv_train.metrics.intervals import coverage_by_tier
from ltv_train.money import Money
from ltv_train.predict import predict
from ltv_train.search import Found, Trial
from tests.backtest_world import CANDIDATES, ORIGINS, SETTINGS, USERS, known, what_happened, write_training
from tests.value_world import HORIZONS, some_examples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("training") / "train-0123"
    write_training(place)
    files.write_json(str(place.parent / "latest.json"), {"run": "train-0123"})
    return place


@pytest.fixture(scope="module")
def judged(folder: Path) -> Backtest:
    run = latest_run(str(folder.parent))[1]
    return backtest.judge(
        str(folder), run, what_happened(), production=None, settings=SETTINGS, seed=1, known=known(attributes=True)
    )


def test_the_latest_run_is_the_one_that_was_pointed_at(folder: Path, tmp_path: Path) -> None:
    place, run = latest_run(str(folder.parent))
    assert (Path(place), run["run_name"]) == (folder, "train-0123")
    with pytest.raises(InputMissing, match=r"latest.json"):
        latest_run(str(tmp_path))


def test_every_candidate_and_the_blend_are_measured_at_every_past_origin(judged: Backtest) -> None:
    measured = {(row.origin, row.candidate, row.horizon_days) for row in judged.measures}
    expected = {(o, name, days) for o in ORIGINS[:-1] for name in [*CANDIDATES, "blend"] for days in HORIZONS}
    assert measured == expected
    assert len(judged.measures) == len(expected)
    assert judged.horizons_days == HORIZONS
    assert judged.weights.names == ("boosting_g", "boosting_e", "lstm")
    zero = [row for row in judged.measures if row.candidate == "all_zero"]
    assert {row.gini for row in zero} == {0.0}


def test_the_verdict_names_a_candidate_that_beats_the_best_baseline(judged: Backtest) -> None:
    assert judged.verdict.promoted in {*CANDIDATES, "blend"}
    assert judged.verdict.promoted not in ("all_zero", "mean")
    assert judged.verdict.grade == "U"  # 120 users are too few to say more
    assert f"{judged.verdict.promoted} is promoted" in judged.verdict.reason


def test_intervals_are_moved_by_past_origins_and_the_installed_bundle_says_how(
    folder: Path, judged: Backtest, tmp_path: Path
) -> None:
    assert set(judged.adjustments) == {*CANDIDATES, "blend"}
    for fold in judged.folds:
        for name in ("anchor", "linear_rfm", "blend"):
            said = fold.predictions.get(name)
            if said is not None:
                inside = coverage_by_tier(fold.spend[:, 1], said.mean[:, 1], said.low[:, 1], said.high[:, 1])[0].inside
                assert 0.7 < inside < 0.97
    installed = promotion.install(str(folder), judged, str(tmp_path))
    assert installed is not None
    assert installed.config["conformal"]["users"] == 2 * USERS
    assert len(installed.config["conformal"]["upper"]) == len(HORIZONS)
    said = predict(installed, some_examples(20, seed=3))
    assert (said.low <= said.median).all()


def test_chances_that_are_too_sure_are_corrected_from_the_folds_to_the_bundle_and_the_page_says_so(
    tmp_path: Path,
) -> None:
    origins = ("2025-12-04", *ORIGINS)
    run = write_training(tmp_path, origins)
    for number, origin in enumerate(origins[:-1]):
        ahead = some_examples(USERS, seed=50 + number)
        for name in ("boosting_g", "boosting_e", "lstm"):
            said = predict(load(tmp_path / run["bundles"][origin][name]), ahead)
            sure = np.where(said.p_purchase > np.median(said.p_purchase), 0.999, 0.001)
            path = tmp_path / "predictions" / origin / f"{name}.parquet"
            write_predictions(str(path), ahead, replace(said, p_purchase=sure, p_churn=1 - sure))
    place = str(tmp_path)
    made = backtest.judge(place, run, what_happened(origins), production=None, settings=SETTINGS, seed=1)
    assert {name for name, told in made.adjustments.items() if "calibration" in told} == {
        "boosting_g", "boosting_e", "lstm", "blend",
    }  # fmt: skip
    assert all(fold.predictions["lstm"].p_purchase.min() > 0.01 for fold in made.folds)
    ahead, told = some_examples(20, seed=3), {}
    for name in ("lstm", "anchor"):
        chosen = backtest.replace(made, verdict=backtest.replace(made.verdict, promoted=name))
        installed = promotion.install(place, chosen, str(tmp_path / "bundles"))
        assert installed is not None
        plain = predict(backtest.bundle_of(place, run, origins[-1], name), ahead)
        told[name] = (
            "calibration" in installed.config,
            np.array_equal(predict(installed, ahead).p_purchase, plain.p_purchase),
        )
        page = promotion.report(chosen, as_of=origins[-1], money=Money("EUR", 100))
        assert ("The chances of lstm are corrected (Platt scaling)" in page) is (name == "lstm")
        assert ("The chances of anchor stand as it says them" in page) is (name == "anchor")
    assert told == {"lstm": (True, False), "anchor": (False, True)}


def test_a_search_is_a_table_of_its_trials(judged: Backtest) -> None:
    found = Found((Trial({}, (1.0, 0.9), 3), Trial({"hidden": 32}, (0.8, 0.7), 2)), 1, "lower at each of 2 origins")
    searched = backtest.replace(judged, run={**judged.run, "search": found.to_dict()})
    page = promotion.report(searched, as_of="2026-02-26", money=Money("EUR", 100))
    assert "Search of settings" in page
    assert "Adopted, marked below: lower at each of 2 origins." in page
    for cell in ("as they are", "0.9500", "hidden 32", "0.7500", "0.8000, 0.7000"):
        assert f"<td>{cell}</td>" in page


def test_users_without_a_prediction_stop_the_judgement(tmp_path: Path) -> None:
    run = write_training(tmp_path)
    few = some_examples(USERS - 1, seed=50)
    path = tmp_path / "predictions" / ORIGINS[0] / "lstm.parquet"
    write_predictions(str(path), few, predict(load(tmp_path / run["bundles"][ORIGINS[0]]["lstm"]), few))
    with pytest.raises(ContractBroken, match="'lstm' at 2026-01-01: predicted 119 users, outcomes are known for 120"):
        backtest.judge(str(tmp_path), run, what_happened(), production=None, settings=SETTINGS, seed=1)


def test_a_changed_bundle_is_refused(tmp_path: Path) -> None:
    run = write_training(tmp_path)
    config = tmp_path / run["bundles"][ORIGINS[-1]]["lstm"] / "config.json"
    config.write_bytes(config.read_bytes().replace(b"spend_rate", b"spent_rate"))
    with pytest.raises(BundleRefused, match=r"config.json: expected SHA-256"):
        backtest.bundle_of(str(tmp_path), run, ORIGINS[-1], "lstm")


def test_the_blend_of_an_origin_is_put_together_from_its_members_there(
    folder: Path, judged: Backtest, tmp_path: Path
) -> None:
    made = backtest.candidate(str(folder), judged, ORIGINS[-1], "blend", str(tmp_path))
    members = {name: made.member(name).digest for name in ("boosting_g", "boosting_e", "lstm")}
    assert members == {name: backtest.bundle_of(str(folder), judged.run, ORIGINS[-1], name).digest for name in members}


def test_a_refit_that_moved_the_total_is_held_and_a_calm_one_is_not(tmp_path: Path) -> None:
    ahead = some_examples(USERS, seed=60)
    for name, money in (("calm", 1.0), ("moved", 3.0)):
        run = write_training(tmp_path / name, refit_money=money)
        place = str(tmp_path / name)
        made = backtest.judge(place, run, what_happened(), production="lstm", settings=SETTINGS, seed=1)
        forced = backtest.replace(made, verdict=backtest.replace(made.verdict, promoted="mean"))
        loose = GateSettings(max_refit_total_shift=0.5, min_refit_spearman=0.0)
        checked = backtest.checked_after_refit(place, forced, ahead, production="lstm", settings=loose)
        if name == "calm":
            assert checked.verdict.promoted == "mean"
        else:
            assert checked.verdict.promoted is None
            assert "refit of mean: total moved by +" in checked.verdict.reason
            assert "held: lstm stays" in checked.verdict.reason


def test_without_a_past_origin_the_blend_serves_and_nothing_is_measured(tmp_path: Path) -> None:
    run = write_training(tmp_path, ORIGINS[-1:])
    empty = what_happened().slice(0, 0)
    made = backtest.judge(str(tmp_path), run, empty, production=None, settings=SETTINGS, seed=1)
    assert (made.verdict.promoted, made.verdict.grade, made.folds, made.measures) == ("blend", "U", (), ())
    assert set(made.weights.mean) == {1 / 3}
    assert made == backtest.checked_after_refit(
        str(tmp_path), made, some_examples(3, seed=1), production=None, settings=SETTINGS
    )
    assert "no past origin has matured" in promotion.report(made, as_of="2026-02-26", money=Money("EUR", 100))


def test_the_winner_is_installed_under_its_digest_and_speaks_the_same(
    folder: Path, judged: Backtest, tmp_path: Path
) -> None:
    ahead = some_examples(20, seed=61)
    for name in ("blend", "spend_rate"):
        chosen = backtest.replace(judged, verdict=backtest.replace(judged.verdict, promoted=name))
        installed = promotion.install(str(folder), chosen, str(tmp_path))
        assert installed is not None
        assert installed.path == tmp_path / installed.digest
        original = backtest.candidate(str(folder), judged, ORIGINS[-1], name, str(tmp_path / "again"))
        own = {key: value for key, value in installed.config.items() if key != "conformal"}
        assert own == original.config
        np.testing.assert_array_equal(predict(installed, ahead).mean, predict(original, ahead).mean)
    held = backtest.replace(judged, verdict=backtest.replace(judged.verdict, promoted=None))
    assert promotion.install(str(folder), held, str(tmp_path / "none")) is None
    assert not (tmp_path / "none").exists()


def test_the_same_name_with_other_settings_is_another_procedure(folder: Path, judged: Backtest, tmp_path: Path) -> None:
    settings = TrainSettings(networks={"lstm": NetworkSettings(hidden=16)})
    slower = NetworkSettings(hidden=16, learning_rate=1e-5)
    first, changed = (
        {**judged.run, "procedures": procedures.procedures_of(settings.model_copy(update={"networks": {"lstm": own}}))}
        for own in (settings.networks["lstm"], slower)
    )
    chosen = backtest.replace(judged, run=first, verdict=backtest.replace(judged.verdict, promoted="lstm"))
    installed = promotion.install(str(folder), chosen, str(tmp_path / "bundles"))
    assert installed is not None
    before = {"name": "lstm", "bundle": f"bundles/{installed.digest}"}
    assert procedures.served_before(None, str(tmp_path), first) is None
    assert procedures.served_before(before, str(tmp_path), first) == "lstm"
    named = procedures.served_before(before, str(tmp_path), changed)
    assert named == "lstm as it was set before (lstm)"
    made = backtest.judge(str(folder), changed, what_happened(), production=named, settings=SETTINGS, seed=1)
    assert f"production {named} is no candidate of this run and could not be compared" in made.verdict.reasons
    assert not any("the procedure that serves, refitted" in reason for reason in made.verdict.reasons)


def test_the_page_fetches_nothing_and_marks_the_chosen_row(judged: Backtest) -> None:
    chosen = backtest.replace(judged, verdict=backtest.replace(judged.verdict, promoted="spend_rate"))
    html = promotion.report(chosen, as_of="2026-02-26", money=Money("EUR", 100))
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)|@import|url\((?!["']?data:)|<script""", html)
    assert len(re.findall(r'<img [^>]*src="data:image/', html)) == 13
    marked = re.findall(r'<tr class="chosen"><td>([^<]*)</td>', html)
    assert marked.count("spend_rate") == 1 + 2 + len(HORIZONS) * 2 * 2  # against baselines, as decisions, every measure
    row = next(m for m in judged.measures if (m.origin, m.candidate, m.horizon_days) == (ORIGINS[1], "mean", 90))
    assert f"<td>mean</td><td>{row.gini:.4f}</td>" in html
    errors = (row.mae / 100, row.rmse / 100, row.mse / 100**2)
    assert "<td>mean</td>" + "".join(f"<td>{error:,.2f}</td>" for error in errors) in html
    assert f"<caption>Errors in EUR, 90 days from {ORIGINS[1]} ({USERS} users)</caption>" in html
    assert "within .001, a Gini too where the Gini of the true spend is above .3; a capture is off by at most" in html
    assert "spend_rate may serve from 2026-02-26 on (grade U)." in html
    assert "<td>200</td>" in html  # examples that both ranks read in both epochs
    held = backtest.replace(judged, verdict=backtest.replace(judged.verdict, promoted=None))
    page = promotion.report(held, as_of="2026-02-26", money=Money("EUR", 100))
    assert "Production stays as it is." in page
    assert f"Decisions of {judged.verdict.best_baseline}" in page


def test_the_page_tells_who_serves_how_good_it_is_and_what_it_is_not_for(judged: Backtest) -> None:
    html = promotion.report(judged, as_of="2026-02-26", money=Money("EUR", 100))
    headings = re.findall(r"<h2>([^<]*)</h2>", html)
    assert headings == [
        *("Verdict", "Candidates and baselines", "Calibration", "Ranking: gain and lift", "Residuals by decile"),
        *(
            "Intervals: promised and kept",
            "Purchase",
            "Churn",
            "Segments",
            "Groups of customers",
            "How the gate decided",
            "Blend",
        ),
        *("Every origin and horizon", "Learning curves", "Examples read"),
    ]
    standing = next(each for each in judged.standings if each.candidate == judged.verdict.promoted)
    assert f"{standing.gini.value:.4f} ({standing.gini.low:.4f} to {standing.gini.high:.4f})" in html
    mine = (judged.verdict.promoted, ORIGINS[1], HORIZONS[-1])
    row = next(m for m in judged.measures if (m.candidate, m.origin, m.horizon_days) == mine)
    assert f"In total, {judged.verdict.promoted} promised {row.total_ratio:.1%} of what was spent." in html
    assert f"<td>{row.total_ratio:.3f}</td><td>{row.calibration_error:.1%}</td>" in html
    assert "Grade U, held against the best baseline: not graded, for there are too few users or buyers" in html
    assert "town: 1 group(s) of under 100 customers, 20 customers in all, left out." in html
    assert "Bonn" not in html


def test_the_page_tells_by_tier_how_many_lay_inside_the_interval_and_what_was_promised(judged: Backtest) -> None:
    html = promotion.report(judged, as_of="2026-02-26", money=Money("EUR", 100)).replace("\n", "")
    fold = judged.folds[-1]
    said = fold.predictions[str(judged.verdict.promoted)]
    for h, days in enumerate(HORIZONS):
        assert f"<caption>{days} days from {fold.origin}</caption>" in html
        for tier in coverage_by_tier(fold.spend[:, h], said.mean[:, h], said.low[:, h], said.high[:, h]):
            cells = (tier.tier, tier.users, f"{tier.inside:.1%}", "80%", f"{tier.below:.1%}", f"{tier.above:.1%}")
            assert "".join(f"<td>{cell}</td>" for cell in cells) in html


def test_examples_read_are_held_against_what_an_epoch_should_hold(judged: Backtest) -> None:
    planned = judged.run["examples_planned"] | {ORIGINS[1]: {"lstm": [90]}}
    assert list(promotion.examples_read({**judged.run, "examples_planned": planned})) == [
        ("lstm 2026-01-01 seed 1", 200, 200),
        ("lstm 2026-01-29 seed 1", 180, 200),
        ("lstm 2026-02-26 seed 1", 200, 200),
    ]
