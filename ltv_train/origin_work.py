"""One origin of a training: its rows with their anchors, its encoding, whom it predicts, and where its bundles go.

May import: data, anchors, bundle. No Spark, no Ray.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ltv_features import files
from ltv_features.aggregates import NAMES
from ltv_features.encode import Encoding, EncodingFitter
from ltv_features.errors import ShardsRefused, TrainingFailed
from ltv_features.project import Examples
from ltv_train import data
from ltv_train.bundle import Bundle, write
from ltv_train.candidates import Built, Material
from ltv_train.classical.anchors import fit_anchors
from ltv_train.classical.nonbuyers import never_bought
from ltv_train.config import TrainSettings
from ltv_train.data import Arrays, Manifest
from ltv_train.manifest import TRAIN, VALIDATION
from ltv_train.named import NO_PERIODS

log = logging.getLogger("ltv.train")


@dataclass(frozen=True)
class OriginWork:
    """One origin: its shards, its rows with their anchors, the encoding, and the slice to predict."""

    manifest: Manifest
    material: Material
    encoding: Encoding
    slice: Examples
    is_refit: bool

    @property
    def origin(self) -> str:
        """The date that this origin stands at."""
        return self.manifest.origin

    @property
    def teaches(self) -> bool:
        """Whether anybody spent anything after a cut-off; without, only the classical models have something to say."""
        return bool(self.material.observed(0).spend.sum() > 0)


def that_teach(work: Sequence[OriginWork]) -> list[OriginWork]:
    """The night's own origin, the last one, after the past ones where somebody spent something after a cut-off.

    Where nobody did at the night's own, no past origin remains: no learned model of theirs has a successor tonight.
    """
    night = work[-1]
    kept = [*(one for one in work[:-1] if one.teaches and night.teaches), night]
    for one in work:
        if not one.teaches:
            log.warning("%s: nobody spent anything after a cut-off, so there is nothing to learn there", one.origin)
    return kept


def prepare(folder: str, settings: TrainSettings, *, is_refit: bool) -> OriginWork:
    """The work at the origin whose shards lie at `folder`, verified.

    Raises TrainingFailed without a training row, ShardsRefused on other features than this code's.
    """
    manifest = data.load_manifest(folder)
    if manifest.aggregates != NAMES:
        differ = [f"{a} for {b}" for a, b in zip_longest(manifest.aggregates, NAMES) if a != b]
        raise ShardsRefused(
            f"shards {folder}: {len(differ)} features are others than this code's ({', '.join(differ[:5])}); next: run "
            "build_examples again"
        )
    data.verify(manifest)
    if not manifest.examples(TRAIN):
        raise TrainingFailed(f"shards {folder}: no training examples; next: a longer log, or an earlier --as-of")
    train = data.read_all(manifest, TRAIN)
    fitter = fitter_of(settings)
    fitter.add(train.examples.aggregates, train.examples.tokens)
    held = [data.read_all(manifest, VALIDATION)] if manifest.examples(VALIDATION) else []
    rows = _joined([train, *held])
    ahead = data.read_all(manifest, "slice").examples
    anchors = fit_anchors(rows.examples.anchor, rows.examples.cutoff_no, ahead.anchor)
    named = manifest.named if is_refit else NO_PERIODS  # at earlier origins no occurrence need have matured
    horizons = tuple(end for _, end in manifest.periods_days)
    log.info("%s: %s examples, %s users to predict", manifest.origin, f"{len(rows.examples):,}", f"{len(ahead):,}")
    return OriginWork(
        manifest, Material(rows, anchors, horizons, manifest.by_activity, named), fitter.finish(), ahead, is_refit
    )


def fitter_of(settings: TrainSettings) -> EncodingFitter:
    """What learns vocabulary and scales, as the settings say."""
    return EncodingFitter(
        min_count=settings.min_vocabulary_count,
        cap=settings.max_vocabulary,
        impute=settings.impute,
        outliers=settings.outliers,
    )


def write_bundle(one: OriginWork, built: Built, out: str, encoding: Encoding | None = None) -> Bundle:
    """The bundle of a fitted candidate of this origin, below `out`."""
    parent = files.join(out, "bundles", one.origin, built.name)
    config = dict(built.config) | {"never_bought": never_bought(one.manifest), "origin": one.origin}
    config["named"] = one.material.named.to_config()
    anchors = one.material.anchors.at_origin()
    return write(parent, kind=built.kind, config=config, files=built.files, encoding=encoding, anchors=anchors)


def _joined(parts: Sequence[Arrays]) -> Arrays:
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
    weight = np.concatenate([part.weight for part in parts])
    return Arrays(Examples.concat([part.examples for part in parts]), weight, labels)
