"""BG/NBD and Gamma-Gamma beside numeric integrals, simulated shoppers with a future, and named edges."""

import json
import math

import numpy as np
import pytest
from scipy import integrate

from ltv_train.classical import anchor as module
from ltv_train.classical.anchor import AnchorParameters, fit_anchor
from ltv_train.classical.anchors import AT_ORIGIN, FLOOR_SHARE, Anchors, fit_anchors

CDNOW_WEEKS = (0.243, 4.414, 0.793, 2.426)
FREQUENCY, SPEND = (1.2, 60.0, 0.8, 2.5), (2.0, 4.0, 15.0)
MONEY, AHEAD_DAYS = 1_000.0, 180.0
TRUE = AnchorParameters("bgnbd", FREQUENCY, SPEND, MONEY)


def some_shoppers(seed, users):
    """ANCHOR_INPUTS [N, 5] and the orders of the 180 days after, of shoppers who live by TRUE."""
    chance = np.random.default_rng(seed)
    (r, alpha, a, b), (p, q, gamma) = FREQUENCY, SPEND
    rate, leaves, age = chance.gamma(r, 1 / alpha, users), chance.beta(a, b, users), chance.uniform(200, 720, users)
    now, last, repeat, ahead, alive = *np.zeros((4, users)), np.ones(users, bool)
    while alive.any():
        now = now + chance.exponential(1 / rate)
        seen, later = alive & (now <= age), alive & (now > age) & (now <= age + AHEAD_DAYS)
        last, repeat, ahead = np.where(seen, now, last), repeat + seen, ahead + later
        alive = (seen | later) & (chance.random(users) >= leaves)
    orders = repeat + 1
    mean = MONEY * chance.gamma(p * orders, 1 / (chance.gamma(q, 1 / gamma, users) * orders))
    return np.stack([orders, repeat, last, age, mean], axis=1), ahead


@pytest.fixture(scope="module")
def world():
    return some_shoppers(1, 8_000)


@pytest.fixture(scope="module")
def fitted(world):
    return fit_anchor(world[0])


def one(orders, last, age, mean=500.0):
    return np.array([[orders, max(orders - 1, 0), last, age, mean]], np.float64)


def test_simulated_shoppers_give_their_parameters_back(fitted):
    """Four deviations over 16 seeds of 8,000 shoppers, which are 2, 2, 5, 7 % for BG/NBD and 3, 2, 5 % for spend."""
    assert fitted.kind == "bgnbd"
    assert (np.abs(np.divide(fitted.frequency, FREQUENCY) - 1) < [0.09, 0.1, 0.22, 0.27]).all()
    p, q, gamma = fitted.spend
    found = p / SPEND[0], q / SPEND[1], gamma * fitted.mean_order_minor / (SPEND[2] * MONEY)
    assert (np.abs(np.subtract(found, 1.0)) < [0.11, 0.1, 0.18]).all()


def test_the_orders_that_came_are_the_orders_expected(world, fitted):
    """The total differs by 2.3 % from world to world; newcomers and old hands are each right, not only their sum."""
    inputs, ahead = world
    expected = fitted.expected_orders(inputs, AHEAD_DAYS)
    assert ahead.sum() == pytest.approx(expected.sum(), rel=0.09)
    for part in (inputs[:, 0] == 1, (inputs[:, 0] > 1) & (inputs[:, 0] <= 5), inputs[:, 0] > 5):
        assert ahead[part].sum() == pytest.approx(expected[part].sum(), rel=0.15)


