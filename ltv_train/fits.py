"""One network to be fitted: which shards, which settings, which anchors; and what came of it.

Room: joins the reader of shards with the plain loop. May import: Torch, data, loop. No Ray, no Spark.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ltv_features.contract import CATEGORICAL_FIELDS, LABEL_FIELDS, NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_train import data
from ltv_train.anchors import Anchors
from ltv_train.batch import Batch, make_batch, zeros
from ltv_train.config import NetworkSettings
from ltv_train.loop import FitPlan, Learner, Progress, Reduce, train
from ltv_train.models.network import NetworkShape

_WIDE_FROM = 200_000
_MIN_STEPS, _MAX_STEPS = 800, 1200
_EXAMPLES_A_STEP = 60


@dataclass(frozen=True)
class NetworkFit:
    """Everything one fit needs, as values that travel to a worker; `epochs` None: from the number of examples."""

    name: str
    shards: str
    settings: NetworkSettings
    vocabulary: bytes
    scaling: str
    anchors: str
    seed: int
    epochs: int | None = None

    @property
    def encoding(self) -> Encoding:
        """The encoding, as fitted on the training rows."""
        return Encoding.from_parts(pq.read_table(io.BytesIO(self.vocabulary)), json.loads(self.scaling))


@dataclass(frozen=True)
class FitResult:
    """The best averaged weights of a fit, its shape, and how it came about; `examples_read` is [ranks][epochs]."""

    name: str
    shape: NetworkShape
    weights: dict[str, Tensor]
    progress: Progress
    examples_read: list[list[int]]


def prepare(
    name: str, shards: str, settings: NetworkSettings, encoding: Encoding, anchors: Anchors, seed: int
) -> NetworkFit:
    """A fit from fitted parts."""
    vocabulary, scaling = encoding.to_parts()
    stream = io.BytesIO()
    pq.write_table(vocabulary, stream)
    return NetworkFit(
        name, shards, settings, stream.getvalue(), json.dumps(scaling), json.dumps(anchors.to_dict()), seed
    )


def shape_of(fit: NetworkFit, manifest: data.Manifest) -> NetworkShape:
    """The shape of the network: the width from the settings, or from the number of examples (64, from 200,000 on 128)."""
    settings = fit.settings
    wide = manifest.examples("train") >= _WIDE_FROM
    return NetworkShape(
        encoder=settings.encoder,
        vocabulary_sizes=fit.encoding.vocabulary_sizes,
        aggregates=len(manifest.aggregates),
        periods=len(manifest.periods_days),
        width=settings.hidden or (128 if wide else 64),
        layers=settings.layers,
        dropout=settings.dropout,
        residual_on_anchor=settings.residual_on_anchor,
    )


def plan_of(fit: NetworkFit, manifest: data.Manifest, world: int) -> FitPlan:
    """Whole epochs: as many as bring the steps asked for, else 800 to 1,200 steps by the number of examples."""
    settings, examples = fit.settings, manifest.examples("train")
    reading = data.plan_of(
        manifest, "train", rank=0, world=world, batch_size=per_rank(fit, world), seed=fit.seed, epoch=0
    )
    each = len(reading.steps)
    wanted = settings.steps or int(np.clip(examples / _EXAMPLES_A_STEP, _MIN_STEPS, _MAX_STEPS))
    return FitPlan(
        epochs=fit.epochs or max(1, round(wanted / each)),
        steps_per_epoch=each,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        patience_epochs=settings.patience_epochs,
        seed=fit.seed,
    )


def per_rank(fit: NetworkFit, world: int) -> int:
    """Examples of one rank's step: the batch of the settings, shared."""
    return max(1, fit.settings.batch_size // world)


def feed(
    fit: NetworkFit, manifest: data.Manifest, split: str, rank: int, world: int
) -> Callable[[int], Iterator[Batch]]:
    """The batches of `split` for one rank, by epoch, through Petastorm."""
    encoding, anchors = fit.encoding, Anchors.from_dict(json.loads(fit.anchors))
    size = per_rank(fit, world)

    def epoch_of(epoch: int) -> Iterator[Batch]:
        plan = data.plan_of(manifest, split, rank=rank, world=world, batch_size=size, seed=fit.seed, epoch=epoch)
        for padded in data.padded_batches(manifest, split, plan):
            yield to_batch(padded, manifest, encoding, anchors)

    return epoch_of


def to_batch(padded: data.Padded, manifest: data.Manifest, encoding: Encoding, anchors: Anchors) -> Batch:
    """One step's arrays as tensors; a step without rows becomes one row of weight 0."""
    columns, periods = padded.columns, manifest.periods_days
    if not padded.rows:
        return zeros(1, padded.length, len(manifest.aggregates), len(periods))
    values = anchors.period_values(columns["anchor"], columns["cutoff_no"].reshape(-1), periods)
    return make_batch(
        {name: columns[name] for name in CATEGORICAL_FIELDS + NUMERIC_FIELDS},
        columns["length"].reshape(-1),
        columns["aggregates"],
        values,
        encoding,
        labels={name: columns[f"label_{name}"] for name in LABEL_FIELDS},
        weight=columns["weight"].reshape(-1),
    )


def run_fit(
    fit: NetworkFit,
    *,
    rank: int = 0,
    world: int = 1,
    reduce: Reduce = lambda tensor: tensor,
    wrap: Callable[[torch.nn.Module], torch.nn.Module] = lambda model: model,
    device: str = "cpu",
    resume: dict[str, Any] | None = None,
    after_epoch: Callable[[Learner, Progress], None] = lambda learner, progress: None,
) -> FitResult:
    """Fits one network on this rank. `resume` is what `after_epoch` stored: {learner, progress}.

    Raises ShardsRefused when the shards are not those of the manifest, TrainingFailed when the loss is not finite.
    """
    manifest = data.load_manifest(fit.shards)
    plan = plan_of(fit, manifest, world)
    shape = shape_of(fit, manifest)
    learner = Learner(shape, plan, device=device)
    progress = Progress()
    if resume is not None:
        learner.restore(resume["learner"])
        progress = Progress.from_dict(resume["progress"])
    learner.step_model = wrap(learner.model)
    feeds = [feed(fit, manifest, split, rank, world) for split in ("train", "validation")]
    stages = train(learner, plan, feeds[0], feeds[1], reduce=reduce, world=world, progress=progress, name=fit.name)
    for progress in stages:
        after_epoch(learner, progress)
    weights = {name: value.cpu() for name, value in learner.best.items()}
    return FitResult(fit.name, shape, weights, progress, [list(progress.examples)])


def with_epochs(fit: NetworkFit, epochs: int) -> NetworkFit:
    """The same fit for a number of epochs that earlier fits chose."""
    return replace(fit, epochs=epochs)
