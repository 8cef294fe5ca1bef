"""States are an exact monoid: any split, any order, the same bits as plain loops over all events."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltv_features import state, user_items
from ltv_features.contract import MAX_BROWSE, MAX_LINES, NEVER_US
from ltv_features.errors import ContractBroken, FutureLeak
from tests import naive
from tests.builders import DAY, HOUR, Row, event, kernel_events, some_rows

AS_OF = 40 * DAY
Events = tuple[list[Row], list[int]]


def split_events() -> st.SearchStrategy[Events]:
    """Rows, and for each of them the night on which it arrives, 0 to 3."""
    return some_rows().flatmap(
        lambda rows: st.tuples(
            st.permutations(rows), st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))
        )
    )


def build(rows: list[Row], as_of_us: int = AS_OF) -> pa.Table:
    return state.build(kernel_events(rows), as_of_us=as_of_us)


@settings(max_examples=80)
@given(some_rows())
def test_build_says_what_plain_loops_say(rows: list[Row]) -> None:
    assert build(rows).to_pylist() == naive.states(kernel_events(rows))


@settings(max_examples=60)
@given(some_rows(max_size=120))
def test_short_lists_keep_the_last_entries_of_the_total_order(rows: list[Row]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "_LAST", {"lines": 3, "browse": 2})
        assert build(rows).to_pylist() == naive.states(kernel_events(rows), max_lines=3, max_browse=2)


@settings(max_examples=80)
@given(split_events(), st.permutations(range(4)))
def test_any_split_in_any_order_merges_to_the_bits_of_one_build(drawn: Events, nights: list[int]) -> None:
    rows, night_of = drawn
    parts = [build([row for row, night in zip(rows, night_of, strict=True) if night == n]) for n in nights]
    whole = build(rows[::-1])
    left = state.merge(state.merge(state.merge(parts[0], parts[1]), parts[2]), parts[3])
    right = state.merge(parts[0], state.merge(parts[1], state.merge(parts[2], parts[3])))
    assert left.equals(whole)
    assert right.equals(whole)
    assert state.merge(parts[1], parts[0]).equals(state.merge(parts[0], parts[1]))


@settings(max_examples=60)
@given(split_events())
def test_merging_cut_lists_loses_nothing_that_the_whole_keeps(drawn: Events) -> None:
    rows, night_of = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "_LAST", {"lines": 3, "browse": 2})
        nights = [build([row for row, night in zip(rows, night_of, strict=True) if night == n]) for n in range(4)]
        merged = nights[0]
        for night in nights[1:]:
            merged = state.merge(night, merged)
        assert merged.equals(build(rows))


@settings(max_examples=60)
@given(some_rows(), st.lists(st.integers(0, 40), min_size=1, max_size=5, unique=True))
def test_states_at_equals_a_build_at_every_cutoff(rows: list[Row], days: list[int]) -> None:
    found = list(state.states_at(kernel_events(rows), [day * DAY for day in days]))
    assert [cutoff for cutoff, _ in found] == sorted(day * DAY for day in days)
    for cutoff, made in found:
        assert made.equals(build([row for row in rows if row["ts_us"] < cutoff], cutoff))


@settings(max_examples=60)
@given(split_events())
def test_user_items_are_exact_and_merge_to_the_same_bits(drawn: Events) -> None:
    rows, night_of = drawn
    whole = user_items.build_items(kernel_events(rows), as_of_us=AS_OF)
    assert whole.to_pylist() == naive.user_items(kernel_events(rows))
    merged = user_items.SCHEMA.empty_table()
    for night in range(4):
        part = [row for row, arrived in zip(rows, night_of, strict=True) if arrived == night]
        merged = user_items.merge_items(user_items.build_items(kernel_events(part), as_of_us=AS_OF), merged)
    assert merged.equals(whole)


def test_lines_of_one_order_on_two_nights_count_one_order() -> None:
    monday = build([event("a", "purchase", 1, order_key=7, event_key=1, amount_minor=100)])
    tuesday = build([event("a", "purchase", 2, order_key=7, event_key=2, amount_minor=250)])
    (order,) = state.merge(tuesday, monday)["orders"][0].as_py()
    assert (order["first_us"], order["lines"], order["gross_minor"]) == (1 * DAY, 2, 350)


def test_a_refund_that_arrives_before_its_purchase_waits_for_it() -> None:
    refund = build([event("a", "refund", 3, order_key=7, amount_minor=40)])
    (waiting,) = refund["orders"][0].as_py()
    assert (waiting["first_us"], waiting["refund_us"], waiting["lines"]) == (NEVER_US, 3 * DAY, 0)
    whole = state.merge(refund, build([event("a", "purchase", 1, order_key=7)]))
    (order,) = whole["orders"][0].as_py()
    assert (order["first_us"], order["refund_us"], order["refunded_minor"]) == (1 * DAY, 3 * DAY, 40)


def test_browse_events_cannot_push_out_purchase_lines_and_each_list_has_its_limit() -> None:
    rows = [event("a", "view", 1 + n / 1_000, event_key=n) for n in range(MAX_BROWSE + 9)]
    rows += [event("a", "purchase", 1 + n / 1_000, event_key=n, order_key=n) for n in range(MAX_LINES + 9)]
    made = build(rows).to_pylist()[0]
    assert [line["event_key"] for line in made["lines"]] == list(range(9, MAX_LINES + 9))
    assert [entry["event_key"] for entry in made["browse"]] == list(range(9, MAX_BROWSE + 9))
    assert len(made["orders"]) == MAX_LINES + 9


def test_the_last_profile_wins_and_its_text_breaks_a_full_tie() -> None:
    early, late = event("a", "profile", 1, profile="x"), event("a", "profile", 2, event_key=5, profile="b")
    twin = late | {"profile": "c"}
    for rows in ([early, late, twin], [twin, late, early]):
        assert build(rows)["profile"].to_pylist() == ["c"]
    assert state.merge(build([twin]), build([late]))["profile"].to_pylist() == ["c"]


@pytest.mark.parametrize("kind", ["purchase", "view", "refund", "signup", "profile"])
def test_a_user_with_one_row_of_any_kind_has_a_state(kind: str) -> None:
    fields: dict[str, Any] = {"profile": "{}"} if kind == "profile" else {}
    made = build([event("a", kind, 1, **fields)])
    assert made["user_id"].to_pylist() == ["a"]
    assert made.to_pylist() == naive.states(kernel_events([event("a", kind, 1, **fields)]))


def test_every_number_of_stars_is_counted_and_a_review_without_is_not() -> None:
    rows = [event("a", "review", 1, event_key=stars, rating=stars) for stars in (0, 1, 2, 3, 3, 4, 5)]
    assert build(rows)["stars"].to_pylist() == [[1, 1, 2, 1, 1]]


def test_two_ids_with_the_same_hash_stay_two_users() -> None:
    made = build([event("A", "view", 1), event("a", "view", 2), event("a", "view", 3)])
    assert made["user_key"].to_pylist() == [made["user_key"][0].as_py()] * 2
    assert [types[0]["n"] for types in made["types"].to_pylist()] == [1, 2]


@pytest.mark.parametrize("other_key", [99, -99_999])
def test_one_id_with_two_keys_is_refused(other_key: int) -> None:
    rows = [event("a", "view", 1), event("a", "view", 2, user_key=other_key)]
    for order in (rows, rows[::-1]):
        with pytest.raises(ContractBroken, match="'a' has user_keys"):
            build(order)


def test_an_order_of_an_item_begins_with_its_first_line_wherever_that_arrives() -> None:
    rows = [event("a", "purchase", day, order_key=7, item_no=3, event_key=day) for day in (5, 2, 9)]
    whole = user_items.build_items(kernel_events(rows), as_of_us=AS_OF)
    first, rest = (user_items.build_items(kernel_events(part), as_of_us=AS_OF) for part in (rows[:1], rows[1:]))
    assert whole["orders"].to_pylist() == [[{"first_us": 2 * DAY, "order_key": 7}]]
    assert user_items.merge_items(first, rest).equals(whole)


@pytest.mark.parametrize("kind", ["purchase", "view", "profile"])
@pytest.mark.parametrize("late_us", [0, 1, HOUR])
def test_anything_at_or_after_as_of_is_refused(kind: str, late_us: int) -> None:
    rows = [event("a", "purchase", 1), event("b", kind, 40) | {"ts_us": AS_OF + late_us}]
    with pytest.raises(FutureLeak, match="1 of 2 rows"):
        build(rows)
    build([rows[0], rows[1] | {"ts_us": AS_OF - 1}])


def test_items_at_as_of_are_refused() -> None:
    with pytest.raises(FutureLeak):
        user_items.build_items(kernel_events([event("a", "purchase", 40, item_no=3)]), as_of_us=AS_OF)


def test_no_events_make_the_empty_state_which_changes_nothing() -> None:
    some = build([event("a", "view", 1), event("b", "purchase", 2)])
    assert build([]).equals(state.empty())
    assert state.merge(state.empty(), state.empty()).equals(state.empty())
    assert state.merge(some, state.empty()).equals(some)
    assert state.merge(state.empty(), some).equals(some)
    assert len(user_items.build_items(kernel_events([]), as_of_us=AS_OF)) == 0


def test_chunks_and_slices_of_states_merge_like_whole_tables() -> None:
    rows = [event(user, "purchase", day, order_key=day) for user in "abcdef" for day in range(1, 6)]
    made = build(rows)
    pieces = pa.concat_tables([made.slice(3), made.slice(0, 3)])
    assert state.merge(pieces, state.empty()).equals(made)
    assert made.schema.equals(state.SCHEMA)
    assert np.all(np.diff(made["user_key"].to_numpy()) > 0)
