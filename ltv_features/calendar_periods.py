"""Named periods of the calendar, such as a holiday or a promotion: when they come, and whether they can be learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ltv_features.config import NamedPeriod
from ltv_features.errors import InputMissing

AHEAD_DAYS = 3 * 366


@dataclass(frozen=True)
class NamedDates:
    """The occurrences of a named period, [first day, day after the last), oldest first."""

    name: str
    occurrences: tuple[tuple[date, date], ...]

    def after(self, day: date) -> tuple[date, date] | None:
        """The next occurrence that begins on `day` or later; None where the calendar names none."""
        return next((each for each in self.occurrences if each[0] >= day), None)


def named_dates(periods: Mapping[str, NamedPeriod], first_day: date, as_of: date) -> tuple[NamedDates, ...]:
    """The occurrences of every period from the first day of the log to three years after as_of."""
    made = []
    for name, period in sorted(periods.items()):
        begins = [
            start
            for year in range(first_day.year, as_of.year + 4)
            for start in period.begins(year)
            if first_day <= start <= as_of + timedelta(AHEAD_DAYS)
        ]
        made.append(NamedDates(name, tuple((start, start + timedelta(period.days)) for start in sorted(begins))))
    return tuple(made)


def hold_mature(named: Sequence[NamedDates], cutoffs: Sequence[date], as_of: date) -> None:
    """Nothing where each period can be learned and predicted.

    Raises InputMissing, with dates, where no occurrence lies between a training cut-off and as_of, or none follows.
    """
    problems = []
    for period in named:
        past = [str(start) for start, end in period.occurrences if end <= as_of]
        learned = any((found := period.after(day)) and found[1] <= as_of for day in cutoffs)
        if not learned:
            problems.append(
                f"named period {period.name!r}: expected an occurrence between the first training cut-off "
                f"{min(cutoffs)} and {as_of}, actual past ones begin {', '.join(past) or 'nowhere in the log'}"
            )
        if period.after(as_of) is None:
            problems.append(f"named period {period.name!r}: no occurrence begins within three years of {as_of}")
    if problems:
        raise InputMissing(
            "\n  - ".join(problems) + "; next: take it out of shop.named_periods, or wait until one is over"
        )
