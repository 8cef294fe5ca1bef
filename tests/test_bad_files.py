"""Bad files, and odd rows of formats with structure: which file is refused, by which words, and which row.

The rows of `test_bad_rows.py` are CSV; here are those of the catalogue that need another format or a whole file. A file
that is refused leaves every table as it was. The rest of the catalogue is held elsewhere:

| row | what | test |
| --- | --- | --- |
| B16 | a currency without a rate of the day | test_brought: other currencies are converted and refused without one |
| B28 | lists of another length, missing labels | test_blocks: a list of another length is refused |
| B29 | zero users | test_ingest: features before any event are refused; test_data: an empty split is refused by name |
| B30 | one user | test_value: one user has errors and no rank |
| B31 | 0, 1, T, T + 1 tokens | test_every_model: no token, one token, as many as fit and one more are all read |
| B32 | a giant payer | test_losses: extreme amounts and parameters keep loss and gradient finite |
| B33 | leakage | test_examples: changing an origin's future changes no byte of it; test_end_to_end plants ahead |
| B34 | a user in both splits | test_examples: a user is held out everywhere or nowhere |
"""

import gzip
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ltv_features.columns import needed_columns
from ltv_features.errors import ContractBroken
from ltv_features.land import land, look_over
from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark

LATER = datetime(2026, 2, 1, tzinfo=UTC)
SOURCES = {"bills": "csv", "lines": "jsonl", "sales": "parquet"}
GOOD: dict[str, Any] = {"who": "u1", "when": "2026-01-01", "bill": "b1", "sku": "s1", "paid": "1.00"}


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def as_lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


ROW = ",".join(GOOD.values()).encode() + b"\n"
TWICE = b'{"who": "u1", "who": "u2", "when": "2026-01-01"}\n'
DEEP = '{"x":' + "[" * 10_000 + "]" * 10_000 + "}\n"


@dataclass(frozen=True)
class File:
    """A delivery, the source that it comes to, its name, and the words of the refusal."""

    number: str
    source: str
    name: str
    content: bytes
    said: str


