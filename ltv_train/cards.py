"""The data card and the model card: what a model was made of, what it is, and what it is not for.

Room: facts collected from manifests, runs and bundles. May import: manifest, bundle, backtest. No Spark, no Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltv_train.bundle import Bundle
from ltv_train.config import BLEND
from ltv_train.judging.backtest import Backtest
from ltv_train.manifest import Manifest


@dataclass(frozen=True)
class LogFacts:
    """The log before the night: first and last day with an event, users, those with an order, events by type."""

    first_day: str
    last_day: str
    users: int
    buyers: int
    events: Mapping[str, int]


@dataclass(frozen=True)
class DataCard:
    """What training saw: the log, the table versions it was read at, past origins, cut-offs and examples."""

    log: LogFacts | None
    table_versions: Mapping[str, int]
    origins: tuple[str, ...]
    cutoffs: tuple[str, ...]
    examples: Mapping[str, int]
    features: int
    input_digest: str


@dataclass(frozen=True)
class ModelCard:
    """What would serve: its name and kind, the members with their weights, and the digests that prove which it is."""

    name: str
    kind: str
    members: Mapping[str, float]
    digest: str
    run_name: str
    config_digest: str


def data_card(manifest: Manifest, run: Mapping[str, Any], log: LogFacts | None) -> DataCard:
    """The card of a night's shard set and the origins of its training run."""
    return DataCard(
        log=log,
        table_versions=manifest.table_versions,
        origins=tuple(run["origins"][:-1]),
        cutoffs=tuple(cutoff.date for cutoff in manifest.cutoffs),
        examples={split: manifest.examples(split) for split in manifest.splits},
        features=len(manifest.aggregates),
        input_digest=manifest.input_digest,
    )


def model_card(made: Backtest, installed: Bundle | None, manifest: Manifest) -> ModelCard | None:
    """The card of the bundle that was promoted; None where production stays."""
    if installed is None:
        return None
    weights = made.weights.used
    members = dict(zip(weights.names, weights.mean, strict=True)) if made.verdict.promoted == BLEND else {}
    return ModelCard(
        name=str(made.verdict.promoted),
        kind=installed.kind,
        members=members,
        digest=installed.digest,
        run_name=made.run["run_name"],
        config_digest=manifest.config_digest,
    )
