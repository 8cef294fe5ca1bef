"""RFM cells: fifths that keep equal values together, and means of small cells drawn to larger ones."""

import numpy as np

from ltv_train.classical.rfm_cells import FIFTHS, PRIOR, fit_edges, fit_means, lookup, places


def test_fifths_hold_equally_many_and_never_tear_equal_values_apart() -> None:
    recency = np.arange(100.0)
    orders = np.repeat([1.0, 2.0], 50)
    rfm = np.stack([recency, orders, np.ones(100)], axis=1)
    cell = places(rfm, fit_edges(rfm))
    assert np.bincount(cell // FIFTHS**2).tolist() == [20] * 5
    assert len(np.unique(cell // FIFTHS % FIFTHS)) == 2
    assert set(cell % FIFTHS) == {0}


def test_a_large_cell_says_its_own_mean_and_a_small_one_that_of_its_neighbours() -> None:
    rfm = np.concatenate([np.tile([1.0, 1.0, 1.0], (10_000, 1)), np.tile([9.0, 1.0, 1.0], (2, 1))])
    spend = np.concatenate([np.full(10_000, 10.0), np.full(2, 1_000.0)])
    fitted = fit_means(rfm, spend, [[5.0], [5.0], [5.0]])
    many, few = lookup(fitted, np.array([[1.0, 1.0, 1.0], [9.0, 1.0, 1.0]]))
    assert abs(many - 10.0) < 0.01
    assert abs(few - (2 * 1_000 + PRIOR * spend.mean()) / (2 + PRIOR)) < 0.1


def test_a_cell_that_training_never_saw_says_the_mean_around_it() -> None:
    rfm = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 9.0]])
    fitted = fit_means(rfm, np.array([4.0, 8.0]), [[5.0], [5.0], [5.0]])
    never_seen = lookup(fitted, np.array([[9.0, 9.0, 9.0]]))
    assert never_seen.tolist() == [6.0]
