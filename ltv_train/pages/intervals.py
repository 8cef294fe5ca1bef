"""Whether the 80 % interval of single customers held what it promises, by tier of the predicted mean."""

from collections.abc import Sequence

from ltv_features.contract import HIGH, LOW
from ltv_train.judging.evaluation import Fold
from ltv_train.metrics.intervals import Coverage, coverage_by_tier
from ltv_train.money import Money
from ltv_train.pages.story import Story
from ltv_train.report import Row, Section, Table, number

PROMISED = f"{HIGH - LOW:.0%}"
NOTES = (
    "High: the fifth of customers with the highest predicted mean; low: the two fifths with the lowest, as [score] has "
    "them by default. Inside counts spend on an end of the interval, below and above what lies beyond. An interval "
    "from 0 on has nobody below it, so that where most buy nothing more lie inside than was promised.",
)


def intervals(story: Story) -> list[Section]:
    """The newest origin, every horizon."""
    fold = story.newest
    return coverage(fold, story.name, story.backtest.horizons_days, story.money) if fold else []


def coverage(fold: Fold, name: str, horizons_days: Sequence[int], money: Money) -> list[Section]:
    """One table a horizon of `fold`, the longest first; nothing where `name` says no intervals."""
    said = fold.predictions[name]
    if not said.low.shape[1]:
        return []
    tables = [
        _table(
            f"{days} days from {fold.origin}",
            coverage_by_tier(fold.spend[:, h], said.mean[:, h], said.low[:, h], said.high[:, h]),
            money,
        )
        for h, days in reversed(list(enumerate(horizons_days)))
    ]
    lines = [f"How many customers spent what lies inside the interval that {name} gave them."]
    return [Section("Intervals: promised and kept", lines, tables=tables, notes=NOTES)]


def _table(caption: str, tiers: Sequence[Coverage], money: Money) -> Table:
    columns = ("tier", "customers", "inside", "promised", "below", "above", f"mean width, {money.currency}")
    return Table(caption, columns, [Row(_cells(each, money)) for each in tiers])


def _cells(each: Coverage, money: Money) -> list[str]:
    inside, below, above = (number(share, ".1%") for share in (each.inside, each.below, each.above))
    return [each.tier, f"{each.users:,}", inside, PROMISED, below, above, money(each.width)]
