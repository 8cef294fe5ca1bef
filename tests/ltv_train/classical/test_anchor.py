"""BG/NBD and Gamma-Gamma: known shoppers are found again, and expectations are those of the published formulas."""

import numpy as np
import pytest
from scipy import special

from ltv_train.classical.anchor import AnchorParameters, fit_anchor
from ltv_train.classical.anchors import AT_ORIGIN, Anchors, fit_anchors

TRUE = AnchorParameters("bgnbd", (0.8, 30.0, 0.9, 2.5), (6.0, 4.0, 1.5), 1_000.0)
NOBODY = [0.0, 0.0, 0.0, 0.0, 0.0]


def some_shoppers(count: int, seed: int = 1, days: float = 400.0) -> np.ndarray:
    """ANCHOR_INPUTS of shoppers whose hidden rates, drop-out and order values follow TRUE."""
    chance = np.random.default_rng(seed)
    r, alpha, a, b = TRUE.frequency
    p, q, gamma = TRUE.spend
    rows = []
    for _ in range(count):
        age = chance.uniform(60, days)
        rate, leaves = chance.gamma(r, 1 / alpha), chance.beta(a, b)
        time, times = 0.0, []
        while True:
            time += chance.exponential(1 / rate)
            if time > age:
                break
            times.append(time)
            if chance.random() < leaves:
                break
        orders = len(times) + 1
        nu = chance.gamma(q, 1 / gamma)
        mean = chance.gamma(p, 1 / nu, size=orders).mean() * 1_000.0
        rows.append([orders, len(times), times[-1] if times else 0.0, age, mean])
    return np.array(rows)


@pytest.fixture(scope="module")
def shoppers() -> np.ndarray:
    return some_shoppers(6_000)


@pytest.fixture(scope="module")
def fitted(shoppers: np.ndarray) -> AnchorParameters:
    return fit_anchor(shoppers)


def test_the_hidden_parameters_are_found_again(fitted: AnchorParameters) -> None:
    """6,000 shoppers leave standard errors of some 5 % in r and alpha and of 10 to 15 % in a and b."""
    assert fitted.kind == "bgnbd"
    assert fitted.frequency[:2] == pytest.approx(TRUE.frequency[:2], rel=0.15)
    assert fitted.frequency[2:] == pytest.approx(TRUE.frequency[2:], rel=0.4)
    drop_out = [parameters[2] / (parameters[2] + parameters[3]) for parameters in (fitted.frequency, TRUE.frequency)]
    assert drop_out[0] == pytest.approx(drop_out[1], rel=0.08)


def test_the_value_of_an_order_is_found_again(fitted: AnchorParameters, shoppers: np.ndarray) -> None:
    """The order value of the mean shopper: p gamma / (q - 1) in units of the mean order."""
    scale = TRUE.mean_order_minor / fitted.mean_order_minor
    p, q, gamma = fitted.spend
    true_p, true_q, true_gamma = TRUE.spend
    assert p * gamma / (q - 1) == pytest.approx(scale * true_p * true_gamma / (true_q - 1), rel=0.05)


def closed_form(parameters: tuple[float, ...], x: float, t_x: float, age: float, days: float) -> float:
    """Equation 10 of Fader, Hardie and Lee (2005) as printed."""
    r, alpha, a, b = parameters
    z = days / (alpha + age + days)
    start = (a + b + x - 1) / (a - 1)
    inner = 1 - ((alpha + age) / (alpha + age + days)) ** (r + x) * special.hyp2f1(r + x, b + x, a + b + x - 1, z)
    odds = (a / (b + x - 1)) * ((alpha + age) / (alpha + t_x)) ** (r + x) if x > 0 else 0.0
    return start * inner / (1 + odds)


@pytest.mark.parametrize(
    ("x", "t_x", "age"), [(0.0, 0.0, 38.9), (2.0, 30.4, 38.9), (7.0, 100.0, 300.0), (40.0, 290.0, 300.0)]
)
@pytest.mark.parametrize("days", [7.0, 30.0, 365.0])
@pytest.mark.parametrize("frequency", [(0.243, 4.414, 0.793, 2.426), (0.8, 30.0, 1.7, 2.5), (2.0, 60.0, 0.3, 5.0)])
def test_expected_orders_are_those_of_equation_10(frequency, x, t_x, age, days) -> None:
    anchor = AnchorParameters("bgnbd", frequency, (), 1.0)
    said = anchor.expected_orders(np.array([[x + 1, x, t_x, age, 1.0]]), days)[0]
    assert said == pytest.approx(closed_form(frequency, x, t_x, age, days), rel=2e-4)


