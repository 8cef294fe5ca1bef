"""Occlusion of the sequence: on models that read one group of events alone."""

import numpy as np
import pyarrow as pa

from ltv_features.aggregates import NAMES
from ltv_features.contract import TYPE_ID
from ltv_features.project import TOKEN_TYPES, Examples
from ltv_features.ragged import owners
from ltv_train.explain.occlusion import effects_of, groups_of, without
from tests.explain_world import Says

BUY, VIEW = TYPE_ID["purchase"], TYPE_ID["view"]


def three_customers() -> Examples:
    """One with four events, one with none, one with two; ages in days, oldest first."""
    given = {
        "age_days": [100.0, 40.0, 20.0, 5.0, 50.0, 6.5],
        "gap_days": [0.0, 60.0, 20.0, 15.0, 0.0, 43.5],
        "event_type": [BUY, VIEW, BUY, VIEW, BUY, BUY],
        "category_no": [7, 0, 7, 0, 9, 7],
        "amount_minor": [10.0, 0.0, 20.0, 0.0, 30.0, 40.0],
    }
    tokens = {name: np.array(given.get(name, [0] * 6)).astype(kind) for name, kind in TOKEN_TYPES.items()}
    return Examples(
        user_key=np.arange(3),
        user_id=pa.array(["anna", "bert", "cleo"]),
        aggregates=np.zeros((3, len(NAMES)), np.float32),
        anchor=np.zeros((3, 5)),
        offsets=np.array([0, 4, 4, 6]),
        tokens=tokens,
        cutoff_no=np.zeros(3, np.int32),
    )


def read_sum(chosen):
    """A model that promises 100 and the amounts of the tokens that `chosen` picks."""

    def value(examples: Examples) -> np.ndarray:
        amounts = examples.tokens["amount_minor"] * chosen(examples.tokens)
        return 100.0 + np.bincount(owners(examples.lengths), amounts, minlength=len(examples))

    return Says(value)


def test_groups_are_the_last_days_the_types_and_the_categories_that_are_there() -> None:
    groups = groups_of(three_customers(), {7: "GROCERY"})
    assert {name: hidden.astype(int).tolist() for name, hidden in groups.items()} == {
        "the last 7 days": [0, 0, 0, 1, 0, 1],
        "the last 30 days": [0, 0, 1, 1, 0, 1],
        "the last 90 days": [0, 1, 1, 1, 1, 1],
        "event type purchase": [1, 0, 1, 0, 1, 1],
        "event type view": [0, 1, 0, 1, 0, 0],
        "category GROCERY": [1, 0, 1, 0, 0, 1],
        "category 9": [0, 0, 0, 0, 1, 0],
    }


def test_hidden_events_leave_no_trace_and_gaps_close_over_them() -> None:
    left = without(three_customers(), np.array([0, 1, 1, 0, 1, 0], bool))
    assert left.lengths.tolist() == [2, 0, 1]
    assert left.tokens["age_days"].tolist() == [100.0, 5.0, 6.5]
    assert left.tokens["gap_days"].tolist() == [0.0, 95.0, 0.0]
    nobody = without(three_customers(), np.ones(6, bool))
    assert nobody.lengths.tolist() == [0, 0, 0]
    same = without(three_customers(), np.zeros(6, bool))
    assert same.tokens["gap_days"].tolist() == three_customers().tokens["gap_days"].tolist()


def test_a_model_that_reads_one_group_moves_when_that_group_is_taken_away_and_only_then() -> None:
    examples = three_customers()
    reads_category_9 = read_sum(lambda tokens: tokens["category_no"] == 9)
    told = {e.group: e for e in effects_of(reads_category_9, examples, groups_of(examples, {}))}
    assert {name for name, e in told.items() if e.moved > 0} == {
        "category 9",
        "event type purchase",
        "the last 90 days",
    }
    assert told["category 9"].total == -30 / 330
    assert told["category 9"].moved == 10.0
    assert (told["category 9"].customers, told["category 9"].events) == (1 / 3, 1)
    assert told["event type view"].customers == 1 / 3


def test_changes_in_both_directions_do_not_cancel_in_the_size() -> None:
    examples = three_customers()
    up_and_down = Says(lambda e: 100.0 + np.where(e.user_key == 0, 1, -1) * e.lengths)
    told = {e.group: e for e in effects_of(up_and_down, examples, groups_of(examples, {}))}
    assert told["category 7"].moved == (2 + 1) / 3
    assert told["category 7"].total == (-2 + 1) / up_and_down.predict(examples).mean[:, -1].sum()
