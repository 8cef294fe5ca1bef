"""Two-sided: where there is a signal every network finds it, and where there is none nobody claims one."""

import numpy as np
import pytest
import torch

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_train import loop, models
from ltv_train.inputs import Array
from ltv_train.metrics import value
from ltv_train.models import ENCODERS, HEADS, Shape
from ltv_train.optimisers import Recipe
from tests.network_world import some_inputs, some_world, training_columns

USERS, STEPS, BATCH = 1200, 60, 200
CPU = torch.device("cpu")


def spoken_and_happened(encoder: str, signal: float, head: str = "ziln") -> tuple[Array, Array]:
    """Mean spend that a network expects of 1,200 customers it never saw, and what they spent: [N] minor units each."""
    examples, labels = some_world(USERS, signal=signal, seed=1)
    fresh, truth = some_world(USERS, signal=signal, seed=2)
    inputs = some_inputs(examples)
    sizes = inputs.encoding.vocabulary_sizes
    shape = Shape(sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16)
    network = models.build(encoder, shape, residual=True, seed=1, head=head)
    learner = loop.start(network, Recipe(STEPS, learning_rate=1e-2))
    torch.manual_seed(1)
    order = np.random.default_rng(1).permutation(USERS)
    parts = [order[start : start + BATCH] for start in range(0, USERS, BATCH)]
    batches = [inputs.batch(training_columns(examples, labels, rows), at_origin=False) for rows in parts]
    while learner.step < STEPS:
        loop.train_epoch(learner, batches, loop.Ranks(), CPU)
    asked = inputs.batch(training_columns(fresh, truth, np.arange(USERS)), at_origin=True)
    with torch.no_grad():
        said = network.head.mean(learner.averaged(asked))[:, 1].double().numpy()
    return said * inputs.encoding.money_scale_minor, truth["spend_minor"].sum(axis=1)


def gain_over_the_mean(said: Array, happened: Array) -> float:
    """The share of the squared error of the constant mean that is gone."""
    return float(1 - np.square(happened - said).sum() / np.square(happened - happened.mean()).sum())


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_a_strong_signal_is_found(encoder: str) -> None:
    said, happened = spoken_and_happened(encoder, signal=1.0)
    assert gain_over_the_mean(said, happened) > 0.3
    assert value.normalised_gini(happened, said) > 0.6


@pytest.mark.parametrize("head", sorted({*HEADS} - {"ziln"}))
def test_every_head_finds_a_strong_signal_and_claims_none_where_there_is_none(head: str) -> None:
    said, happened = spoken_and_happened("mlp", 1.0, head)
    assert value.normalised_gini(happened, said) > 0.6
    said, happened = spoken_and_happened("mlp", 0.0, head)
    assert abs(value.normalised_gini(happened, said)) < 0.1


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_without_a_signal_nobody_beats_the_mean(encoder: str) -> None:
    said, happened = spoken_and_happened(encoder, signal=0.0)
    assert gain_over_the_mean(said, happened) < 0.01
    assert abs(value.normalised_gini(happened, said)) < 0.1
