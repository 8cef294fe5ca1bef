"""Every head by name: what it says is legal whatever the numbers beneath, and its loss is the one computed by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ltv_train import losses
from ltv_train.models.heads import HEADS, Params, ValueHead

every_head = pytest.mark.parametrize("name", sorted(HEADS))
PERIODS, NAMED = 3, 2
numbers = st.one_of(st.floats(-200, 200, width=32), st.sampled_from([-1e30, -0.0, 1e-30, 1e30]))


def head_of(name: str, *, residual: bool = True, periods: int = PERIODS, named: int = NAMED) -> ValueHead:
    return HEADS[name](4, periods, residual=residual, activity=True, named=named)


def plain(name: str, amounts: list[float]) -> tuple[ValueHead, Params]:
    """A head without anchor that says `amounts` by period, a purchase as likely as not in each."""
    head = HEADS[name](4, len(amounts), residual=False)
    raw = torch.zeros(1, head.n_raw)
    raw[0, len(amounts) : 2 * len(amounts)] = torch.tensor(amounts).log()
    return head, head.params(raw, torch.zeros(1, len(amounts)))


def labels(spend: list[float]) -> dict[str, Tensor]:
    amounts = torch.tensor([spend])
    whole = torch.ones_like(amounts)
    return {"spend_minor": amounts, "purchased": (amounts > 0).float(), "mask": whole, "exposure": whole}


@every_head
@pytest.mark.parametrize("residual", [True, False])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_falls_with_the_horizon_and_no_quantile_crosses(name: str, residual: bool, data: st.DataObject) -> None:
    head = head_of(name, residual=residual)
    drawn = data.draw(st.lists(numbers, min_size=head.n_raw, max_size=head.n_raw))
    anchor = data.draw(st.lists(st.floats(-12, 14, width=32), min_size=PERIODS + NAMED, max_size=PERIODS + NAMED))
    log = torch.tensor([anchor])
    params = head.params(torch.tensor([drawn]), log[:, :PERIODS], log[:, PERIODS:])
    rising = [head.p_purchase, head.p_active, head.mean, head.low, head.median, head.high]
    for say in rising:
        values = say(params)
        assert torch.isfinite(values).all()
        assert (values >= 0).all()
        assert (values.diff(dim=1) >= 0).all(), say.__name__
    assert (head.low(params) <= head.median(params)).all()
    assert (head.median(params) <= head.high(params)).all()
    assert (head.p_purchase(params) <= head.p_active(params) + 1e-6).all()
    assert (head.p_active(params) <= 1).all()
    assert torch.isfinite(head.named_mean(params)).all()
    assert (head.named_mean(params) >= 0).all()
    assert ((head.named_purchase(params) >= 0) & (head.named_purchase(params) <= 1)).all()


@every_head
@pytest.mark.parametrize("amount", [0.0, 1e-3, 1e6])
def test_extreme_amounts_keep_loss_and_gradient_finite(name: str, amount: float) -> None:
    head = head_of(name, periods=2, named=1)
    raw = (torch.ones(4, head.n_raw) * torch.tensor([-100.0, -5.0, 5.0, 100.0])[:, None]).requires_grad_()
    given = {key: values.expand(4, 2) for key, values in labels([amount, amount]).items()} | {
        "active": torch.ones(4, 2),
        "named_spend_minor": torch.full((4, 1), amount),
        "named_purchased": torch.ones(4, 1),
        "named_mask": torch.ones(4, 1),
    }
    sums, weight = head.loss(head.params(raw, torch.zeros(4, 2), torch.zeros(4, 1)), given, torch.ones(4))
    assert len(sums) == len(head.loss_terms) == len(head.loss_weights)
    sums.sum().backward()
    assert weight.item() == 8
    assert torch.isfinite(sums).all()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_the_comparison_heads_cost_what_their_names_say_of_cumulative_spend() -> None:
    """Said 1 and then 2 more, happened 3 and nothing more: errors of 2 and of 0."""
    by_hand = {
        "mse": 2.0**2 + 0.0,
        "mae": 2.0,
        "huber": 2.0 - 0.5,
        "tweedie": 2 * (3**0.7 / (-0.3 * 0.7) + 3 * 1**-0.3 / 0.3 + 1**0.7 / 0.7),
    }
    for name, expected in by_hand.items():
        head, params = plain(name, [1.0, 2.0])
        sums, weight = head.loss(params, labels([3.0, 0.0]), torch.ones(1))
        assert head.loss_terms == ("amount", "purchase", "median", "quantiles")
        assert sums[0].item() == pytest.approx(expected, rel=1e-4)
        assert sums[1].item() == pytest.approx(-math.log(0.5) - math.log(0.75), rel=1e-4)
        assert weight.item() == 2
        assert head.mean(params).tolist()[0] == pytest.approx([1.0, 3.0])
        assert head.p_purchase(params).tolist()[0] == pytest.approx([0.5, 0.75])


def test_hubers_cost_is_squared_near_and_straight_beyond() -> None:
    spend, mean = torch.tensor([1.0, 1.5, 5.0]), torch.tensor([1.0, 1.0, 1.0])
    assert losses.huber(spend, mean).tolist() == pytest.approx([0.0, 0.125, 3.5])


def test_the_pinball_is_least_at_the_quantile() -> None:
    spend = torch.arange(1.0, 101.0)
    for level, quantile in ((0.1, 10), (0.5, 50), (0.9, 90)):
        costs = [float(losses.pinball(spend, torch.full_like(spend, float(q)), level).sum()) for q in range(1, 101)]
        assert 1 + costs.index(min(costs)) in (quantile, quantile + 1)


def test_activity_comes_on_top_of_purchases_and_does_not_bend_them() -> None:
    head = HEADS["ziln"](4, 1, residual=False, activity=True)
    raw = torch.zeros(1, head.n_raw, requires_grad=True)
    params = head.params(raw, torch.zeros(1, 1))
    assert head.p_purchase(params).item() == pytest.approx(0.5)
    assert head.p_active(params).item() == pytest.approx(0.75)
    sums, _ = head.loss(params, labels([0.0]) | {"active": torch.ones(1, 1)}, torch.ones(1))
    assert sums[-1].item() == pytest.approx(-math.log(0.75), rel=1e-5)
    sums[-1].backward()
    assert raw.grad is not None
    assert raw.grad[0, 0].item() == 0.0
    assert raw.grad.abs().sum().item() > 0


def test_a_named_period_is_learned_where_it_matured_and_starts_from_its_anchor() -> None:
    head = HEADS["ziln"](4, 1, residual=False, named=2)
    params = head.params(torch.zeros(2, head.n_raw), torch.zeros(2, 1), torch.tensor([[2.0, 4.0]] * 2).log())
    assert head.named_mean(params)[0].tolist() == pytest.approx([2.0, 4.0])
    assert head.named_purchase(params)[0].tolist() == pytest.approx([0.5, 0.5])
    given = {key: values.expand(2, 1) for key, values in labels([0.0]).items()} | {
        "named_spend_minor": torch.tensor([[2.0, 9.0], [-5.0, 9.0]]),
        "named_purchased": torch.tensor([[1.0, 1.0], [0.0, 0.0]]),
        "named_mask": torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
    }
    sums, _ = head.loss(params, given, torch.tensor([1.0, 3.0]))
    nothing_of_two = 2 * 2**0.7 / 0.7
    assert sums[-2].item() == pytest.approx(3 * nothing_of_two, rel=1e-4)
    assert sums[-1].item() == pytest.approx(4 * -math.log(0.5), rel=1e-4)
