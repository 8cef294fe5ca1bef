"""What `evaluate` reads to explain the night: the bundle that serves, the customers ahead, and the latest past origin.

May import: explain, backtest, data. No Spark, no Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ltv_features import files
from ltv_features.errors import BundleRefused, InputMissing
from ltv_features.project import Examples
from ltv_train import data
from ltv_train.bundle import Bundle, load_promoted
from ltv_train.classical.trees import Boosting
from ltv_train.config import BLEND, ExplainSettings
from ltv_train.explain import sections
from ltv_train.explain.night import Explanation, Past, Published, explain
from ltv_train.judging import backtest
from ltv_train.judging.backtest import Backtest
from ltv_train.money import Money
from ltv_train.predict import open_predictor
from ltv_train.report import Section, page


@dataclass(frozen=True)
class Serving:
    """The procedure that serves the night, the folder of its bundle, and the digest that was promoted."""

    name: str
    bundle: str
    digest: str


def serving_of(made: Backtest, chosen: Bundle | None, before: Mapping[str, Any] | None, root: str) -> Serving | None:
    """What serves the night: the `chosen` bundle, else that of `before`, the row of `models` until then."""
    if chosen is not None:
        return Serving(str(made.verdict.promoted), str(chosen.path), chosen.digest)
    return Serving(before["name"], files.join(root, before["bundle"]), before["digest"]) if before else None


def explained(
    folder: str,
    made: Backtest,
    serving: Serving | None,
    shards: str,
    *,
    money: Money,
    names: Mapping[int, str],
    settings: ExplainSettings,
) -> tuple[list[Section], str]:
    """Sections of the report, and the page of top customers with their ids, about what serves the night.

    `shards` is the value set of the night, `names` are of categories by number.
    """
    as_of = made.run["origins"][-1]
    if serving is None:
        return _nothing("nothing serves the night", as_of)
    try:
        bundle = load_promoted(serving.bundle, serving.digest)
        predictor = open_predictor(bundle)
    except (BundleRefused, InputMissing) as error:  # production of long ago: the nights that it scores are refused too
        return _nothing(str(error), as_of)
    ahead = data.read_all(data.load_manifest(shards), "slice").examples
    told = explain(
        Published(serving.name, predictor, ahead, _boosters(folder, made)),
        _past(folder, made, serving.name, shards),
        horizons_days=bundle.horizons_days,
        money=money,
        category_names=names,
        settings=settings,
    )
    customers = sections.customers_page(told, _user_ids(shards, ahead, told), money, as_of=as_of)
    return sections.sections(told, money), customers


def _nothing(why: str, as_of: str) -> tuple[list[Section], str]:
    said = Section("Not explained", [f"The score could not be explained: {why}."])
    return [said], page(f"Top customers of {as_of}", "None can be named.", [said], "Written by evaluate.")


def _boosters(folder: str, made: Backtest) -> dict[str, Boosting]:
    """The boosting candidates of the refit."""
    origin = made.run["origins"][-1]
    opened = {
        name: open_predictor(backtest.bundle_of(folder, made.run, origin, name))
        for name in made.run["candidates"]
        if name.startswith("boosting")
    }
    return {name: one for name, one in opened.items() if isinstance(one, Boosting)}


def _past(folder: str, made: Backtest, name: str, shards: str) -> Past | None:
    """The procedure at the latest past origin, with the customers there in the order of the fold."""
    if not made.folds or name not in (*made.run["candidates"], BLEND):
        return None
    fold = made.folds[-1]
    model = backtest.candidate(folder, made, fold.origin, name, files.join(folder, "blends"))
    manifest = data.load_manifest(files.join(shards.rsplit("/", 1)[0], fold.origin))
    examples = data.read_all(manifest, "slice").examples
    order = np.argsort(examples.user_key, kind="stable")
    return Past(fold.origin, open_predictor(model), examples.take(order), fold.spend[:, -1])


def _user_ids(shards: str, ahead: Examples, told: Explanation) -> list[str]:
    users = data.read_table(data.load_manifest(shards), "users.parquet")
    keys = pa.array(ahead.user_key[told.customers.rows])
    ids: list[str] = users["user_id"].take(pc.index_in(keys, value_set=users["user_key"])).to_pylist()
    return ids