def posterior_orders(frequency, x, last, age, days):
    """Orders ahead of one customer, by integrals over rate and drop-out without any closed form of either."""
    r, alpha, a, b = frequency

    def over(function, end):
        return integrate.quad(function, 0, end, epsabs=0, epsrel=1e-9, limit=400)[0]

    top = (r + x) / alpha * 20 + 20 / alpha
    stays = over(lambda p: p ** (a - 1) * (1 - p) ** (b + x - 1), 1)
    silent = over(lambda v: v ** (r + x - 1) * math.exp(-v * (alpha + age)), top) * stays
    left = 0.0
    if x:
        gone = over(lambda p: p**a * (1 - p) ** (b + x - 2), 1)
        left = over(lambda v: v ** (r + x - 1) * math.exp(-v * (alpha + last)), top) * gone

    def inner(p):
        return over(lambda v: v ** (r + x - 1) * math.exp(-v * (alpha + age)) * -math.expm1(-v * p * days) / p, top)

    ahead = over(lambda p: p ** (a - 1) * (1 - p) ** (b + x - 1) * inner(p), 1)
    return ahead / (silent + left), silent / (silent + left)


@pytest.mark.parametrize(
    ("x", "last", "age", "days"),
    [(0, 0.0, 38.86, 39.0), (1, 5.0, 30.0, 52.0), (2, 30.43, 38.86, 39.0), (6, 20.0, 39.0, 8.0)],
)
def test_orders_and_life_equal_integrals_over_rate_and_drop_out(x, last, age, days):
    anchor = AnchorParameters("bgnbd", CDNOW_WEEKS, (), 1.0)
    orders, alive = posterior_orders(CDNOW_WEEKS, x, last, age, days)
    assert anchor.expected_orders(one(x + 1, last, age), days)[0] == pytest.approx(orders, rel=1e-4)
    assert anchor.p_alive(one(x + 1, last, age))[0] == pytest.approx(alive, rel=1e-6)


def test_the_published_customer_buys_1_226_times_in_39_weeks():
    """Fader, Hardie, Lee (2005), "Implementing the BG/NBD Model in Excel": x = 2, t_x = 30.43, T = 38.86."""
    found = AnchorParameters("bgnbd", CDNOW_WEEKS, (), 1.0).expected_orders(one(3, 30.43, 38.86), 39.0)
    assert found[0] == pytest.approx(1.226, abs=5e-4)


@pytest.mark.parametrize(("orders", "mean"), [(1, 200.0), (4, 9_000.0), (30, 700.0)])
def test_the_order_value_equals_an_integral_over_the_hidden_scale(orders, mean):
    p, q, gamma = SPEND
    shape, pace = p * orders + q, gamma + orders * mean / MONEY

    def over(power):
        peak = shape / pace
        return (
            integrate.quad(lambda v: (v / peak) ** power * math.exp(-pace * (v - peak)), 0, 12 * peak)[0] / peak**-power
        )

    expected = MONEY * p * over(shape - 2) / over(shape - 1)
    assert TRUE.expected_order_value(one(orders, 10.0, 90.0, mean))[0] == pytest.approx(expected, rel=1e-6)


def test_many_orders_speak_for_themselves_and_few_lean_on_all():
    p, q, gamma = SPEND
    everybody = MONEY * p * gamma / (q - 1)
    values = [TRUE.expected_order_value(one(n, 1.0, 9.0, 50_000.0))[0] for n in (0, 1, 10, 10_000)]
    assert values[0] < values[1] < values[2] < values[3] == pytest.approx(50_000.0, rel=0.01)
    assert TRUE.expected_order_value(np.zeros((1, 5)))[0] == pytest.approx(everybody)


def test_more_days_never_mean_fewer_orders(world, fitted):
    by_days = np.stack([fitted.expected_orders(world[0], days) for days in (0.0, 1.0, 30.0, 90.0, 365.0, 730.0)])
    assert not by_days[0].any()
    assert (np.diff(by_days, axis=0) >= 0).all()


def test_a_rate_of_drop_out_makes_later_days_worth_less(world, fitted):
    first, both = (fitted.expected_orders(world[0], days) for days in (90.0, 180.0))
    assert (both < 2 * first).all()


def test_days_may_differ_by_customer(world, fitted):
    rows, days = world[0][:4], np.array([1.0, 30.0, 90.0, 365.0])
    each = [fitted.expected_orders(rows[[n]], days[n])[0] for n in range(4)]
    np.testing.assert_allclose(fitted.expected_orders(rows, days), each)


