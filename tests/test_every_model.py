"""Every registered encoder goes through the same gate; a new model joins by being registered."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ltv_features.aggregates import NAMES
from ltv_features.contract import NUMERIC_FIELDS
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train import bundle, models, network
from ltv_train.batch import Batch, zeros
from ltv_train.inputs import Array
from ltv_train.models import ENCODERS, Shape, ValueNetwork
from ltv_train.predict import predict
from tests.network_world import some_anchors, some_encoding, some_inputs, some_world, training_columns

WORLD, LABELS = some_world(40, signal=1.0, seed=3)
every_encoder = pytest.mark.parametrize("encoder", sorted(ENCODERS))


def shape() -> Shape:
    return Shape(some_encoding(WORLD).vocabulary_sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16)


def built(encoder: str, seed: int = 1) -> ValueNetwork:
    return models.build(encoder, shape(), residual=True, seed=seed).eval()


def batch_of(rows: Array, length: int = 16) -> Batch:
    return some_inputs(WORLD).batch(training_columns(WORLD, LABELS, rows, length), at_origin=False)


@every_encoder
def test_an_empty_batch_passes_through(encoder: str) -> None:
    model = built(encoder)
    said = model(zeros(3, 8, aggregates=len(NAMES), periods=2))
    assert model.head.mean(said).shape == (3, 2)
    assert torch.isfinite(model.head.median(said)).all()


@every_encoder
def test_every_weight_gets_a_gradient(encoder: str) -> None:
    model, batch = built(encoder), batch_of(np.arange(40))
    sums, weight = model.head.loss(model(batch), batch.labels, batch.weight)
    (sums / weight).sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_encoder
def test_padding_and_what_stands_in_it_change_nothing(encoder: str) -> None:
    model, rows = built(encoder), np.arange(40)
    short, long = batch_of(rows, 16), batch_of(rows, 64)
    real = torch.arange(64) < long.lengths[:, None]
    dirty = Batch(
        ids={name: torch.where(real, ids, torch.ones_like(ids)) for name, ids in long.ids.items()},
        numeric=torch.where(real[:, :, None], long.numeric, torch.full_like(long.numeric, 3.0)),
        lengths=long.lengths,
        aggregates=long.aggregates,
        anchor_log=long.anchor_log,
        labels=long.labels,
        weight=long.weight,
    )
    with torch.no_grad():
        means = [model.head.mean(model(batch)) for batch in (short, long, dirty)]
    assert torch.allclose(means[0], means[1], atol=1e-6)
    assert torch.allclose(means[0], means[2], atol=1e-6)


@every_encoder
def test_a_customer_without_tokens_is_spoken_about(encoder: str) -> None:
    model = built(encoder)
    none = np.flatnonzero(WORLD.lengths == 0)
    assert len(none)
    with torch.no_grad():
        assert torch.isfinite(model.head.mean(model(batch_of(none)))).all()


def bundled(encoder: str, folder: Path, seeds: int = 2, **changed: object) -> bundle.Bundle:
    nets = [built(encoder, seed) for seed in range(1, seeds + 1)]
    for net in nets:
        torch.nn.init.normal_(net.head.project.weight)
    config = network.to_config(shape().to_dict(), encoder=encoder, residual=True, members=seeds, cap_minor=1e7)
    return bundle.write(
        folder,
        kind=network.KIND,
        config=config | {"horizons_days": [30, 90]} | changed,
        files=network.to_files([net.state_dict() for net in nets]),
        encoding=some_encoding(WORLD),
        anchors=some_anchors(),
    )


@every_encoder
def test_a_saved_and_loaded_model_says_what_it_said_before(encoder: str, tmp_path: Path) -> None:
    stored = bundled(encoder, tmp_path)
    first, second = predict(stored, WORLD), predict(bundle.load(stored.path), WORLD)
    assert np.array_equal(first.mean, second.mean)
    assert (first.mean[:, 1] >= first.mean[:, 0]).all()
    assert len(np.unique(first.mean[:, 1])) > 30


@every_encoder
def test_a_score_depends_neither_on_order_nor_on_neighbours(encoder: str, tmp_path: Path) -> None:
    stored = bundled(encoder, tmp_path)
    world, _ = some_world(600, signal=1.0, seed=4)
    whole = predict(stored, world)
    order = np.random.default_rng(1).permutation(len(world))
    for rows in (order, order[:7], np.array([599])):
        part = predict(stored, world.take(rows))
        assert np.array_equal(part.mean, whole.mean[rows])
        assert np.array_equal(part.median, whole.median[rows])
        assert np.array_equal(part.p_purchase, whole.p_purchase[rows])


def test_nobody_at_all_gets_no_rows(tmp_path: Path) -> None:
    nobody: Examples = WORLD.take(np.zeros(0, np.int64))
    assert predict(bundled("lstm", tmp_path), nobody).mean.shape == (0, 2)


def test_predictions_above_the_cap_are_cut_to_it(tmp_path: Path) -> None:
    said = predict(bundled("mlp", tmp_path, cap_minor=10.0), WORLD)
    assert said.mean.max() == 10.0


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    other = shape().to_dict() | {"width": 32}
    with pytest.raises(BundleRefused, match="expected"):
        predict(bundled("lstm", tmp_path, shape=other), WORLD)
