"""Runs are reduced as NumPy's `reduceat` would, however few of them have more than one entry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltv_features.ragged import reduce_runs, run_numbers, run_starts

RULES = {"sum": np.add, "least": np.minimum, "most": np.maximum}


@given(
    st.lists(st.integers(1, 6) | st.just(1) | st.just(1), max_size=60),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["int64", "int32", "float64", "float32"]),
)
def test_every_column_is_reduced_over_each_run(lengths: list[int], seed: int, kind: str) -> None:
    owner = np.repeat(np.arange(len(lengths)), lengths)
    drawn = np.random.default_rng(seed)
    columns = {name: (drawn.uniform(-100, 100, len(owner))).astype(kind) for name in RULES}
    starts = run_starts(owner)
    assert run_numbers(owner).tolist() == (owner + 1).tolist()
    made = reduce_runs(starts, columns, RULES)
    for name, rule in RULES.items():
        assert made[name].tolist() == (rule.reduceat(columns[name], starts).tolist() if len(owner) else [])


@pytest.mark.parametrize("runs", [2, 50])
def test_a_sum_beyond_the_type_of_its_column_is_no_smaller_number(runs: int) -> None:
    owner = np.append(np.arange(runs), runs - 1)
    made = reduce_runs(run_starts(owner), {"n": np.full(len(owner), 120, np.int8)}, {"n": np.add})
    assert made["n"].tolist() == [120] * (runs - 1) + [240]
