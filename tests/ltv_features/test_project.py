"""Features as of a date, against plain loops over the events themselves."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from ltv_features import project, state
from ltv_features.aggregates import AGGREGATES, NAMES
from ltv_features.contract import (
    ANCHOR_INPUTS,
    CATEGORICAL_FIELDS,
    MAX_LINES,
    MAX_ORDER_TOKENS,
    MAX_TOKENS,
    NUMERIC_FIELDS,
)
from ltv_features.errors import FutureLeak
from ltv_features.project import Examples
from tests import naive, naive_aggregates, naive_features
from tests.builders import DAY, HOUR, Row, event, kernel_events, some_rows

AS_OF = 40 * DAY
FIELDS = (*CATEGORICAL_FIELDS, *NUMERIC_FIELDS)
MAY_BE_UNKNOWN = {each.name for each in AGGREGATES if each.known}


def states_of(rows: list[Row], as_of_us: int = AS_OF) -> pa.Table:
    return state.build(kernel_events(rows), as_of_us=as_of_us)


def values_of(rows: list[Row], *, as_of_day: int = 40) -> dict[str, float]:
    """Aggregates of the one user in `rows`, by name."""
    made = project.project(states_of(rows, as_of_day * DAY), as_of_us=as_of_day * DAY)
    return dict(zip(NAMES, made.aggregates[0].tolist(), strict=True))


def stream_of(examples: Examples, row: int) -> dict[str, list[float]]:
    cut = slice(examples.offsets[row], examples.offsets[row + 1])
    return {name: values[cut].tolist() for name, values in examples.tokens.items()}


def check_against_loops(rows: list[Row], as_of_us: int) -> None:
    people = naive.by_user(kernel_events(rows))
    states = states_of(rows, as_of_us)
    made, lines = (view(states, as_of_us=as_of_us) for view in (project.project, project.project_lines))
    assert made.user_id.to_pylist() == [name for _, name in people]
    for row, own in enumerate(people.values()):
        expected = naive_aggregates.aggregates(own, as_of_us=as_of_us)
        found = dict(zip(NAMES, made.aggregates[row].tolist(), strict=True))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-4, nan_ok=True)
        anchor = naive_features.anchor_inputs(own, as_of_us=as_of_us)
        assert made.anchor[row].tolist() == pytest.approx(anchor, rel=1e-12)
        for examples, tokens in ((made, naive_features.tokens), (lines, naive_features.line_tokens)):
            stream = tokens(own, as_of_us=as_of_us)
            found_stream = stream_of(examples, row)
            for field in FIELDS:
                assert found_stream[field] == pytest.approx([token[field] for token in stream], rel=1e-6), field
    assert all(np.isfinite(values).all() for values in (made.anchor, *made.tokens.values()))
    unknown = np.isnan(made.aggregates)
    assert {NAMES[place] for place in np.flatnonzero(unknown.any(axis=0))} <= MAY_BE_UNKNOWN
    assert np.isfinite(made.aggregates[~unknown]).all()


@settings(max_examples=80)
@given(some_rows())
def test_every_feature_and_token_says_what_plain_loops_say(rows: list[Row]) -> None:
    check_against_loops(rows, AS_OF)


@settings(max_examples=30)
@given(some_rows(last_day=400))
def test_long_windows_say_what_plain_loops_say(rows: list[Row]) -> None:
    check_against_loops(rows, 400 * DAY)


def test_the_oracle_covers_every_aggregate() -> None:
    assert set(naive_aggregates.aggregates([], as_of_us=AS_OF)) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))
    assert all(aggregate.meaning for aggregate in AGGREGATES)


def test_long_histories_keep_the_last_orders_lines_and_tokens() -> None:
    rows = [event("a", "purchase", 1 + n / 10, order_key=n, event_key=n, category_no=n % 5) for n in range(300)]
    rows += [event("a", "view", 20 + n / 100, event_key=n) for n in range(300)]
    check_against_loops(rows, AS_OF)
    made = project.project(states_of(rows), as_of_us=AS_OF)
    assert made.lengths.tolist() == [MAX_TOKENS]
    held = stream_of(project.project_lines(states_of(rows), as_of_us=AS_OF), 0)
    assert len(held["item_no"]) == MAX_LINES


def test_only_the_last_orders_become_tokens() -> None:
    rows = [event("a", "purchase", 1 + n / 10, order_key=n, event_key=n, amount_minor=n) for n in range(200)]
    amounts = stream_of(project.project(states_of(rows), as_of_us=AS_OF), 0)["amount_minor"]
    assert amounts == list(range(200 - MAX_ORDER_TOKENS, 200))


def test_the_category_of_an_order_is_its_most_frequent_one_and_the_lower_of_equals() -> None:
    baskets = {1: [4, 9, 9], 2: [8, 8, 3, 3], 3: [5]}
    rows = [
        event("a", "purchase", 10 + order, order_key=order, event_key=number, category_no=category)
        for order, categories in baskets.items()
        for number, category in enumerate(categories)
    ]
    assert stream_of(project.project(states_of(rows), as_of_us=AS_OF), 0)["category_no"] == [9, 3, 5]


def test_features_of_a_user_do_not_depend_on_the_neighbours() -> None:
    draw = np.random.default_rng(3)
    rows = [
        event(f"u{draw.integers(40)}", str(draw.choice(["purchase", "view", "refund"])), float(draw.uniform(0, 39)))
        | {"order_key": int(draw.integers(1, 400)), "event_key": n, "amount_minor": int(draw.integers(1, 10_000))}
        for n in range(3_000)
    ]
    states = states_of(rows)
    whole = project.project(states, as_of_us=AS_OF)
    for places in ([7], [3, 1, 30], list(range(39, -1, -1))):
        alone = project.project(states.take(pa.array(places)), as_of_us=AS_OF)
        same = whole.take(np.array(places))
        assert alone.aggregates.tobytes() == same.aggregates.tobytes()
        assert alone.anchor.tobytes() == same.anchor.tobytes()
        assert alone.offsets.tolist() == same.offsets.tolist()
        assert all(alone.tokens[name].tobytes() == same.tokens[name].tobytes() for name in FIELDS)


def test_one_customer_by_hand() -> None:
    rows = [
        event("a", "signup", 1),
        event("a", "purchase", 10, order_key=1, amount_minor=300, discount_minor=100),
        event("a", "purchase", 10, order_key=1, event_key=2, amount_minor=200),
        event("a", "purchase", 30, order_key=2, amount_minor=1_500),
        event("a", "refund", 35, order_key=2, amount_minor=400),
    ]
    found = values_of(rows)
    expected = {
        "recency_days": 10,
        "first_order_age_days": 30,
        "tenure_days": 39,
        "idle_days": 5,
        "orders": 2,
        "spend": 1_600,
        "spend_repeat": 1_500,
        "spend_7": -400,
        "spend_14": 1_100,
        "order_mean": 1_000,
        "order_largest": 1_500,
        "order_last": 1_500,
        "gap_mean_days": 20,
        "recency_to_gap": 0.5,
        "refund_share": 0.2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["discount_share"] == pytest.approx(100 / 2_100)
    made = project.project(states_of(rows), as_of_us=AS_OF)
    assert dict(zip(ANCHOR_INPUTS, made.anchor[0], strict=True)) == pytest.approx(
        {"orders": 2, "repeat_orders": 1, "last_order_age_days": 20, "age_days": 30, "mean_order_minor": 1_000}
    )


def test_a_window_of_seven_days_begins_at_midnight_a_week_before() -> None:
    just_in = [event("a", "purchase", 33, order_key=1)]
    just_out = [event("a", "purchase", 33 - 1 / 24, order_key=1)]
    assert (values_of(just_in)["spend_7"], values_of(just_in)["orders_7"]) == (100, 1)
    assert (values_of(just_out)["spend_7"], values_of(just_out)["orders_7"]) == (0, 0)


@pytest.mark.parametrize("kind", ["signup", "view", "refund", "profile"])
def test_a_user_without_an_order_has_features_and_a_neutral_anchor(kind: str) -> None:
    made = project.project(states_of([event("a", kind, 12, order_key=int(kind == "refund"))]), as_of_us=AS_OF)
    unknown = {name for name, value in zip(NAMES, made.aggregates[0], strict=True) if np.isnan(value)}
    assert unknown == MAY_BE_UNKNOWN - ({"signup_age_days"} if kind == "signup" else set())
    assert made.anchor.tolist() == [[0.0] * 5]
    assert made.lengths.tolist() == [1 if kind in ("signup", "view") else 0]
    found = dict(zip(NAMES, made.aggregates[0].tolist(), strict=True))
    assert (found["orders"], found["recency_days"]) == (0, 0)
    if kind == "profile":
        assert not np.nan_to_num(made.aggregates).any()


def test_no_users_make_no_examples() -> None:
    for view in (project.project, project.project_lines):
        made = view(state.empty(), as_of_us=AS_OF)
        assert (len(made), made.aggregates.shape, made.offsets.tolist()) == (0, (0, len(NAMES)), [0])
        assert made.padded(8)["item_no"].shape == (0, 8)


@pytest.mark.parametrize("kind", ["view", "purchase", "profile"])
def test_a_state_from_the_future_is_refused(kind: str) -> None:
    states = states_of([event("a", kind, 20, profile="{}" if kind == "profile" else None)])
    project.project(states, as_of_us=21 * DAY)
    for view in (project.project, project.project_lines):
        with pytest.raises(FutureLeak):
            view(states, as_of_us=20 * DAY)


def test_as_of_must_be_a_midnight() -> None:
    with pytest.raises(ValueError, match="not a UTC midnight"):
        project.project(state.empty(), as_of_us=AS_OF + HOUR)


def test_padded_keeps_the_last_tokens_from_the_left_and_zeros_behind() -> None:
    rows = [event("a", "purchase", day, order_key=day, event_key=day, item_no=day) for day in (1, 2, 3)]
    rows += [event("b", "purchase", 9, order_key=9, item_no=9), event("c", "refund", 4, order_key=5)]
    made = project.project_lines(states_of(rows), as_of_us=AS_OF)
    assert made.padded(2)["item_no"].tolist() == [[2, 3], [9, 0], [0, 0]]
    assert made.padded(4)["item_no"].tolist() == [[1, 2, 3, 0], [9, 0, 0, 0], [0, 0, 0, 0]]
    assert made.padded(2)["item_no"].dtype == np.int32
    assert made.padded(2)["amount_minor"].dtype == np.float32


def test_take_and_concat_move_whole_examples() -> None:
    rows = [event(user, "view", day, event_key=day) for user in "abc" for day in range(1, 2 + ord(user) - ord("a"))]
    made = project.project(states_of(rows), as_of_us=AS_OF)
    back = Examples.concat([made.take(np.array([2])), made.take(np.array([0, 1]))]).take(np.array([1, 2, 0]))
    assert back.user_id.to_pylist() == made.user_id.to_pylist()
    assert back.lengths.tolist() == made.lengths.tolist() == [1, 2, 3]
    assert back.tokens["age_days"].tolist() == made.tokens["age_days"].tolist()
    assert back.aggregates.tobytes() == made.aggregates.tobytes()
    with pytest.raises(ValueError, match="nothing"):
        Examples.concat([])
