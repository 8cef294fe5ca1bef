"""Every eligible user gets one row: states through the production model, then deciles and tiers over all of them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ltv_features import files
from ltv_features.as_of import objectors, users_as_of
from ltv_features.config import ShopSettings
from ltv_features.contract import QUARANTINE, USER_STATE, USERS, Table
from ltv_features.digest import code_of, digest_of
from ltv_features.errors import BundleRefused, InputMissing
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train.bundle import load_promoted
from ltv_train.config import ScoreSettings
from ltv_train.predict import KINDS
from ltv_train.score.udf import FALLBACK, MODEL, THROUGH_ANCHOR, Scorer

_ROUND = 6
DECILES = 10
MODULES = ("ltv_train.score.udf", "ltv_train.score.users")
"""The code that scores, beside that of every kind of model."""
QUARANTINED_BY = "jobs/score_users"
"""The source of a quarantine note; no source of a shop can have this name."""


def eligible_states(lake: Lake, as_of: date) -> DataFrame:
    """States of users known before the night (by an event or a dated profile) who do not object to profiling."""
    states = lake.at_night(USER_STATE.name, as_of)
    dated = users_as_of(lake, as_of).where("dated").select("user_id").distinct().withColumn("_dated", F.lit(True))
    is_known = (F.size("types") > 0) | F.coalesce("_dated", F.lit(False))
    known = states.join(dated, on="user_id", how="left").where(is_known)
    return known.join(objectors(lake, by="user_id"), on="user_id", how="left_anti").select(*states.columns)


def states_digest(lake: Lake, as_of: date) -> str:
    """What the night's states were made from. Raises InputMissing where there are none."""
    states = lake.committed(USER_STATE.name, as_of)
    if states is None:
        raise InputMissing(f"user_state is not as of {as_of}; next: python -m jobs build_features for that date")
    return states


def scores_digest(lake: Lake, states: str, model: Mapping[str, Any], *settings: object) -> str:
    """What scores of the night with these states are made from."""
    code = code_of(*MODULES, *sorted({*KINDS.values()}))
    return digest_of("score_users", states, lake.version(USERS.name), model["digest"], code, *settings)


def scorer_of(model: Mapping[str, Any], root: str, as_of: date, shop: ShopSettings) -> Scorer:
    """The worker's half of scoring for one promotion; its bundle is verified here, once, before any work."""
    bundle = load_promoted(files.join(root, model["bundle"]), model["digest"])
    never = bundle.config.get("never_bought") or {}
    nothing = [0.0] * len(bundle.horizons_days)
    trained = int(bundle.config.get("trained_horizons", len(bundle.horizons_days)))
    return Scorer(
        bundle=str(bundle.path),
        digest=bundle.digest,
        as_of=as_of,
        horizons_days=bundle.horizons_days,
        never_mean_minor=tuple(never.get("mean_minor", nothing)),
        never_purchase=tuple(never.get("p_purchase", nothing)),
        never_active=tuple(never["p_active"]) if "p_active" in never else None,
        named=tuple(sorted(shop.named_periods)),
        named_begin=tuple(
            (each["name"], date.fromisoformat(each["starts"])) for each in bundle.config.get("named", [])
        ),
        minor_per_unit=10**shop.minor_digits,
        discount_rate=shop.discount_rate,
        profit_margin=shop.profit_margin,
        lifetime_years=shop.lifetime_years,
        source=MODEL if trained == len(bundle.horizons_days) else THROUGH_ANCHOR,
    )


def hold_horizons(scorer: Scorer, horizons_days: Sequence[int]) -> None:
    """Nothing where the bundle speaks of the configured horizons. Raises BundleRefused where it speaks of others."""
    if tuple(horizons_days) != scorer.horizons_days:
        raise BundleRefused(
            f"bundle {scorer.digest}: expected horizons of {list(horizons_days)} days as [shop] says, actual "
            f"{list(scorer.horizons_days)}; next: build_examples, train and evaluate for the new horizons"
        )


def score(states: DataFrame, scorer: Scorer, table: Table) -> DataFrame:
    """One unranked row for each state, through one mapInArrow."""
    unranked = [c for c in table.columns if c.name not in ("value_decile", "value_tier", "input_digest")]
    return states.mapInArrow(scorer, spark_schema(unranked))


def ranked(scores: DataFrame, table: Table, settings: ScoreSettings, input_digest: str) -> DataFrame:
    """`scores` with decile (1 = best tenth by the longest horizon's pltv) and tier; equal values share both.

    Cut points come from a group-by on rounded values, so the window runs over distinct values and never over users.
    """
    longest = [c.name for c in table.columns if c.name.startswith("pltv_") and c.name[5:].isdigit()][-1]
    rounded = F.round(F.col(longest), _ROUND).alias("_value")
    counted = scores.groupBy(rounded).agg(F.count("*").alias("_n"))
    order = Window.orderBy(F.desc("_value"))
    above = F.coalesce(F.sum("_n").over(order.rowsBetween(Window.unboundedPreceding, -1)), F.lit(0))
    share = (above / F.sum("_n").over(order.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing))).alias(
        "_share"
    )
    cuts = counted.select("_value", share)
    placed = scores.withColumn("_value", rounded).join(F.broadcast(cuts), on="_value", how="inner")
    own = {
        "value_decile": (F.floor(F.col("_share") * DECILES) + 1).cast("int"),
        "value_tier": _tier(settings),
        "input_digest": F.lit(input_digest),
    }
    return placed.select(*[own.get(name, F.col(name)).alias(name) for name in table.column_names])


def note_poison(lake: Lake, scores: DataFrame, as_of: date, input_digest: str) -> None:
    """Users who made the model fail have a row in `scores` and, so that somebody looks, one in `quarantine`."""
    night = int(as_of.strftime("%Y%m%d"))
    poisoned = scores.where(F.col("score_source") == FALLBACK)
    note = {
        "source": F.lit(QUARANTINED_BY),
        "kind": F.lit("scores"),
        "raw_version": F.lit(night).cast("bigint"),
        "file_sha256": F.lit(""),
        "row_number": F.lit(0).cast("bigint"),
        "reason": F.lit("model_failed"),
        "rules": F.array(F.lit("model_failed")),
        "raw": F.to_json(F.struct("user_id", "as_of", "model_digest")),
    }
    same = f"source = '{QUARANTINED_BY}' AND raw_version = {night}"
    before = lake.exists(QUARANTINE.name) and not lake.read(QUARANTINE.name).where(same).isEmpty()
    if before or not poisoned.isEmpty():
        rows = poisoned.select(*[note[name].alias(name) for name in QUARANTINE.column_names])
        lake.replace(rows, QUARANTINE, as_of=as_of, input_digest=input_digest, where=same)


def _tier(settings: ScoreSettings) -> Column:
    high = F.col("_share") < settings.high_share
    low = F.col("_share") >= 1 - settings.low_share
    return F.when(high, "high").when(low, "low").otherwise("middle")
