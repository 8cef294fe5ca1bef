"""Losses and the default head's arithmetic against values computed by hand."""

import math

import pytest
import torch

from ltv_train import losses
from ltv_train.models.heads import LEAST_SIGMA, MOST_SIGMA, Params, ZilnHead


def said(q: list[float], mean: list[float], sigma: float = 0.5, median: list[float] | None = None) -> Params:
    """One user with purchase probability q and expected spend `mean` in each period; quantiles half and twice it."""
    chance, expected = torch.tensor([q]), torch.tensor([mean])
    spread = torch.full_like(chance, sigma)
    return Params(
        log_survival=torch.log1p(-chance),
        log_chance=chance.log(),
        location=(expected / chance).log() - spread.square() / 2,
        sigma=spread,
        log_mean=expected.log(),
        log_median=torch.tensor([median or mean]).log(),
        log_low=(expected / 2).log(),
        log_high=(expected * 2).log(),
    )


def labels(spend: list[float], exposure: list[float], mask: list[float] | None = None) -> dict[str, torch.Tensor]:
    """Labels of one user."""
    amounts = torch.tensor([spend])
    return {
        "spend_minor": amounts,
        "purchased": (amounts > 0).float(),
        "mask": torch.tensor([mask or [1.0] * len(spend)]),
        "exposure": torch.tensor([exposure]),
    }


HEAD = ZilnHead(4, 2, residual=False)
ONE = torch.ones(1)


def test_a_hazard_costs_the_log_of_what_was_given_to_what_happened() -> None:
    survival = torch.tensor([0.8]).log()
    assert losses.hazard_bce(survival, torch.ones(1)).item() == pytest.approx(-math.log(0.2), rel=1e-5)
    assert losses.hazard_bce(survival, torch.zeros(1)).item() == pytest.approx(-math.log(0.8), rel=1e-5)


def test_the_log_normal_cost_is_that_of_the_normal_density_of_log_spend_and_nothing_without_spend() -> None:
    cost = losses.log_normal_nll(torch.tensor([math.e, 0.0]), torch.tensor([0.0, 0.0]), torch.tensor([2.0, 2.0]))
    expected = math.log(2.0) + 0.5 * math.log(2 * math.pi) + 0.5 * 0.25
    assert cost.tolist() == pytest.approx([expected, 0.0], rel=1e-6)


def test_the_tweedie_deviance_is_zero_at_the_truth_and_a_known_number_elsewhere() -> None:
    assert losses.tweedie_deviance(torch.tensor(3.0), torch.tensor(3.0)).item() == pytest.approx(0, abs=1e-5)
    by_hand = 2 * (1 / (-0.3 * 0.7) + 2**-0.3 / 0.3 + 2**0.7 / 0.7)
    assert losses.tweedie_deviance(torch.tensor(1.0), torch.tensor(2.0)).item() == pytest.approx(by_hand, rel=1e-5)
    nothing = 2 * 2**0.7 / 0.7
    assert losses.tweedie_deviance(torch.tensor(0.0), torch.tensor(2.0)).item() == pytest.approx(nothing, rel=1e-5)


def test_cumulative_means_add_up_and_probabilities_multiply() -> None:
    params = said([0.5, 0.2], [1.0, 3.0])
    assert HEAD.mean(params).tolist()[0] == pytest.approx([1.0, 4.0])
    assert HEAD.p_purchase(params).tolist()[0] == pytest.approx([0.5, 0.6])


def test_the_median_is_nothing_where_no_purchase_is_likelier() -> None:
    params = said([0.4, 0.4], [1.0, 3.0], median=[0.7, 2.0])
    assert HEAD.median(params).tolist()[0] == pytest.approx([0.0, 2.7])


