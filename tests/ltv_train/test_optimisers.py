"""Optimisers, schedules, penalties and precision, each by its name and against what it is known to do."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_train import loop, models
from ltv_train.loop import Ranks
from ltv_train.models import Shape
from ltv_train.network_settings import NetworkSettings
from ltv_train.optimisers import Recipe, autocast, optimiser_of, penalise, rate, schedule_of
from tests.network_world import some_inputs, some_world, training_columns

CPU = torch.device("cpu")
SCHEDULES = ("cosine", "step", "exponential", "constant")
WORLD, LABELS = some_world(64, signal=1.0, seed=1)
BATCH = some_inputs(WORLD).batch(training_columns(WORLD, LABELS, np.arange(64)), at_origin=False)


def after_a_step(recipe: Recipe, gradient: float) -> float:
    """Where a weight of 1 stands after one step along a gradient."""
    weight = nn.Parameter(torch.ones(1))
    optimiser = optimiser_of([weight], recipe)
    weight.grad = torch.tensor([gradient])
    optimiser.step()
    return weight.item()


def test_every_optimiser_takes_the_step_that_its_paper_says() -> None:
    """The first step of Adam is the rate, whatever the gradient; AdamW shrinks the weight by rate x decay besides."""
    assert after_a_step(Recipe(9, 0.1, optimiser="sgd"), 0.5) == pytest.approx(1 - 0.1 * 0.5)
    assert after_a_step(Recipe(9, 0.1, optimiser="adam", weight_decay=0.5), 0.5) == pytest.approx(1 - 0.1)
    assert after_a_step(Recipe(9, 0.1, optimiser="adamw", weight_decay=0.5), 0.5) == pytest.approx(
        (1 - 0.1 * 0.5) - 0.1
    )


def test_momentum_carries_the_last_step_on() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimiser = optimiser_of([weight], Recipe(9, 1.0, optimiser="sgd", momentum=0.5))
    for gradient in (1.0, 0.0, 0.0):
        weight.grad = torch.tensor([gradient])
        optimiser.step()
    assert weight.item() == pytest.approx(-(1 + 0.5 + 0.25))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_warms_up_to_its_peak_and_never_rises_again(schedule: str) -> None:
    recipe = Recipe(1000, schedule=schedule)
    rates = [rate(step, recipe) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 50)
    assert rates[49:51] == [1.0, 1.0]
    assert all(later <= earlier for earlier, later in pairwise(rates[50:]))


def test_each_schedule_ends_where_it_should() -> None:
    def last(**changed: object) -> float:
        return rate(999, Recipe(1000, warm_up_share=0.0, **changed))  # type: ignore[arg-type]

    assert last() < 1e-4
    assert last(schedule="constant") == 1.0
    assert last(schedule="exponential", decay=0.5, decay_steps=333) == pytest.approx(0.5**3)
    assert last(schedule="step", decay=0.5, decay_steps=400) == 0.25
    assert rate(0, Recipe(1000, warm_up_share=0.0)) == 1.0


def test_the_optimiser_walks_at_the_rate_of_the_schedule() -> None:
    weight = nn.Parameter(torch.zeros(1))
    recipe = Recipe(100, 0.5, optimiser="sgd", schedule="step", decay=0.1, decay_steps=40, warm_up_share=0.0)
    optimiser = optimiser_of([weight], recipe)
    schedule = schedule_of(optimiser, recipe)
    seen = []
    for _ in range(100):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert (seen[39], seen[40], seen[80]) == pytest.approx((0.5, 0.05, 0.005))


def test_penalties_are_the_slopes_of_their_sums_over_matrices_alone() -> None:
    matrix, bias = nn.Parameter(torch.tensor([[2.0, -3.0, 0.0]])), nn.Parameter(torch.tensor([5.0]))
    (0.1 * matrix.abs().sum() + 0.01 * matrix.square().sum()).backward()
    expected = matrix.grad
    matrix.grad, bias.grad = torch.zeros(1, 3), torch.zeros(1)
    penalise([matrix, bias], Recipe(1, l1=0.1, l2=0.01))
    assert torch.allclose(matrix.grad, expected)
    assert bias.grad.item() == 0


def learned(encoder: str = "lstm", **changed: object) -> tuple[list[float], loop.Learner]:
    """The loss of twenty epochs of two steps, and the learner."""
    sizes = some_inputs(WORLD).encoding.vocabulary_sizes
    shape = Shape(sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16, dropout=0.0)
    recipe = Recipe(steps=40, **{"learning_rate": 1e-2, **changed})  # type: ignore[arg-type]
    learner = loop.start(models.build(encoder, shape, residual=True, seed=1), recipe)
    return [loop.train_epoch(learner, [BATCH, BATCH], Ranks(), CPU).loss for _ in range(20)], learner


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_loss_falls_with_every_optimiser_and_schedule(optimiser: str, schedule: str) -> None:
    losses, _ = learned(
        "mlp", optimiser=optimiser, schedule=schedule, learning_rate=0.3 if optimiser == "sgd" else 0.01
    )
    assert losses[-1] < 0.97 * losses[0]


def test_penalties_make_weights_small() -> None:
    def size(**changed: float) -> float:
        return sum(float(w.detach().abs().sum()) for w in learned("mlp", **changed)[1].bare.parameters() if w.dim() > 1)

    assert size(l1=0.1) < 0.9 * size()
    assert size(l2=0.1) < 0.9 * size()


@pytest.mark.parametrize("encoder", sorted(models.ENCODERS))
def test_in_bfloat16_the_loss_falls_as_far_and_stays_finite(encoder: str) -> None:
    narrow, learner = learned(encoder, precision="bfloat16")
    wide, _ = learned(encoder, precision="float32")
    assert all(math.isfinite(loss) for loss in narrow)
    assert learner.skipped == 0
    assert narrow != wide
    assert narrow[-1] == pytest.approx(wide[-1], rel=0.05)
    assert narrow[-1] < 0.9 * narrow[0]


def test_weights_losses_and_what_is_validated_stay_float32() -> None:
    _, learner = learned(precision="bfloat16")
    assert {value.dtype for value in learner.bare.state_dict().values()} == {torch.float32}
    with autocast("bfloat16", CPU):
        said = learner.bare(BATCH)
    assert {value.dtype for value in vars(said).values() if value is not None} == {torch.float32}
    assert learner.averaged.encoder(BATCH).summary.dtype == torch.float32


def test_a_cpu_computes_in_float32_unless_told_otherwise() -> None:
    def kind(precision: str) -> torch.dtype:
        with autocast(precision, CPU):
            return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    assert [kind(each) for each in ("auto", "float32", "bfloat16")] == [torch.float32, torch.float32, torch.bfloat16]


def test_a_recipe_takes_what_the_settings_say() -> None:
    settings = NetworkSettings(optimiser="sgd", momentum=0.5, l1=0.1, schedule="step", decay=0.3, clip_norm=2.0)
    recipe = Recipe.of(settings, 7)
    assert recipe == Recipe(7, optimiser="sgd", momentum=0.5, l1=0.1, schedule="step", decay=0.3, clip_norm=2.0)
