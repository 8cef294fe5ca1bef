"""Files of every format land once, as delivered; what cannot be landed is refused with the file's name."""

import gzip
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable

from ltv_features import ledger
from ltv_features.columns import needed_columns
from ltv_features.errors import ContractBroken, ExportRefused, InputMissing, RowsUnexplained, hold
from ltv_features.first_event import hold_something_before
from ltv_features.land import JOB, land, look_over, look_over_all, raw_table, unaccounted
from ltv_features.sources import Csv, EventColumns, EventMapping, ItemMapping, Lookup, SourceSettings
from ltv_features.tables import Lake

pytestmark = pytest.mark.spark

LANDED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty folder for deliveries, beside the lake."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def landed(
    lake: Lake, path: Path, format: str = "csv", needed: tuple[str, ...] = (), **csv: object
) -> list[dict[str, object]]:
    """The raw rows of source `s` after landing `path`, by file and row number, without digest and landing time."""
    source = SourceSettings(path=str(path), format=format, csv=Csv(**csv))  # type: ignore[arg-type]
    land(lake, look_over(lake, "s", source, needed=needed), landed_ts=LANDED)
    assert [hop.unexplained for _, hop in unaccounted(lake, "s")][-1] == 0
    rows = lake.read(raw_table("s")).orderBy("_file_sha256", "_row_number").drop("_file_sha256", "_landed_ts").collect()
    return [row.asDict() for row in rows]