def test_a_half_seen_period_has_the_hazard_and_the_mean_of_its_half() -> None:
    params = said([0.75, 0.5], [2.0, 2.0])
    sums, weight = HEAD.loss(params, labels([0.0, 0.0], [0.5, 1.0], mask=[1.0, 0.0]), ONE)
    assert weight.item() == 1
    bce = -0.5 * math.log(0.25)
    quantiles = 0.9 * 0.5 + 0.1 * 2.0  # nothing was spent: half of 1 and half of 4 were said
    assert sums.tolist() == pytest.approx([bce, 2 * 1.0**0.7 / 0.7, bce, 1.0, quantiles], rel=1e-4)


def test_a_half_seen_location_keeps_the_mean_of_what_was_seen() -> None:
    params = said([0.75, 0.5], [2.0, 2.0], sigma=1.0)
    sums, _ = HEAD.loss(params, labels([1.0, 0.0], [0.5, 1.0], mask=[1.0, 0.0]), ONE)
    seen = 1 - math.sqrt(0.25)  # the hazard of the half; its mean spend is half of 2
    location = math.log(1.0 / seen) - 0.5
    value = 0.5 * math.log(2 * math.pi) + 0.5 * location**2
    assert sums[0].item() == pytest.approx(-math.log(seen) + value, rel=1e-4)


def test_rows_of_weight_zero_and_periods_that_nobody_saw_cost_nothing() -> None:
    params = said([0.75, 0.5], [2.0, 2.0])
    for weight, mask in ((torch.zeros(1), [1.0, 1.0]), (ONE, [0.0, 0.0])):
        sums, total = HEAD.loss(params, labels([5.0, 5.0], [0.0, 0.0], mask=mask), weight)
        assert total.item() == 0
        assert sums.abs().sum().item() == 0


def test_a_negative_net_counts_as_no_spend() -> None:
    params = said([0.75, 0.5], [2.0, 2.0])
    refunded, _ = HEAD.loss(params, labels([-9.0, 0.0], [1.0, 1.0]) | {"purchased": torch.zeros(1, 2)}, ONE)
    nothing, _ = HEAD.loss(params, labels([0.0, 0.0], [1.0, 1.0]), ONE)
    assert refunded.tolist() == nothing.tolist()


@pytest.mark.parametrize("residual", [True, False])
def test_one_parameterisation_holds_mean_location_and_gate_together(residual: bool) -> None:
    torch.manual_seed(1)
    head = ZilnHead(4, 2, residual=residual)
    raw, anchor = torch.randn(50, head.n_raw), torch.randn(50, 2)
    params = head.params(raw, anchor)
    assert (params.sigma >= LEAST_SIGMA).all()
    assert (params.sigma <= MOST_SIGMA).all()
    implied = params.log_chance + params.location + params.sigma.square() / 2
    assert torch.allclose(implied, params.log_mean, atol=1e-4)
    anchored = torch.allclose(params.log_mean, head.params(raw, anchor + 1).log_mean - 1, atol=1e-4)
    assert anchored == residual


def test_the_probability_never_sees_the_anchor() -> None:
    head = ZilnHead(4, 2, residual=True)
    raw = torch.randn(5, head.n_raw)
    one, other = head.params(raw, torch.zeros(5, 2)), head.params(raw, torch.ones(5, 2) * 5)
    assert torch.equal(one.log_survival, other.log_survival)


@pytest.mark.parametrize("amount", [0.0, 1e-3, 1e6])
def test_extreme_amounts_and_parameters_keep_loss_and_gradient_finite(amount: float) -> None:
    head = ZilnHead(4, 2, residual=True)
    raw = (torch.ones(4, head.n_raw) * torch.tensor([-100.0, -5.0, 5.0, 100.0])[:, None]).requires_grad_()
    params = head.params(raw, torch.zeros(4, 2))
    given = {name: values.expand(4, 2) for name, values in labels([amount, amount], [0.01, 1.0]).items()}
    sums, _ = head.loss(params, given, torch.ones(4))
    sums.sum().backward()
    assert torch.isfinite(sums).all()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()
