"""A hop that does not add up stops the run; one that does is kept once."""

from datetime import date

import pytest

from ltv_features.errors import RowsUnexplained
from ltv_features.ledger import Hop, check, record
from ltv_features.tables import Lake

DAY = date(2026, 1, 1)


def test_a_hop_that_loses_or_invents_a_row_is_named_with_its_numbers() -> None:
    with pytest.raises(
        RowsUnexplained, match=r"ingest, orders: expected 10 rows in = 7 out \+ 2 quarantined; 1 unexplained"
    ):
        check("ingest", Hop("orders", 10, 7, {"quarantined": 2}))
    with pytest.raises(RowsUnexplained, match="-1 unexplained"):
        check("ingest", Hop("orders", 10, 11))
    with pytest.raises(RowsUnexplained, match="negative counts"):
        check("ingest", Hop("orders", 10, 11, {"duplicates": -1}))
    check("ingest", Hop("orders", 10, 7, {"quarantined": 2, "anonymous": 1}))


@pytest.mark.spark
def test_hops_are_kept_once_and_a_repeat_by_another_run_adds_no_version(lake: Lake) -> None:
    hops = [Hop("orders", 10, 7, {"quarantined": 2, "anonymous": 1}), Hop("items", 3, 3)]
    record(lake, job="ingest", as_of=DAY, input_digest="d", run_id="r1", hops=hops)
    version = lake.version("ledger")
    record(lake, job="ingest", as_of=DAY, input_digest="d", run_id="r2", hops=hops)
    assert lake.version("ledger") == version
    rows = {row["hop"]: row.asDict() for row in lake.read("ledger").collect()}
    assert rows["orders"]["accounted"] == {"anonymous": 1, "quarantined": 2}
    assert (rows["items"]["rows_out"], rows["items"]["run_id"]) == (3, "r1")


@pytest.mark.spark
def test_nothing_is_written_when_one_of_the_hops_does_not_add_up(lake: Lake) -> None:
    with pytest.raises(RowsUnexplained):
        record(lake, job="j", as_of=DAY, input_digest="d", run_id="r", hops=[Hop("good", 1, 1), Hop("bad", 1, 0)])
    assert not lake.exists("ledger")
