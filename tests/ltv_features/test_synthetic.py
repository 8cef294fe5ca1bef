"""The made-up shop: repeatable, with a known truth that its own events confirm."""

import numpy as np
import pyarrow.compute as pc

from ltv_features.synthetic import make_world


def spend_by_shopper(world, start_day: float, end_day: float) -> np.ndarray:
    times = pc.subtract(world.orders["time"].cast("int64"), int(np.datetime64(world.start, "us").astype(int)))
    day = times.to_numpy() / 86_400e6
    inside = (day >= start_day) & (day < end_day)
    who = np.array([int(name[1:]) for name in world.orders["customer"].to_pylist()])
    paid = world.orders["price"].to_numpy() * world.orders["quantity"].to_numpy()
    return np.bincount(who[inside], paid[inside], minlength=len(world.shoppers.rate))


def test_the_same_seed_makes_the_same_shop_and_another_seed_another():
    one, two, other = (make_world(users=50, days=60, seed=s) for s in (1, 1, 2))
    assert one.orders.equals(two.orders)
    assert one.views.equals(two.views)
    assert not one.orders.equals(other.orders)


def test_what_happens_agrees_with_the_true_expected_spend():
    world = make_world(users=20_000, days=240, seed=3)
    truth = world.shoppers.expected_spend(180, 60)
    # only shoppers who joined before day 180: later ones are not expected by the truth either
    known = world.shoppers.joined_day <= 180
    happened = spend_by_shopper(world, 180, 240)
    assert abs(happened[known].sum() / truth[known].sum() - 1) < 0.03
    assert np.corrcoef(truth[known], happened[known])[0, 1] > 0.7


def test_without_signal_all_living_shoppers_expect_the_same():
    world = make_world(users=200, days=100, seed=4, signal=0.0)
    truth = world.shoppers.expected_spend(90, 30)
    assert len(np.unique(np.round(truth[world.shoppers.joined_day <= 90], 9))) == 1
