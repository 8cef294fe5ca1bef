"""The true expected spend agrees with plain loops over time, and with what simulated shoppers do."""

from dataclasses import replace

import numpy as np
import pytest

from ltv_features.synthetic import Campaigns, Season, Shop, Shoppers, expected_spend_minor, log
from tests.ltv_features.test_synthetic import spend_by_shopper

BUSY = Shop(
    users=20_000, days=300, seed=2, signal=0.4, mean_days_to_drop_out=60.0, refund_share=0.15, browsing=0.0,
    first_order_share=0.6, one_time_share=0.1, guest_share=0.1, campaigns=Campaigns(every_days=40),
    season=Season(yearly_swing=0.3, weekend=1.2, windows=((200, 290, 1.6),)),
)  # fmt: skip


def by_plain_loops(shop: Shop, day: float, horizon_days: float, *, net: bool, step: float = 1 / 50) -> list[float]:
    """The same expectation, moment by moment: what is bought then, and what of it comes back in the window."""
    shoppers, spent = Shoppers.of(shop, shop.numbers), []
    received = shoppers.received(shop, day + horizon_days)
    mean_life, delay = shop.mean_days_to_drop_out / shop.signal, shop.refund_delay_days
    end, campaigns = day + horizon_days, shop.campaigns
    seasons = shop.season.factors(shop.start, 0, int(np.ceil(end)))
    for n in range(shop.users):
        total = 0.0
        if shoppers.joined_day[n] < day and not shoppers.guest[n]:
            gone = shoppers.drop_out_day[n]
            moments = np.arange(0, end, step) + step / 2
            for t in moments[(moments > shoppers.joined_day[n]) & (moments < (end if gone > day else gone))]:
                factor = seasons[int(t)]
                which, start = int(t // campaigns.every_days) - 1, t // campaigns.every_days * campaigns.every_days
                if which >= 0 and t - start < campaigns.length_days:
                    sent = float(received[n, which]) if start < day else campaigns.reach
                    paid = 1 - campaigns.redeemed * campaigns.discount
                    factor *= 1 - sent + sent * (1 + campaigns.lift) * paid
                there = np.exp(-(t - day) / mean_life) if t > day else 1.0
                value = 2 * shoppers.rate[n] * shoppers.line_minor[n] * factor * there * step
                total += value if t >= day else 0.0
                earliest, latest = max(day - t, 0.0), end - t
                back = np.exp(-earliest / delay) - np.exp(-latest / delay)
                total -= shoppers.refund_chance[n] * value * back if net else 0.0
            if shoppers.first_order[n] and net:
                age = day - shoppers.joined_day[n]
                back = np.exp(-age / delay) - np.exp(-(age + horizon_days) / delay)
                total -= 2 * shoppers.line_minor[n] * shoppers.refund_chance[n] * back
        spent.append(total)
    return spent


@pytest.mark.parametrize("net", [False, True])
@pytest.mark.parametrize(("day", "horizon_days"), [(83.0, 30.0), (70.5, 20.0), (60.0, 4.0)])
def test_the_closed_form_equals_plain_loops(day: float, horizon_days: float, net: bool) -> None:
    shop = replace(BUSY, users=14, days=120, signal=1.0, season=Season(yearly_swing=0.4, weekend=2.0))
    truth = expected_spend_minor(shop, Shoppers.of(shop, shop.numbers), day, horizon_days, net=net)
    assert (truth != 0).sum() > 3
    assert truth == pytest.approx(by_plain_loops(shop, day, horizon_days, net=net), rel=2e-3, abs=2.0)


@pytest.fixture(scope="module")
def lived() -> tuple[Shoppers, dict[tuple[str, int, int], np.ndarray]]:
    """The shoppers of BUSY, and what they paid and got back in three windows."""
    events = log(BUSY)
    windows = ((180, 60), (210, 30), (122, 3))
    kinds = ("purchase", "refund")
    spend = {(kind, d, h): spend_by_shopper(events, BUSY, d, d + h, kind) for d, h in windows for kind in kinds}
    return Shoppers.of(BUSY, BUSY.numbers), spend


def surprise(error: np.ndarray) -> float:
    """How many standard deviations the sum of independent errors is from 0."""
    return float(error.sum() / np.sqrt(np.square(error).sum()))


@pytest.mark.parametrize(("day", "horizon_days"), [(180, 60), (210, 30), (122, 3)])
def test_what_shoppers_do_is_what_the_truth_expects(lived, day: int, horizon_days: int) -> None:
    shoppers, spend = lived
    known = (shoppers.joined_day < day) & ~shoppers.guest
    groups = {"alive": known & (shoppers.drop_out_day > day), "gone": known & (shoppers.drop_out_day <= day)}
    bought, back = spend["purchase", day, horizon_days], spend["refund", day, horizon_days]
    for net, happened in ((False, bought), (True, bought - back)):
        expected = expected_spend_minor(BUSY, shoppers, day, horizon_days, net=net)
        for name, group in groups.items():
            if name == "alive" or net:
                assert abs(surprise((happened - expected)[group])) < 3.5, (name, net)
    alive = expected_spend_minor(BUSY, shoppers, day, horizon_days)[groups["alive"]]
    assert alive.sum() == pytest.approx(bought[groups["alive"]].sum(), rel=0.05 if horizon_days > 10 else 0.1)


def test_the_order_of_the_truth_is_the_order_of_what_happens() -> None:
    shop = Shop(users=8_000, days=240, seed=3, browsing=0.0)
    shoppers = Shoppers.of(shop, shop.numbers)
    happened, truth = spend_by_shopper(log(shop), shop, 180, 240), expected_spend_minor(shop, shoppers, 180, 60)
    known = shoppers.joined_day < 180
    assert np.corrcoef(truth[known], happened[known])[0, 1] > 0.7


def test_strangers_guests_and_those_who_left_expect_nothing_and_one_time_buyers_only_refunds() -> None:
    shop = replace(BUSY, users=2_000)
    shoppers = Shoppers.of(shop, shop.numbers)
    gross, net = (expected_spend_minor(shop, shoppers, 100, 30, net=net) for net in (False, True))
    nobody = (shoppers.joined_day >= 100) | shoppers.guest
    left = ~nobody & (shoppers.drop_out_day <= 100)
    once = ~nobody & (shoppers.rate == 0)
    assert min(nobody.sum(), left.sum(), once.sum()) > 50
    assert not gross[nobody | left | once].any()
    assert not net[nobody].any()
    assert (net[once] < 0).all()
    assert (net[~nobody & ~left & ~once] < gross[~nobody & ~left & ~once]).all()


def test_without_signal_all_who_are_there_expect_the_same_for_ever() -> None:
    shop = Shop(users=200, days=100, seed=4, signal=0.0)
    shoppers = Shoppers.of(shop, shop.numbers)
    truth = expected_spend_minor(shop, shoppers, 90, 30)[shoppers.joined_day < 90]
    assert len(truth) == 200
    assert np.ptp(truth) < 1e-9
    assert truth[0] == pytest.approx(30 / 12 * 2 * shoppers.line_minor[0])


def test_a_thousandfold_in_money_is_a_thousandfold_in_truth_and_in_every_amount() -> None:
    shop = replace(BUSY, users=50)
    dear = replace(shop, money_factor=1000)
    truths = [expected_spend_minor(one, Shoppers.of(one, one.numbers), 200, 90, net=True) for one in (shop, dear)]
    assert truths[1] == pytest.approx(1000 * truths[0])
    cheap_log, dear_log = log(shop).to_pylist(), log(dear).to_pylist()
    changed = [row | {"amount": row["amount"] and 1000 * row["amount"]} for row in cheap_log]
    assert [(row["event_id"], row["amount"]) for row in dear_log] == [
        (row["event_id"], row["amount"]) for row in changed
    ]
