"""What the page about a back-test tells from, and the one way in which it writes intervals."""

import math
from dataclasses import dataclass, field

from ltv_train.cards import DataCard, ModelCard
from ltv_train.judging.backtest import Backtest
from ltv_train.judging.evaluation import Fold, Measures
from ltv_train.judging.uncertainty import Interval, Standing
from ltv_train.money import Money
from ltv_train.report import number


@dataclass(frozen=True)
class Story:
    """A back-test, the candidate that the page is about, and the cards where they are known.

    `chosen` is promoted, None where production stays; then the page is about the best baseline.
    """

    backtest: Backtest
    as_of: str
    money: Money
    chosen: str | None
    data: DataCard | None = None
    model: ModelCard | None = field(default=None)

    @property
    def name(self) -> str:
        """The candidate whose calibration, residuals and decisions are shown."""
        return self.chosen or self.backtest.verdict.best_baseline

    @property
    def newest(self) -> Fold | None:
        """The latest past origin; None where none has matured."""
        return self.backtest.folds[-1] if self.backtest.folds else None

    @property
    def longest_days(self) -> int:
        """The longest horizon, which is the one that decides."""
        return self.backtest.horizons_days[-1]

    @property
    def compared(self) -> list[str]:
        """A handful of candidates to draw beside each other: that of the page, a network, a booster, baselines."""
        verdict, fold = self.backtest.verdict, self.newest
        wanted = (self.name, *self.backtest.run["networks"][:1], "boosting_e", verdict.best_baseline, "anchor")
        return [name for name in dict.fromkeys(wanted) if fold is not None and name in fold.predictions]

    def standing(self, name: str) -> Standing | None:
        """How sure the back-test is of a candidate; None without folds."""
        return next((each for each in self.backtest.standings if each.candidate == name), None)

    def measured(self, origin: str, horizon_days: int) -> list[Measures]:
        """The measures of one origin and horizon, the best Gini first."""
        rows = [m for m in self.backtest.measures if (m.origin, m.horizon_days) == (origin, horizon_days)]
        return sorted(rows, key=lambda row: -row.gini if math.isfinite(row.gini) else 1.0)


def interval(of: Interval, spec: str) -> str:
    """The two ends of an interval.

    >>> interval(Interval(0.1, -0.25, 0.5), "+.2f")
    '-0.25 to +0.50'
    """
    return f"{number(of.low, spec)} to {number(of.high, spec)}"
