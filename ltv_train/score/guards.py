"""What must hold before a night is published.

Guards read committed tables only: they do not trust the jobs that wrote them.
"""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ltv_features import controls, features, increment, ledger
from ltv_features.as_of import CANARY_KEY, on_night
from ltv_features.contract import may_be_missing
from ltv_features.errors import GateHeld
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.tables import Lake
from ltv_train.score.udf import FALLBACK
from ltv_train.score.users import eligible_states

_MAX_FALLBACK_SHARE = 0.01
"""A poison row is an accident; a model that fails for more than these and more than one must not pass as a night."""
_AUDIT_EVERY = 1000
_AUDIT_AT_LEAST = 20
_MAKES = {"scores": "score_users", "recommendations": "recommend_items"}


def hold(problems: list[str], night: date) -> None:
    """Nothing without problems. Raises GateHeld with all of them: yesterday stays current."""
    if problems:
        listing = "".join(f"\n  - {problem}" for problem in problems)
        raise GateHeld(f"night {night} is held, yesterday stays current: {len(problems)} guard(s){listing}")


def problems_of(lake: Lake, night: date, expected: Mapping[str, str]) -> list[str]:
    """Everything that speaks against publishing the night.

    `expected`: for each table that the night needs, the digest of what it must have been made from.
    """
    states = eligible_states(lake, night).select("user_id").cache()
    found = stale_problems(lake, night, expected)
    for table in expected:
        if lake.committed(table, night) is not None:
            found += row_problems(table, lake.read(table).where(on_night(night)), states)
    found += score_problems(lake.read("scores").where(on_night(night)))
    states.unpersist()
    return control_problems(lake, night) + found + ledger_problems(lake, night) + audit_problems(lake, night)


def control_problems(lake: Lake, night: date) -> list[str]:
    """A person's hold that nobody released since."""
    if controls.says(lake, night, controls.NIGHT) != controls.HOLD:
        return []
    said = controls.reason(lake, night, controls.NIGHT)
    return [f"held by hand: {said}; next: python -m jobs.operate release night --as-of {night} ..."]


def stale_problems(lake: Lake, night: date, expected: Mapping[str, str]) -> list[str]:
    """Tables that are missing, or made from other states, profiles, models or settings than the night has now."""
    found = []
    for table, digest in expected.items():
        committed = lake.committed(table, night)
        if committed is None:
            found.append(f"{table}: none for this night; next: python -m jobs {_MAKES[table]}")
        elif committed != digest:
            found.append(
                f"{table}: made before the states, profiles, model or settings that this night has now; "
                f"next: python -m jobs {_MAKES[table]}"
            )
    return found


def row_problems(table: str, rows: DataFrame, states: DataFrame) -> list[str]:
    """What is wrong with who has a row: users missing, twice or strangers."""
    told = _counted(rows, {"rows": F.count("*"), "users": F.countDistinct("user_id")})
    eligible = states.select("user_id", F.lit(True).alias("_eligible"))
    both = rows.select("user_id", F.lit(True).alias("_there")).join(eligible, on="user_id", how="full")
    apart = _counted(both, {name: F.count_if(F.col(f"_{name}").isNull()) for name in ("there", "eligible")})
    found = []
    if told["rows"] != told["users"]:
        found.append(f"{table}: {told['rows']} rows for {told['users']} users; expected one each")
    if any(apart.values()):
        found.append(
            f"{table}: {apart['there']} eligible users have no row, {apart['eligible']} rows are of no eligible user"
        )
    return found


def score_problems(scores: DataFrame) -> list[str]:
    """What is wrong with the numbers of a night: unusable ones, or a silent model."""
    bad = F.col("value_decile").isNull() | F.col("value_tier").isNull()
    for name in [name for name, kind in scores.dtypes if kind == "double"]:
        missing = F.lit(False) if may_be_missing(name) else F.col(name).isNull()
        wrong = F.isnan(name) | (F.col(name) < 0) | (F.col(name) == float("inf"))
        bad = bad | missing | F.coalesce(wrong, F.lit(False))
    fell = F.col("score_source") == FALLBACK
    told = _counted(scores, {"rows": F.count("*"), "unusable": F.count_if(bad), "fallbacks": F.count_if(fell)})
    problems = []
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
    rows = lake.read("ledger").where(on_night(night)).collect()
    broken = [row for row in rows if row["rows_in"] != row["rows_out"] + sum(row["accounted"].values())]
    return missing + [
        f"ledger: {row['job']}, {row['hop']}: {row['rows_in']} in, {row['rows_out']} out" for row in broken
    ]


def audit_problems(lake: Lake, night: date) -> list[str]:
    """Users among .1 % (at least 20), chosen by key, whose state rebuilt from events differs from the stored one.

    The rebuild has the canary of the future among its users, so a door to time that stands open ends it (FutureLeak).
    """
    states = lake.at_night("user_state", night)
    every = max(1, min(_AUDIT_EVERY, states.count() // _AUDIT_AT_LEAST))
    chosen = (F.pmod(F.xxhash64("user_key", F.lit("audit")), F.lit(every)) == 0) | (F.col("user_key") == CANARY_KEY)
    read, _ = increment.inputs_noted(lake, "user_state", night)
    rebuilt = features.user_states(kernel_events_as_of(lake, night, read.versions).where(chosen), night)
    stored = states.where(chosen)
    signed = stored.withColumn("_sign", F.lit(1)).unionByName(rebuilt.withColumn("_sign", F.lit(-1)))
    sums = signed.groupBy(*stored.columns).agg(F.abs(F.sum("_sign")).alias("_apart"))
    differ = _counted(sums, {"rows": F.coalesce(F.sum("_apart"), F.lit(0))})["rows"]
    said = f"self-audit: {differ} rows of user_state differ from a rebuild from events"
    return [said] if differ else []
