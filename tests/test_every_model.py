"""Every registered encoder goes through the same gate; a new model joins by being registered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltv_features.aggregates import NAMES
from ltv_features.contract import MAX_TOKENS, NUMERIC_FIELDS
from ltv_features.errors import BundleRefused
from ltv_features.project import Examples
from ltv_train import bundle, models, network
from ltv_train.batch import Batch, zeros
from ltv_train.inputs import Array
from ltv_train.models import ENCODERS, HEADS, Shape, ValueNetwork
from ltv_train.predict import predict
from tests.network_world import some_anchors, some_encoding, some_inputs, some_world, training_columns

WORLD, LABELS = some_world(40, signal=1.0, seed=3)
PLAIN = {name: (name, dict[str, Any]()) for name in ENCODERS}
VARIED: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp that sees a bag of tokens": ("mlp", {"embedding": 10, "layers": (24, 10)}),
    "rnn of odd widths": ("rnn", {"embedding": 5, "layers": (7, 3)}),
    "gru of two layers": ("gru", {"layers": 2}),
    "lstm with batch norm": ("lstm", {"embedding": 12, "layers": (24, 10), "batch_norm": True}),
    "cnn with batch norm": ("cnn", {"kernel": 2, "layers": (24, 10), "batch_norm": True}),
    "cnn_lstm of odd widths": ("cnn_lstm", {"filters": 20, "layers": (10, 10)}),
    "transformer of two blocks": ("transformer", {"layers": 2, "heads": 2, "embedding": 10}),
}
"""Shapes that take another way through an encoder than its plain one does."""
MODELS = PLAIN | VARIED
every_model = pytest.mark.parametrize("model_name", sorted(MODELS))
every_head = pytest.mark.parametrize("head", sorted(HEADS))


def shape_of(model_name: str) -> Shape:
    sizes = some_encoding(WORLD).vocabulary_sizes
    return Shape(sizes, len(NUMERIC_FIELDS), len(NAMES), periods=2, width=16, **MODELS[model_name][1])


def built(model_name: str, seed: int = 1, head: str = "ziln") -> ValueNetwork:
    return models.build(MODELS[model_name][0], shape_of(model_name), residual=True, seed=seed, head=head).eval()


def batch_of(rows: Array, length: int = 16) -> Batch:
    return some_inputs(WORLD).batch(training_columns(WORLD, LABELS, rows, length), at_origin=False)


@every_model
def test_an_empty_batch_passes_through(model_name: str) -> None:
    model = built(model_name)
    said = model(zeros(3, 8, aggregates=len(NAMES), periods=2))
    assert model.head.mean(said).shape == (3, 2)
    assert torch.isfinite(model.head.median(said)).all()


@every_model
def test_every_weight_gets_a_gradient(model_name: str) -> None:
    model, batch = built(model_name), batch_of(np.arange(40))
    sums, weight = model.head.loss(model(batch), batch.labels, batch.weight)
    (sums / weight).sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def dirtied(batch: Batch) -> Batch:
    """The same rows with something else than zeros behind their tokens."""
    real = torch.arange(batch.numeric.shape[1]) < batch.lengths[:, None]
    ids = {name: torch.where(real, ids, torch.ones_like(ids)) for name, ids in batch.ids.items()}
    return replace(batch, ids=ids, numeric=torch.where(real[:, :, None], batch.numeric, 3.0))


@every_model
def test_padding_and_what_stands_in_it_change_nothing(model_name: str) -> None:
    model, rows = built(model_name), np.arange(40)
    short, long = batch_of(rows, 16), batch_of(rows, 64)
    with torch.no_grad():
        means = [model.head.mean(model(batch)) for batch in (short, long, dirtied(long))]
    assert torch.allclose(means[0], means[1], atol=1e-6)
    assert torch.allclose(means[0], means[2], atol=1e-6)


@every_model
def test_padding_changes_nothing_in_training_either(model_name: str) -> None:
    """Neither the loss nor a gradient nor a running statistic: batch norm must not see it."""
    learned = []
    for batch in (batch_of(np.arange(40), 16), dirtied(batch_of(np.arange(40), 32))):
        shape = replace(shape_of(model_name), dropout=0.0)
        model = models.build(MODELS[model_name][0], shape, residual=True, seed=1).train()
        sums, weight = model.head.loss(model(batch), batch.labels, batch.weight)
        (sums / weight).sum().backward()
        learned.append([sums, *(p.grad for p in model.parameters()), *model.buffers()])
    for one, other in zip(*learned, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


@every_model
def test_an_encoder_says_a_summary_and_the_states_behind_it(model_name: str) -> None:
    encoded = built(model_name).encoder(batch_of(np.arange(40), 32))
    assert encoded.summary.shape == (40, 16)
    assert encoded.states is None or encoded.states.shape == (40, 32, 16)
    assert (encoded.states is None) == (MODELS[model_name][0] == "mlp")


@every_model
def test_a_state_knows_no_later_token(model_name: str) -> None:
    model, batch = built(model_name), batch_of(np.flatnonzero(WORLD.lengths >= 6))
    late = torch.arange(16)[None, :, None] >= 4
    changed = replace(batch, numeric=torch.where(late, batch.numeric + 2.0, batch.numeric))
    one, other = model.encoder(batch).states, model.encoder(changed).states
    if one is not None:
        assert torch.allclose(one[:, :4], other[:, :4], atol=1e-6)
        assert not torch.allclose(one[:, 4:], other[:, 4:], atol=1e-3)


@every_model
def test_no_token_one_token_as_many_as_fit_and_one_more_are_all_read(model_name: str, tmp_path: Path) -> None:
    """257 tokens are read as the last 256 of them; 0, 1, 8, 9 are the ends of a bucket."""
    lengths = np.array([0, 1, 8, 9, MAX_TOKENS, MAX_TOKENS + 1])
    world, _ = some_world(len(lengths), signal=1.0, seed=5, lengths=lengths)
    stored = bundled(model_name, tmp_path, seeds=1)
    said = predict(stored, world)
    assert np.isfinite(said.mean).all()
    cut = without_its_oldest_token(world)
    assert cut.lengths.tolist() == [0, 1, 8, 9, MAX_TOKENS, MAX_TOKENS]
    assert np.array_equal(predict(stored, cut).mean, said.mean)


def without_its_oldest_token(world: Examples) -> Examples:
    """The same customers, the last one with its oldest token gone."""
    gone = int(world.offsets[-2])
    tokens = {name: np.delete(values, gone) for name, values in world.tokens.items()}
    return replace(world, tokens=tokens, offsets=np.append(world.offsets[:-1], world.offsets[-1] - 1))


@every_model
def test_a_customer_without_tokens_is_spoken_about(model_name: str) -> None:
    model = built(model_name)
    none = np.flatnonzero(WORLD.lengths == 0)
    assert len(none)
    with torch.no_grad():
        assert torch.isfinite(model.head.mean(model(batch_of(none)))).all()


def members(model_name: str, seeds: int = 2, head: str = "ziln") -> list[ValueNetwork]:
    """Networks that say something different of every customer."""
    nets = [built(model_name, seed, head) for seed in range(1, seeds + 1)]
    for net in nets:
        torch.nn.init.normal_(net.head.project.weight, generator=torch.Generator().manual_seed(1))
    return nets


def bundled(model_name: str, folder: Path, seeds: int = 2, head: str = "ziln", **changed: object) -> bundle.Bundle:
    nets = members(model_name, seeds, head)
    config = network.to_config(
        shape_of(model_name).to_dict(),
        encoder=MODELS[model_name][0],
        head=head,
        residual=True,
        members=seeds,
        cap_minor=1e7,
    )
    return bundle.write(
        folder,
        kind=network.KIND,
        config=config | {"horizons_days": [30, 90]} | changed,
        files=network.to_files([net.state_dict() for net in nets]),
        encoding=some_encoding(WORLD),
        anchors=some_anchors(),
    )


@every_model
def test_a_saved_and_loaded_model_says_what_it_said_before(model_name: str, tmp_path: Path) -> None:
    stored = bundled(model_name, tmp_path)
    first, second = predict(stored, WORLD), predict(bundle.load(stored.path), WORLD)
    assert np.array_equal(first.mean, second.mean)
    assert (first.mean[:, 1] >= first.mean[:, 0]).all()
    assert len(np.unique(first.mean[:, 1])) > 30


@every_model
def test_a_bundle_says_what_the_network_in_memory_says(model_name: str, tmp_path: Path) -> None:
    """JSON keeps no order, so no layer may take one from a mapping, such as that of the vocabulary."""
    assert list(shape_of(model_name).vocabulary) != sorted(shape_of(model_name).vocabulary), (
        "else this test sees nothing"
    )
    said = network.NetworkPredictor(members(model_name), some_inputs(WORLD), 1e7, 2).predict(WORLD)
    read = predict(bundle.load(bundled(model_name, tmp_path).path), WORLD)
    assert np.array_equal(said.mean, read.mean)
    assert np.array_equal(said.p_purchase, read.p_purchase)


@every_head
def test_every_head_trains_every_weight_and_is_read_back_as_itself(head: str, tmp_path: Path) -> None:
    model, batch = built("mlp", head=head), batch_of(np.arange(40))
    sums, weight = model.loss(model(batch), batch)
    ((sums / weight) @ sums.new_tensor(model.loss_weights)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    stored = bundled("mlp", tmp_path, head=head)
    first, second = predict(stored, WORLD), predict(bundle.load(stored.path), WORLD)
    assert np.array_equal(first.mean, second.mean)
    assert stored.config["head"] == head
    assert (np.diff(first.mean) >= 0).all()


@every_model
def test_a_score_depends_neither_on_order_nor_on_neighbours(model_name: str, tmp_path: Path) -> None:
    stored = bundled(model_name, tmp_path)
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
    other = shape_of("lstm").to_dict() | {"width": 32}
    with pytest.raises(BundleRefused, match="expected"):
        predict(bundled("lstm", tmp_path, shape=other), WORLD)
