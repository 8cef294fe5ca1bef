"""The plain loop: guard against numbers that are not finite, and sums that ranks share."""

import copy
import math

import numpy as np
import pytest
import torch

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_features.errors import ShardsRefused, TrainingFailed
from ltv_train import loop, models
from ltv_train.batch import Batch
from ltv_train.loop import Learner, Ranks
from ltv_train.models import Shape
from ltv_train.optimisers import Recipe
from tests.network_world import some_inputs, some_world, training_columns

WORLD, LABELS = some_world(64, signal=1.0, seed=1)
CPU = torch.device("cpu")


def batch_of(rows: range) -> Batch:
    return some_inputs(WORLD).batch(training_columns(WORLD, LABELS, np.asarray(rows)), at_origin=False)


def learner(steps: int = 10, learning_rate: float = 2e-3) -> Learner:
    sizes = some_inputs(WORLD).encoding.vocabulary_sizes
    shape = Shape(sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16, dropout=0.0)
    return loop.start(models.build("mlp", shape, residual=True, seed=1), Recipe(steps, learning_rate))


def broken(batch: Batch) -> Batch:
    poisoned = copy.copy(batch)
    object.__setattr__(poisoned, "aggregates", batch.aggregates * math.nan)
    return poisoned


def test_an_epoch_lowers_the_loss_and_says_what_it_read() -> None:
    one = learner(steps=40, learning_rate=2e-2)
    first = loop.train_epoch(one, [batch_of(range(32)), batch_of(range(32, 64))], Ranks(), CPU)
    for _ in range(19):
        last = loop.train_epoch(one, [batch_of(range(32)), batch_of(range(32, 64))], Ranks(), CPU)
    assert (first.steps, first.examples, one.step) == (2, 64, 40)
    assert last.loss < 0.9 * first.loss


def test_learning_ends_inside_an_epoch_when_all_steps_are_done_and_reading_does_not() -> None:
    one = learner(steps=3)
    told = loop.train_epoch(one, [batch_of(range(16))] * 5, Ranks(), CPU)
    assert (told.steps, told.examples) == (3, 5 * 16)


def test_a_short_read_in_the_last_epoch_is_an_error_too() -> None:
    def short():
        yield batch_of(range(16))
        raise ShardsRefused("expected 32 examples, actual 16")

    with pytest.raises(ShardsRefused, match="expected 32"):
        loop.train_epoch(learner(steps=1), short(), Ranks(), CPU)


def test_a_step_without_a_finite_loss_is_skipped_and_counted() -> None:
    one, good = learner(), batch_of(range(32))
    loop.train_epoch(one, [good], Ranks(), CPU)
    before = [p.clone() for p in one.bare.parameters()]
    loop.train_epoch(one, [broken(good)], Ranks(), CPU)
    assert one.skipped == 1
    assert all(torch.equal(b, p) for b, p in zip(before, one.bare.parameters(), strict=True))
    loop.train_epoch(one, [good], Ranks(), CPU)
    assert one.skipped_in_a_row == 0


def test_five_skipped_steps_in_a_row_end_the_training() -> None:
    good = batch_of(range(32))
    with pytest.raises(TrainingFailed, match="5 steps in a row"):
        loop.train_epoch(learner(), [good] + [broken(good)] * 5, Ranks(), CPU)


def test_a_batch_of_weight_zero_changes_no_loss_and_counts_no_example() -> None:
    good = batch_of(range(32))
    nothing = copy.copy(good)
    object.__setattr__(nothing, "weight", torch.zeros(32))
    one, other = learner(), learner()
    mixed = loop.train_epoch(one, [good, nothing], Ranks(), CPU)
    plain = loop.train_epoch(other, [good], Ranks(), CPU)
    assert mixed.examples == 32
    assert mixed.loss == plain.loss


def test_validation_does_not_depend_on_how_rows_are_cut_into_batches() -> None:
    one = learner()
    loop.train_epoch(one, [batch_of(range(64))], Ranks(), CPU)
    whole = loop.validate(one, [batch_of(range(64))], Ranks(), CPU)
    uneven = loop.validate(one, [batch_of(range(5)), batch_of(range(5, 64))], Ranks(), CPU)
    assert uneven == pytest.approx(whole, rel=1e-5)
    assert math.isnan(loop.validate(one, [], Ranks(), CPU))


def test_two_uneven_ranks_step_as_one_rank_with_all_rows() -> None:
    """Rank 0 holds 8 rows, rank 1 holds 56: the mean of both gradients is the gradient of all 64 rows."""
    parts, whole = [batch_of(range(8)), batch_of(range(8, 64))], batch_of(range(64))
    shared = [_sums(part) for part in parts]
    single = _gradient(whole, Ranks())
    ranks = Ranks(world=2, total=lambda _: shared[0] + shared[1])
    both = [_gradient(part, ranks) for part in parts]
    for alone, first, second in zip(single, *both, strict=True):
        assert torch.allclose((first + second) / 2, alone, rtol=1e-3, atol=1e-6)


def _sums(batch: Batch) -> torch.Tensor:
    one = learner().bare
    terms, weight = one.head.loss(one(batch), batch.labels, batch.weight)
    return torch.cat([terms, weight[None]]).detach()


def _gradient(batch: Batch, ranks: Ranks) -> list[torch.Tensor]:
    """What one unclipped step leaves in the weights' gradients."""
    one = learner()
    one.recipe = Recipe(10, clip_norm=1e9)
    loop.train_epoch(one, [batch], ranks, CPU)
    return [p.grad for p in one.bare.parameters() if p.grad is not None]


def test_the_averaged_weights_follow_the_current_ones() -> None:
    one = learner(steps=40)
    start = [p.clone() for p in one.averaged.parameters()]
    loop.train_epoch(one, [batch_of(range(64))] * 40, Ranks(), CPU)
    moved = sum(float((a - s).abs().sum()) for a, s in zip(one.averaged.parameters(), start, strict=True))
    apart = sum(
        float((a - p).detach().abs().sum())
        for a, p in zip(one.averaged.parameters(), one.bare.parameters(), strict=True)
    )
    assert moved > 5 * apart > 0
