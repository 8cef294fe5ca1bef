"""The worlds of recipes.md section 4 are what their names say, and their configuration reads what they deliver."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs._entry import Settings
from ltv_features.strict import load
from ltv_features.synthetic import PRESETS, Preset, Shoppers, log
from ltv_features.synthetic.delivery import log_text

WORLDS = sorted(PRESETS)


def small(name: str, users: int = 200) -> Preset:
    return PRESETS[name].resized(users)


def purchases(preset: Preset):
    return log(preset.shop).filter(pc.field("type") == "purchase")


@pytest.mark.parametrize("name", WORLDS)
def test_the_configuration_names_columns_that_are_delivered(name: str, tmp_path: Path) -> None:
    preset = small(name, 20)
    account = preset.write(tmp_path)
    settings = load(tmp_path / "shop.toml", Settings)
    assert (tmp_path / "shop.toml").read_text() == preset.configuration
    assert settings.shop.horizons_days == list(preset.horizons_days)
    for source in settings.sources.values():
        with next(Path(source.path).glob("*.csv")).open(newline="") as stream:
            rows = list(csv.reader(stream))
        if source.events:
            named = source.events.columns.model_dump()
            wanted = {*named.pop("discounts"), *(column for column in named.values() if column)}
            assert wanted == set(rows[0])
            assert len(rows) - 1 == account.rows == account.events + account.anonymous
        mapping = source.users or source.items
        if mapping:
            said = mapping.model_dump(exclude={"time_zone"}).values()
            assert {word for word in said if isinstance(word, str)} - {"always"} <= set(rows[0])


def test_every_log_goes_on_for_the_longest_horizon_after_its_night() -> None:
    for preset in PRESETS.values():
        assert preset.shop.days == preset.as_of_day + preset.horizons_days[-1]
        assert (preset.as_of - preset.shop.start).days == preset.as_of_day


def test_the_cohort_joins_in_two_weeks_and_its_history_is_as_long_as_the_horizon() -> None:
    preset = small("one_cohort")
    joined = Shoppers.of(preset.shop, preset.shop.numbers).joined_day
    assert joined.max() < 14
    assert preset.as_of_day == preset.horizons_days[-1] == 90
    assert set(purchases(preset)["customer"].to_pylist()) == set(log(preset.shop)["customer"].to_pylist()) - {None}


def test_seven_of_ten_buy_once() -> None:
    bought = purchases(small("one_time", 1_000))
    orders = bought.group_by("customer").aggregate([("order", "count_distinct")])["order_count_distinct"].to_numpy()
    assert 0.68 < (orders == 1).mean() < 0.8


def test_wholesalers_spend_a_hundred_times_as_much_as_they_would_in_the_usual_shop() -> None:
    preset, usual = small("wholesale", 1_000), small("usual", 1_000)
    many = Shoppers.of(preset.shop, preset.shop.numbers).units_factor
    assert 8 < (many == 100).sum() < 40
    assert set(many) == {1, 100}
    units, usual_units = (purchases(one)["quantity"].to_numpy() for one in (preset, usual))
    assert set(np.unique(units / usual_units)) == {1, 100}


def test_the_high_season_is_the_label_window() -> None:
    preset = PRESETS["high_season"]
    factors = preset.shop.season.factors(preset.shop.start, 0, preset.shop.days)
    assert (set(factors[: preset.as_of_day]), set(factors[preset.as_of_day :])) == ({1.0}, {1.6})


def test_amounts_times_a_thousand_change_nothing_but_amounts() -> None:
    dear, usual = (purchases(small(name, 30)).to_pylist() for name in ("thousandfold", "usual"))
    assert [row["amount"] for row in dear] == [1000 * row["amount"] for row in usual]
    assert [row["time"] for row in dear] == [row["time"] for row in usual]


def test_dates_have_no_times() -> None:
    preset = small("dates_only", 20)
    assert {len(time) for time in log_text(preset.shop, preset.form)["time"].to_pylist()} == {10}


@pytest.mark.parametrize(("name", "absent"), [("no_orders", "order"), ("no_items", "item")])
def test_what_a_world_does_not_have_is_not_delivered(name: str, absent: str, tmp_path: Path) -> None:
    preset = small(name, 20)
    preset.write(tmp_path)
    header = (tmp_path / "log" / "all.csv").read_text().splitlines()[0].split(",")
    assert (absent in header, absent in PRESETS["usual"].form.columns) == (False, True)
    assert getattr(load(tmp_path / "shop.toml", Settings).sources["log"].events.columns, absent) is None
    assert (tmp_path / "items").exists() == (absent != "item")


def test_a_quarter_of_the_rows_names_no_customer() -> None:
    customers = log(small("anonymous", 2_000).shop)["customer"]
    assert customers.null_count / len(customers) == pytest.approx(0.25, abs=0.03)
