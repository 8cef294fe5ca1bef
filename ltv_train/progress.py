"""How far a list of fits has come, as lines that read well in a plain log: fit, epoch, steps, rows a second, time left.

Pure arithmetic and words; who measures the seconds, and who prints, is decided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Pace:
    """Rows that each fit is expected to read in all its epochs, and rows read so far in how many seconds.

    A fit that stops early makes the rest shorter than foretold, never longer.
    """

    rows_by_fit: Sequence[int]
    rows: int = 0
    seconds: float = 0.0

    def note(self, rows: int, seconds: float) -> None:
        """Counts an epoch, its validation included."""
        self.rows += rows
        self.seconds += seconds

    @property
    def rows_per_second(self) -> float:
        """Over everything counted; 0 before the first epoch.

        >>> pace = Pace([1000, 1000]); pace.note(500, 2.0); pace.rows_per_second
        250.0
        """
        return self.rows / self.seconds if self.seconds else 0.0

    def seconds_left(self, fit: int, share_left: float) -> float:
        """For the rest of fit number `fit` (from 0), of which `share_left` is to come, and for all fits after it.

        >>> pace = Pace([1000, 1000]); pace.note(500, 2.0); pace.seconds_left(0, 0.5)
        6.0
        """
        rows = self.rows_by_fit[fit] * share_left + sum(self.rows_by_fit[fit + 1 :])
        return rows / self.rows_per_second if self.rows else 0.0

    def line(self, fit: int, share_left: float) -> str:
        """Speed, and time left for all fits.

        >>> pace = Pace([60_000, 60_000]); pace.note(30_000, 20.0); pace.line(0, 0.5)
        '1,500 rows/s, about 1 min left for all fits'
        """
        left = spoken(self.seconds_left(fit, share_left))
        return f"{self.rows_per_second:,.0f} rows/s, about {left} left for all fits"

    def place(self, fit: int) -> str:
        """Which of how many.

        >>> Pace([10, 10, 10]).place(1)
        'fit 2 of 3'
        """
        return f"fit {fit + 1} of {len(self.rows_by_fit)}"


def spoken(seconds: float) -> str:
    """A duration as a person says it.

    >>> [spoken(seconds) for seconds in (0.4, 59, 61, 3599, 7300)]
    ['0 s', '59 s', '1 min', '60 min', '2 h 2 min']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes <= 60 else f"{minutes // 60} h {minutes % 60} min"