REFUSED = (
    File("B24 gz cut short", "bills", "bad.csv.gz", gzip.compress(HEADER.encode() + 999 * ROW)[:-12], "actual content"),
    File("B24 UTF-16", "bills", "bad.csv", (HEADER + "u1,2026-01-01,b1,s1,1\n").encode("utf-16-le"), "actual"),
    File("B24 empty", "bills", "bad.csv", b"", "it is empty, not even a header line"),
    File("B24 no JSON at all", "lines", "bad.jsonl", b"who,when\nu1,2026\n", "no line of it is a JSON object"),
    File("B24 an array", "lines", "bad.jsonl", b"[" + as_lines(GOOD) + b"]", "begins an array"),
    File("B24 cut short", "sales", "bad.parquet", as_parquet([GOOD])[:-9], "actual content is not"),
    File("B25 keys twice", "lines", "bad.jsonl", 101 * TWICE, "line 101 says the key 'who' twice, like 100"),
    File("B27 missing column", "sales", "bad.parquet", as_parquet([{"who": "u1"}]), "expected columns 'when'"),
    File("B27 other type", "sales", "bad.parquet", as_parquet([GOOD | {"paid": 1.5}]), "paid: expected string"),
    File("B27 time missing in JSON", "lines", "bad.jsonl", as_lines({"who": "u1"}), "expected columns 'when'"),
)


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three sources with a good night behind them."""
    folder = tmp_path_factory.mktemp("files")
    events = {**ORDERS, "history": True}
    made = Shop(
        Lake(spark, str(folder / "lake")), folder, {s: {"events": events, "format": f} for s, f in SOURCES.items()}
    )
    deliver(made, "bills", "good.csv", HEADER.encode() + ROW)
    deliver(made, "lines", "good.jsonl", as_lines(GOOD))
    deliver(made, "sales", "good.parquet", as_parquet([GOOD]))
    assert made.run() == dict.fromkeys(SOURCES, (1, 1, {}))
    return made


def deliver(shop: Shop, source: str, name: str, content: bytes) -> None:
    """Lands the file, which does not stay where it is refused."""
    path = shop.folder / source / name
    path.write_bytes(content)
    try:
        settings = shop.settings.sources
        landing = look_over(shop.lake, source, settings[source], needed=needed_columns(source, settings))
        land(shop.lake, landing, landed_ts=LATER)
    except ContractBroken:
        path.unlink()
        raise


@pytest.mark.parametrize("case", REFUSED, ids=[case.number for case in REFUSED])
def test_a_bad_file_is_refused_with_its_name_and_the_good_output_before_stays(shop: Shop, case: File) -> None:
    tables = ("raw_bills", "raw_lines", "raw_sales", "events", "quarantine", "ledger")
    before = {name: shop.lake.version(name) for name in tables}
    with pytest.raises(ContractBroken) as refused:
        deliver(shop, case.source, case.name, case.content)
    assert case.said in str(refused.value)
    assert "next: " in str(refused.value)
    assert shop.run() == {}
    assert {name: shop.lake.version(name) for name in tables} == before


def test_odd_rows_of_structured_formats_end_by_themselves_and_add_up(shop: Shop) -> None:
    lines = [GOOD | {"bill": "b2"}, GOOD | {"bill": "b3", "paid": "NaN"}, GOOD | {"bill": "b4", "who": None}]
    lines += [GOOD | {"bill": "b7", "who": {"a": 1}}, GOOD | {"bill": "b8", "who": ["x"]}, GOOD | {"sku": True}]
    lines += [GOOD | {"who": "u\0"}, GOOD | {"who": "u\ud800"}, GOOD | {"who": 1e21}, GOOD | {"who": "1e21"}]
    deliver(shop, "lines", "odd.jsonl", as_lines(*lines) + DEEP.encode() + b'{"who": "u1", "when"\n\n' + TWICE)
    other = {name: GOOD[name] for name in reversed(GOOD)} | {"bill": "b5", "sku": "in no catalogue", "extra": 1}
    deliver(shop, "sales", "odd.parquet", as_parquet([other, other | {"bill": "b6", "paid": None}]))
    assert shop.run() == {
        "lines": (13, 2, {"anonymous": 1, "quarantined": 10}),
        "sales": (2, 1, {"quarantined": 1}),
    }
    reasons = shop.column("quarantine", "source", "row_number", "reason")
    assert reasons == [
        ("lines", 1, "amount_unreadable"), ("lines", 3, "id_structure"), ("lines", 4, "id_structure"),
        ("lines", 5, "id_structure"), ("lines", 6, "id_characters"), ("lines", 7, "row_corrupt"),
        ("lines", 8, "row_corrupt"), ("lines", 10, "row_corrupt"), ("lines", 11, "row_corrupt"),
        ("lines", 12, "row_corrupt"), ("sales", 1, "amount_missing"),
    ]  # fmt: skip
    raw = shop.lake.read("quarantine").where("row_number = 12").select("raw").collect()
    assert raw[0]["raw"] == TWICE.decode().strip()
    items = dict(shop.column("items", "item_id", "category_no"))
    assert items["in no catalogue"] == 0


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes_is_refused_and_its_neighbours_live(shop: Shop) -> None:
    giant = json.dumps(GOOD | {"bill": "b9", "note": 100_000_000 * "x"}) + "\n"
    deliver(shop, "lines", "giant.jsonl", giant.encode() + as_lines(GOOD | {"bill": "b10"}))
    assert shop.run() == {"lines": (2, 1, {"quarantined": 1})}
    told = shop.lake.read("quarantine").where("reason = 'row_corrupt' and row_number = 0").select("raw").collect()
    assert [row["raw"][:8] for row in told] == [giant[:8]]
