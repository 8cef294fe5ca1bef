"""JSON lines leave out what is null; files may be empty; neither stops a night."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features.config import FeatureConfig
from ltv_features.errors import ContractBroken
from ltv_features.land import land, look_over
from ltv_features.tables import Lake
from tests.ingest_shop import HEADER, ORDERS, Shop

pytestmark = pytest.mark.spark

LATER = datetime(2026, 2, 1, tzinfo=UTC)
LOG: dict[str, Any] = {
    "columns": {"user": "who", "time": "when", "event_type": "type", "rating": "stars", "dwell_seconds": "seen.seconds"}
}
BOTH = (
    '{"who":"u1","when":"2026-01-30","type":"review","stars":5}\n'
    '{"who":"u1","when":"2026-01-30","type":"view","seen":{"seconds":5}}\n'
)


def log_of(lake: Lake, folder: Path) -> Shop:
    return Shop(lake, folder, {"log": {"format": "jsonl", "events": LOG}})


def test_a_night_whose_json_leaves_an_optional_key_out_lands_it_as_null(lake: Lake, tmp_path: Path) -> None:
    shop = log_of(lake, tmp_path)
    shop.deliver("log", BOTH)
    shop.run()
    shop.deliver("log", '{"who":"u2","when":"2026-01-31","type":"login"}\n', landed=LATER)
    assert shop.run() == {"log": (1, 1, {})}
    told = shop.column("events", "user_id", "event_type", "rating", "dwell_seconds")
    assert told == [("u1", "review", 5, 0), ("u1", "view", 0, 5), ("u2", "login", 0, 0)]


def test_a_key_that_no_file_ever_said_is_a_slip_of_the_pen_and_user_and_time_must_be_there(
    lake: Lake, tmp_path: Path
) -> None:
    shop = log_of(lake, tmp_path)
    with pytest.raises(ContractBroken, match=r"expected columns 'stars' \(did you mean 'star'\?\)"):
        shop.deliver("log", BOTH.replace("stars", "star"))
    (tmp_path / "log" / "0.txt").unlink()
    shop.deliver("log", BOTH)
    with pytest.raises(ContractBroken, match=r"expected columns 'when'.* actual columns: who, type"):
        shop.deliver("log", '{"who":"u2","type":"login"}\n')


@pytest.mark.slow
def test_an_empty_file_of_any_format_is_no_row_and_no_error(lake: Lake, tmp_path: Path) -> None:
    shop = log_of(lake, tmp_path / "a")
    shop.deliver("log", "")
    assert shop.run() == {"log": (0, 0, {})}
    shop.deliver("log", BOTH)
    shop.deliver("log", "\n \n", landed=LATER)
    assert shop.run() == {"log": (2, 2, {})}
    events = {**ORDERS, "history": True}
    other = Shop(lake, tmp_path / "b", {"bills": {"format": "parquet", "events": events}, "tills": {"events": events}})
    none = pa.table({name: pa.array([], pa.string()) for name in HEADER.strip().split(",")})
    pq.write_table(none, tmp_path / "b" / "bills" / "0.parquet")
    bills = look_over(lake, "bills", other.settings.sources["bills"], needed=("who",))
    land(lake, bills, landed_ts=LATER)
    other.deliver("tills", HEADER)
    before = lake.version("events")
    assert other.run() == {"bills": (0, 0, {}), "tills": (0, 0, {})}
    assert lake.version("events") == before


def test_a_path_into_a_struct_with_odd_names_is_read_and_one_that_leads_nowhere_is_named(
    lake: Lake, tmp_path: Path
) -> None:
    columns = {"user": "customer.first-id", "time": "when"}
    events = {"event_type": "login", "history": True, "columns": columns}
    shop = Shop(lake, tmp_path, {"log": {"format": "parquet", "events": events}})
    rows = pa.table({"customer": [{"first-id": "u1"}, {"first-id": None}], "when": ["2026-01-01"] * 2})
    pq.write_table(rows, tmp_path / "log" / "0.parquet")
    land(lake, look_over(lake, "log", shop.settings.sources["log"], needed=("customer.first-id",)), landed_ts=LATER)
    assert shop.run() == {"log": (2, 1, {"anonymous": 1})}
    changed = shop.settings.model_dump()
    changed["sources"]["log"]["events"]["columns"]["user"] = "customer.firstid"
    again = Lake(lake.spark, lake.root + "-again")
    shop.settings = FeatureConfig.model_validate(changed)
    landing = look_over(again, "log", shop.settings.sources["log"], needed=("customer.firstid",))
    land(again, landing, landed_ts=LATER)
    shop.lake = again
    with pytest.raises(ContractBroken, match=r"'customer\.firstid': expected 'firstid' inside, actual first-id; next"):
        shop.run()
