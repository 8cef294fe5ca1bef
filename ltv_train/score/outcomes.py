"""What a night promised against what happened: one row a user, candidate and horizon, once the horizon has matured."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ltv_features import files
from ltv_features.as_of import events_as_of, on_night
from ltv_features.contract import OUTCOMES
from ltv_features.digest import code_of, digest_of
from ltv_features.errors import InputMissing
from ltv_features.ledger import Hop
from ltv_features.tables import Lake
from ltv_train.judging.evaluation import Fold, Measures, measure
from ltv_train.judging.prediction_files import read_predictions
from ltv_train.judging.uncertainty import Standing, afterwards
from ltv_train.latest import LATEST, latest_run
from ltv_train.predictions import Predictions
from ltv_train.score import nights

PUBLISHED = "published"
_ByName = dict[str, dict[str, Mapping[str, Any]]]
_Ends = Mapping[str, tuple[float, float]]
log = logging.getLogger("ltv.monitor")
Floats = npt.NDArray[np.float64]


def matured(lake: Lake, as_of: date, horizons_days: Sequence[int]) -> dict[date, list[int]]:
    """Published nights with the horizons that have passed by `as_of`. Raises InputMissing when there are none."""
    known = [row["as_of"] for row in lake.read("nights").select("as_of").collect()]
    due = {night: [days for days in horizons_days if night + timedelta(days) <= as_of] for night in sorted(known)}
    found = {night: days for night, days in due.items() if days}
    if not found:
        first = min(known) + timedelta(min(horizons_days)) if known else None
        raise InputMissing(
            f"nothing that was promised has matured by {as_of}; published: {', '.join(map(str, sorted(known)))}; "
            f"the first horizon ends on {first}"
        )
    return found


def happened(lake: Lake, night: date, days: int) -> DataFrame:
    """Net spend (minor units) and whether anything was bought in [night, night + days), for each user with an event."""
    events = events_as_of(lake, night + timedelta(days)).where(F.col("event_ts") >= F.lit(night).cast("timestamp"))
    kind, amount = F.col("event_type"), F.col("amount_minor")
    net = F.when(kind == "purchase", amount).when(kind == "refund", -amount).otherwise(F.lit(0))
    return events.groupBy("user_id").agg(F.sum(net).alias("spend_minor"), F.max(kind == "purchase").alias("purchased"))


def outcomes(lake: Lake, night: date, due_days: Sequence[int], said: DataFrame, minor_per_unit: int) -> DataFrame:
    """OUTCOMES rows of one night: what the scores and every candidate (`said`) promised, joined to what happened."""
    scores, parts = _scores(lake, night), None
    for days in due_days:
        promised = scores.select("user_id", F.lit(PUBLISHED).alias("candidate"), *_promise(days, "{}"))
        candidates = said.where(F.col("horizon_days") == F.lit(days)).select(
            "user_id", "candidate", *_promise(0, "said")
        )
        truth = happened(lake, night, days)
        both = promised.unionByName(candidates).join(truth, on="user_id", how="left")
        own = {
            "as_of": F.lit(night),
            "horizon_days": F.lit(days).cast("int"),
            "spend": F.coalesce(F.col("spend_minor"), F.lit(0)) / F.lit(float(minor_per_unit)),
            "purchased": F.coalesce("purchased", F.lit(False)),
        }
        rows = both.withColumns(own).select(*OUTCOMES.column_names)
        parts = rows if parts is None else parts.unionByName(rows)
    if parts is None:
        raise InputMissing(f"night {night}: no horizon has matured")
    return parts


def intervals(lake: Lake, night: date, due_days: Sequence[int]) -> dict[int, _Ends]:
    """By horizon and user: the two ends of the published interval, currency units. They are read from the scores, for
    `outcomes` does not hold them.
    """
    names = [f"pltv_{days}_{end}" for days in due_days for end in ("low", "high")]
    rows = _scores(lake, night).select("user_id", *names).collect()
    return {
        days: {row["user_id"]: (row[f"pltv_{days}_low"], row[f"pltv_{days}_high"]) for row in rows} for days in due_days
    }


def _scores(lake: Lake, night: date) -> DataFrame:
    """The scores of the night as they were published."""
    pinned = nights.published(lake, night)
    version = pinned["table_versions"]["scores"] if pinned else None
    return lake.read("scores", version).where(on_night(night))


def made_from(lake: Lake, night: date, due_days: Sequence[int]) -> str:
    """The digest of what decides a night's outcomes: what was published, who else spoke, and the code that joins."""
    published = (nights.published(lake, night) or {}).get("input_digest")
    latest = files.join(lake.root, "training", night.isoformat(), LATEST)
    training = files.read_json(latest) if files.exists(latest) else None
    return digest_of("monitor", night, due_days, published, training, code_of(__name__))


def hops(lake: Lake, night: date, due_days: Sequence[int]) -> list[Hop]:
    """The account of a night's outcomes: every published score is there, once for each horizon that has passed."""
    pinned = nights.published(lake, night) or {"eligible_users": 0}
    published = (F.col("candidate") == PUBLISHED) & on_night(night)
    counted = lake.read(OUTCOMES.name).where(published).groupBy("horizon_days").count().collect()
    rows = {row["horizon_days"]: row["count"] for row in counted}
    return [Hop(f"scores to outcomes of {days} days", pinned["eligible_users"], rows.get(days, 0)) for days in due_days]


