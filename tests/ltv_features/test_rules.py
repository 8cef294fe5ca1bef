"""Each rule refuses what it names, and a row without faults passes all of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ltv_features.config import IngestSettings, ShopSettings
from ltv_features.mapping import Reader, as_event_columns, limits_of, with_facts
from ltv_features.money import with_money
from ltv_features.packing import packed
from ltv_features.parsing import exact_decimal, instant, minor_units
from ltv_features.rules import ERRORS, notes, refusals
from ltv_features.sources import MOST_AMOUNT, EventColumns, EventMapping, Refunds

pytestmark = pytest.mark.spark

LANDED = datetime(2026, 1, 10, tzinfo=UTC)
COLUMNS = EventColumns(
    event_id="id",
    user="customer",
    time="when",
    event_type="kind",
    order="order",
    item="sku",
    quantity="pieces",
    amount="paid",
    discounts=["off"],
    currency="money",
    rating="stars",
    dwell_seconds="seconds",
    promotion="campaign",
)
GOOD: dict[str, str | None] = {
    "id": "e1",
    "customer": "u1",
    "when": "2026-01-05 10:00:00",
    "kind": "purchase",
    "order": "o1",
    "sku": "s1",
    "pieces": "2",
    "paid": "19.90",
    "off": "0.10",
    "money": "USD",
    "stars": None,
    "seconds": None,
    "campaign": None,
}


def checked(
    spark: SparkSession, rows: list[dict[str, Any]], mapping: EventMapping | None = None, **shop_said: Any
) -> list[Any]:
    """The facts and refusals of delivered rows, in the order given; `_corrupt` and `_missed` set those marks."""
    mapping, shop = mapping or EventMapping(columns=COLUMNS), ShopSettings(**shop_said)
    names = [name for name in rows[0] if name != "_missed"]
    schema = ", ".join(f"`{name}` string" for name in names)
    raw = spark.createDataFrame([tuple(row[name] for name in names) for row in rows], schema).coalesce(1)
    raw = raw.withColumns({"_file_sha256": F.lit("f"), "_row_number": F.monotonically_increasing_id()})
    frame = packed(raw.withColumn("_landed_ts", F.lit(LANDED)))
    missed = [number for number, row in enumerate(rows) if row.get("_missed")]
    frame = frame.withColumn("_lookup_missed", F.col("_row_number").isin(missed or [-1]))
    read = Reader(frame)
    facts = with_money(with_facts(frame, mapping, read), mapping, shop, read)
    limits = limits_of(mapping, shop, IngestSettings(), read)
    facts = facts.withColumns({"_rules": refusals(limits), "_notes": notes(limits)})
    return facts.withColumns(as_event_columns("shop", limits)).orderBy("_row_number").collect()


BAD = [
    ("row_corrupt", {"_corrupt": "u1;;;;"}),
    ("lookup_missed", {"_missed": "yes"}),
    ("event_id_missing", {"id": " "}),
    ("id_characters", {"customer": "u\u0007 1"}),
    ("id_characters", {"sku": "s\u202e1"}),
    ("id_too_long", {"order": "o" * 257}),
    ("event_type_unknown", {"kind": "bought"}),
    ("time_missing", {"when": ""}),
    ("time_unreadable", {"when": "2026-02-30"}),
    ("time_unreadable", {"when": "T12:30"}),
    ("time_out_of_range", {"when": "1970-01-01"}),
    ("time_in_future", {"when": "2026-01-11 00:00:01"}),
    ("item_missing", {"sku": None}),
    ("quantity_unreadable", {"pieces": "1.5"}),
    ("quantity_absurd", {"pieces": "2147483648"}),
    ("quantity_negative", {"pieces": "-1"}),
    ("quantity_zero", {"pieces": "0"}),
    ("amount_missing", {"paid": None}),
    ("amount_unreadable", {"paid": "12,50"}),
    ("amount_unreadable", {"paid": "$12"}),
    ("amount_unreadable", {"paid": " 12 "}),
    ("amount_unreadable", {"paid": "NaN"}),
    ("amount_unreadable", {"paid": "1e400"}),
    ("amount_unreadable", {"paid": "1.299"}),
    ("amount_negative", {"paid": "-5"}),
    ("amount_absurd", {"paid": "10000000.01"}),
    ("discount_unreadable", {"off": "ten"}),
    ("discount_negative", {"off": "-1"}),
    ("currency_unknown", {"money": "usd"}),
    ("currency_unknown", {"money": None}),
    ("rating_unreadable", {"stars": "good"}),
    ("rating_out_of_range", {"stars": "6"}),
    ("rating_out_of_range", {"stars": "3000000000"}),
    ("dwell_unreadable", {"seconds": "1m"}),
    ("dwell_out_of_range", {"seconds": "-3"}),
    ("time_too_late", {"when": "2025-12-10 23:59:59"}),
]


def test_each_rule_refuses_what_it_names_and_only_that(spark: SparkSession) -> None:
    rows = [{**GOOD, "_corrupt": None, "_missed": None, **fault} for _, fault in BAD]
    found = [row["_rules"] for row in checked(spark, rows)]
    assert found == [[rule] for rule, _ in BAD]


@pytest.mark.parametrize(
    ("formats", "good", "mistaken"),
    [
        (["epoch_seconds"], "1767607200", ["1767607200000", "1767607200000000"]),
        (["epoch_millis"], "1767607200000", ["1767607200", "1767607200000000"]),
        (["epoch_micros"], "1767607200000000", ["1767607200", "1767607200000"]),
        (["yyyyMMddHHmmss"], "20260105100000", ["1767607200"]),
    ],
)
def test_a_count_in_another_unit_is_told_by_its_magnitude(
    spark: SparkSession, formats: list[str], good: str, mistaken: list[str]
) -> None:
    mapping = EventMapping(columns=COLUMNS, time_formats=formats)
    rows = [{**GOOD, "_corrupt": None, "when": when} for when in (good, *mistaken, "7")]
    found = [row["_rules"] for row in checked(spark, rows, mapping)]
    assert found[0] == []
    assert [reasons[0] for reasons in found[1:-1]] == ["time_unit_mistaken"] * len(mistaken)
    assert found[-1][0] in ("time_out_of_range", "time_unreadable")


def test_every_rule_is_shown_to_refuse_something() -> None:
    wanted = {f"{fact}_missing" for fact in ("order", "promotion", "quantity", "rating", "dwell")}
    assert {rule for rule, _ in BAD} | wanted | {
        "amount_sign",
        "amount_zero",
        "id_structure",
        "time_unit_mistaken",
    } == {rule.id for rule in ERRORS}


def test_a_row_without_faults_passes_and_arrives_in_the_contracts_units(spark: SparkSession) -> None:
    (row,) = checked(spark, [GOOD])
    assert row["_rules"] == []
    assert (row["user_id"], row["quantity"], row["amount_minor"], row["discount_minor"]) == ("u1", 2, 1990, 10)
    assert (row["event_ts"], row["event_month"]) == (datetime(2026, 1, 5, 10), "2026-01")
    assert (row["rating"], row["dwell_seconds"], row["promotion_id"]) == (0, 0, None)


def test_a_row_with_several_faults_names_them_all_in_the_order_of_the_rules(spark: SparkSession) -> None:
    (row,) = checked(spark, [{**GOOD, "paid": "x", "when": "9999-01-01", "stars": "9"}])
    assert row["_rules"] == ["time_out_of_range", "time_in_future", "amount_unreadable", "rating_out_of_range"]


def test_refunds_are_told_by_type_by_sign_and_by_order_prefix(spark: SparkSession) -> None:
    by_type = EventMapping(columns=COLUMNS, event_types={"return": "refund"})
    (row,) = checked(spark, [{**GOOD, "kind": "return", "paid": "-19.90"}], by_type)
    assert (row["_rules"], row["event_type"], row["amount_minor"]) == ([], "refund", 1990)

    by_sign = EventMapping(columns=COLUMNS, refunds=Refunds(by="negative_quantity"))
    back, sold, wrong = checked(
        spark, [{**GOOD, "pieces": "-2", "paid": "-19.90"}, GOOD, {**GOOD, "paid": "-1"}], by_sign
    )
    assert (back["_rules"], back["event_type"], back["quantity"], back["amount_minor"]) == ([], "refund", 2, 1990)
    assert sold["event_type"] == "purchase"
    assert wrong["_rules"] == ["amount_negative", "amount_sign"]

    by_prefix = EventMapping(columns=COLUMNS, refunds=Refunds(by="order_prefix", prefix="C"))
    back, sold = checked(spark, [{**GOOD, "order": "C17"}, GOOD], by_prefix)
    assert (back["event_type"], sold["event_type"]) == ("refund", "purchase")


def test_history_is_exempt_from_the_future_and_zero_quantity_can_be_kept(spark: SparkSession) -> None:
    mapping = EventMapping(columns=COLUMNS, history=True, zero_quantity="keep")
    ahead, old = checked(spark, [{**GOOD, "when": day, "pieces": "0"} for day in ("2027-01-01", "2001-01-01")], mapping)
    assert ahead["_rules"] == old["_rules"] == []


def test_amounts_with_a_decimal_comma_are_read_where_the_mapping_says_so_and_nothing_is_guessed(
    spark: SparkSession,
) -> None:
    rows = [{**GOOD, "paid": paid, "off": "0"} for paid in ("1234,5", "12", "1.234,50", "12.50", "1,234,50")]
    found = checked(spark, rows, EventMapping(columns=COLUMNS, decimal=","))
    assert [row["_rules"] or row["amount_minor"] for row in found] == [123_450, 1_200, *[["amount_unreadable"]] * 3]


def test_time_formats_are_tried_in_order_and_wall_time_is_moved_to_utc(spark: SparkSession) -> None:
    formats = ["dd.MM.yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ssXXX", "dd.MM.yyyy", "epoch_seconds"]
    mapping = EventMapping(columns=COLUMNS, time_formats=formats, time_zone="Europe/Berlin")
    said = ["05.01.2026 10:30", "2026-01-05T10:30:00+05:00", "05.07.2025", "1767607200"]
    said += ["29.03.2026 02:30", "25.10.2026 02:30"]  # the hour that spring leaves out, and the one that comes twice
    found = [row["event_ts"] for row in checked(spark, [{**GOOD, "when": text} for text in said], mapping)]
    assert found == [
        datetime(2026, 1, 5, 9, 30),
        datetime(2026, 1, 5, 5, 30),
        datetime(2025, 7, 4, 22, 0),
        datetime(2026, 1, 5, 10, 0),
        datetime(2026, 3, 29, 1, 30),
        datetime(2026, 10, 25, 0, 30),
    ]


@pytest.mark.parametrize("kind", [T.StringType(), T.LongType(), T.DoubleType()])
def test_time_since_1970_is_read_in_each_unit_and_not_in_another(spark: SparkSession, kind: T.DataType) -> None:
    units = {"epoch_seconds": 1, "epoch_millis": 1_000, "epoch_micros": 1_000_000}
    said = spark.createDataFrame([(str(1_767_607_200 * unit),) for unit in units.values()], "x string")
    said = said.select(F.col("x").cast(kind).alias("x")).coalesce(1)
    read = [instant(F.col("x"), kind, formats=[word], zone="UTC").alias(word) for word in units]
    found = [list(row) for row in said.select(*read).collect()]
    assert [times[place] for place, times in enumerate(found)] == 3 * [datetime(2026, 1, 5, 10)]
    assert [found[0][1], found[2][1], found[1][0]] == [datetime(1970, 1, 21, 11, 0, 7, 200_000), None, None]


def test_iso_times_need_no_format(spark: SparkSession) -> None:
    said = [
        "2026-01-05",
        "2026-01-05T10:30",
        "2026-01-05 10:30:15.25",
        "2026-01-05T10:30:00+02:00",
        "2026-01-05T10:30:00Z",
    ]
    found = [row["event_ts"] for row in checked(spark, [{**GOOD, "when": text} for text in said])]
    assert found == [
        datetime(2026, 1, 5),
        datetime(2026, 1, 5, 10, 30),
        datetime(2026, 1, 5, 10, 30, 15, 250_000),
        datetime(2026, 1, 5, 8, 30),
        datetime(2026, 1, 5, 10, 30),
    ]


def test_unit_prices_are_multiplied_exactly_and_rounded_half_up(spark: SparkSession) -> None:
    columns = COLUMNS.model_copy(update={"amount": None, "unit_price": "paid"})
    mapping = EventMapping(columns=columns)
    prices = {"1.459": "30", "0.005": "1", "999999999999999.99": "1000000000", "-999999999999999": "999999999"}
    found = checked(spark, [{**GOOD, "paid": price, "pieces": pieces} for price, pieces in prices.items()], mapping)
    assert [row["_rules"] or row["amount_minor"] for row in found] == [
        4377, 1, ["amount_absurd"], ["amount_negative", "amount_absurd"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("digits", "said"), [(0, {"12": 12, "12.00": 12, "12.5": None}), (3, {"12": 12_000, "1.239": 1239, "1.2399": None})]
)
def test_money_has_as_many_minor_digits_as_the_reporting_currency(
    spark: SparkSession, digits: int, said: dict[str, int | None]
) -> None:
    found = checked(spark, [{**GOOD, "paid": paid, "off": "0"} for paid in said], minor_digits=digits)
    assert [row["_rules"] or row["amount_minor"] for row in found] == [
        minor or ["amount_unreadable"] for minor in said.values()
    ]


def test_an_amount_that_no_bigint_holds_is_more_than_any_limit_before_and_after_the_rate(spark: SparkSession) -> None:
    said = [("1e24", "0.00000001"), ("999999999999999", "99999999"), ("-1e15", "1"), ("1000000", "0.0061"), (None, "1")]
    frame = spark.createDataFrame(said, "price string, rate string").coalesce(1)
    price, rate = F.col("price").cast("decimal(33,6)"), F.col("rate").cast("decimal(16,8)")
    found = frame.select(minor_units(price, 4, rate).alias("m"), minor_units(price, 4).alias("plain")).collect()
    most = 10**17
    assert [tuple(row) for row in found] == [
        (most, most), (most, most), (-most, -most), (61_000_000, 10_000_000_000), (None, None),
    ]  # fmt: skip
    assert most > MOST_AMOUNT * 10**4  # the most minor digits that a shop can have


def test_binary_floats_become_the_cents_that_they_print(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(x,) for x in (1.29, 1.005, -0.0, 0.1 + 0.2, float("nan"), float("inf"), 1e300)], "x double"
    )
    found = frame.select(minor_units(exact_decimal(F.col("x"), T.DoubleType(), 2), 2).alias("m")).collect()
    assert [row["m"] for row in found] == [129, 101, 0, 30, None, None, None]
