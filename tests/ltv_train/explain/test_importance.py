"""Permutation importance: on models that are known to listen to one thing."""

import numpy as np
import pytest

from ltv_train.explain.importance import PACE, SEQUENCE, Part, dealt, importance, parts_of_examples
from ltv_train.metrics.value import normalised_gini
from tests.explain_world import Says, column
from tests.network_world import some_world
from tests.value_world import some_examples

PARTS = parts_of_examples()


def test_the_part_that_a_model_listens_to_comes_first_and_all_others_are_worth_nothing() -> None:
    examples = some_examples(200, seed=3)
    spend = column(examples, "order_mean")
    told = importance(Says(lambda e: column(e, "order_mean")), examples, spend, PARTS, repeats=3, seed=1)
    assert next(iter(told.lost)) == "size of orders"
    assert told.lost["size of orders"] > 0.5
    assert {name for name, lost in told.lost.items() if lost != 0} == {"size of orders"}
    assert told.gini == 1.0


def test_the_sequence_and_the_inputs_of_the_classical_model_are_parts_too() -> None:
    examples, _ = some_world(200, signal=1.0, seed=3)
    examples.anchor[:, 0] = np.arange(200)
    reads = Says(lambda e: np.array([part.sum() for part in np.split(e.tokens["amount_minor"], e.offsets[1:-1])]))
    told = importance(reads, examples, reads.predict(examples).mean[:, -1], PARTS, repeats=2, seed=1)
    assert next(iter(told.lost)) == SEQUENCE
    paces = Says(lambda e: e.anchor[:, 0])
    told = importance(paces, examples, examples.anchor[:, 0], PARTS, repeats=2, seed=1)
    assert next(iter(told.lost)) == PACE
    assert told.lost[SEQUENCE] == 0.0


def test_what_is_the_same_for_everybody_is_not_asked_about() -> None:
    examples, asked = some_examples(50, seed=3), []
    spend = column(examples, "spend")
    model = Says(lambda e: asked.append(len(e)) or column(e, "spend"))
    told = importance(model, examples, spend, PARTS, repeats=2, seed=1)
    filled = {"how recently", "how long known", "how often", "how much", "size of orders", PACE}
    assert len(asked) == 2 + 2 * len(filled)  # once by us, once by scikit-learn, then each part as often as told
    assert told.lost["visits"] == told.spread["visits"] == 0.0


def test_without_any_spend_nothing_is_lost() -> None:
    examples = some_examples(50, seed=3)
    told = importance(Says(lambda e: column(e, "spend")), examples, np.zeros(50), PARTS, repeats=2, seed=1)
    assert set(told.lost.values()) == {0.0}
    assert np.isnan(told.gini)


def test_parts_are_taken_whole_from_the_row_that_lends_them() -> None:
    examples, _ = some_world(6, signal=1.0, seed=3)
    examples.aggregates[:] = np.arange(6)[:, None]
    examples.anchor[:] = np.arange(6)[:, None]
    swapped = np.stack([np.array([1, 0, 3, 2, 5, 4]), np.arange(6), np.array([5, 4, 3, 2, 1, 0])], axis=1)
    made = dealt(examples, swapped, (Part(columns=(0, 1)), Part(columns=(2,), anchor=True), Part(tokens=True)))
    assert made.aggregates[:, :4].tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [3, 3, 2, 2], [2, 2, 3, 3], [5, 5, 4, 4],
                                               [4, 4, 5, 5]]  # fmt: skip
    np.testing.assert_array_equal(made.anchor, examples.anchor)
    assert made.lengths.tolist() == examples.lengths.tolist()[::-1]
    np.testing.assert_array_equal(made.user_key, examples.user_key)
    assert examples.aggregates[0, 0] == 0  # the examples themselves stay as they are


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_deals_alike(seed: int) -> None:
    examples = some_examples(80, seed=3)
    spend = column(examples, "spend") * np.random.default_rng(1).uniform(0.5, 1.5, 80)
    model = Says(lambda e: column(e, "spend") + column(e, "recency_days"))
    first, again = (importance(model, examples, spend, PARTS, repeats=2, seed=seed) for _ in range(2))
    assert first == again
    assert first.gini == normalised_gini(spend, column(examples, "spend") + column(examples, "recency_days"))