def test_more_days_never_mean_fewer_orders(shoppers: np.ndarray) -> None:
    by_days = np.stack([TRUE.expected_orders(shoppers[:500], days) for days in (1.0, 30.0, 90.0, 365.0)])
    assert (np.diff(by_days, axis=0) > 0).all()


@pytest.mark.parametrize("frequency", [(1.0, 5.0, 1.5, 1.0), (2.135, 1.9393, 227.1, 227.0), (0.05, 900.0, 0.1, 0.2)])
def test_a_newcomer_is_expected_to_order_more_in_more_days_whatever_the_parameters(frequency) -> None:
    """Where 2F1 overflows, and where the horizon is long against alpha."""
    anchor = AnchorParameters("bgnbd", frequency, (), 1.0)
    said = [anchor.expected_orders(np.array([[1.0, 0.0, 0.0, 0.1, 1.0]]), days)[0] for days in (30, 90, 365, 730, 1095)]
    assert np.isfinite(said).all()
    assert (np.diff(said) > 0).all()


def test_who_was_silent_longer_is_less_likely_alive() -> None:
    silent = np.array([[6.0, 5.0, last, 300.0, 900.0] for last in (290.0, 200.0, 100.0, 20.0)])
    alive = TRUE.p_alive(silent)
    assert (np.diff(alive) < 0).all()
    assert ((alive > 0) & (alive <= 1)).all()


def test_a_thousand_times_the_money_is_a_thousand_times_the_value(
    fitted: AnchorParameters, shoppers: np.ndarray
) -> None:
    dear = shoppers.copy()
    dear[:, 4] *= 1_000
    said = fit_anchor(dear).expected_value(dear, 90.0)
    assert said == pytest.approx(1_000 * fitted.expected_value(shoppers, 90.0), rel=1e-6)


def test_who_never_ordered_is_expected_to_order_nothing(fitted: AnchorParameters) -> None:
    nobody = np.array([NOBODY])
    assert fitted.expected_orders(nobody, 90.0).tolist() == [0.0]
    assert fitted.p_alive(nobody).tolist() == [0.0]
    assert fitted.expected_value(nobody, 90.0).tolist() == [0.0]


@pytest.mark.parametrize(
    "rows",
    [
        [NOBODY],
        [[1.0, 0.0, 0.0, 10.0, 500.0]],
        [[1.0, 0.0, 0.0, age, 500.0] for age in range(1, 60)],
        [[2.0, 1.0, 5.0, 10.0, 500.0], [1.0, 0.0, 0.0, 300.0, 0.0]],
        [[5.0, 4.0, 40.0, 40.0, 100.0]] * 30,
    ],
    ids=["nobody", "one order", "no repeat buyer", "two customers", "all the same"],
)
def test_small_and_strange_logs_give_finite_values(rows: list[list[float]]) -> None:
    inputs = np.array(rows)
    anchor = fit_anchor(inputs)
    for said in (anchor.expected_value(inputs, 90.0), anchor.expected_orders(inputs, 365.0), anchor.p_alive(inputs)):
        assert np.isfinite(said).all()
        assert (said >= 0).all()
    assert AnchorParameters.from_dict(anchor.to_dict()) == anchor


def test_each_row_speaks_with_the_parameters_of_its_own_cutoff(shoppers: np.ndarray) -> None:
    early, late = some_shoppers(800, seed=2), some_shoppers(800, seed=3) * [1, 1, 1, 1, 5]
    rows, numbers = np.concatenate([early, late]), np.repeat(np.array([0, 1], np.int32), 800)
    anchors = fit_anchors(rows, numbers, shoppers)
    said = anchors.expected_value(rows, numbers, 30.0)
    alone = fit_anchor(late).expected_value(late, 30.0)
    floor = 0.02 * anchors.mean_daily_minor[1] * 30.0
    assert said[800:] == pytest.approx(np.maximum(alone, floor))
    assert Anchors.from_dict(anchors.to_dict()) == anchors
    assert set(anchors.at_origin().parameters) == {AT_ORIGIN}


def test_a_cutoff_that_was_never_fitted_is_an_error(shoppers: np.ndarray) -> None:
    anchors = fit_anchors(shoppers[:300], np.zeros(300, np.int32), shoppers)
    with pytest.raises(KeyError):
        anchors.expected_value(shoppers[:2], np.array([7, 7], np.int32), 30.0)


def test_whole_periods_sum_to_the_horizon(shoppers: np.ndarray) -> None:
    anchors = fit_anchors(shoppers[:300], np.zeros(300, np.int32), shoppers)
    origin = np.full(len(shoppers), AT_ORIGIN, np.int32)
    parts = anchors.period_values(shoppers, origin, [(0, 30), (30, 90)])
    assert parts.sum(axis=1) == pytest.approx(anchors.expected_value(shoppers, origin, 90.0))
