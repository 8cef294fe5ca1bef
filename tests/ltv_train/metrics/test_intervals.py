"""Coverage by tier on numbers that can be counted by hand."""

import numpy as np
import pytest

from ltv_train.metrics.intervals import coverage_by_tier


def test_ends_belong_to_the_interval_and_shares_add_up() -> None:
    spend = np.array([50.0, 5.0, 0.0, -3.0, 9.0, 10.0, 11.0, 0.0, 0.0, 4.0])
    mean = np.arange(10.0, 0.0, -1.0)
    low, high = np.array([60.0, 0, 0, 0, 9, 1, 1, 1, 0, 0]), np.array([90.0, 9, 0, 1, 9, 10, 10, 5, 0, 3])
    rows = {row.tier: row for row in coverage_by_tier(spend, mean, low, high)}
    assert {tier: row.users for tier, row in rows.items()} == {"all": 10, "high": 2, "middle": 4, "low": 4}
    said = [(row.inside, row.below, row.above) for row in rows.values()]
    assert said == [(0.6, 0.2, 0.2), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.25, 0.25, 0.5)]
    assert rows["high"].width == pytest.approx((30 + 9) / 2)


def test_users_with_equal_means_share_a_tier_and_a_tier_without_users_has_no_coverage() -> None:
    same = np.ones(10)
    rows = {row.tier: row for row in coverage_by_tier(same, same, same, same)}
    assert [rows[tier].users for tier in ("high", "middle", "low")] == [10, 0, 0]
    assert np.isnan(rows["low"].inside)
    assert np.isnan(coverage_by_tier(*(np.zeros(0),) * 4)[0].inside)
