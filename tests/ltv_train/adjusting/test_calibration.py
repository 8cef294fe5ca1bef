"""Chances that are too sure are corrected where past origins show that it helps, and left alone where they do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from ltv_train import bundle
from ltv_train.adjusting.calibration import AS_IT_WAS, CALIBRATION, Calibration
from ltv_train.baselines import fit_baselines
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.out_of_fold import adjusted_folds
from ltv_train.judging.platt import fit_calibration, would_have_helped
from ltv_train.predict import predict
from ltv_train.predictions import finished
from tests.value_world import some_examples, some_material

TOO_SURE = (-0.4, 0.6)
"""What would make the chances of `origin` true: intercept and slope."""


def origin(number: int, line: tuple[float, float] = TOO_SURE, *, users: int = 4_000, own_churn: bool = False) -> Fold:
    """A past origin at which `model` says chances that are true once moved along `line`."""
    chance = np.random.default_rng(number)
    said = np.sort(chance.uniform(0.02, 0.98, (users, 2)), axis=1)
    true = expit(line[0] + line[1] * logit(said))
    drawn = chance.random((users, 1))
    bought, active = (drawn < true).astype(float), (drawn < np.sqrt(true)).astype(float)
    spend = bought * 100.0
    told = finished(said * 100, said * 50, said, p_active=np.sqrt(said) if own_churn else None)
    return Fold(
        f"2026-0{number}-01",
        np.arange(users),
        spend,
        bought,
        {"model": told, "formula": told},
        active=active if own_churn else None,
    )


def test_the_line_that_made_the_chances_wrong_is_found_again() -> None:
    found = fit_calibration([origin(n) for n in (1, 2, 3)], "model")
    assert found.users == 4_000
    assert found.active == ()
    for line in found.purchase:
        np.testing.assert_allclose(line, TOO_SURE, atol=0.08)


def test_an_event_that_all_or_none_had_moves_nothing() -> None:
    fold = origin(1)
    everybody = replace(fold, purchased=np.stack([np.zeros(4_000), np.ones(4_000)], axis=1))
    assert fit_calibration([everybody], "model").purchase == (AS_IT_WAS, AS_IT_WAS)


def test_a_correction_needs_two_newest_origins_that_gain_and_one_before_them() -> None:
    wrong, right = [origin(n) for n in (1, 2, 3)], origin(4, AS_IT_WAS)
    assert would_have_helped(wrong, "model")
    assert not would_have_helped(wrong[:2], "model")
    assert not would_have_helped([*wrong, right], "model")  # the newest would have lost
    assert not would_have_helped([*wrong[:2], right, wrong[2]], "model")  # the one before it would have


def test_whoever_is_judged_did_not_choose_the_correction_and_a_formula_is_taken_at_its_word() -> None:
    folds = [origin(n) for n in (1, 2, 3)]
    whole, made = adjusted_folds(folds, calibrated=["model"], scale_minor=1_000.0)
    assert list(whole["model"]) == ["calibration", "conformal"]
    assert list(whole["formula"]) == ["conformal"]
    before, after = folds[2].predictions, made[2].predictions
    assert np.array_equal(before["formula"].p_purchase, after["formula"].p_purchase)
    assert np.mean((after["model"].p_purchase - folds[2].purchased) ** 2) < np.mean(
        (before["model"].p_purchase - folds[2].purchased) ** 2
    )
    changed = [replace(fold, purchased=fold.purchased.copy()) for fold in folds]
    changed[2].purchased[7] = 1 - changed[2].purchased[7]
    again = adjusted_folds(changed, calibrated=["model"], scale_minor=1_000.0)[1][2].predictions["model"].p_purchase
    moved = np.flatnonzero((again != after["model"].p_purchase).any(axis=1))
    assert 7 not in moved
    assert 1_800 < len(moved) < 2_200  # the other half


def test_churn_by_activity_has_a_line_of_its_own() -> None:
    found = fit_calibration([origin(n, own_churn=True) for n in (1, 2, 3)], "model")
    assert len(found.active) == 2
    assert found.active != found.purchase
    said = origin(4, own_churn=True)
    before, after = said.predictions["model"], found.applied(said.predictions["model"])
    assert np.mean((after.p_churn - said.churned) ** 2) < np.mean((before.p_churn - said.churned) ** 2)


@settings(max_examples=200)
@given(data=st.data())
def test_whatever_is_corrected_stays_legal(data: st.DataObject) -> None:
    shares = st.lists(st.floats(0, 1), min_size=3, max_size=3)
    lines = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 10)), min_size=3, max_size=3)
    p, active = (np.array([data.draw(shares)]) for _ in range(2))
    money = np.array([[1.0, 2.0, 3.0]])
    said = finished(3 * money, 2 * money, p, low=money, high=4 * money, p_active=active)
    own = data.draw(st.booleans())
    given_lines = tuple(data.draw(lines)), tuple(data.draw(lines)) if own else ()
    made = Calibration(*given_lines, users=1).applied(said)
    assert (np.diff(made.p_purchase, axis=1) >= 0).all()
    assert (np.diff(made.p_churn, axis=1) <= 0).all()
    assert ((made.p_purchase >= 0) & (made.p_purchase <= 1) & (made.p_churn >= 0)).all()
    assert (made.p_churn <= 1 - made.p_purchase + 1e-12).all()
    assert (made.median[made.p_purchase < 0.5] == 0).all()
    assert (made.low <= made.median).all()
    assert (made.median <= made.high).all()
    assert np.array_equal(made.mean, said.mean)


def test_a_bundle_carries_its_calibration_beside_the_intervals(tmp_path: Path) -> None:
    material, examples = some_material(), some_examples(30, seed=9)
    built = next(each for each in fit_baselines(material) if each.name == "spend_rate")
    anchors = material.anchors.at_origin()
    plain = bundle.write(tmp_path, kind=built.kind, config=built.config, files=built.files, anchors=anchors)
    lines = Calibration(((0.5, 1.0), (0.5, 1.0)), (), 77)
    moved = bundle.load(bundle.amended(plain, tmp_path, {CALIBRATION: lines.to_dict()}).path)
    before, after = predict(plain, examples), predict(moved, examples)
    some = (before.p_purchase > 1e-6) & (before.p_purchase < 1 - 1e-6)
    assert some.any()
    expected = expit(logit(before.p_purchase[some]) + 0.5)
    assert after.p_purchase[some] == pytest.approx(expected)
    assert np.array_equal(before.mean, after.mean)
    assert Calibration.from_dict(moved.config[CALIBRATION]) == lines
