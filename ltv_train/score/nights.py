"""What must hold before a night is published, and the row that publishes it.

Guards read committed tables only: they do not trust the jobs that wrote them.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features import contract, features, increment, ledger
from ltv_features.errors import GateHeld
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.tables import Lake
from ltv_train.score.udf import FALLBACK
from ltv_train.score.users import eligible_states

PINNED = ("events", "users", "items", "user_state", "user_items", "scores", "recommendations", "models")
_MAX_FALLBACK_SHARE = 0.01
"""A poison row is an accident; a model that fails for more than these and more than one must not pass as a night."""
_AUDIT_EVERY = 1000
_AUDIT_AT_LEAST = 20


def hold(problems: list[str], night: date) -> None:
    """Nothing without problems. Raises GateHeld with all of them: yesterday stays current."""
    if problems:
        listing = "".join(f"\n  - {problem}" for problem in problems)
        raise GateHeld(f"night {night} is held, yesterday stays current: {len(problems)} guard(s){listing}")


def score_problems(scores: DataFrame, states: DataFrame) -> list[str]:
    """What is wrong with the scores of a night: users missing, twice or strangers, unusable numbers, a silent model."""
    bad = F.col("value_decile").isNull() | F.col("value_tier").isNull()
    for name in [name for name, kind in scores.dtypes if kind == "double"]:
        bad = bad | F.col(name).isNull() | F.isnan(name) | (F.col(name) < 0) | (F.col(name) == float("inf"))
    counts = {
        "rows": F.count("*"),
        "users": F.countDistinct("user_id"),
        "unusable": F.count_if(bad),
        "fallbacks": F.count_if(F.col("score_source") == FALLBACK),
    }
    told = _counted(scores, counts)
    eligible = states.select("user_id", F.lit(True).alias("_eligible"))
    both = scores.select("user_id", F.lit(True).alias("_scored")).join(eligible, on="user_id", how="full")
    apart = _counted(both, {name: F.count_if(F.col(f"_{name}").isNull()) for name in ("scored", "eligible")})
    problems = []
    if told["rows"] != told["users"]:
        problems.append(f"scores: {told['rows']} rows for {told['users']} users; expected one each")
    if any(apart.values()):
        problems.append(
            f"scores: {apart['scored']} eligible users have no row, {apart['eligible']} rows are of no eligible user"
        )
    if told["unusable"]:
        problems.append(f"scores: {told['unusable']} rows with a number that is missing, negative or not finite")
    if told["fallbacks"] > max(1, _MAX_FALLBACK_SHARE * told["rows"]):
        problems.append(f"scores: the model failed for {told['fallbacks']} of {told['rows']} users; next: read the log")
    return problems


def _counted(frame: DataFrame, counts: Mapping[str, Column]) -> dict[str, int]:
    """All counts in one pass."""
    row = frame.agg(*[column.alias(name) for name, column in counts.items()]).first()
    return {name: int(row[name]) for name in counts} if row is not None else dict.fromkeys(counts, 0)


_ACCOUNTS = (("build_features", "user_state"), ("score_users", "scores"), ("recommend_items", "recommendations"))


def ledger_problems(lake: Lake, night: date) -> list[str]:
    """Hops of this night whose rows do not add up, and tables that nobody accounted for."""
    digests = {(job, table): lake.committed(table, night) for job, table in _ACCOUNTS}
    missing = [
        f"ledger: {job} left no account of {table}; next: run it again"
        for (job, table), digest in digests.items()
        if digest and not ledger.holds(lake, job=job, as_of=night, input_digest=digest)
    ]
    rows = lake.read("ledger").where(F.col("as_of") == F.lit(night)).collect()
    broken = [row for row in rows if row["rows_in"] != row["rows_out"] + sum(row["accounted"].values())]
    return missing + [
        f"ledger: {row['job']}, {row['hop']}: {row['rows_in']} in, {row['rows_out']} out" for row in broken
    ]


def audit_problems(lake: Lake, night: date) -> list[str]:
    """Users among .1 % (at least 20), chosen by key, whose state rebuilt from events differs from the stored one."""
    states = lake.at_night("user_state", night)
    every = max(1, min(_AUDIT_EVERY, states.count() // _AUDIT_AT_LEAST))
    chosen = F.pmod(F.xxhash64("user_key", F.lit("audit")), F.lit(every)) == 0
    read, _ = increment.inputs_noted(lake, "user_state", night)
    rebuilt = features.user_states(kernel_events_as_of(lake, night, read.versions).where(chosen), night)
    stored = states.where(chosen)
    signed = stored.withColumn("_sign", F.lit(1)).unionByName(rebuilt.withColumn("_sign", F.lit(-1)))
    sums = signed.groupBy(*stored.columns).agg(F.abs(F.sum("_sign")).alias("_apart"))
    differ = _counted(sums, {"rows": F.coalesce(F.sum("_apart"), F.lit(0))})["rows"]
    return [f"self-audit: {differ} rows of user_state differ from a rebuild from events"] if differ else []


def problems_of(lake: Lake, night: date, *, with_recommendations: bool) -> list[str]:
    """Everything that speaks against publishing the night."""
    scores = lake.read("scores").where(F.col("as_of") == F.lit(night))
    states = eligible_states(lake, night)
    found = score_problems(scores, states) + ledger_problems(lake, night) + audit_problems(lake, night)
    if with_recommendations and lake.committed("recommendations", night) is None:
        found.append("recommendations: none for this night although items were sold; next: recommend_items")
    return found


def night_row(
    lake: Lake, night: date, *, model_digest: str, recommender_digest: str, input_digest: str, run_id: str
) -> Mapping[str, Any]:
    """The row of `nights`: versions of all tables and digests of what spoke."""
    versions = {name: lake.version(name) for name in PINNED}
    versions |= {name: lake.night_version(name, night) for name in ("user_state", "user_items")}
    return {
        "as_of": night,
        "table_versions": {name: version for name, version in versions.items() if version is not None},
        "model_digest": model_digest,
        "recommender_digest": recommender_digest,
        "input_digest": input_digest,
        "eligible_users": lake.read("scores").where(F.col("as_of") == F.lit(night)).count(),
        "run_id": run_id,
    }


def published(lake: Lake, night: date) -> Mapping[str, Any] | None:
    """The `nights` row of a night; None when it was not published."""
    if not lake.exists(contract.NIGHTS.name):
        return None
    row = lake.read(contract.NIGHTS.name).where(F.col("as_of") == F.lit(night)).first()
    return row.asDict() if row is not None else None
