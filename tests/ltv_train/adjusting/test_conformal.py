"""Intervals moved until they hold what they promise: coverage, legality, groups, and the way into a bundle."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltv_features.errors import ContractBroken
from ltv_train import bundle
from ltv_train.adjusting.conformal import CONFORMAL, Correction
from ltv_train.baselines import fit_baselines
from ltv_train.judging.conformal_fit import fit_correction
from ltv_train.metrics.intervals import coverage_by_tier
from ltv_train.predict import predict
from ltv_train.predictions import Predictions, finished, quantiles_of
from tests.value_world import some_examples, some_material

SCALE = 1000.0


def shop(users: int, *, seed: int, narrow: float) -> tuple[Predictions, np.ndarray, np.ndarray]:
    """Users whose spend is log-normal about what is said of them; a third buys nothing. Ends `narrow` times as far from
    the median as they should be; the better a user, the more so."""
    chance = np.random.default_rng(seed)
    worth = 1000 * np.exp(chance.normal(size=users))
    spread = 0.3 + 0.5 * (worth > 1000)
    spend = worth * np.exp(spread * chance.normal(size=users)) * (chance.random(users) > 0.33)
    high = worth * np.exp(1.28 * 0.3 * narrow)
    said = finished(*(each[:, None] for each in (worth, worth, np.full(users, 0.67))), high=high[:, None],
                    low=np.zeros((users, 1)))  # fmt: skip
    return said, spend[:, None], np.arange(users)


def inside(said: Predictions, spend: np.ndarray) -> list[float]:
    rows = coverage_by_tier(spend[:, 0], said.mean[:, 0], said.low[:, 0], said.high[:, 0])
    return [row.inside for row in rows]


@pytest.mark.parametrize("narrow", [0.3, 1.0, 3.0])
def test_the_upper_end_is_passed_by_a_tenth_of_fresh_users_in_every_group(narrow: float) -> None:
    correction = fit_correction(*shop(4_000, seed=1, narrow=narrow), scale_minor=SCALE)
    assert [len(row) for row in (correction.borders[0], correction.upper[0])] == [3, 4]
    fresh, spend, _ = shop(40_000, seed=2, narrow=narrow)
    moved = correction.applied(fresh)
    above = spend[:, 0] > moved.high[:, 0]
    groups = np.searchsorted(correction.borders[0], fresh.mean[:, 0], side="right")
    for group in range(4):
        assert 0.05 < above[groups == group].mean() < 0.13
    assert min(inside(moved, spend)) > 0.85


def test_too_few_users_of_a_group_share_one_correction_however_many_rows_they_bring() -> None:
    said, spend, keys = shop(790, seed=1, narrow=1.0)
    twice = np.tile(np.arange(790), 2)
    for rows in (np.arange(790), twice):
        made = fit_correction(said.take(rows), spend[rows], keys[rows], scale_minor=SCALE)
        assert made.borders == ((),)
        assert len(made.upper[0]) == 1
        assert made.users == 790


def test_the_score_that_decides_is_the_one_of_the_finite_sample() -> None:
    """Ten users, each said to spend nothing: ceil(11 x .9) = 10, so the largest of them decides; by hand."""
    spend = np.arange(1.0, 11.0)[:, None] * 100
    nothing = np.zeros((10, 1))
    made = fit_correction(finished(nothing, nothing, nothing, low=nothing, high=nothing), spend, np.arange(10),
                          scale_minor=SCALE)  # fmt: skip
    assert made.upper[0][0] == pytest.approx(np.log1p(1.0))
    assert made.lower[0][0] == pytest.approx(-np.log1p(0.1))  # nobody spends less than the least of them did


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_is_moved_stays_legal(data: st.DataObject) -> None:
    amounts = st.lists(st.floats(0, 1e9), min_size=3, max_size=3)
    low, median, high, mean = (np.array([data.draw(amounts)]) for _ in range(4))
    said = finished(mean, median, np.full((1, 3), 0.5), low=low, high=high, cap=1e8)
    moves = st.lists(st.floats(-30, 30), min_size=3, max_size=3)
    ends = [tuple((move,) for move in data.draw(moves)) for _ in range(2)]
    moved = Correction(SCALE, ((), (), ()), ends[0], ends[1], 1).applied(said, cap=1e8)
    for values in (moved.low, moved.high):
        assert np.isfinite(values).all()
        assert (np.diff(values, axis=1) >= 0).all()
    assert (moved.low >= 0).all()
    assert (moved.low <= moved.median).all()
    assert (moved.median <= moved.high).all()
    assert (moved.high <= 1e8).all()


def test_a_bundle_carries_its_correction_and_everything_else_stays(tmp_path: Path) -> None:
    material, examples = some_material(), some_examples(30, seed=9)
    built = next(each for each in fit_baselines(material) if each.name == "spend_rate")
    plain = bundle.write(
        tmp_path, kind=built.kind, config=built.config, files=built.files, anchors=material.anchors.at_origin()
    )
    twice = float(np.log(2.0))
    correction = Correction(1e-9, ((), ()), ((twice,), (twice,)), ((twice,), (twice,)), 500)
    moved = bundle.amended(plain, tmp_path, {CONFORMAL: correction.to_dict()})
    assert moved.digest != plain.digest
    before, after = predict(plain, examples), predict(bundle.load(moved.path), examples)
    np.testing.assert_allclose(after.low, before.low / 2, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after.high, np.minimum(before.high * 2, built.config["cap_minor"]), rtol=1e-6)
    for name in ("mean", "median", "p_purchase", "p_churn"):
        assert np.array_equal(getattr(after, name), getattr(before, name))


def test_a_segment_of_which_only_the_mean_is_known_has_the_quantiles_of_an_exponential() -> None:
    chance = np.random.default_rng(1)
    for p in (0.05, 0.4, 0.95):
        spend = chance.exponential(10 / p, 200_000) * (chance.random(200_000) < p)
        for level in (0.1, 0.9):
            expected = quantiles_of(np.array([[10.0]]), np.array([[p]]), level)[0, 0]
            assert np.quantile(spend, level) == pytest.approx(expected, rel=0.03, abs=0.02)


def test_an_end_that_is_no_number_is_not_passed_on() -> None:
    one = np.ones((1, 2))
    with pytest.raises(ContractBroken, match="high: 1 numbers are not finite"):
        finished(one, one, one, low=one, high=np.array([[1.0, np.inf]]))
