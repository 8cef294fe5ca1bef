"""Answers in shards: what happened after a cut-off, up to each origin, by period, by named period, and next basket."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltv_features import baskets, labels
from ltv_features.arrow import arrow_schema
from ltv_features.calendar_periods import NamedDates
from ltv_features.contract import KERNEL_EVENTS
from ltv_train import data
from tests.example_world import AS_OF, DAY0, PERIODS, by_user, event, kernel_events, plan, us, write


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, data.Manifest]:
    return write(tmp_path_factory.mktemp("value"), plan(), by_user(kernel_events(), 3))


def test_labels_of_a_shared_cut_off_end_at_each_origin(sets: dict[str, data.Manifest]) -> None:
    for origin, manifest in sets.items():
        until = (date.fromisoformat(origin) - DAY0).days
        arrays = data.read_all(manifest, "train")
        own = arrays.cutoff_no == 0
        expected = labels.labels(
            kernel_events(),
            user_keys=arrays.examples.user_key[own],
            cutoff_us=us(28, 0),
            periods_days=PERIODS,
            observed_until_us=us(until, 0),
        )
        for name, values in expected.items():
            np.testing.assert_array_equal(arrays.labels[name][own], values)
        assert arrays.labels["exposure"][own][0, 1] == pytest.approx(min(1.0, (until - 58) / 30))


def test_outcomes_of_the_fold_lie_in_the_set_of_as_of_alone(sets: dict[str, data.Manifest]) -> None:
    fold, as_of = sets
    outcomes = pq.read_table(f"{sets[as_of].folder}/outcomes.parquet")
    assert not Path(sets[fold].folder, "outcomes.parquet").exists()
    assert set(outcomes["origin"].to_pylist()) == {fold}
    expected = labels.labels(
        kernel_events(),
        user_keys=outcomes["user_key"].to_numpy(),
        cutoff_us=us(60, 0),
        periods_days=PERIODS,
        observed_until_us=us(100, 0),
    )
    assert outcomes["label_spend_minor"].to_pylist() == expected["spend_minor"].tolist()


def test_users_who_never_bought_are_summed_up_not_trained_on(sets: dict[str, data.Manifest]) -> None:
    """User 40 only looks until day 80, so at the cut-offs of day 28 and day 70; then spends 4,000 in either window."""
    never = sets[AS_OF.isoformat()].never_bought
    assert never == {"users": 2, "spend_minor": [4000, 4000], "purchased": [1, 1], "active": [1, 1], "exposure": [2, 1]}


def test_the_next_basket_is_the_first_order_in_the_window() -> None:
    rows = [
        event(1, us(9), "purchase", order=1, item=4),
        event(1, us(11), "purchase", order=2, item=9),
        event(1, us(11), "purchase", order=2, item=3),
        event(1, us(11), "purchase", order=2, item=9),
        event(1, us(12), "purchase", order=3, item=5),
        event(2, us(12), "view", item=8),
        event(3, us(12), "purchase", order=4),
        event(5, us(40), "purchase", order=6, item=2),
    ]
    rows += [event(4, us(13), "purchase", order=5, item=item) for item in range(1, 71)]
    events = pa.Table.from_pylist(rows, schema=arrow_schema(KERNEL_EVENTS))
    items, sizes = baskets.next_baskets(events, np.array([4, 3, 2, 1, 99, 5]), cutoff_us=us(10), until_us=us(40))
    assert sizes.tolist() == [70, 0, 0, 2, 0, 0]
    assert items[3, :3].tolist() == [3, 9, 0]
    assert items[0].tolist() == list(range(1, 65))


def test_basket_examples_have_a_target_and_the_slice_has_none(tmp_path: Path) -> None:
    sets = write(tmp_path, plan("basket"), by_user(kernel_events(), 2))
    train = data.read_all(sets[AS_OF.isoformat()], "train")
    assert (train.labels["target_size"] > 0).all()
    assert (train.labels["target_item_no"][:, 0] == train.examples.user_key).all()
    assert not data.read_all(sets[AS_OF.isoformat()], "slice").labels["target_size"].any()


def test_named_periods_and_the_next_purchase_travel_with_the_examples(tmp_path: Path) -> None:
    """The fair of day 75 is over for the cut-offs of days 28 and 70 at as_of, not for the fold at day 60."""
    fair = (DAY0 + timedelta(days=75), DAY0 + timedelta(days=85))
    later = (DAY0 + timedelta(days=120), DAY0 + timedelta(days=130))
    made = write(tmp_path, plan(named=(NamedDates("fair", (fair, later)),)), by_user(kernel_events(), 3))
    fold, newest = made.values()
    assert data.read_all(fold, "train").labels["named_mask"].sum() == 0
    arrays = data.read_all(newest, "train")
    assert arrays.labels["named_mask"].tolist() == [[1.0]] * len(arrays.examples)
    window = (us(75, 0), us(85, 0))
    keys = arrays.examples.user_key
    expected = labels.named_labels(
        kernel_events(), user_keys=np.unique(keys), windows_us=[window], observed_until_us=us(100, 0)
    )
    spend = dict(zip(np.unique(keys).tolist(), expected["named_spend_minor"][:, 0].tolist(), strict=True))
    assert arrays.labels["named_spend_minor"][:, 0].tolist() == [spend[key] for key in keys.tolist()]
    seen = arrays.labels["next_purchase_seen"][:, 0] > 0
    assert seen.any()
    assert (arrays.labels["next_order_minor"][:, 0] > 0).tolist() == seen.tolist()