def test_csv_keeps_quotes_newlines_and_text_as_written(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text('id;note;price\n007;"two\nlines; and ""quotes""";1,50\n8;;2.10\n', encoding="utf-8")
    assert landed(lake, inbox / "a.csv", delimiter=";") == [
        {"id": "007", "note": 'two\nlines; and "quotes"', "price": "1,50", "_corrupt": None, "_row_number": 0},
        {"id": "8", "note": None, "price": "2.10", "_corrupt": None, "_row_number": 1},
    ]


def test_compressed_csv_with_a_byte_order_mark_and_awkward_column_names_lands(lake: Lake, inbox: Path) -> None:
    with gzip.open(inbox / "a.csv.gz", "wt", encoding="utf-8-sig") as stream:
        stream.write("Customer ID,Price (USD)\nÄnne,1\n")
    (row,) = landed(lake, inbox / "a.csv.gz", needed=("Customer ID",))
    assert (row["Customer ID"], row["Price (USD)"]) == ("Änne", "1")


def test_a_line_with_too_many_or_too_few_cells_is_marked_and_not_lost(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text("a,b\n1,2\n3,4,5\n6\n")
    assert [row["_corrupt"] for row in landed(lake, inbox)] == [None, "3,4,5", "6"]


def test_json_lines_keep_numbers_as_written_and_mark_broken_lines(lake: Lake, inbox: Path) -> None:
    (inbox / "a.jsonl").write_text('{"id": 7, "price": 1.10}\n{"id": "8", "tags": ["x"]}\n{"id": 9,\n')
    rows = landed(lake, inbox, "jsonl")
    assert [(row["id"], row["price"], row["tags"]) for row in rows] == [
        ("7", "1.10", None),
        ("8", None, '["x"]'),
        (None, None, None),
    ]
    assert [row["_corrupt"] for row in rows] == [None, None, '{"id": 9,']


def test_parquet_keeps_types_and_reads_nanoseconds_and_zoneless_times_as_utc_microseconds(
    lake: Lake, inbox: Path
) -> None:
    table = pa.table(
        {
            "n": pa.array([1, 2]),
            "ns": pa.array([1_500_000_000_123_456_789, -1], pa.timestamp("ns")),
            "us": pa.array([0, 1_000_000], pa.timestamp("us")),
        }
    )
    pq.write_table(table, inbox / "a.parquet")
    first, second = landed(lake, inbox, "parquet")
    assert first["ns"] == datetime(2017, 7, 14, 2, 40, 0, 123_456)
    assert second["ns"] == datetime(1969, 12, 31, 23, 59, 59, 999_999)
    assert (first["n"], first["us"], second["us"]) == (1, datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 0, 1))
    assert dict(lake.read(raw_table("s")).dtypes)["n"] == "bigint"


def test_a_second_landing_adds_no_row_and_no_version_and_a_new_file_adds_only_itself(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text("a\n1\n")
    assert len(landed(lake, inbox)) == 1
    version = lake.version("raw_s")
    assert len(landed(lake, inbox)) == 1
    (inbox / "copy of a.csv").write_text("a\n1\n")
    assert len(landed(lake, inbox)) == 1
    assert lake.version("raw_s") == version
    (inbox / "b.csv").write_text("a,new\n2,x\n")
    assert sorted(row["a"] for row in landed(lake, inbox)) == ["1", "2"]  # type: ignore[type-var]
    lake._table("raw_s").delete("a = '1'")  # all that the first file said
    assert [row["a"] for row in landed(lake, inbox)] == ["2"]


def test_a_glob_and_a_path_with_spaces_and_brackets_find_their_files(lake: Lake, inbox: Path) -> None:
    folder = inbox / "my [shop] files"
    folder.mkdir()
    (folder / "a.csv").write_text("a\n1\n")
    (folder / "_ignored.csv").write_text("a\n2\n")
    assert [row["a"] for row in landed(lake, folder)] == ["1"]
    (inbox / "x1.csv").write_text("a\n3\n")
    assert sorted(str(row["a"]) for row in landed(lake, inbox / "x*.csv")) == ["1", "3"]


def test_nothing_to_land_is_one_clear_error(lake: Lake, inbox: Path) -> None:
    with pytest.raises(InputMissing, match=r"source 's': no file at .*; next: check sources\.s\.path"):
        landed(lake, inbox)
    with pytest.raises(InputMissing, match="no file"):
        landed(lake, inbox / "absent.csv")


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.csv", b"", "csv"),
        ("a.csv", b"\xff\xfe\x00a", "csv"),
        ("a.csv.gz", b"not gzip", "csv"),
        ("a.jsonl", b"a,b\n1,2\n", "jsonl"),
        ("a.parquet", b"PAR1 no", "parquet"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name_and_nothing_is_written(
    lake: Lake, inbox: Path, name: str, content: bytes, format: str
) -> None:
    (inbox / name).write_bytes(content)
    with pytest.raises((ContractBroken, InputMissing), match=rf"{name}.*next: "):
        landed(lake, inbox, format)
    assert not lake.exists("raw_s")


def test_a_compressed_file_cut_short_is_refused_by_name(lake: Lake, inbox: Path) -> None:
    whole = gzip.compress(b"a\n" + b"\n".join(str(i * 7919).encode() for i in range(20_000)))
    (inbox / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ContractBroken, InputMissing), match=r"cut\.csv\.gz.*next: "):
        landed(lake, inbox)


def test_a_missing_column_names_the_nearest_one_and_all_that_are_there(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text("customer_id,when\n1,2\n")
    with pytest.raises(
        ContractBroken, match=r"'customerid' \(did you mean 'customer_id'\?\), actual columns: customer_id, when"
    ):
        landed(lake, inbox, needed=("customerid", "when"))
    assert not lake.exists("raw_s")


A_LATER_FILE = {
    "removed": ({"b": ["y"]}, "'a'.*actual columns: b"),
    "renamed": ({"an_a": pa.array([2], pa.int32()), "b": ["y"]}, "'a'.*actual columns: an_a, b"),
    "widened": ({"a": pa.array([2], pa.int64()), "b": ["y"]}, "a: expected int, actual bigint"),
    "of another type": ({"a": ["2"], "b": ["y"]}, "a: expected int, actual string"),
}


def test_of_a_later_file_the_mapped_columns_stay_and_new_ones_are_left_out(
    lake: Lake, inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pq.write_table(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}), inbox / "1.parquet")
    landed(lake, inbox, "parquet", needed=("a",))
    pq.write_table(pa.table({"a": pa.array([2], pa.int32()), "new": ["y"]}), inbox / "2.parquet")
    rows = landed(lake, inbox, "parquet", needed=("a",))
    assert sorted((row["a"], row["b"]) for row in rows) == [(1, "x"), (2, None)]  # what is not mapped may go
    assert "new" not in rows[0]
    assert "new columns ['new'] are left out" in caplog.text
    assert "columns ['b'] are gone" in caplog.text
    assert "count again" in caplog.text
    for name, (columns, complaint) in A_LATER_FILE.items():
        pq.write_table(pa.table(columns), inbox / "3.parquet")
        version = lake.version("raw_s")
        with pytest.raises(ContractBroken, match=complaint):
            landed(lake, inbox, "parquet", needed=("a",))
        assert lake.version("raw_s") == version, name


def test_needed_columns_are_own_mapped_ones_join_keys_and_what_others_look_up() -> None:
    mapping = EventMapping(columns=EventColumns(user="u", time="start"), event_type="login")
    lookup = Lookup(source="dates", on={"c": "id"}, columns=["start"])
    sources = {
        "main": SourceSettings(path="m", format="csv", lookup=lookup, events=mapping),
        "dates": SourceSettings(path="d", format="csv"),
    }
    assert needed_columns("main", sources) == ["u", "c"]
    assert needed_columns("dates", sources) == ["id", "start"]


def test_the_landing_job_lands_every_source_of_its_configuration(lake: Lake, inbox: Path) -> None:
    from jobs._entry import Run, Settings
    from jobs.land_files import main

    (inbox / "a.csv").write_text("who,when\n1,2026-01-01\n")
    source = {"path": str(inbox / "a.csv"), "format": "csv"}
    source |= {"events": {"event_type": "login", "columns": {"user": "who", "time": "when"}}}  # type: ignore[dict-item]
    listed = inbox / "suppression.csv"
    export = {"folder": "e", "suppression": str(listed), "allow_empty_suppression": True}
    settings = Settings.model_validate({"lake": {"root": lake.root}, "sources": {"visits": source}, "export": export})
    with pytest.raises(ExportRefused, match=r"suppression\.csv cannot be read; next: write it"):
        main(Run(settings, date(2026, 1, 2), "r1", lake.spark))
    assert not lake.exists("raw_visits")
    listed.write_text("user_id\n")
    before = datetime.now(UTC).replace(tzinfo=None)
    main(Run(settings, date(2026, 1, 2), "r1", lake.spark))
    (row,) = lake.read("raw_visits").collect()
    assert row["who"] == "1"
    assert row["_landed_ts"] >= before


def test_all_sources_are_looked_over_before_the_first_is_landed(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text("who,when\nanna,2026-01-01\n")
    sources = {
        name: SourceSettings(path=str(inbox / file), format="csv")
        for name, file in (("good", "a.csv"), ("gone", "b.csv"), ("lost", "c.csv"))
    }
    sources["wrong"] = SourceSettings(path=str(inbox / "a.csv"), format="csv", items=ItemMapping(item="whom"))
    found, problems = look_over_all(lake, sources)
    assert [landing.name for landing in found] == ["good"]
    with pytest.raises(InputMissing, match=r"(?s)3 problems.*'gone': no file.*'lost': no file.*did you mean 'who'"):
        hold(problems)
    assert not Path(lake.root).exists()


@pytest.mark.parametrize(
    ("rows", "as_of", "refused"),
    [
        ("anna,2026-01-05\nbert,2026-01-03 10:00:00\n", date(2026, 1, 3), "earliest one is of 2026-01-03 10:00:00"),
        ("anna,2026-01-05\nbert,2026-01-03 10:00:00\n", date(2026, 1, 4), ""),
        ("anna,2026-01-05\nbert,2026-01-03\ncleo,1970-01-01\n", date(2026, 1, 3), "earliest one is of 2026-01-03"),
        ("anna,whenever\n", date(2026, 1, 4), ""),  # for ingest to judge
        ("", date(2026, 1, 4), "what was delivered holds no row"),
    ],
)
def test_a_lake_is_not_begun_where_everything_lies_after_the_night(
    lake: Lake, inbox: Path, rows: str, as_of: date, refused: str
) -> None:
    (inbox / "a.csv").write_text("who,when\n" + rows)
    events = EventMapping(columns=EventColumns(user="who", time="when"), event_type="view")
    landing = look_over(lake, "s", SourceSettings(path=str(inbox), format="csv", events=events), needed=())
    with pytest.raises(InputMissing, match=refused) if refused else nullcontext():
        hold_something_before(lake, [landing], as_of, earliest="2000-01-01")


def test_a_first_night_that_was_held_goes_on_when_the_next_file_lies_there(lake: Lake, inbox: Path) -> None:
    events = EventMapping(columns=EventColumns(user="who", time="when"), event_type="view")
    source = SourceSettings(path=str(inbox), format="csv", events=events)
    for name, day in (("a.csv", "2026-01-02"), ("b.csv", "2026-01-03")):
        (inbox / name).write_text(f"who,when\nanna,{day}\n")
        landing = look_over(lake, "s", source, needed=())
        hold_something_before(lake, [landing], date(2026, 1, 3), earliest="2000-01-01")
        land(lake, landing, landed_ts=LANDED)
    assert lake.read(raw_table("s")).count() == 2


def test_every_row_of_a_file_is_accounted_for_in_its_raw_table(lake: Lake, inbox: Path) -> None:
    (inbox / "a.csv").write_text("a\n1\n2\n")
    source = SourceSettings(path=str(inbox), format="csv")
    landing = look_over(lake, "s", source, needed=())
    land(lake, landing, landed_ts=LANDED)
    [(_, hop)] = unaccounted(lake, "s")
    assert (hop.rows_in, hop.rows_out, hop.unexplained) == (2, 2, 0)
    DeltaTable.forPath(lake.spark, lake.path(raw_table("s"))).delete("a = '1'")
    [(_, hop)] = unaccounted(lake, "s")
    assert hop.unexplained == 1  # the commit is known, its rows are not whole


def test_a_landing_that_was_killed_before_its_account_is_accounted_for_by_the_next(lake: Lake, inbox: Path) -> None:
    source = SourceSettings(path=str(inbox), format="csv")

    def deliver(name: str, rows: int) -> None:
        (inbox / name).write_text("a\n" + f"{name}\n" * rows)
        land(lake, look_over(lake, "s", source, needed=()), landed_ts=LANDED)

    deliver("one.csv", 1)
    [(digest, hop)] = unaccounted(lake, "s")
    ledger.record(lake, job=JOB, as_of=date(2026, 1, 2), input_digest=digest, run_id="r", hops=[hop])
    deliver("two.csv", 2)  # killed before its account
    deliver("three.csv", 3)
    assert [(hop.rows_in, hop.rows_out) for _, hop in unaccounted(lake, "s")] == [(2, 2), (3, 3)]


def test_of_a_landing_in_many_commits_none_is_left_without_an_account_wherever_it_is_killed(
    lake: Lake, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltv_features.land.FILES_A_COMMIT", 1)
    for rows in (1, 2, 3):
        (inbox / f"{rows}.csv").write_text("a\n" + f"{rows}\n" * rows)
    land(lake, look_over(lake, "s", SourceSettings(path=str(inbox), format="csv"), needed=()), landed_ts=LANDED)
    accounted = set()
    for _ in range(3):  # each run is killed after its first account
        digest, hop = next(unaccounted(lake, "s"))
        ledger.record(lake, job=JOB, as_of=date(2026, 1, 2), input_digest=digest, run_id="r", hops=[hop])
        accounted.add(hop.rows_in)
    assert accounted == {1, 2, 3}
    assert not list(unaccounted(lake, "s"))


def test_parquet_says_itself_how_many_rows_it_has(lake: Lake, inbox: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2, 3]}), inbox / "a.parquet")
    landing = look_over(lake, "s", SourceSettings(path=str(inbox), format="parquet"), needed=())
    assert [file.rows for _, file in landing.files] == [3]
    land(lake, landing, landed_ts=LANDED)
    [(_, hop)] = unaccounted(lake, "s")
    assert hop.rows_in == 3


AWKWARD = 'a,b,c\n1,19" screen,3\n\n   \n4,"x"y,6\n5\n"one\ntwo",8,"9"\n10,11,12'


def test_blank_lines_of_json_are_no_rows_and_an_array_is_refused(lake: Lake, inbox: Path) -> None:
    (inbox / "a.jsonl").write_text('{"id": 1}\n\n   \n{"id": \n{"id": 2}')
    assert [row["id"] for row in landed(lake, inbox, "jsonl")] == ["1", None, "2"]
    for text, complaint in (('{"id": 3}\n[{"id": 4}, {"id": 5}]\n', "line 2 begins an array"),):
        (inbox / "b.jsonl").write_text(text)
        with pytest.raises(ContractBroken, match=rf"b\.jsonl.*{complaint}"):
            landed(lake, inbox, "jsonl")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("multiline", [True, False])
def test_spark_reads_as_many_rows_as_were_counted_in_an_awkward_file(
    lake: Lake, inbox: Path, multiline: bool, line_end: str
) -> None:
    (inbox / "a.csv").write_text(AWKWARD, newline=line_end)
    rows = landed(lake, inbox, multiline=multiline)
    assert [row["a"] for row in rows][-2:] == (["one" + line_end + "two", "10"] if multiline else ['two"', "10"])
    assert (len(rows), rows[-1]["c"], rows[-2]["c"]) == (6, "12", "9")


@pytest.mark.parametrize("multiline", [True, False])
def test_lines_that_end_in_different_ways_are_refused_by_line_and_the_corrected_file_lands(
    lake: Lake, inbox: Path, multiline: bool
) -> None:
    rows = [f"u{number},2026-01-01,{number}" for number in range(60)]
    (inbox / "a.csv").write_text("who,when,paid\r\n" + "\n".join(rows) + "\n", newline="")
    with pytest.raises(ContractBroken, match=r"a\.csv: .*line 2 ends in LF, the lines before it in CRLF.*; next: "):
        landed(lake, inbox, multiline=multiline)
    assert not lake.exists(raw_table("s"))
    (inbox / "a.csv").write_text("who,when,paid\r\n" + "\r\n".join(rows) + "\r\n", newline="")
    told = landed(lake, inbox, multiline=multiline)
    assert [(row["who"], row["paid"], row["_corrupt"]) for row in told] == [(f"u{n}", str(n), None) for n in range(60)]


def test_a_quote_that_nobody_closes_is_refused_with_its_line_and_can_be_read_line_by_line(
    lake: Lake, inbox: Path
) -> None:
    lines = ["user,note,price", *(f"u{n},ok,{n}" for n in range(200))]
    lines[3] = 'u2,"19 inch,2'
    (inbox / "a.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(
        ContractBroken, match=r"a\.csv.*line 4: a quote is not closed, 198 lines.*csv.multiline = false"
    ):
        landed(lake, inbox)
    assert not lake.exists(raw_table("s"))
    rows = landed(lake, inbox, multiline=False)
    assert len(rows) == 200
    assert [row["user"] for row in rows if row["_corrupt"]] == ["u2"]


@pytest.mark.parametrize("left", ["a,b\n1,2\n", ""])
def test_rows_that_spark_does_not_read_are_missed_before_anything_is_landed(lake: Lake, inbox: Path, left: str) -> None:
    (inbox / "a.csv").write_text("a,b\n1,2\n3,4\n")
    (inbox / "b.csv").write_text("a,b\n1,2\n")
    looked = look_over(lake, "s", SourceSettings(path=str(inbox), format="csv"), needed=())
    (inbox / "a.csv").write_text(left)
    with pytest.raises(RowsUnexplained, match=rf"1 file.*a\.csv: expected 2 rows, actual {len(left) // 8}; next"):
        land(lake, looked, landed_ts=LANDED)
    assert not lake.exists(raw_table("s"))


@pytest.mark.parametrize(("said", "read"), [("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252"), ("utf8", "UTF-8")])
def test_an_encoding_may_be_called_by_another_name(said: str, read: str) -> None:
    assert Csv(encoding=said).encoding == read


@pytest.mark.parametrize(
    ("said", "meant"), [("utf_8_sig", "UTF-8"), ("latin-7", "ISO-8859"), ("windows1252", "WINDOWS-1252")]
)
def test_an_encoding_that_cannot_be_read_is_refused_with_the_nearest(said: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}|{meant}"):
        Csv(encoding=said)


def test_a_line_that_says_a_key_twice_is_marked_and_not_read_as_its_last_word(lake: Lake, inbox: Path) -> None:
    (inbox / "a.jsonl").write_text('{"id": 3}\n\n{"id": 4, "at": {"x": 1, "x": 2}}\n{"id": 5, "id": 6}\n{"id": 7}\n')
    marks = [row["_corrupt"] for row in landed(lake, inbox, "jsonl")]
    assert marks == [None, '{"id": 4, "at": {"x": 1, "x": 2}}', '{"id": 5, "id": 6}', None]