def test_a_thousand_times_the_money_is_a_thousand_times_the_value(world, fitted):
    inputs = world[0]
    dear = fit_anchor(inputs * [1, 1, 1, 1, 1_000])
    assert dear.frequency == fitted.frequency
    np.testing.assert_allclose(dear.spend, fitted.spend, rtol=1e-3)
    assert dear.mean_order_minor == pytest.approx(1_000 * fitted.mean_order_minor)
    found = dear.expected_value(inputs * [1, 1, 1, 1, 1_000], 90.0)
    np.testing.assert_allclose(found, 1_000 * fitted.expected_value(inputs, 90.0), rtol=1e-4)


@pytest.mark.parametrize("users", [0, 1, 3])
def test_a_log_without_orders_has_the_prior_rate_and_no_value(users):
    anchor = fit_anchor(np.zeros((users, 5)))
    assert (anchor.kind, anchor.frequency, anchor.spend, anchor.mean_order_minor) == ("rate", (1.0, 365.0), (), 0.0)
    assert anchor.expected_value(np.zeros((users, 5)), 90.0).tolist() == [0.0] * users


def test_who_never_ordered_is_no_part_of_the_fit(world, fitted):
    assert fit_anchor(np.concatenate([world[0], np.zeros((500, 5))])) == fitted


def test_who_never_ordered_is_expected_to_order_nothing():
    nobody = np.array([[0.0, 0.0, 0.0, 200.0, 0.0]])
    for said in (TRUE.expected_orders(nobody, 90.0), TRUE.expected_value(nobody, 90.0), TRUE.p_alive(nobody)):
        assert said.tolist() == [0.0]


def test_too_few_repeat_buyers_give_everybody_the_mean_order():
    paid = np.arange(1.0, 10.0) * 100
    inputs = np.concatenate([one(1, 0.0, 40.0 + n, value) for n, value in enumerate(paid)] * 3)
    inputs[:9, :3] = [3, 2, 20.0]
    anchor = fit_anchor(inputs)
    mean = (inputs[:, 0] @ inputs[:, 4]) / inputs[:, 0].sum()
    assert anchor.spend == ()
    np.testing.assert_allclose(anchor.expected_order_value(inputs), mean)
    inputs[9, :3] = [3, 2, 20.0]
    assert len(fit_anchor(inputs).spend) == 3


def test_where_nobody_came_back_hardly_anybody_is_expected_to():
    inputs = np.concatenate([one(1, 0.0, age) for age in range(1, 301)])
    anchor = fit_anchor(inputs)
    assert (anchor.kind, anchor.spend) == ("bgnbd", ())
    assert anchor.p_alive(inputs).tolist() == [1.0] * 300
    assert (anchor.expected_orders(inputs, 365.0) < 0.1).all()


def test_two_customers_are_fitted_and_the_one_who_returns_is_expected_more():
    inputs = np.concatenate([one(1, 0.0, 300.0, 500.0), one(9, 280.0, 300.0, 1_500.0)])
    anchor = fit_anchor(inputs)
    said = anchor.expected_value(inputs, 90.0)
    assert anchor.spend == ()
    assert np.isfinite(said).all()
    assert 0 < said[0] < said[1]


def test_a_fit_that_fails_falls_back_to_a_shrunk_rate(monkeypatch):
    monkeypatch.setattr(module, "_fit_bgnbd", lambda buyers: None)
    inputs = np.concatenate([one(1, 0.0, 100.0), one(5, 90.0, 100.0), one(3, 10.0, 200.0)])
    anchor = fit_anchor(inputs)
    pace = 6 / 400
    assert anchor.kind == "rate"
    expected = [(30 * pace + x) / (30 + age) * 60 for x, age in ((0, 100), (4, 100), (2, 200))]
    assert anchor.expected_orders(inputs, 60.0) == pytest.approx(expected)
    nobody = np.zeros((1, 5))
    assert anchor.p_alive(np.concatenate([inputs, nobody])).tolist() == [1, 1, 1, 0]
    assert anchor.expected_orders(nobody, 60.0).tolist() == [0.0]


