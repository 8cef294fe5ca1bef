"""Delta tables through the lake: atomic, repeatable, strict about the contract, and blind to the future."""

from datetime import UTC, date, datetime

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F

from ltv_features.as_of import events_as_of
from ltv_features.contract import EVENTS, Column, Table
from ltv_features.errors import ContractBroken, InputMissing
from ltv_features.schemas import spark_schema
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

NIGHT, LATER = date(2026, 1, 2), date(2026, 1, 3)
SMALL = Table(
    "small",
    (Column("user_id", "string", "who"), Column("as_of", "date", "night"), Column("n", "int64", "how many")),
    key=("user_id", "as_of"),
    partition_by=("as_of",),
)


def small(lake: Lake, *rows: tuple[str, date, int]):
    return lake.spark.createDataFrame(list(rows), spark_schema(SMALL))


def test_a_missing_table_is_named_with_the_next_step(lake):
    with pytest.raises(InputMissing, match=r"'small'.*run the job that writes it"):
        lake.read("small")
    assert lake.version("small") is None


def test_replace_touches_only_its_own_night_and_remembers_its_inputs(lake):
    lake.replace(small(lake, ("a", NIGHT, 1)), SMALL, as_of=NIGHT, input_digest="d1", where="as_of = DATE'2026-01-02'")
    later = date(2026, 1, 3)
    lake.replace(small(lake, ("a", later, 2)), SMALL, as_of=later, input_digest="d2", where="as_of = DATE'2026-01-03'")
    again = lake.replace(
        small(lake, ("b", NIGHT, 3)), SMALL, as_of=NIGHT, input_digest="d3", where="as_of = DATE'2026-01-02'"
    )
    assert {(r.user_id, r.n) for r in lake.read("small").collect()} == {("a", 2), ("b", 3)}
    assert (again, lake.committed("small", NIGHT), lake.committed("small", later)) == (2, "d3", "d2")


def test_a_changed_type_is_refused_and_never_cast(lake):
    wrong = small(lake, ("a", NIGHT, 1)).withColumn("n", F.col("n").cast("int")).withColumn("x", F.lit(1))
    with pytest.raises(ContractBroken, match=r"unexpected \['x'\], changed \['n: expected bigint, actual int'\]"):
        lake.replace(wrong, SMALL, as_of=NIGHT, input_digest="d")


def test_upsert_commits_nothing_when_nothing_differs(lake):
    lake.upsert(small(lake, ("a", NIGHT, 1), ("b", NIGHT, 2)), SMALL)
    lake.upsert(small(lake, ("a", NIGHT, 1)), SMALL)
    assert lake.version("small") == 0
    lake.upsert(small(lake, ("a", NIGHT, 5), ("c", NIGHT, 6)), SMALL)
    assert {(r.user_id, r.n) for r in lake.read("small").collect()} == {("a", 5), ("b", 2), ("c", 6)}


def test_upsert_touches_no_row_that_is_the_same_already(lake):
    lake.upsert(small(lake, ("a", NIGHT, 1), ("b", NIGHT, 2)), SMALL)
    lake.upsert(small(lake, ("a", NIGHT, 1), ("b", NIGHT, 2), ("c", NIGHT, 3)), SMALL)
    assert [row.user_id for row in lake.feed("small", 0, 1).collect()] == ["c"]


def test_append_with_the_same_number_adds_nothing_and_changes_are_read_by_version(lake):
    for version, name in ((1, "a"), (1, "b"), (2, "c")):
        lake.append(small(lake, (name, NIGHT, 1)), "small", app="test", version=version)
    assert {r.user_id for r in lake.read("small").collect()} == {"a", "c"}
    assert [r.user_id for r in lake.feed("small", 0, 1).collect()] == ["c"]
    assert lake.feed("small", 1, 1).count() == 0


def test_events_as_of_sees_the_last_microsecond_before_and_nothing_at_the_date(lake):
    def event(number: int, when: datetime) -> Row:
        words = {c.name: "x" for c in EVENTS.columns if c.type == "string"}
        numbers = {c.name: 0 for c in EVENTS.columns if c.type.startswith("int")}
        times = {"event_ts": when, "landed_ts": when, "event_month": f"{when:%Y-%m}", "event_id": str(number)}
        facts = words | numbers | times
        return Row(**{c.name: facts[c.name] for c in EVENTS.columns})

    before, at = datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    lake.upsert(lake.spark.createDataFrame([event(1, before), event(2, at)], spark_schema(EVENTS)), EVENTS)
    assert [r.event_id for r in events_as_of(lake, NIGHT).collect()] == ["1"]


def test_a_table_of_other_columns_is_refused_before_anything_is_written(lake):
    lake.replace(small(lake, ("a", NIGHT, 1)), SMALL, as_of=NIGHT, input_digest="d")
    wider = Table("small", (*SMALL.columns, Column("m", "int64", "more")), key=SMALL.key)
    rows = lake.spark.createDataFrame([("a", NIGHT, 1, 2)], spark_schema(wider))
    with pytest.raises(ContractBroken, match="expected columns user_id, as_of, n, m, actual user_id, as_of, n"):
        lake.replace(rows, wider, as_of=NIGHT, input_digest="e")
    assert lake.version("small") == 0


def test_a_night_is_read_as_it_was_left_whatever_other_nights_did_since(lake):
    for night, rows in ((NIGHT, [("a", NIGHT, 1), ("b", NIGHT, 2)]), (LATER, [("a", LATER, 9)])):
        lake.replace(small(lake, *rows), SMALL, as_of=night, input_digest=str(night))
        lake.spark.sql(f"DELETE FROM delta.`{lake.path('small')}` WHERE user_id = 'b'")  # mending, not a night
    assert {(r.user_id, r.n) for r in lake.at_night("small", NIGHT).collect()} == {("a", 1)}
    assert {(r.user_id, r.n) for r in lake.at_night("small", LATER).collect()} == {("a", 9)}
    with pytest.raises(InputMissing, match="never made for 2020-01-01"):
        lake.at_night("small", date(2020, 1, 1))