def _promise(days: int, kind: str) -> list[Any]:
    if kind == "said":
        return [F.col(name) for name in ("pltv", "pltv_p50", "p_purchase")]
    return [
        F.col(f"pltv_{days}").alias("pltv"),
        F.col(f"pltv_{days}_p50").alias("pltv_p50"),
        F.col(f"p_purchase_{days}").alias("p_purchase"),
    ]


def candidates_said(lake: Lake, night: date, horizons_days: Sequence[int], minor_per_unit: int) -> DataFrame:
    """What every refitted candidate said of the night's users: user_id, candidate, horizon_days, promise.

    No rows for a night that nothing was trained for.
    """
    rows: list[tuple[int, str, int, float, float, float]] = []
    for name, path in _predictions_of(files.join(lake.root, "training", night.isoformat()), night).items():
        keys, said = read_predictions(path)
        for h, days in enumerate(horizons_days):
            money = (said.mean[:, h] / minor_per_unit, said.median[:, h] / minor_per_unit, said.p_purchase[:, h])
            columns = [column.tolist() for column in (keys, *money)]
            rows += [(key, name, days, mean, median, p) for key, mean, median, p in zip(*columns, strict=True)]
    schema = "user_key long, candidate string, horizon_days int, pltv double, pltv_p50 double, p_purchase double"
    users = lake.at_night("user_state", night).select("user_key", "user_id")
    return lake.spark.createDataFrame(rows, schema).join(users, on="user_key", how="inner").drop("user_key")


def _predictions_of(training: str, night: date) -> dict[str, str]:
    """The file of each candidate's predictions by the latest training; none where nothing was trained for the night."""
    if not files.exists(files.join(training, LATEST)):
        log.info("%s: nothing was trained for it, so the published score stands alone", night)
        return {}
    folder, told = latest_run(training)
    return {
        name: files.join(folder, "predictions", night.isoformat(), f"{name}.parquet") for name in told["candidates"]
    }


def measured(rows: Sequence[Mapping[str, Any]], *, scored_by_all: bool = True) -> list[Measures]:
    """One row of measures for each candidate and horizon, the published score first.

    With `scored_by_all` only users of whom every candidate spoke are compared: those with an order before the night.
    """
    if scored_by_all:
        told = [(days, name, fold) for days, fold in folds(rows).items() for name in fold.predictions]
    else:
        told = [
            (days, name, _fold({name: users})) for days, by_name in _sorted(rows) for name, users in by_name.items()
        ]
    return [measure(fold, name, fold.predictions[name], [days])[0] for days, name, fold in told]


def with_intervals(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Measures, Standing]]:
    """What `measured` says, each with how sure it is."""
    sure = afterwards(folds(rows), PUBLISHED)
    standing = {(days, each.candidate): each for days, told in sure.items() for each in told}
    return [(one, standing[one.horizon_days, one.candidate]) for one in measured(rows)]


def folds(rows: Sequence[Mapping[str, Any]], ends: Mapping[int, _Ends] | None = None) -> dict[int, Fold]:
    """By horizon, the longest first: what was said and what happened, of the users of whom every candidate spoke.

    `ends` give the published score its intervals (see `intervals`).
    """
    return {days: _fold(by_name, (ends or {}).get(days)) for days, by_name in _sorted(rows)}


def _sorted(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, _ByName]]:
    """By horizon, the longest first: the rows of each candidate by user, the published score first."""
    for days in sorted({row["horizon_days"] for row in rows}, reverse=True):
        by_name: _ByName = {}
        for row in rows:
            if row["horizon_days"] == days:
                by_name.setdefault(row["candidate"], {})[row["user_id"]] = row
        yield days, {name: by_name[name] for name in sorted(by_name, key=lambda name: (name != PUBLISHED, name))}


def _fold(by_name: _ByName, ends: _Ends | None = None) -> Fold:
    common = sorted(set.intersection(*(set(users) for users in by_name.values())))
    said = {}
    for name, users in by_name.items():
        mine = [users[user] for user in common]
        mean, median, p, spend, bought = columns(mine, "pltv", "pltv_p50", "p_purchase", "spend", "purchased")
        said[name] = Predictions(mean, median, p, 1 - p)
        if name == PUBLISHED and ends is not None:
            low, high = np.array([ends[user] for user in common]).reshape(-1, 2, 1).swapaxes(0, 1)
            said[name] = replace(said[name], low=low, high=high)
    night = next(str(row["as_of"]) for users in by_name.values() for row in users.values())
    return Fold(night, np.arange(len(common)), spend, bought, said)


def columns(rows: Sequence[Mapping[str, Any]], *names: str) -> list[Floats]:
    """Columns of rows as float64 arrays [N, 1]."""
    return [np.array([float(row[name]) for row in rows]).reshape(-1, 1) for name in names]
