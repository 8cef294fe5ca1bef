"""Which model serves a night follows from the rows of `models` alone."""

from datetime import date
from typing import Any

import pytest

from ltv_features.contract import MODELS
from ltv_features.errors import ContractBroken
from ltv_train.registry import model_row, production


def row(day: int, name: str, purpose: Any = "value", **changed: Any) -> dict[str, Any]:
    known: dict[str, Any] = dict(bundle="bundles/d", digest="d", grade="A", reason="best", input_digest="i", run_id="r")
    return model_row(as_of=date(2026, 1, day), purpose=purpose, name=name, **(known | changed))


def test_a_row_has_the_columns_of_the_contract() -> None:
    assert {*row(1, "blend"), "promotion_no"} == set(MODELS.column_names)


def test_the_newest_row_that_is_not_after_the_night_serves() -> None:
    rows = [row(1, "first"), row(3, "third"), row(9, "future"), row(2, "second")]
    found = production(rows, date(2026, 1, 5), "value")
    assert found is not None
    assert found["name"] == "third"


def test_of_equal_dates_the_later_commit_serves() -> None:
    found = production([row(1, "promoted"), row(1, "rolled back to")], date(2026, 1, 1), "value")
    assert found is not None
    assert found["name"] == "rolled back to"


def test_nothing_serves_before_the_first_row_or_for_another_purpose() -> None:
    rows = [row(5, "blend"), row(1, "two_tower", purpose="recommender")]
    assert production(rows, date(2026, 1, 4), "value") is None


@pytest.mark.parametrize("changed", [{"grade": "Z"}, {"bundle": "/etc"}, {"bundle": "bundles/../../x"}])
def test_a_row_that_would_mislead_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ContractBroken, match="models row"):
        row(1, "blend", **changed)
