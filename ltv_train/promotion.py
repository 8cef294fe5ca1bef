"""What `evaluate` does between reading and writing tables: judge a training run, install the winner, draw the report.

May import: backtest, data, gate, pages. No Spark, no Ray.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa

from ltv_features import files
from ltv_train import data
from ltv_train.bundle import Bundle, amended, copy
from ltv_train.cards import DataCard, LogFacts, ModelCard, data_card, model_card
from ltv_train.config import GateSettings
from ltv_train.judging import backtest, gate
from ltv_train.judging.backtest import Backtest
from ltv_train.judging.slices import known_at
from ltv_train.money import Money
from ltv_train.pages.evaluation import evaluation_page
from ltv_train.procedures import PROCEDURES, made_by
from ltv_train.report import Section

_SEED = 1


class Cards(TypedDict):
    """The two cards by the names under which the page takes them."""

    data: DataCard
    model: ModelCard | None


def judged(
    folder: str,
    run: Mapping[str, Any],
    shards: str,
    *,
    before: str | None,
    settings: GateSettings,
    attributes: Mapping[str, pa.Table] | None = None,
    opened: int = 1,
) -> Backtest:
    """The back-test of a training run with its verdict, held against the refit.

    `opened`: how many trainings or settings, this one included, were judged by the same test windows.

    `shards` is the value set of the night; `before` names the procedure that served before it. `attributes` holds by
    origin what splits customers in the report alone (see `slices.known_at`).
    """
    outcomes = pa.table({})  # a log too short for a past origin has none, and the gate says so
    if len(run["origins"]) > 1:
        outcomes = data.read_table(data.load_manifest(shards), "outcomes.parquet")
    sets, told = shards.rsplit("/", 1)[0], attributes or {}
    known = {origin: known_at(files.join(sets, origin), told.get(origin)) for origin in run["origins"][:-1]}
    made = backtest.judge(folder, run, outcomes, production=before, settings=settings, seed=_SEED, known=known)
    ahead = data.read_all(data.load_manifest(shards), "slice").examples
    made = replace(made, verdict=gate.opened(made.verdict, opened))
    return backtest.checked_after_refit(folder, made, ahead, production=before, settings=settings)


def install(folder: str, made: Backtest, parent: str) -> Bundle | None:
    """The refitted winner with what past origins taught about it and what it was made by, below `parent`; None where
    production stays.
    """
    if made.verdict.promoted is None:
        return None
    origin = made.run["origins"][-1]
    name = made.verdict.promoted
    winner = backtest.candidate(folder, made, origin, name, files.join(folder, "blends"))
    facts: dict[str, Any] = {key: each.to_dict() for key, each in made.adjustments.get(name, {}).items()}
    if known := made_by(name, winner, made.run):
        facts[PROCEDURES] = known
    return amended(winner, parent, facts) if facts else copy(winner, Path(parent))


def report(
    made: Backtest,
    *,
    as_of: str,
    money: Money,
    why: Sequence[Section] = (),
    data: DataCard | None = None,
    model: ModelCard | None = None,
) -> str:
    """The page about the back-test as HTML; `why` are sections that explain the score."""
    return evaluation_page(
        made,
        as_of=as_of,
        money=money,
        chosen=made.verdict.promoted,
        why=why,
        data=data,
        model=model,
    )


def cards(made: Backtest, installed: Bundle | None, shards: str, log: LogFacts | None) -> Cards:
    """What the model was made of and what it is; `shards` is the value set of the night."""
    manifest = data.load_manifest(shards)
    return {"data": data_card(manifest, made.run, log), "model": model_card(made, installed, manifest)}


def examples_read(run: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """(fit, examples that the plan holds, examples that all ranks read) over all epochs, for the ledger."""
    for origin, by_name in run["examples_read"].items():
        for name, fits in by_name.items():
            planned = run["examples_planned"][origin][name]
            for seed, (epochs, each) in enumerate(zip(fits, planned, strict=True), start=1):
                yield f"{name} {origin} seed {seed}", each * len(epochs), sum(map(sum, epochs))
