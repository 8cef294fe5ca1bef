"""What layers promise: units too many stay dead, padding and rows of weight 0 enter no statistic, ranks agree."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_train import checkpoint, loop, models
from ltv_train.loop import Learner, Ranks
from ltv_train.models import Shape
from ltv_train.models.norm import TokenNorm
from ltv_train.models.recurrent import RecurrentLayer
from ltv_train.optimisers import Recipe
from tests.network_world import some_inputs, some_world, training_columns

CPU = torch.device("cpu")
WORLD, LABELS = some_world(64, signal=1.0, seed=1)
BATCH = some_inputs(WORLD).batch(training_columns(WORLD, LABELS, np.arange(64)), at_origin=False)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_units_beyond_the_width_stay_dead_while_the_others_learn(cell: str) -> None:
    torch.manual_seed(1)
    layer, target = RecurrentLayer(cell, 5, 10), torch.randn(4, 8, 10)
    before = {name: weight.clone() for name, weight in layer.cell.named_parameters()}
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        (layer(torch.randn(4, 8, 5)) - target).square().mean().backward()
        optimiser.step()
    for name, weight in layer.cell.named_parameters():
        gates = weight.detach().view(-1, 16, *weight.shape[1:])
        assert not gates[:, 10:].any()
        assert not torch.equal(weight, before[name])
        if name.startswith("weight_hh"):
            assert not weight[:, 10:].any()


def test_a_layer_with_dead_units_says_what_a_narrow_one_would() -> None:
    torch.manual_seed(1)
    layer, narrow = RecurrentLayer("lstm", 5, 10), nn.LSTM(5, 10, batch_first=True)
    with torch.no_grad():
        for name, weight in narrow.named_parameters():
            wide = dict(layer.cell.named_parameters())[name].view(4, 16, -1)[:, :10]
            weight.copy_((wide[:, :, : weight.shape[1]] if weight.dim() > 1 else wide).reshape(weight.shape))
    tokens = torch.randn(3, 6, 5)
    assert torch.allclose(layer(tokens), narrow(tokens)[0], atol=1e-6)


def test_tokens_that_count_are_normalised_and_no_other_is_looked_at() -> None:
    """Two real tokens, 1 and 3, of mean 2 and variance 1; 99 stands in padding and in a row of weight 0."""
    norm = TokenNorm(1).train()
    tokens = torch.tensor([[1.0, 3.0, 99.0], [99.0, 99.0, 99.0]])[:, :, None]
    counted = torch.tensor([[True, True, False], [False, False, False]])
    said = norm(tokens, counted)
    assert said[0, :2, 0].tolist() == pytest.approx([-1.0, 1.0], abs=1e-4)
    assert norm.running_mean.tolist() == [2.0]
    assert norm.running_variance.tolist() == [2.0]
    norm.eval()
    assert norm(tokens, counted)[0, 0].item() == pytest.approx((1 - 2) / 2**0.5, abs=1e-4)


def test_running_statistics_are_those_of_pytorch_once_ten_batches_have_come() -> None:
    torch.manual_seed(1)
    norm, theirs = TokenNorm(3).train(), nn.BatchNorm1d(3).train()
    batches = [torch.randn(8, 4, 3) for _ in range(100)]
    for batch in batches:
        ours = norm(batch, torch.ones(8, 4, dtype=torch.bool))
        assert torch.allclose(ours, theirs(batch.transpose(1, 2)).transpose(1, 2), atol=1e-5)
    assert torch.allclose(norm.running_mean, theirs.running_mean, atol=1e-3)
    assert torch.allclose(norm.running_variance, theirs.running_var, atol=1e-3)


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_batch_of_fewer_than_two_tokens_moves_no_statistic_and_stays_finite(tokens: int) -> None:
    norm = TokenNorm(2).train()
    counted = torch.arange(4)[None] < tokens
    said = norm(torch.full((1, 4, 2), 7.0), counted)
    assert torch.isfinite(said).all()
    assert norm.running_mean.tolist() == [0.0, 0.0]
    assert norm.running_batches.item() == 0


def test_a_batch_that_is_not_finite_moves_no_statistic() -> None:
    norm, all_count = TokenNorm(1).train(), torch.ones(1, 2, dtype=torch.bool)
    norm(torch.tensor([[[1.0], [3.0]]]), all_count)
    norm(torch.tensor([[[math.nan], [3.0]]]), all_count)
    norm(torch.tensor([[[math.inf], [3.0]]]), all_count)
    assert (norm.running_mean.item(), norm.running_variance.item(), norm.running_batches.item()) == (2.0, 2.0, 1.0)


def normed(steps: int = 8) -> Learner:
    sizes = some_inputs(WORLD).encoding.vocabulary_sizes
    shape = Shape(
        sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16, layers=(24, 10), batch_norm=True, dropout=0.0
    )
    return loop.start(models.build("lstm", shape, residual=True, seed=1), Recipe(steps))


def test_rows_of_weight_zero_change_nothing_that_batch_norm_learns() -> None:
    one, other = normed(), normed()
    weight = BATCH.weight.clone()
    weight[40:] = 0
    strange = torch.where(torch.arange(64)[:, None, None] >= 40, 4.0, BATCH.numeric)
    loop.train_epoch(one, [replace(BATCH, weight=weight)] * 4, Ranks(), CPU)
    loop.train_epoch(other, [replace(BATCH, weight=weight, numeric=strange)] * 4, Ranks(), CPU)
    for mine, theirs in zip(one.bare.state_dict().values(), other.bare.state_dict().values(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_averaged_weights_come_with_averaged_statistics_that_checkpoints_keep() -> None:
    learner = normed()
    loop.train_epoch(learner, [BATCH] * 8, Ranks(), CPU)
    now, mean = (dict(model.named_buffers()) for model in (learner.bare, learner.averaged))
    assert all(torch.isfinite(values).all() for values in mean.values())
    assert not torch.equal(mean["encoder.stack.norms.0.running_mean"], torch.zeros(24))
    assert torch.allclose(
        mean["encoder.stack.norms.0.running_mean"], now["encoder.stack.norms.0.running_mean"], atol=0.2
    )
    resumed = normed()
    checkpoint.restore(resumed, checkpoint.state_of(learner))
    assert all(torch.equal(values, dict(resumed.averaged.named_buffers())[name]) for name, values in mean.items())


def test_ranks_end_an_epoch_with_the_mean_of_their_statistics() -> None:
    """The other rank's numbers lie 2 above ours, except in the sums of the loss, where it brings nothing."""
    alone, shared = normed(), normed()
    sums = len(shared.bare.loss_weights) + 1
    ranks = Ranks(world=2, total=lambda here: here if here.shape == (sums,) else 2 * here + 2)
    loop.train_epoch(alone, [BATCH] * 3, Ranks(), CPU)
    loop.train_epoch(shared, [BATCH] * 3, ranks, CPU)
    for one, other in ((alone.bare, shared.bare), (alone.averaged, shared.averaged)):
        theirs = dict(other.named_buffers())
        assert all(torch.allclose(theirs[name], values + 1, atol=0.2) for name, values in one.named_buffers())
