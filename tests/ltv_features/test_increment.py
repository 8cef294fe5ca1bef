"""A night on top of an earlier one is, bit for bit, what building it from all events would be."""

import logging
import os

import pytest
from pyspark.sql import SparkSession

from ltv_features.contract import EVENTS, USERS
from ltv_features.increment import inputs_of
from ltv_features.kept import STATES
from ltv_features.tables import Lake
from tests.night_shop import ITEMS_THERE, USERS_THERE, Shop, commits

pytestmark = pytest.mark.spark

NIGHTS = int(os.environ.get("LTV_TEST_NIGHTS", "5"))
"""How many; each takes seconds, so the suite draws few."""


@pytest.fixture(scope="module")
def young(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop in which everybody bought once, and the first night; made once, every test has a copy."""
    shop = Shop(Lake(spark, str(tmp_path_factory.mktemp("young") / "lake")))
    shop.events([shop.event(user, 0.5) for user in USERS_THERE])
    shop.night(1)
    return shop


@pytest.fixture
def shop(young: Shop, lake: Lake) -> Shop:
    return young.copied(lake)


@pytest.mark.slow
def test_a_night_is_merged_on_top_of_the_one_before_and_late_rows_come_in(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ltv.build_features")
    shop.events([shop.event("u1", 1.5), shop.event("u1", 0.1), shop.event("u2", 0.3), shop.event("u3", 2.0)])
    shop.night(2)  # the last one lies ahead
    assert "2 events of before 2026-01-02 arrived since" in caplog.text
    shop.hold(2)
    assert commits(shop.lake, STATES.table.name)[-1] == "MERGE"
    shop.night(3)  # nothing new arrived, yet what lay ahead has come
    shop.hold(3)


@pytest.mark.slow
def test_random_nights_equal_rebuilds(shop: Shop) -> None:
    for night in range(2, 2 + NIGHTS):
        shop.events(shop.some_events(night))
        if shop.draw.random() < 0.3:
            shop.profiles([(shop.draw.choice(USERS_THERE), shop.draw.randint(0, night + 2), f'{{"n": {night}}}')])
        if shop.draw.random() < 0.5:
            visitor = f"v{shop.draw.randint(1, 4)}"
            shop.events([shop.visit(visitor, night - 0.5), shop.visit(visitor, night - 2.5, "purchase")])
        if night % 2 == 0:
            shop.links([(f"v{night // 2}", shop.draw.choice(USERS_THERE), night - shop.draw.choice([0.5, 1.5, -1.0]))])
        if shop.draw.random() < 0.1:
            shop.items({shop.draw.choice(ITEMS_THERE): night})
        shop.night(night)
        if night % 6 == 0 or night == 1 + NIGHTS:  # what goes wrong in a night stays wrong in those on top of it
            shop.hold(night)
    assert "MERGE" in commits(shop.lake, STATES.table.name)


@pytest.mark.slow
def test_users_whose_past_changed_are_made_anew(shop: Shop) -> None:
    shop.events([shop.event("u5", 0.7, item_id="i1"), shop.event("u6", 0.8, item_id="i2")])
    shop.profiles([("u3", 0, '{"town": "Ulm"}')])
    shop.night(2)
    shop.erase(EVENTS, "user_id IN ('u5', 'u7')")
    shop.items({"i2": 9})
    shop.profiles([("u8", 0, '{"a": 1}'), ("u9", 0, '{"b": 1}')])
    shop.night(3)
    left = {row.user_id for row in shop.lake.read(STATES.table.name).collect()}
    assert left == set(USERS_THERE) - {"u5", "u7"}
    shop.profiles([("u8", 0, '{"a": 0}')])  # a smaller text, which a merge of profiles alone would pass over
    shop.night(4)
    shop.hold(4)  # what went wrong in the night below would still be wrong
    assert commits(shop.lake, STATES.table.name)[-1] == "MERGE"
    moved = f"UPDATE delta.`{shop.lake.path(USERS.name)}` SET valid_from = '2026-05-01' WHERE user_id = 'u3'"
    shop.lake.spark.sql(moved)  # into the future: it is none of the past any more
    shop.night(5)
    shop.hold(5)


@pytest.mark.slow
def test_what_is_erased_reaches_the_states_whoever_it_was_of(shop: Shop) -> None:
    shop.events([shop.visit("v", 0.2), shop.visit("w", 0.3), shop.visit("x", 0.4)])
    shop.links([("v", "u1", 0.6), ("w", "u2", 1.4)])  # one is told before the night, one after it, one never
    shop.profiles([("u3", 0, '{"town": "Ulm"}'), ("u4", 0, '{"town": "Bonn"}'), ("u5", 0, '{"town": "Hof"}')])
    shop.events([shop.event("u6", 0.7)])
    shop.erase(EVENTS, "user_id IN ('u5', 'u7')")  # of one a profile stays, of one nothing
    shop.night(2)
    shop.erase(EVENTS, "visitor_id IN ('v', 'w', 'x') OR user_id = 'u4'")
    shop.erase(USERS, "user_id IN ('u3', 'u5')")
    shop.night(3)
    shop.hold(3)
    left = {row.user_id: row for row in shop.lake.read(STATES.table.name).collect()}
    assert set(left) == set(USERS_THERE) - {"u5", "u7"}
    assert [left[user].profile for user in ("u3", "u4")] == ["", '{"town": "Bonn"}']
    assert sum(len(left[user].types) for user in ("u1", "u2")) == 2  # the purchases alone


@pytest.mark.slow
def test_an_earlier_night_is_made_from_the_one_before_it_and_the_next_goes_on_from_the_right_one(shop: Shop) -> None:
    for night in (4, 3, 5):
        shop.events([shop.event("u1", night - 0.5), shop.event("u2", night - 1.5)])
        shop.night(night)
    shop.hold(3)
    shop.events([shop.event("u4", 1.0)])
    shop.night(5)  # the same night again, with a late row
    shop.hold(5)


def test_a_table_made_by_other_tables_is_built_anew(shop: Shop, lake: Lake) -> None:
    inputs = inputs_of(lake)
    noted = inputs.noted()
    assert inputs.follow(noted)
    assert not inputs.follow(noted | {"schema_version": 0})
    assert not inputs.follow({**noted, "tables": noted["tables"] | {"events": ["another id", 0]}})
    assert not inputs.follow({**noted, "tables": noted["tables"] | {"events": [noted["tables"]["events"][0], 99]}})
    assert not inputs.follow(None)
