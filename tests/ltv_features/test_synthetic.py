"""The made-up shop: repeatable in any company, alive in all its habits, with orders that its settings explain."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ltv_features.contract import EVENT_TYPES
from ltv_features.synthetic import Campaigns, Catalogue, Season, Shop, Shoppers, customers, log, make_world
from ltv_features.synthetic.draws import Draws
from ltv_features.synthetic.names import money

LIVELY = Shop(
    users=300, days=200, seed=3, refund_share=0.2, review_share=0.3, anonymous_visits=2.0, guest_share=0.1,
    campaigns=Campaigns(every_days=30), season=Season(weekend=1.5),
)  # fmt: skip


@pytest.fixture(scope="module")
def events() -> pa.Table:
    """The log of LIVELY."""
    return log(LIVELY)


def rows(events: pa.Table, *types: str) -> list[dict]:
    return events.filter(pc.is_in(events["type"], pa.array(types))).to_pylist()


def test_a_shopper_has_the_same_rows_alone_in_another_order_and_among_all(events: pa.Table) -> None:
    alone = log(LIVELY, np.array([77]))
    among = events.filter(pc.starts_with(events["event_id"], "e77-"))
    assert len(alone) > 10
    assert alone.equals(among)
    halves = [log(LIVELY, LIVELY.numbers[150:]), log(LIVELY, LIVELY.numbers[:150])]
    by_id = [("event_id", "ascending")]
    assert pa.concat_tables(halves).sort_by(by_id).equals(events.sort_by(by_id))
    assert len(pc.unique(events["event_id"])) == len(events)


def test_another_seed_is_another_shop(events: pa.Table) -> None:
    assert not log(replace(LIVELY, seed=4)).equals(events)


def test_all_eleven_event_types_happen_within_the_days_of_the_shop(events: pa.Table) -> None:
    assert set(events["type"].to_pylist()) == set(EVENT_TYPES)
    first, last = pc.min_max(events["time"]).as_py().values()
    assert (first.date() >= LIVELY.start, (last.date() - LIVELY.start).days) == (True, LIVELY.days - 1)


def test_what_has_no_meaning_for_a_type_is_null(events: pa.Table) -> None:
    given = {
        name: set(events.filter(pc.is_valid(events[name]))["type"].to_pylist())
        for name in ("order", "amount", "currency", "item", "rating", "dwell", "campaign")
    }
    money_types, promotions = {"purchase", "refund"}, {"promotion_received", "promotion_redeemed"}
    assert given["order"] == given["amount"] == given["currency"] == money_types
    assert given["item"] == money_types | {"view", "click", "add_to_cart", "review"}
    assert (given["rating"], given["dwell"], given["campaign"]) == ({"review"}, {"view"}, promotions)
    assert set(pc.drop_null(events["rating"]).to_pylist()) <= {1, 2, 3, 4, 5}


def test_a_refund_follows_a_line_of_its_order_and_gives_back_what_was_paid(events: pa.Table) -> None:
    bought = {
        (row["order"], row["item"], row["quantity"], row["amount"]): row["time"] for row in rows(events, "purchase")
    }
    back = rows(events, "refund")
    assert len(back) > 100
    for row in back:
        assert bought[row["order"], row["item"], row["quantity"], row["amount"]] <= row["time"]


def test_only_who_was_sent_a_campaign_redeems_it_and_pays_less(events: pa.Table) -> None:
    sent = {(row["customer"], row["campaign"]): row["time"] for row in rows(events, "promotion_received")}
    used = rows(events, "promotion_redeemed")
    assert len(used) > 20
    for row in used:
        assert 0 <= (row["time"] - sent[row["customer"], row["campaign"]]).days < LIVELY.campaigns.length_days
    reduced = [row for row in rows(events, "purchase") if row["discount"]]
    assert {(row["customer"], row["time"]) for row in reduced} == {(row["customer"], row["time"]) for row in used}
    for row in reduced:
        assert float(row["discount"] / (row["amount"] + row["discount"])) == pytest.approx(0.2, abs=0.02)


def test_nobody_is_named_before_signing_up_and_guests_never(events: pa.Table) -> None:
    shoppers = Shoppers.of(LIVELY, LIVELY.numbers)
    joined = {row["customer"]: row["time"] for row in rows(events, "signup")}
    named = events.filter(pc.is_valid(events["customer"])).select(["customer", "time"]).to_pylist()
    assert all(joined[row["customer"]] <= row["time"] for row in named)
    nameless = events.filter(pc.is_null(events["customer"]))
    who = {int(name[1:].split("-")[0]) for name in nameless["event_id"].to_pylist()}
    guests = set(np.flatnonzero(shoppers.guest).tolist())
    assert guests & who
    assert who - guests
    assert not {f"c{number:05d}" for number in guests} & set(joined)
    assert set(nameless["type"].to_pylist()) == {
        "view", "search", "click", "add_to_cart", "purchase", "refund", "review",
    }  # fmt: skip


def test_carts_are_filled_before_orders_and_some_are_left(events: pa.Table) -> None:
    carts = Counter(row["type"] for row in rows(events, "add_to_cart", "purchase"))
    assert carts["add_to_cart"] > 1.02 * carts["purchase"]


def test_orders_rise_with_a_season_by_its_factor() -> None:
    shop = Shop(users=4_000, days=90, signal=0.0, early_days=1.0, early_share=1.0, browsing=0.0)
    high = replace(shop, season=Season(windows=((60, 90, 1.6),)))
    counts = []
    for one in (shop, high):
        bought = log(one).filter(pc.field("type") == "purchase")
        day = bought["time"].cast("int64").to_numpy() / 86_400e6 - one.seconds(0) / 86_400
        counts.append(np.histogram(day, [2, 60, 90])[0])
    before, after = counts[1] / counts[0]
    assert (before, after) == (pytest.approx(1.0, abs=0.03), pytest.approx(1.6, abs=0.05))


def test_season_factors_know_weekends_the_peak_of_the_year_and_windows() -> None:
    assert Season(weekend=3.0).factors(date(2025, 1, 1), 0, 7).tolist() == [1, 1, 1, 3, 3, 1, 1]  # from a Wednesday
    wave = Season(yearly_swing=0.5, peak_day_of_year=100).factors(date(2025, 1, 1), 0, 365)
    assert (wave.argmax(), wave.max(), wave.min()) == (99, 1.5, pytest.approx(0.5, abs=1e-3))
    window = Season(windows=((2, 4, 2.0),)).factors(date(2025, 1, 1), 1, 5)
    assert window.tolist() == [1, 2, 2, 1]


def test_campaigns_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="every_days 5, actual 7"):
        Campaigns(every_days=5, length_days=7)


@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_the_signal_decides_whether_the_past_says_something_of_the_future(signal: float) -> None:
    shop = Shop(users=2_000, days=240, seed=6, signal=signal, early_days=1.0, early_share=1.0, browsing=0.0)
    halves = [spend_by_shopper(log(shop), shop, *days) for days in ((2, 120), (120, 240))]
    correlation = np.corrcoef(*[half.argsort().argsort() for half in halves])[0, 1]
    assert correlation > 0.4 if signal else abs(correlation) < 0.06


def test_items_are_taken_as_often_as_their_true_chances_say() -> None:
    shop = Shop(users=2_000, days=120, signal=1.0, items=30, browsing=0.0)
    lines = log(shop).filter(pc.field("type") == "purchase")
    who = pc.utf8_slice_codeunits(lines["customer"], 1).cast(pa.int64()).to_numpy()
    item = pc.utf8_slice_codeunits(lines["item"], 1).cast(pa.int64()).to_numpy()
    chances = Catalogue.of(shop).item_chances(shop, Shoppers.of(shop, shop.numbers).favourites)
    assert chances.sum(axis=1) == pytest.approx(1.0)
    expected, taken = chances[who].sum(axis=0), np.bincount(item, minlength=shop.items)
    assert np.abs((taken - expected) / np.sqrt(expected)).max() < 4


def test_profiles_begin_at_sign_up_and_some_join_the_club_later(events: pa.Table) -> None:
    joined = {row["customer"]: row["time"] for row in rows(events, "signup")}
    profiles = customers(LIVELY).to_pylist()
    assert {row["customer"]: row["since"] for row in profiles if not row["club"]} == joined
    later = [row for row in profiles if row["club"] == "gold"]
    assert later
    assert all(row["since"] > joined[row["customer"]] for row in later)


@pytest.mark.parametrize("mean", [0.2, 5.0, 90.0])
def test_poisson_draws_have_their_mean_and_variance(mean: float) -> None:
    drawn = Draws(1).poisson("x", np.arange(40_000), np.full(40_000, mean))
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 40_000))
    assert drawn.var() == pytest.approx(mean, rel=0.05)


def test_draws_of_other_seeds_uses_owners_and_places_have_nothing_in_common() -> None:
    n = np.arange(20_000)
    one = Draws(1).uniform("x", n)
    assert np.array_equal(one[5:7], Draws(1).uniform("x", n[5:7]))
    others = (Draws(2).uniform("x", n), Draws(1).uniform("y", n), Draws(1).uniform("x", n, 1), np.roll(one, 1))
    for other in others:
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert (one.mean(), one.var()) == (pytest.approx(0.5, abs=0.01), pytest.approx(1 / 12, abs=0.003))
    assert Draws(1).normal("x", n).std() == pytest.approx(1.0, abs=0.02)


def test_amounts_are_exact_to_the_cent() -> None:
    assert [str(value) for value in money(np.array([0, 5, 1290, 10**15])).to_pylist()] == [
        "0.00", "0.05", "12.90", "10000000000000.00",
    ]  # fmt: skip


def test_order_lines_and_views_of_the_small_world_name_customers_and_agree_with_the_log() -> None:
    world = make_world(users=50, days=60, seed=1)
    assert world.orders.equals(make_world(users=50, days=60, seed=1).orders)
    assert world.orders.column_names == ["customer", "time", "order", "item", "quantity", "price"]
    assert world.orders["customer"].null_count == world.views["customer"].null_count == 0
    assert all(re.fullmatch(r"\d+\.\d{1,2}", str(price)) for price in world.orders["price"].to_pylist())
    paid = pc.sum(pc.multiply(world.orders["price"], world.orders["quantity"].cast("double"))).as_py()
    bought = log(world.shop).filter(pc.field("type") == "purchase")
    assert paid == pytest.approx(float(pc.sum(bought["amount"]).as_py()))


def spend_by_shopper(
    events: pa.Table, shop: Shop, first_day: float, last_day: float, kind: str = "purchase"
) -> np.ndarray:
    """What the named shoppers paid (or got back) in [first, last) days, [users] minor units."""
    told = events.filter((pc.field("type") == kind) & pc.field("customer").is_valid())
    day = told["time"].cast("int64").to_numpy() / 86_400e6 - shop.seconds(0) / 86_400
    who = pc.utf8_slice_codeunits(told["customer"], 1).cast(pa.int64()).to_numpy()
    minor = np.rint(100 * told["amount"].cast(pa.float64()).to_numpy())
    inside = (day >= first_day) & (day < last_day)
    return np.bincount(who[inside], minor[inside], minlength=shop.users)
