"""Vocabulary and scaling: fitted on training rows, applied alike everywhere, safe for what training never saw."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ltv_features import project, state
from ltv_features.aggregates import NAMES, UNITS
from ltv_features.contract import NUMERIC_FIELDS
from ltv_features.encode import LEARNED_FIELDS, Encoding, EncodingFitter
from ltv_features.moments import Moments, Tally
from ltv_features.project import Examples
from tests.builders import DAY, event, kernel_events

AS_OF = 60 * DAY


def some_examples(times: int = 1) -> Examples:
    """Users with orders of 100 to 900 times `times` minor units, refunds, views and item numbers."""
    rows = []
    for n in range(30):
        user = f"u{n:02d}"
        for k in range(n % 4 + 1):
            rows.append(event(user, "view", 5 + n + k / 24, event_key=k, item_no=k + 1, dwell_seconds=10 * k))
            amount = 100 * (1 + (n + k) % 9) * times
            rows.append(
                event(
                    user, "purchase", 20 + n + k, order_key=k + 1, amount_minor=amount, category_no=n % 5, event_key=k
                )
            )
    rows.append(event("u00", "refund", 55, order_key=1, amount_minor=500 * times))
    return project.project(state.build(kernel_events(rows), as_of_us=AS_OF), as_of_us=AS_OF)


def fitted(examples: Examples, *, pieces: int = 1, min_count: int = 1, cap: int = 100) -> Encoding:
    fitter = EncodingFitter(min_count=min_count, cap=cap)
    for rows in np.array_split(np.arange(len(examples)), pieces):
        piece = examples.take(rows)
        fitter.add(piece.aggregates, piece.tokens)
    return fitter.finish()


def tokens_with(**fields: Any) -> dict[str, Any]:
    length = len(next(iter(fields.values())))
    nothing = {name: np.zeros(length, np.float32) for name in NUMERIC_FIELDS}
    ids = {name: np.zeros(length, np.int32) for name in (*LEARNED_FIELDS, "event_type", "hour", "weekday")}
    return nothing | ids | {name: np.array(values) for name, values in fields.items()}


def test_ids_start_at_two_and_padding_stays_and_strangers_are_one() -> None:
    fitter = EncodingFitter(min_count=2, cap=10)
    fitter.add(np.zeros((1, len(NAMES)), np.float32), tokens_with(item_no=[7, 7, 3, 3, 3, 9, 0, 0]))
    encoding = fitter.finish()
    assert encoding.ids("item_no", np.array([[0, 3, 7], [9, 8, 10**6]])).tolist() == [[0, 2, 3], [1, 1, 1]]
    assert encoding.vocabulary_sizes["item_no"] == 4
    assert encoding.ids("weekday", np.array([0, 1, 7])).tolist() == [0, 1, 7]
    assert encoding.vocabulary_sizes["weekday"] == 8


def test_the_cap_keeps_the_most_frequent_and_the_lower_number_of_equals() -> None:
    fitter = EncodingFitter(min_count=1, cap=2)
    fitter.add(np.zeros((1, len(NAMES)), np.float32), tokens_with(item_no=[5, 5, 5, 8, 8, 2, 2, 1]))
    assert fitter.finish().numbers["item_no"].tolist() == [2, 5]


def test_columns_are_standardised_on_the_training_rows() -> None:
    examples = some_examples()
    made = fitted(examples).aggregates(examples.aggregates)
    assert made.dtype == np.float32
    varies = examples.aggregates.std(axis=0) > 0
    assert np.abs(made[:, varies].mean(axis=0)).max() < 0.25  # clipping moves a skewed mean a little
    assert (made[:, ~varies] == 0).all()
    assert (~varies).any()
    assert np.abs(made).max() <= 5


def test_pieces_of_any_size_fit_the_same_encoding() -> None:
    examples = some_examples()
    whole, pieces = fitted(examples), fitted(examples, pieces=7)
    assert {k: v.tolist() for k, v in whole.numbers.items()} == {k: v.tolist() for k, v in pieces.numbers.items()}
    assert whole.money_scale_minor == pieces.money_scale_minor
    np.testing.assert_allclose(whole.aggregates(examples.aggregates), pieces.aggregates(examples.aggregates), atol=1e-5)


def test_all_amounts_times_a_thousand_are_the_same_inputs() -> None:
    small, large = some_examples(), some_examples(1_000)
    first, second = fitted(small), fitted(large)
    assert second.money_scale_minor == 1_000 * first.money_scale_minor
    np.testing.assert_allclose(first.aggregates(small.aggregates), second.aggregates(large.aggregates), atol=1e-5)
    for name in NUMERIC_FIELDS:
        np.testing.assert_allclose(
            first.numeric(name, small.tokens[name]), second.numeric(name, large.tokens[name]), atol=1e-5
        )


def test_the_money_scale_is_the_median_positive_order() -> None:
    fitter = EncodingFitter(min_count=1, cap=1)
    amounts = np.array([0, 10, 30, 20, 999], np.float32)
    fitter.add(np.zeros((1, len(NAMES)), np.float32), tokens_with(amount_minor=amounts, event_type=[7, 7, 7, 7, 3]))
    assert fitter.finish().money_scale_minor == 20


def test_without_an_order_the_scale_is_one_and_without_rows_there_is_no_encoding() -> None:
    fitter = EncodingFitter(min_count=1, cap=1)
    with pytest.raises(ValueError, match="at least one"):
        fitter.finish()
    fitter.add(np.zeros((2, len(NAMES)), np.float32), tokens_with(item_no=[]))
    encoding = fitter.finish()
    assert encoding.money_scale_minor == 1.0
    assert not encoding.aggregates(np.ones((3, len(NAMES)), np.float32)).any()


def test_missing_and_enormous_numbers_come_out_finite() -> None:
    encoding = fitted(some_examples())
    wild = np.array([np.nan, np.inf, -np.inf, 1e30], np.float32)
    assert encoding.numeric("amount_minor", wild).tolist() == [0.0, 5.0, -5.0, 5.0]
    assert np.isfinite(encoding.aggregates(np.full((2, len(NAMES)), np.nan, np.float32))).all()


TREND, SPENT, BOUGHT = (UNITS.index(unit) for unit in ("ratio", "minor", "flag"))


def column_fitted(place: int, values: Any, **how: Any) -> Encoding:
    """Fitted on rows that say something in one column only."""
    rows = np.zeros((len(values), len(NAMES)), np.float32)
    rows[:, place] = values
    fitter = EncodingFitter(min_count=1, cap=1, **how)
    fitter.add(rows, tokens_with(item_no=[]))
    return fitter.finish()


def encoded(encoding: Encoding, place: int, values: Any) -> list[float]:
    rows = np.zeros((len(values), len(NAMES)), np.float32)
    rows[:, place] = values
    return encoding.aggregates(rows)[:, place].tolist()


def test_one_outlier_among_a_thousand_rows_does_not_flatten_its_column_for_all_others() -> None:
    plain = np.random.default_rng(1).normal(0.1, 0.3, 1_000)
    spoilt = np.append(plain[1:], -100.0)
    asked = [-0.5, 0.1, 0.7, -100.0]
    without = encoded(column_fitted(TREND, plain), TREND, asked)
    assert encoded(column_fitted(TREND, spoilt), TREND, asked) == pytest.approx(without, rel=0.05, abs=0.05)
    flat = encoded(column_fitted(TREND, spoilt, outliers="none"), TREND, asked)
    assert max(flat[:3]) - min(flat[:3]) < 0.5 < 3 < max(without[:3]) - min(without[:3])


def test_what_one_row_in_thirty_says_is_no_outlier() -> None:
    seldom = np.array(([0.0] * 29 + [0.5]) * 40 + [1.0])
    scale = column_fitted(TREND, seldom).columns[TREND]
    assert scale.deviation == pytest.approx(seldom.std(), rel=0.1)


def test_money_and_flags_have_no_outliers() -> None:
    for place in (SPENT, BOUGHT):
        values = np.array([0.0] * 999 + [1.0])
        clipped, kept = (column_fitted(place, values, outliers=how).columns[place] for how in ("clip", "none"))
        assert clipped == kept


@pytest.mark.parametrize(("impute", "expected"), [("mean", 0.0), ("median", -0.5)])
def test_a_missing_number_is_the_mean_or_the_median_of_the_training_rows(impute: str, expected: float) -> None:
    encoding = column_fitted(TREND, [0.0, 0.0, 0.0, 1.0, np.nan] * 4, impute=impute)  # mean 1/4, deviation sqrt(3)/4
    [missing] = encoded(encoding, TREND, [np.nan])
    assert missing == pytest.approx(expected / 3**0.5 * 2)
    back = Encoding.from_parts(*encoding.to_parts())
    assert (
        back.aggregates(np.full((2, len(NAMES)), np.nan)).tobytes()
        == encoding.aggregates(np.full((2, len(NAMES)), np.nan)).tobytes()
    )


def test_a_number_that_is_not_finite_leaves_its_column_usable() -> None:
    assert encoded(column_fitted(TREND, [1.0, -1.0, np.inf]), TREND, [1.0, np.inf, -np.inf]) == [1.0, 5.0, -5.0]


def test_an_encoding_survives_being_taken_apart() -> None:
    examples = some_examples()
    encoding = fitted(examples)
    vocabulary, scaling = encoding.to_parts()
    assert vocabulary.schema == pa.schema([("field", pa.string()), ("number", pa.int64())])
    back = Encoding.from_parts(vocabulary, scaling)
    assert back.vocabulary_sizes == encoding.vocabulary_sizes
    assert back.aggregates(examples.aggregates).tobytes() == encoding.aggregates(examples.aggregates).tobytes()
    assert replace(back, numbers={}) == replace(encoding, numbers={})


def test_encoded_rows_do_not_depend_on_their_neighbours() -> None:
    examples = some_examples()
    encoding = fitted(examples)
    whole = encoding.aggregates(examples.aggregates)
    for row in range(len(examples)):
        assert encoding.aggregates(examples.aggregates[row : row + 1]).tobytes() == whole[row : row + 1].tobytes()


def test_moments_of_pieces_are_the_moments_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(1e6, 1, 1_000)
    moments = Moments()
    for piece in np.array_split(values, 9):
        moments.add(piece)
    assert moments.mean_and_deviation == pytest.approx((values.mean(), values.std()), rel=1e-9)


def test_weights_count_a_value_as_often_as_they_say() -> None:
    weighted, repeated = Moments(), Moments()
    weighted.add(np.array([1.0, 4.0, np.nan]), np.array([3, 1, 9]))
    repeated.add(np.array([1.0, 1.0, 1.0, 4.0]))
    assert weighted.mean_and_deviation == pytest.approx(repeated.mean_and_deviation)


def test_a_tally_counts_by_value_and_knows_the_median() -> None:
    tally = Tally()
    assert tally.median() == 0
    for piece in ([3, 1], [3.0, np.nan], [10]):
        tally.add(np.array(piece, np.float64))
    assert (tally.values.tolist(), tally.counts.tolist(), tally.median()) == ([1, 3, 10], [1, 2, 1], 3)


def test_units_are_those_that_encoding_knows() -> None:
    assert set(UNITS) <= {"minor", "count", "days", "ratio", "flag"}
