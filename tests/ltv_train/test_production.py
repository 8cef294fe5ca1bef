"""Which model serves follows the verdicts, also when a later one takes an earlier one back."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from ltv_features.errors import InputMissing
from ltv_features.tables import Lake
from ltv_train.judging.gate import Verdict
from ltv_train.promoted import noted_before
from ltv_train.score import production

pytestmark = pytest.mark.spark

YESTERDAY, TONIGHT = date(2026, 4, 1), date(2026, 4, 2)


def judged(lake: Lake, night: date, digest: str | None, *, again: str = "") -> None:
    """What `evaluate` does with a verdict that promotes the bundle `digest`, or holds."""
    verdict = Verdict("blend" if digest else None, "anchor", "B", (), ("a reason",))
    production.follow(
        lake, verdict, digest, as_of=night, input_digest=f"{night}{again}", run_id="test", report="reports/r.html"
    )


def served(lake: Lake, night: date) -> str:
    return str(production.serving(lake, night, "value")["digest"])


def test_before_the_first_promotion_nothing_serves(lake: Lake) -> None:
    with pytest.raises(InputMissing, match="python -m jobs evaluate"):
        production.serving(lake, TONIGHT, "value")


def test_a_night_that_is_held_is_served_by_the_model_before(lake: Lake) -> None:
    judged(lake, YESTERDAY, "d1")
    version = lake.version("models")
    judged(lake, TONIGHT, None)
    assert (served(lake, TONIGHT), lake.version("models")) == ("d1", version)


def test_a_second_verdict_that_holds_takes_the_first_one_back(lake: Lake) -> None:
    judged(lake, YESTERDAY, "d1")
    judged(lake, TONIGHT, "d2")
    assert served(lake, TONIGHT) == "d2"
    judged(lake, TONIGHT, None, again="other settings")
    assert (served(lake, YESTERDAY), served(lake, TONIGHT)) == ("d1", "d1")
    last = production.model_rows(lake)[-1]
    assert (last["as_of"], last["reason"]) == (TONIGHT, "back to the model of 2026-04-01: a reason")


@pytest.mark.parametrize("tonight", ["d2", None])
def test_a_verdict_that_was_killed_before_its_note_promotes_once_and_writes_the_note(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tonight: str | None
) -> None:
    judged(lake, YESTERDAY, "d1")
    if tonight is None:
        judged(lake, TONIGHT, "d2")  # to be taken back

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(production.promoted, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        judged(lake, TONIGHT, tonight, again="again")
    monkeypatch.undo()
    rows, version = production.model_rows(lake), lake.version("models")
    judged(lake, TONIGHT, tonight, again="again")
    assert (production.model_rows(lake), lake.version("models")) == (rows, version)
    noted = production.promoted.noted_before(lake.root, date(2026, 4, 3), "value")
    assert noted is not None
    assert (noted["as_of"], noted["digest"]) == (str(TONIGHT), tonight or "d1")


def test_promotions_are_numbered_and_an_earlier_bundle_can_serve_again(lake: Lake, spark: SparkSession) -> None:
    for digest, again in (("d1", ""), ("d2", "b"), ("d1", "")):
        judged(lake, TONIGHT, digest, again=again)
    assert [row["promotion_no"] for row in production.model_rows(lake)] == [2, 3]
    assert served(lake, TONIGHT) == "d1"


def test_every_promotion_is_noted_for_training_which_opens_no_table(lake: Lake) -> None:
    assert noted_before(lake.root, date(2026, 5, 1), "value") is None
    judged(lake, YESTERDAY, "d1")
    judged(lake, TONIGHT, "d2")
    noted = noted_before(lake.root, TONIGHT, "value")
    assert noted == {"as_of": "2026-04-01", "bundle": "bundles/d1", "digest": "d1", "name": "blend", "purpose": "value"}
    judged(lake, TONIGHT, None, again="other settings")
    after = noted_before(lake.root, date(2026, 5, 1), "value")
    assert after is not None
    assert (after["as_of"], after["digest"]) == ("2026-04-02", "d1"), "a promotion taken back is noted as taken back"
