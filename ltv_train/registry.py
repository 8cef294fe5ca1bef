"""Rows of the `models` table: which bundle may serve which nights. May import: the contract, grades. No Spark."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal

from ltv_features.contract import MODELS
from ltv_features.errors import ContractBroken
from ltv_train.judging.grades import MEANINGS

Purpose = Literal["value", "recommender"]


def model_row(
    *,
    as_of: date,
    purpose: Purpose,
    bundle: str,
    digest: str,
    name: str,
    grade: str,
    reason: str,
    input_digest: str,
    run_id: str,
    report: str = "",
) -> dict[str, Any]:
    """A row of `models` but for its number: the bundle at `bundle` (below the lake root) may serve nights from `as_of`.

    Raises ContractBroken on a grade that is not known or a bundle path that could lead out of the lake.
    """
    if grade not in MEANINGS:
        raise ContractBroken(f"models row of {name!r}: grade {grade!r}, expected one of {', '.join(MEANINGS)}")
    if bundle.startswith("/") or "://" in bundle or ".." in bundle.split("/"):
        raise ContractBroken(f"models row of {name!r}: bundle {bundle!r} is not a path below the lake root")
    values = locals()
    return {column: values[column] for column in MODELS.column_names if column in values}


def production(rows: Iterable[Mapping[str, Any]], as_of: date, purpose: Purpose) -> Mapping[str, Any] | None:
    """The row that serves the night `as_of`: the newest one not after it; of equal dates the last promotion.

    `rows` come in the order of promotion. None when nothing has been promoted by then.
    """
    serving: Mapping[str, Any] | None = None
    for row in rows:
        due = row["purpose"] == purpose and row["as_of"] <= as_of
        if due and (serving is None or row["as_of"] >= serving["as_of"]):
            serving = row
    return serving
