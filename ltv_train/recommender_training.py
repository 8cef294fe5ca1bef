"""The recommender from basket shards: fitted at a past origin to be judged and mixed, and at the night to serve.

May import: data, distributed, recommend. No Spark, no table.
"""

import logging
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features import files
from ltv_features.cutoffs import midnight_us
from ltv_features.project import Examples
from ltv_train import data, distributed
from ltv_train.config import RaySettings, RecommendSettings
from ltv_train.fits import FitResult
from ltv_train.recommend.backtest import Baskets, Measured, backtest
from ltv_train.recommend.blend import Mix
from ltv_train.recommend.catalogue import catalogue_of
from ltv_train.recommend.own import Own, own_of
from ltv_train.recommend.recommender import Recommender, write_recommender
from ltv_train.two_tower_fit import TwoTowerFit

log = logging.getLogger("ltv.train")


def train_recommender(
    shards: str,
    origins: list[str],
    out: str,
    settings: RecommendSettings,
    ray: RaySettings,
    *,
    storage: str,
    run_name: str,
) -> dict[str, Any]:
    """Fits both origins in one run, back-tests the first, writes the bundle of the last below `out`.

    Returns the content of recommender.json: bundle, mix, the back-test's table (empty with one origin), and of each fit
    the examples planned and read.
    """
    folders = [files.join(shards, "basket", origin) for origin in origins]
    fits = [_fit(folder, settings) for folder in folders]
    results = distributed.run_fits(fits, ray_settings=ray, storage_path=storage, run_name=run_name)
    mix = Mix()
    table: dict[str, Measured] = {}
    if len(origins) > 1:
        past, examples = _recommender(fits[0], results[0], mix), _slice(folders[0])
        own = _own(folders[0], examples, origins[0])
        mix, table = backtest(past, examples, own, _baskets(folders[-1], origins[0], examples))
    measures = {name: asdict(row) for name, row in table.items()}
    for name, row in measures.items():
        log.info("next basket: %-14s Recall@20 %.4f  NDCG@10 %.4f", name, row["recall_at_20"], row["ndcg_at_10"])
    serving = _recommender(fits[-1], results[-1], mix)
    bundle = write_recommender(out, serving, settings, measures)
    read = {fit.name: _examples_read(result) for fit, result in zip(fits, results, strict=True)}
    return {
        "bundle": bundle.digest, "mix": mix.to_dict(), "table": measures, "origins": origins, "examples_read": read
    }  # fmt: skip


def _examples_read(result: FitResult) -> tuple[int, int]:
    """Examples that the plan holds, and that all ranks read, over all epochs."""
    return result.examples_planned * len(result.examples_read), sum(map(sum, result.examples_read))


def _fit(folder: str, settings: RecommendSettings) -> TwoTowerFit:
    catalogue = catalogue_of(_table(folder, "items.parquet"))
    name = f"two towers {folder.rsplit('/', 1)[1]}"
    return TwoTowerFit(name, folder, catalogue, settings, settings.seed, settings.epochs)


def _recommender(fit: TwoTowerFit, result: FitResult, mix: Mix) -> Recommender:
    towers = fit.network(data.load_manifest(fit.shards))
    towers.load_state_dict(result.weights)
    return Recommender(towers, fit.catalogue, mix)


def _slice(folder: str) -> Examples:
    return data.read_all(data.load_manifest(folder), "slice").examples


def _own(folder: str, examples: Examples, origin: str) -> Own:
    at = midnight_us(date.fromisoformat(origin))
    return own_of(_table(folder, "user_items.parquet"), examples.user_key, as_of_us=at)


def _baskets(folder: str, origin: str, examples: Examples) -> Baskets:
    """What the customers of a past origin bought next, in the order of `examples`."""
    outcomes = _table(folder, "outcomes.parquet")
    mine = outcomes.filter(pc.equal(outcomes["origin"], origin)).to_pylist()
    by_key = {row["user_key"]: row for row in mine}
    rows = [by_key.get(int(key), {"target_item_no": [], "target_size": 0}) for key in examples.user_key]
    items = [[item for item in row["target_item_no"] if item > 0] for row in rows]
    return Baskets(items, np.array([row["target_size"] for row in rows], np.float64))


def _table(folder: str, name: str) -> pa.Table:
    return data.read_table(data.load_manifest(folder), name)
