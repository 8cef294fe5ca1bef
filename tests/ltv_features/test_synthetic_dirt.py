"""Bad rows beside good ones: each spoils one thing, all are counted, and the clean shop is left over."""

from collections import Counter

import pyarrow as pa
import pytest

from ltv_features import rules
from ltv_features.rules import ERRORS
from ltv_features.synthetic import DIRT, Form, Shop, account_of, log
from ltv_features.synthetic.delivery import LOG_SCHEMA, lines, log_text
from ltv_features.synthetic.dirt import ANONYMOUS, CONFLICT, CORRUPT, KINDS, PLANTED, QUARANTINED, planted_counts

SHOP = Shop(users=150, days=60, seed=8, refund_share=0.2, review_share=0.5, anonymous_visits=1.0)
DIRTY = Form(dirt={dirt.kind: 0.1 for dirt in DIRT})


@pytest.fixture(scope="module")
def text() -> pa.Table:
    """The delivered log of SHOP with a tenth of every kind."""
    return log_text(SHOP, DIRTY)


def test_there_is_a_kind_for_every_rule_that_this_log_can_break() -> None:
    refused = {dirt.kind for dirt in DIRT if dirt.ends == QUARANTINED}
    blank = {f"{fact}_missing" for fact in ("order", "promotion", "quantity", "rating", "dwell")}
    only_where_asked_for = blank | {
        "lookup_missed",
        "amount_sign",
        "amount_zero",
        "id_structure",
    }  # JSON only
    assert refused == {rules.CONFLICT, *(rule.id for rule in ERRORS)} - only_where_asked_for


def test_without_its_bad_rows_the_dirty_log_is_the_clean_one(text: pa.Table) -> None:
    marks = text[PLANTED].to_pylist()
    left = [line for line, mark in zip(lines(text).to_pylist(), marks, strict=True) if mark in ("", ANONYMOUS)]
    assert left == lines(log_text(SHOP, Form())).to_pylist()


def test_a_bad_row_differs_from_its_original_in_its_id_and_the_one_thing_that_is_spoiled(text: pa.Table) -> None:
    originals = {row["event_id"]: row for row in log_text(SHOP, Form()).to_pylist()}
    seen = Counter()
    for row in text.to_pylist():
        kind = row.pop(PLANTED)
        if kind not in KINDS or kind == "event_id_missing":
            continue
        original = originals[row["event_id"].removesuffix(f"-{kind}")]
        different = {name for name in LOG_SCHEMA.names if row[name] != original[name]}
        expected = {KINDS[kind].column} - {""}
        expected |= {"time"} if kind == CONFLICT else set()
        expected |= {"event_id"} if kind not in (CONFLICT, "duplicate") else set()
        assert different == expected, kind
        assert original["customer"], kind
        seen[kind] += 1
    assert set(seen) | {"event_id_missing"} == set(KINDS)


def test_bad_rows_stand_among_the_good_ones_and_never_before_their_originals(text: pa.Table) -> None:
    rows = [row for row in text.to_pylist() if row[PLANTED] in ("", "duplicate", CONFLICT)]
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    seen = set()
    for row in rows:
        assert (row["event_id"] in seen) == bool(row[PLANTED])
        seen.add(row["event_id"])


def test_the_dial_is_the_share_of_the_rows_that_a_kind_can_befall(text: pa.Table) -> None:
    clean = log(SHOP).to_pylist()
    counts = planted_counts(text)
    for dirt in DIRT:
        possible = sum(bool(row["customer"]) and row["type"] in (dirt.types or (row["type"],)) for row in clean)
        assert abs(counts[dirt.kind] - 0.1 * possible) < 4 * (0.1 * possible) ** 0.5, dirt.kind


def test_the_account_of_a_whole_is_made_of_what_its_blocks_planted(text: pa.Table) -> None:
    blocks = [Counter(planted_counts(log_text(SHOP, DIRTY, part))) for part in (SHOP.numbers[:40], SHOP.numbers[40:])]
    account = account_of(planted_counts(text))
    assert account_of(blocks[0] + blocks[1]) == account
    ended = account.events + account.anonymous + account.duplicates + sum(account.quarantined.values())
    assert ended == account.rows == len(text)
    assert account.events == len([row for row in log(SHOP).to_pylist() if row["customer"]])


def test_corrupt_lines_are_too_short_and_no_other_line_needs_quotes(text: pa.Table) -> None:
    for line, mark in zip(lines(text).to_pylist(), text[PLANTED].to_pylist(), strict=True):
        assert line.count(",") == (1 if mark == CORRUPT else len(LOG_SCHEMA.names) - 1)
        assert not {'"', "\n", "\r"} & set(line)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"dirt": {"mud": 0.1}}, "unknown dirt .'mud'"),
        ({"dirt": {"item_missing": 0.1}, "leave_out": ("item",)}, "absent columns .'item_missing'"),
        ({"dirt": {"duplicate": 0.1}, "leave_out": ("event_id",)}, "absent columns .'duplicate'"),
        ({"leave_out": ("time",)}, "needed columns .'time'"),
    ],
)
def test_a_form_that_cannot_be_is_refused(form: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Form(**form)