def test_parameters_survive_json(fitted):
    for anchor in (fitted, fit_anchor(np.zeros((0, 5)))):
        assert AnchorParameters.from_dict(json.loads(json.dumps(anchor.to_dict()))) == anchor


def two_cutoffs():
    slow, fast = (AnchorParameters("rate", (1.0, days), (), money) for days, money in ((100.0, 500.0), (10.0, 9_000.0)))
    return Anchors({0: slow, 1: fast, AT_ORIGIN: slow}, {0: 40.0, 1: 1e9, AT_ORIGIN: 40.0})


def test_no_value_falls_below_the_floor_of_its_cutoff():
    inputs = np.concatenate([one(1, 0.0, 50.0), one(1, 0.0, 50.0), np.zeros((1, 5))])
    said = two_cutoffs().expected_value(inputs, np.array([0, 1, 0], np.int32), np.array([30.0, 30.0, 60.0]))
    assert said == pytest.approx([1 / 150 * 30 * 500, FLOOR_SHARE * 1e9 * 30, FLOOR_SHARE * 40 * 60])


def test_features_are_orders_life_order_value_and_floored_value():
    anchors, inputs = two_cutoffs(), np.concatenate([one(2, 40.0, 50.0), np.zeros((1, 5)), one(1, 0.0, 50.0)])
    found = anchors.features(inputs, np.array([1, 0, 0], np.int32), 30.0)
    assert found[:, 0] == pytest.approx([2 / 60 * 30, 0, 1 / 150 * 30])
    assert found[:, 1].tolist() == [1, 0, 1]
    assert found[:, 2].tolist() == [9_000, 500, 500]
    assert found[:, 3] == pytest.approx([FLOOR_SHARE * 1e9 * 30, FLOOR_SHARE * 40 * 30, 100])


def test_horizons_stand_side_by_side_and_periods_are_their_differences():
    anchors, inputs, number = two_cutoffs(), one(2, 40.0, 50.0), np.array([0], np.int32)
    assert anchors.cumulative_values(inputs, number, [30, 90])[0] == pytest.approx([200, 600])
    assert anchors.period_values(inputs, number, [(0, 30), (30, 90)])[0] == pytest.approx([200, 400])


def test_each_cutoff_is_fitted_on_its_own_rows_and_the_origin_on_its_own():
    rows = [some_shoppers(seed, 400)[0] for seed in (2, 3, 4)]
    number = np.tile(np.array([0, 7], np.int32), 400)
    mixed = np.stack(rows[:2], axis=1).reshape(-1, 5)
    anchors = fit_anchors(mixed, number, rows[2])
    assert anchors.parameters == {0: fit_anchor(rows[0]), 7: fit_anchor(rows[1]), AT_ORIGIN: fit_anchor(rows[2])}
    for key, mine in zip((0, 7, AT_ORIGIN), rows, strict=True):
        mean = anchors.parameters[key].expected_value(mine, 30.0).mean() / 30
        assert anchors.mean_daily_minor[key] == pytest.approx(mean)
    assert anchors.at_origin() == Anchors({AT_ORIGIN: anchors.parameters[AT_ORIGIN]}, {AT_ORIGIN: pytest.approx(mean)})
    assert Anchors.from_dict(json.loads(json.dumps(anchors.to_dict()))) == anchors


def test_an_origin_without_anybody_has_a_floor_of_zero():
    assert fit_anchors(one(1, 0.0, 9.0), np.zeros(1, np.int32), np.zeros((0, 5))).mean_daily_minor[AT_ORIGIN] == 0.0


def test_a_cutoff_that_nobody_fitted_is_an_error():
    with pytest.raises(KeyError):
        two_cutoffs().expected_value(one(1, 0.0, 9.0), np.array([5], np.int32), 30.0)
