"""Named periods of the calendar: when they come next, and when they are refused."""

from datetime import date

import pytest
from pydantic import ValidationError

from ltv_features.calendar_periods import hold_mature, named_dates
from ltv_features.config import NamedPeriod
from ltv_features.errors import InputMissing

CHRISTMAS = NamedPeriod(every_year="12-01", days=31)
FAIRS = NamedPeriod(on=["2026-05-02", "2025-03-01"], days=3)
FIRST, AS_OF = date(2025, 1, 10), date(2026, 2, 1)


def test_the_next_occurrence_is_the_first_that_begins_on_the_day_or_later() -> None:
    christmas, fairs = named_dates({"fairs": FAIRS, "christmas": CHRISTMAS}, FIRST, AS_OF)
    assert (christmas.name, fairs.name) == ("christmas", "fairs")
    assert christmas.after(date(2025, 12, 1)) == (date(2025, 12, 1), date(2026, 1, 1))
    assert christmas.after(date(2025, 12, 2)) == (date(2026, 12, 1), date(2027, 1, 1))
    assert fairs.after(date(2025, 3, 1)) == (date(2025, 3, 1), date(2025, 3, 4))
    assert fairs.after(date(2026, 5, 3)) is None


def test_a_period_that_was_over_after_a_cut_off_is_learned() -> None:
    hold_mature(named_dates({"christmas": CHRISTMAS, "fairs": FAIRS}, FIRST, AS_OF), [date(2025, 3, 1)], AS_OF)


@pytest.mark.parametrize(
    ("periods", "cutoffs", "as_of", "message"),
    [
        ({"fairs": FAIRS}, [date(2025, 3, 2)], AS_OF, r"'fairs': expected .* actual past ones begin 2025-03-01"),
        ({"christmas": CHRISTMAS}, [FIRST], date(2025, 12, 31), "'christmas': expected .* begin nowhere in the log"),
        (
            {"fairs": FAIRS},
            [FIRST],
            date(2026, 6, 1),
            "'fairs': no occurrence begins within three years of 2026-06-01",
        ),
    ],
)
def test_a_period_that_cannot_be_learned_or_does_not_come_again_is_refused_with_dates(
    periods: dict[str, NamedPeriod], cutoffs: list[date], as_of: date, message: str
) -> None:
    with pytest.raises(InputMissing, match=message):
        hold_mature(named_dates(periods, FIRST, as_of), cutoffs, as_of)


@pytest.mark.parametrize("wrong", [{}, {"every_year": "02-29"}, {"every_year": "12-01", "on": ["2026-12-01"]}])
def test_a_period_is_stated_in_one_way(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NamedPeriod.model_validate({"days": 3, **wrong})
