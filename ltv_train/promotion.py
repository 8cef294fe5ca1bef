"""What `evaluate` does between reading and writing tables: judge a training run, install the winner, draw the report.

May import: backtest, data, pages. No Spark, no Ray.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features import files
from ltv_train import backtest, data, pages
from ltv_train.backtest import Backtest
from ltv_train.bundle import Bundle, copy
from ltv_train.config import GateSettings

_SEED = 1


def judged(folder: str, run: Mapping[str, Any], shards: str, *, before: str | None, settings: GateSettings) -> Backtest:
    """The back-test of a training run with its verdict, held against the refit.

    `shards` is the value set of the night; `before` names the procedure that served before it.
    """
    outcomes = pa.table({})  # a log too short for a past origin has none, and the gate says so
    if len(run["origins"]) > 1:
        outcomes = pq.read_table(io.BytesIO(files.read_bytes(files.join(shards, "outcomes.parquet"))))
    made = backtest.judge(folder, run, outcomes, production=before, settings=settings, seed=_SEED)
    ahead = data.read_all(data.load_manifest(shards), "slice").examples
    return backtest.checked_after_refit(folder, made, ahead, production=before, settings=settings)


def install(folder: str, made: Backtest, parent: str) -> Bundle | None:
    """The refitted winner, copied below `parent` under its digest; None where production stays."""
    if made.verdict.promoted is None:
        return None
    origin = made.run["origins"][-1]
    winner = backtest.candidate(folder, made, origin, made.verdict.promoted, files.join(folder, "blends"))
    return copy(winner, Path(parent))


def report(made: Backtest, *, as_of: str, currency: str, minor_per_unit: int) -> str:
    """The page about the back-test as HTML."""
    chosen = made.verdict.promoted
    return pages.evaluation_page(made, as_of=as_of, currency=currency, minor_per_unit=minor_per_unit, chosen=chosen)


def examples_read(run: Mapping[str, Any], shards: str) -> Iterator[tuple[str, int, int]]:
    """(fit, examples that the plan holds, examples that all ranks read) over all epochs, for the ledger."""
    parent = shards.rsplit("/", 1)[0]
    for origin, by_name in run["examples_read"].items():
        planned = data.load_manifest(files.join(parent, origin)).examples("train")
        for name, fits in by_name.items():
            for seed, epochs in enumerate(fits, start=1):
                yield f"{name} {origin} seed {seed}", planned * len(epochs), sum(map(sum, epochs))
