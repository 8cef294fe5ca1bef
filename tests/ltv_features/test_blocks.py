"""Blocks: what goes in comes out, the fill lies at the tail and weighs nothing."""

import numpy as np
import pyarrow as pa
import pytest

from ltv_features.blocks import Layout, bucket_of, from_blocks, matrix, to_blocks, value_extras
from ltv_features.contract import BLOCK_EXAMPLES
from ltv_features.errors import ContractBroken
from tests.shard_builders import AGGREGATES, PERIODS, some_columns, some_examples

LAYOUT = Layout(8, len(AGGREGATES), value_extras(len(PERIODS)))


def make(lengths: list[int]) -> pa.RecordBatch:
    examples = some_examples(lengths)
    return to_blocks(examples, some_columns(examples), LAYOUT)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_examples_come_back_as_they_went_in(count: int) -> None:
    lengths = [number % 9 for number in range(count)]
    before = some_examples(lengths)
    after, columns = from_blocks(make(lengths), LAYOUT)
    assert after.lengths.tolist() == lengths
    for name in ("user_key", "aggregates", "anchor", "offsets", "cutoff_no"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    for name, values in before.tokens.items():
        np.testing.assert_array_equal(after.tokens[name], values)
        assert after.tokens[name].dtype == values.dtype
    np.testing.assert_array_equal(columns["label_spend_minor"], some_columns(before)["label_spend_minor"])
    assert columns["label_spend_minor"].dtype == np.float64
    assert columns["label_mask"].dtype == np.float32


def test_the_fill_lies_at_the_tail_with_weight_zero() -> None:
    batch = make([3] * 65)
    assert batch.column("n").to_pylist() == [64, 1]
    weight = matrix(batch, "weight", 1)[:, 0]
    assert weight.tolist() == [1.0] * 65 + [0.0] * 63
    assert not matrix(batch, "user_key", 1)[65:].any()


def test_a_block_is_one_parquet_row_of_flat_lists_in_c_order() -> None:
    batch = make([2, 8])
    assert batch.num_rows == 1
    items = batch.column("item_no")[0].as_py()
    assert len(items) == BLOCK_EXAMPLES * 8
    assert items[:16] == [1, 2, 0, 0, 0, 0, 0, 0, 2, 3, 4, 5, 6, 7, 8, 9]


def test_columns_are_read_without_a_copy() -> None:
    values = matrix(make([1, 2, 3]), "aggregates", len(AGGREGATES))
    assert not values.flags.writeable
    assert not values.flags.owndata


def test_a_list_of_another_length_is_refused() -> None:
    batch = make([1])
    short = pa.table({"n": batch.column("n"), "weight": pa.array([[1.0, 2.0]], pa.list_(pa.float32()))})
    with pytest.raises(ContractBroken, match=r"'weight'.*expected lists of 64 values, found \[2\]"):
        matrix(short, "weight", 1)


def test_a_null_is_refused() -> None:
    holed = pa.table({"weight": pa.array([[None] + [1.0] * 63], pa.list_(pa.float32()))})
    with pytest.raises(ContractBroken, match="nulls"):
        matrix(holed, "weight", 1)


def test_a_missing_label_is_refused() -> None:
    examples = some_examples([1])
    columns = some_columns(examples)
    del columns["label_mask"]
    with pytest.raises(ContractBroken, match=r"'label_mask'.*missing"):
        to_blocks(examples, columns, LAYOUT)


def test_an_example_longer_than_the_largest_bucket_is_refused() -> None:
    with pytest.raises(ContractBroken, match="300 tokens"):
        bucket_of(np.array([3, 300]))
