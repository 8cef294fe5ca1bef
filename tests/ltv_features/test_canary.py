"""A canary from the future stands before the door to time in every read: free, and met where the door is open."""

from datetime import timedelta

import pytest
from pyspark.errors import PythonException

from ltv_features import as_of
from ltv_features.errors import FutureLeak, said_in
from ltv_features.examples import log_facts
from ltv_features.increment import inputs_of
from ltv_features.kernel_input import kernel_events_as_of
from ltv_features.tables import Lake
from tests.night_shop import FIRST, Shop

pytestmark = pytest.mark.spark
DOORS = pytest.mark.parametrize("door", ["happened_before", "valid_before"])
NIGHT = FIRST + timedelta(2)


@pytest.fixture
def shop(lake: Lake) -> Shop:
    """A shop whose tables hold nothing of the days to come."""
    shop = Shop(lake)
    shop.events([shop.event("u1", 0.5)])
    shop.profiles([("u2", 0, "{}")])
    return shop


def leave_open(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_of, door, lambda rows, *_, **__: rows)


@DOORS
def test_states_are_not_built_through_a_door_that_stands_open(
    shop: Shop, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(door, monkeypatch)
    with pytest.raises(PythonException) as caught:
        shop.night(2)
    assert isinstance(said_in(str(caught.value)), FutureLeak)


@DOORS
def test_nor_is_a_night_added_to_an_earlier_one(shop: Shop, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.night(1)
    leave_open(door, monkeypatch)
    with pytest.raises(PythonException, match="FutureLeak"):
        shop.night(2)


@DOORS
def test_examples_are_not_made_through_it(shop: Shop, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_facts(kernel_events_as_of(shop.lake, NIGHT), NIGHT).events == 1
    leave_open(door, monkeypatch)
    with pytest.raises(FutureLeak, match="examples: 2 rows lie at or after 2026-01-03; next"):
        log_facts(kernel_events_as_of(shop.lake, NIGHT), NIGHT)


def test_a_closed_door_is_seen_while_planning_so_that_the_canary_costs_nothing(shop: Shop) -> None:
    events = kernel_events_as_of(shop.lake, NIGHT, inputs_of(shop.lake).versions)
    java = events._jdf.queryExecution()
    assert java.analyzed().toString().count("Range") == 4
    assert java.optimizedPlan().toString().count("Range") == 0
