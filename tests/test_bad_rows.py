"""A catalogue of bad rows: each ends as event, duplicate, anonymous or in quarantine for its reason, and all add up.

The numbers B1 to B25 are those of the catalogue this suite was written from; `test_bad_files.py` has what needs
another format or a whole file, and a table of where the rest is held.
"""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ltv_features import ingest
from ltv_features.counting import ANONYMOUS, DUPLICATE, QUARANTINED
from ltv_features.counting import KEPT as EVENT
from ltv_features.sieved import Sieved
from ltv_features.tables import Lake
from ltv_features.written import append_events
from tests.ingest_shop import Shop

pytestmark = pytest.mark.spark

COLUMNS = ("id", "who", "type", "when", "bill", "sku", "quantity", "paid", "discount", "currency")
GOOD = dict(
    who="u1", type="buy", when="2026-01-02 10:00:00", bill="b1", sku="s1", quantity="1", paid="12.50", discount="0.50",
    currency="USD",
)  # fmt: skip
MAPPING = {
    "event_types": {"buy": "purchase", "back": "refund"},
    "columns": {
        "event_id": "id", "user": "who", "event_type": "type", "time": "when", "order": "bill", "item": "sku",
        "quantity": "quantity", "amount": "paid", "discounts": ["discount"], "currency": "currency",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Bad:
    """A row as it differs from GOOD, and where it must end: a reason of the quarantine, or one of the words above."""

    number: str
    ends: str
    said: tuple[tuple[str, str], ...]


def bad(number: str, ends: str, **said: str) -> Bad:
    return Bad(number, ends, tuple(said.items()))


CATALOGUE = (
    bad("B1 empty", ANONYMOUS, who=""),
    bad("B1 blanks", ANONYMOUS, who=" \u00a0 "),
    bad("B2 trailing blank", EVENT, who="u1 "),
    bad("B2 case", EVENT, who="U1"),
    bad("B2 width", EVENT, who="\uff551"),
    bad("B2 composed", EVENT, who="Zo\u00eb"),
    bad("B2 decomposed", EVENT, who="Zoe\u0308"),
    bad("B3 leading zeros", EVENT, who="007"),
    bad("B4 long", "id_too_long", who=300 * "x"),
    bad("B5 NUL", "id_characters", who="\0u"),
    bad("B5 NUL first in its line", "id_characters", id="\0u"),
    bad("B5 control sign", "id_characters", who="u\u0007"),
    bad("B5 other direction", "id_characters", who="u\u202e1"),
    bad("B5 invisible", "id_characters", who="u\u200b1"),
    bad("B5 emoji", EVENT, who="\U0001f600"),
    bad("B6 path", EVENT, who="../.."),
    bad("B6 statement", EVENT, who="'; DROP TABLE events; --"),
    bad("B7 formula", EVENT, who="=cmd|' /C calc'!A0"),
    bad("B7 plus", EVENT, who="+1"),
    bad("B7 minus", EVENT, who="-1"),
    bad("B7 at", EVENT, who="@x"),
    bad("B7 tab", EVENT, who="\t=x"),
    bad("B8 comma and quotes", EVENT, who='a,"b"'),
    bad("B8 line break", "id_characters", who="a\nb"),
    bad("B9 negative price", "amount_negative", paid="-1"),
    bad("B9 refund", EVENT, type="back"),
    bad("B10 NaN", "amount_unreadable", paid="NaN"),
    bad("B11 infinite", "amount_unreadable", paid="inf"),
    bad("B11 overflow", "amount_unreadable", paid="1e400"),
    bad("B12 comma", "amount_unreadable", paid="12,50"),
    bad("B12 sign of a currency", "amount_unreadable", paid="$12"),
    bad("B12 missing", "amount_missing", paid=""),
    bad("B13 absurd", "amount_absurd", paid="1000000000000"),
    bad("B13 too many digits", "amount_unreadable", paid="1.234"),
    bad("B13 negative discount", "discount_negative", discount="-1"),
    bad("B14 none", "quantity_zero", quantity="0"),
    bad("B14 fraction", "quantity_unreadable", quantity="1.5"),
    bad("B14 too many", "quantity_absurd", quantity="2147483648"),
    bad("B14 negative", "quantity_negative", quantity="-1"),
    bad("B15 unknown currency", "currency_unknown", currency="XXX"),
    bad("B15 no currency", "currency_unknown", currency=""),
    bad("B15 small letters", "currency_unknown", currency="usd"),
    bad("B17 future", "time_in_future", when="2026-03-01 00:00:00"),
    bad("B17 too late", "time_too_late", when="2025-11-01 00:00:00"),
    bad("B18 1970", "time_out_of_range", when="1970-01-01 00:00:00"),
    bad("B18 year 1", "time_out_of_range", when="0001-01-01 00:00:00"),
    bad("B18 year 9999", "time_out_of_range", when="9999-01-01 00:00:00"),
    bad("B18 seconds", "time_unit_mistaken", when="1767312000"),
    bad("B18 milliseconds", "time_unit_mistaken", when="1767312000000"),
    bad("B18 a number of no unit", "time_unreadable", when="17673120000"),
    bad("B19 no such day", "time_unreadable", when="2026-02-30 00:00:00"),
    bad("B19 24:00", "time_unreadable", when="2026-01-02 24:00:00"),
    bad("B19 missing", "time_missing", when=""),
    bad("B20 unknown type", "event_type_unknown", type="teleport"),
    bad("B21 unknown item", EVENT, sku="in no catalogue"),
    bad("B22 first", EVENT, id="twice"),
    bad("B22 the same again", DUPLICATE, id="twice"),
    bad("B22 another content", "event_id_conflict", id="twice", paid="99"),
    bad("B22 no id", "event_id_missing", id=""),
    bad("B23 nobody's purchase", ANONYMOUS, who="", paid="oops"),
    bad("B23 no item", "item_missing", sku=""),
    bad("B23 a refund of nothing bought", EVENT, who="u9", type="back", bill="b9"),
    bad("B24 a cell too few", "row_corrupt", currency="<cut>"),
)


def line_of(case: Bad) -> str:
    cells = {"id": case.number, **GOOD, **dict(case.said)}
    row = [cells[name] for name in COLUMNS if cells[name] != "<cut>"]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


class Watched(Shop):
    """A shop that notes where each row of its delivery ended, by its place in the file, just before it is written."""

    ended: dict[int, str]
    hops: dict[str, tuple[int, int, dict[str, int]]]

    def append(self, lake: Lake, sieved: Sieved) -> None:
        reason = F.when(F.col("_outcome") == QUARANTINED, F.element_at("_rules", 1))
        where = sieved.rows.select("_row_number", F.coalesce(reason, F.col("_outcome"))).collect()
        self.ended = dict(where)
        append_events(lake, sieved)


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The whole catalogue, delivered and ingested at once."""
    folder = tmp_path_factory.mktemp("bad")
    made = Watched(Lake(spark, str(folder / "lake")), folder, {"log": {"events": MAPPING}})
    made.deliver("log", ",".join(COLUMNS) + "\n" + "".join(map(line_of, CATALOGUE)), datetime(2026, 1, 20, tzinfo=UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "append_events", lambda lake, each: made.append(lake, each))
        made.hops = made.run()
    return made


@pytest.mark.parametrize("place", range(len(CATALOGUE)), ids=[case.number for case in CATALOGUE])
def test_a_bad_row_ends_where_it_must(shop: Watched, place: int) -> None:
    assert shop.ended[place] == CATALOGUE[place].ends


def test_what_was_written_is_what_the_rows_ended_as(shop: Watched) -> None:
    kept = [dict(case.said).get("id", case.number) for case in CATALOGUE if case.ends == EVENT]
    ends = [case.ends for case in CATALOGUE]
    refused = [(place, end) for place, end in enumerate(ends) if end not in (EVENT, ANONYMOUS, DUPLICATE)]
    assert shop.column("events", "event_id") == sorted(kept)
    assert shop.column("quarantine", "row_number", "reason") == refused


def test_the_rows_add_up(shop: Watched) -> None:
    counts = {ends: sum(case.ends == ends for case in CATALOGUE) for ends in (EVENT, ANONYMOUS, DUPLICATE)}
    rest = {"anonymous": counts[ANONYMOUS], "duplicates": counts[DUPLICATE]}
    rest["quarantined"] = len(CATALOGUE) - sum(counts.values())
    assert shop.hops["log"] == (len(CATALOGUE), counts[EVENT], rest)


def test_ids_that_were_brought_into_one_spelling_are_counted(shop: Watched) -> None:
    noted = shop.lake.read("quality").where("source = 'log'").select("noted").first()
    assert noted is not None
    changed = ("B2 trailing blank", "B2 decomposed", "B7 tab")
    assert noted["noted"]["id_respelt"] == sum(case.number in changed for case in CATALOGUE)


def test_an_id_has_one_spelling_and_nothing_in_it_is_obeyed(shop: Watched) -> None:
    users = shop.column("events", "user_id")
    assert users.count("Zo\u00eb") == 2
    assert {"u1", "U1", "\uff551", "007", "../..", "'; DROP TABLE events; --", 'a,"b"'} <= set(users)
    assert {"=cmd|' /C calc'!A0", "+1", "-1", "@x", "=x"} <= set(users)  # a tab at the edge is a blank like any other
    assert not {"u1 ", "\t=x"} & set(users)
