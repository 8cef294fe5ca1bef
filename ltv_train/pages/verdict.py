"""The verdict in words, and every candidate against the best baseline with its intervals."""

import math
from collections.abc import Sequence

from ltv_train import plots
from ltv_train.judging.grades import MEANINGS
from ltv_train.judging.uncertainty import SHARE, Interval, Standing
from ltv_train.money import Money
from ltv_train.pages.story import Story, interval
from ltv_train.report import Picture, Row, Section, Table, number

STANDINGS = "Candidates and baselines"
STANDINGS_NOTES = (
    "MAE judges the median column, which is made for it; Gini judges the mean column, which ranks and adds up. "
    f"Intervals hold the middle {SHARE:.0%} of draws of users with replacement, the same draws for all candidates. "
    "Candidates far behind are in the table and not in the pictures.",
)


def verdict(story: Story) -> list[Section]:
    """What a reader in a hurry must know: who serves, how good it is, and what it beats."""
    decided = story.backtest.verdict
    serves = f"{story.chosen} may serve from {story.as_of} on" if story.chosen else "Production stays as it is"
    lines = [f"{serves}. Grade {decided.grade}, held against the best baseline: {MEANINGS[decided.grade]}."]
    mine, base = story.standing(story.name), story.standing(decided.best_baseline)
    if mine is None or base is None:
        return [Section("Verdict", [*lines, "No past origin has matured, so nothing could be measured yet."])]
    origins = len(story.backtest.folds)
    lines.append(
        f"At {origins} past origin{'s' * (origins > 1)}, {story.longest_days} days ahead, {story.name} ranks customers "
        f"with a normalised Gini of {mine.gini.value:.3f} (1 is a perfect ranking, 0 is chance) and misses what a "
        f"customer spends by {story.money(mine.mae.value)} {story.money.currency} on average."
    )
    if story.name != decided.best_baseline:
        lines.append(_against(mine, base))
    return [Section("Verdict", lines + _newest(story))]


def gate(story: Story) -> list[Section]:
    """Every comparison that the gate made, in its own sentences."""
    notes = [
        "Two primaries were declared beforehand: the Gini of the mean column and the error of the median column, on "
        "the longest horizon. Bounds are one-sided, 90 %, from a bootstrap over users."
    ]
    return [Section("How the gate decided", list(story.backtest.verdict.reasons), notes=notes)]


def standings(story: Story) -> list[Section]:
    """Every candidate with its interval, and its difference to the best baseline with that one's interval."""
    told, base = story.backtest.standings, story.backtest.verdict.best_baseline
    if not told:
        return []
    lines = [
        f"The best baseline is {base}. Measured {story.longest_days} days ahead and averaged over "
        f"{len(story.backtest.folds)} past origin(s), the newest {story.backtest.folds[-1].origin}; the blend is "
        f"judged with weights that no customer's own outcome chose. In brackets: {SHARE:.0%} intervals."
    ]
    table = standings_table(told, base, story.chosen, story.money)
    figures = standings_pictures(told, base, story.chosen)
    return [Section(STANDINGS, lines, table.columns, table.rows, figures, notes=STANDINGS_NOTES)]


def standings_table(told: Sequence[Standing], base: str, chosen: str | None, money: Money, caption: str = "") -> Table:
    """Every candidate with its intervals, the best Gini first, and what it gains on `base`."""
    columns = ["candidate", "Gini", f"MAE, {money.currency}", f"Gini against {base}", "error saved"]
    return Table(caption, columns, [_row(each, base, chosen, money) for each in _ranked(told)])


def standings_pictures(told: Sequence[Standing], base: str, chosen: str | None) -> list[Picture]:
    """What each gains on `base`, with intervals, in Gini and in error; nothing where `base` stands alone."""
    others = [each for each in _ranked(told) if each.candidate != base]
    gains = {s.candidate: (s.gini_gain.value, s.gini_gain.low, s.gini_gain.high) for s in others}
    saved = {s.candidate: (s.mae_saved.value, s.mae_saved.low, s.mae_saved.high) for s in others}
    return [
        Picture(plots.standings(shown, unit=unit, chosen=chosen), caption)
        for shown, unit, caption in (
            (_near(gains), f"Gini gained on {base}", f"Ranking against {base}: right of the line is better"),
            (_near(saved), "share of error saved", f"Error of the median against {base}"),
        )
        if shown
    ]


def _ranked(told: Sequence[Standing]) -> list[Standing]:
    return sorted(told, key=lambda each: -each.gini.value if math.isfinite(each.gini.value) else 1.0)


def _near(shown: dict[str, tuple[float, float, float]]) -> dict[str, tuple[float, float, float]]:
    """Those within .1 of the best: one that is far behind would press all others into one point."""
    best = max((value for value, _, _ in shown.values() if math.isfinite(value)), default=0.0)
    return {name: each for name, each in shown.items() if each[0] > best - 0.1}


def _row(each: Standing, base: str, chosen: str | None, money: Money) -> Row:
    error = f"{money(each.mae.value)} ({money(each.mae.low)} to {money(each.mae.high)})"
    other = ["-", "-"] if each.candidate == base else [_cell(each.gini_gain, "+.4f"), _cell(each.mae_saved, "+.1%")]
    return Row([each.candidate, _cell(each.gini, ".4f"), error, *other], each.candidate == chosen)


def _cell(of: Interval, spec: str) -> str:
    return f"{number(of.value, spec)} ({interval(of, spec)})"


def _against(mine: Standing, base: Standing) -> str:
    gain, saved = mine.gini_gain, mine.mae_saved
    return (
        f"The best baseline, {base.candidate}, reaches {base.gini.value:.3f}: a difference of {gain.value:+.4f}, with "
        f"{SHARE:.0%} certainty between {interval(gain, '+.4f').replace(' to ', ' and ')}. Of its error "
        f"{mine.candidate} saves {saved.value:.1%} (between {interval(saved, '+.1%').replace(' to ', ' and ')})."
    )


def _newest(story: Story) -> list[str]:
    """What the measures of the newest origin mean for a campaign and for a budget."""
    fold = story.newest
    rows = story.measured(fold.origin, story.longest_days) if fold else []
    mine = next((row for row in rows if row.candidate == story.name), None)
    if fold is None or mine is None or not math.isfinite(mine.top_decile_capture):
        return []
    return [
        f"At the newest origin, {fold.origin}, the tenth of customers ranked first brought "
        f"{mine.top_decile_capture:.0%} of all spend, {mine.top_decile_lift:.1f} times their share. In total, "
        f"{story.name} promised {mine.total_ratio:.1%} of what was spent."
    ]
