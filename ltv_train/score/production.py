"""Which bundle serves a night: rows of `models` in the order of promotion."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from ltv_features import files, ledger
from ltv_features.contract import MODELS, USER_ITEMS
from ltv_features.errors import InputMissing
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake
from ltv_train import promoted
from ltv_train.judging.gate import Verdict
from ltv_train.registry import Purpose, model_row, production

VALUE: Purpose = "value"


def model_rows(lake: Lake) -> list[Mapping[str, Any]]:
    """Every promotion so far, the oldest first; empty before the first one."""
    if not lake.exists(MODELS.name):
        return []
    return [row.asDict() for row in lake.read(MODELS.name).orderBy("promotion_no").collect()]


_SAME = ("as_of", "purpose", "digest", "input_digest")
"""What tells one promotion from another: a job that was killed after it and runs again says the same."""


def promote(lake: Lake, row: Mapping[str, Any]) -> None:
    """Writes a row of `model_row` as the latest promotion, and the note of it that training reads.

    Where that promotion serves already only the note is written: a job may have been killed between the two.
    """
    known = model_rows(lake)
    serves = production(known, row["as_of"], row["purpose"])
    if serves is None or any(serves[name] != row[name] for name in _SAME):
        number = max((each["promotion_no"] for each in known), default=0) + 1
        rows = lake.spark.createDataFrame([{**row, "promotion_no": number}], spark_schema(MODELS))
        lake.upsert(rows, MODELS)
    promoted.note(lake.root, row)


def serving(lake: Lake, as_of: date, purpose: Purpose) -> Mapping[str, Any]:
    """The promotion that serves the night. Raises InputMissing when nothing was promoted by then."""
    row = production(model_rows(lake), as_of, purpose)
    if row is None:
        job = "evaluate" if purpose == "value" else "train_recommender"
        raise InputMissing(f"no {purpose} model was promoted for {as_of} or before; next: python -m jobs {job}")
    return row


def served_before(lake: Lake, as_of: date, purpose: Purpose) -> Mapping[str, Any] | None:
    """The promotion that served before this night; None when this is the first."""
    earlier = [row for row in model_rows(lake) if row["as_of"] < as_of]
    return production(earlier, as_of, purpose)


def follow(
    lake: Lake, verdict: Verdict, digest: str | None, *, as_of: date, input_digest: str, run_id: str, report: str
) -> None:
    """Promotes the bundle `digest` that the gate chose for the night; None: what served before serves again.

    Where an earlier verdict on the same night promoted something, a row brings the model of the nights before back.
    """
    row = partial(model_row, as_of=as_of, purpose=VALUE, input_digest=input_digest, run_id=run_id, report=report)
    if digest is not None:
        where, name = files.join("bundles", digest), str(verdict.promoted)
        promote(lake, row(bundle=where, digest=digest, name=name, grade=verdict.grade, reason=verdict.reason))
        return
    before, now = served_before(lake, as_of, VALUE), production(model_rows(lake), as_of, VALUE)
    if before is None or now is None:
        return
    if before["digest"] != now["digest"] or now["input_digest"] == input_digest:
        reason = f"back to the model of {before['as_of']}: {verdict.reason}"
        back = {name: before[name] for name in ("bundle", "digest", "name", "grade")}
        promote(lake, row(**back, reason=reason))


def promote_recommender(lake: Lake, as_of: date, *, run_id: str) -> None:
    """Writes the `models` row and the account of the recommender trained for this night, once; nothing where none was.

    Its mix has exact own frequency among the choices, so it needs no gate of its own.
    """
    note = files.join(lake.root, "training", as_of.isoformat(), "recommender", "recommender.json")
    if not files.exists(note):
        return
    told = files.read_json(note)
    hops = [ledger.Hop(name, planned, read) for name, (planned, read) in told["examples_read"].items()]
    digest = told["input_digest"]
    ledger.record(lake, job="train_recommender", as_of=as_of, input_digest=digest, run_id=run_id, hops=hops)
    row = model_row(
        as_of=as_of,
        purpose="recommender",
        bundle=files.join("bundles", told["bundle"]),
        digest=told["bundle"],
        name="two_tower",
        grade="U",
        reason=f"trained for {as_of}; mix {told['mix']}",
        input_digest=digest,
        run_id=run_id,
    )
    promote(lake, row)


def recommendations_expected(lake: Lake, as_of: date) -> bool:
    """Whether this night needs recommendations: items were bought, and a recommender serves or can be trained."""
    if lake.at_night(USER_ITEMS.name, as_of).isEmpty():
        return False
    shards = files.join(lake.root, "shards", as_of.isoformat(), "manifest.json")
    trainable = files.exists(shards) and bool(files.read_json(shards)["basket"])
    return trainable or production(model_rows(lake), as_of, "recommender") is not None
