"""Cut-offs, folds and sampling as functions of the log alone."""

from datetime import date, timedelta

import pytest

from ltv_features.config import ExampleSettings
from ltv_features.cutoffs import Buyers, Sampling, basket_origins, step_days, value_origins
from ltv_features.errors import InputMissing

FIRST = date(2017, 1, 1)
AS_OF = date(2017, 10, 3)


def buyers(a_day: int = 50) -> Buyers:
    """The same number of new buyers on each of the first 50 days."""
    return Buyers.of({FIRST + timedelta(days=day): a_day for day in range(50)})


def settings(**changes: object) -> ExampleSettings:
    return ExampleSettings.model_validate(changes)


def test_folds_stand_a_horizon_before_as_of_and_28_days_apart() -> None:
    days = [origin.day for origin in value_origins(AS_OF, FIRST, buyers(), settings(), 90)]
    assert days == [date(2017, 5, 10), date(2017, 6, 7), date(2017, 7, 5), AS_OF]


def test_every_origin_takes_cut_offs_of_the_one_grid_that_leave_30_days_of_exposure() -> None:
    origins = value_origins(AS_OF, FIRST, buyers(), settings(), 90)
    newest = AS_OF - timedelta(days=30)
    for origin in origins:
        assert origin.cutoffs == tuple(sorted(origin.cutoffs))
        assert all((newest - day).days % 7 == 0 for day in origin.cutoffs)
        assert origin.cutoffs[-1] + timedelta(days=30) <= origin.day < origin.cutoffs[-1] + timedelta(days=37)
    assert len(origins[-1].cutoffs) == 26


def test_the_first_cut_off_waits_for_15_percent_of_the_span_and_for_200_buyers() -> None:
    span = value_origins(AS_OF, FIRST, buyers(1000), settings(max_cutoffs=26), 90)[0]
    assert span.cutoffs[0] >= FIRST + timedelta(days=28)
    few = value_origins(AS_OF, FIRST, buyers(5), settings(), 90)[0]
    assert buyers(5).before(few.cutoffs[0]) >= 200
    assert buyers(5).before(few.cutoffs[0] - timedelta(days=7)) < 200


def test_an_origin_is_what_it_would_be_if_it_were_as_of() -> None:
    fold = value_origins(AS_OF, FIRST, buyers(), settings(folds=1), 90)[0]
    longest_ago = fold.day - FIRST
    assert fold.cutoffs[0] >= FIRST + timedelta(days=longest_ago.days * 0.15)
    assert all(day + timedelta(days=30) <= fold.day for day in fold.cutoffs)


def test_a_log_too_short_for_a_fold_still_has_cut_offs_at_as_of() -> None:
    origins = value_origins(FIRST + timedelta(days=80), FIRST, buyers(), settings(), 90)
    assert [origin.day for origin in origins] == [FIRST + timedelta(days=80)]
    assert origins[0].cutoffs[-1] == FIRST + timedelta(days=50)


def test_a_small_shop_makes_do_with_any_buyer_before_the_cut_off() -> None:
    few = Buyers.of({FIRST: 3})
    origins = value_origins(AS_OF, FIRST, few, settings(), 90)
    assert len(origins) == 1
    assert len(origins[0].cutoffs) == 26


def test_a_log_without_30_days_of_future_is_refused_with_its_dates() -> None:
    with pytest.raises(InputMissing, match=r"as of 2017-01-20.*first event is of 2017-01-01"):
        value_origins(date(2017, 1, 20), FIRST, buyers(), settings(), 90)


def test_the_basket_set_has_a_back_test_30_days_before_as_of() -> None:
    origins = basket_origins(AS_OF, FIRST, buyers(), settings())
    assert [origin.day for origin in origins] == [AS_OF - timedelta(days=30), AS_OF]
    assert origins[1].cutoffs == tuple(AS_OF - timedelta(days=back) for back in (112, 84, 56, 42, 28, 14))


def test_larger_shops_take_fewer_cut_offs_and_two_examples_a_user() -> None:
    assert [step_days(settings(), users) for users in (49_999, 50_000, 500_000)] == [7, 14, 28]
    assert step_days(settings(every_days=3), 500_000) == 3
    assert Sampling.of(settings(), 49_999) == Sampling(None, 200_000)
    assert Sampling.of(settings(), 50_000) == Sampling(2, 2_000_000)
    assert Sampling.of(settings(max_examples=7), 10) == Sampling(None, 7)
