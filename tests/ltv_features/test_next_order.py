"""When the next order comes, against a plain walk through the hazards."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltv_features.next_order import median_days

STEP = 1 / 64


def walked(chances: list[float], horizons: list[int]) -> float:
    """The day on which the chance to be without an order falls to one half, found in steps of a 64th of a day."""
    stay, day, begin, before = 1.0, 0.0, 0, 1.0
    for chance, end in zip(chances, horizons, strict=True):
        rate = math.log(before / max(1 - chance, 1e-12)) / (end - begin)
        for _ in range(round((end - begin) / STEP)):
            if stay <= 0.5:
                return day
            stay *= math.exp(-rate * STEP)
            day += STEP
        begin, before = end, max(1 - chance, 1e-12)
    return day if stay <= 0.5 else math.nan


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted))
def test_the_median_is_where_a_walk_through_the_hazards_finds_it(chances: list[float]) -> None:
    horizons = [7, 30, 90]
    said = float(median_days(np.array([chances]), horizons)[0])
    found = walked(chances, horizons)
    if abs(chances[-1] - 0.5) > 1e-6:
        assert math.isnan(said) == math.isnan(found)
        assert math.isnan(said) or said == pytest.approx(found, abs=2 * STEP)


def test_it_comes_at_once_where_it_is_certain_and_never_where_it_is_unlikely() -> None:
    days = median_days(np.array([[1.0, 1.0], [0.2, 0.49], [0.5, 0.5]]), [30, 90])
    assert days[0] < 1
    assert np.isnan(days[1])
    assert days[2] == 30.0
    assert len(median_days(np.zeros((0, 2)), [30, 90])) == 0
