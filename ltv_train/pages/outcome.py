"""The page about what happened to a night's promises, once a horizon has passed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ltv_train.config import BOOSTERS
from ltv_train.judging import gate, grades
from ltv_train.judging.decided import EVENTS, decided
from ltv_train.judging.evaluation import Fold, Measures
from ltv_train.judging.uncertainty import SHARE, Standing, afterwards
from ltv_train.money import Money
from ltv_train.pages.decisions import decisions_section
from ltv_train.pages.intervals import coverage
from ltv_train.pages.spend import NOTES, calibration, measures_tables, ranking, residuals
from ltv_train.pages.verdict import STANDINGS, STANDINGS_NOTES, standings_pictures, standings_table
from ltv_train.report import Section, number, page

_GRADES = "Grades: " + "; ".join(f"{letter}, {meaning}" for letter, meaning in grades.MEANINGS.items()) + "."


def outcome_page(
    rows: Sequence[Measures],
    folds: Mapping[int, Fold],
    *,
    night: str,
    currency: str,
    published: str,
) -> str:
    """What happened after a night, in currency units. `folds` hold by horizon in days, the longest first, what was said
    and what happened with the users of whom every candidate spoke; each has that one horizon.
    """
    money = Money(currency, 1)
    horizons = dict.fromkeys(row.horizon_days for row in rows)
    tables = [
        table
        for days in horizons
        for table in measures_tables([row for row in rows if row.horizon_days == days], published, money)
    ]
    sure = afterwards(folds, published)
    lead = f"What the scores of {night} promised, against what customers did."
    sections = [
        Section("Verdict", [*_verdict(rows, sure[rows[0].horizon_days], published, money), *_graded(folds, published)]),
        _candidates(sure, night, published, money),
        Section("Every measure", tables=tables, notes=NOTES),
    ]
    for days, fold in folds.items():
        sections += _in_detail(fold, days, money, published, f"{days} days from {night}")
    return page(f"Outcome of the night {night}", lead, sections, "Written by monitor.")


def _candidates(sure: Mapping[int, Sequence[Standing]], night: str, published: str, money: Money) -> Section:
    """All candidates with their intervals, at every horizon; pictures of the longest."""
    lines = [
        "Compared are the users of whom every candidate spoke: those with an order before the night, where a training "
        "was of this night. Nothing here chose or changed a model. What past origins taught about chances and "
        "intervals is in the published score alone; candidates stand as they were trained. "
        f"In brackets: {SHARE:.0%} intervals."
    ]
    tables = [
        standings_table(told, published, published, money, f"{days} days from {night}") for days, told in sure.items()
    ]
    figures = standings_pictures(next(iter(sure.values())), published, published)
    return Section(STANDINGS, lines, figures=figures, tables=tables, notes=STANDINGS_NOTES)


def _verdict(rows: Sequence[Measures], sure: Sequence[Standing], published: str, money: Money) -> list[str]:
    """The published score in words, and who was better at the longest horizon."""
    days = rows[0].horizon_days
    here = [row for row in rows if row.horizon_days == days]
    mine = next(row for row in here if row.candidate == published)
    lines = [
        f"{days} days after {mine.origin}, the {published} score ranked {mine.users:,} customers with a normalised "
        f"Gini of {number(mine.gini, '.3f')} and missed what a customer spent by {money(mine.mae)} {money.currency} on "
        f"average. The tenth ranked first brought {number(mine.top_decile_capture, '.0%')} of all spend."
    ]
    for what, gains in (
        ("Gini", {each.candidate: each.gini_gain for each in sure}),
        ("error of the median", {each.candidate: each.mae_saved for each in sure}),
    ):
        better = [name for name, gain in gains.items() if gain.value > 0]
        surely = ", ".join(name for name in better if gains[name].low > 0)
        certain = f"; with a whole interval above 0: {surely or 'none'}" if better else ""
        lines.append(f"Better in {what}: {', '.join(better) or 'none of the candidates'}{certain}.")
    return lines


def _graded(folds: Mapping[int, Fold], published: str) -> list[str]:
    """The grade of the published score against the naive rule, a sentence a horizon; none where it was no candidate."""
    told = grades.afterwards(folds, published)
    lines = [f"{days} days: grade {grade} against {naive}." for days, (grade, naive) in told.items()]
    return [*lines, _GRADES] if lines else []


def _in_detail(fold: Fold, days: int, money: Money, name: str, when: str) -> list[Section]:
    truth, mine = fold.spend[:, 0], fold.predictions[name]
    means = {each: fold.predictions[each].mean[:, 0] for each in _drawn(list(fold.predictions), name)}
    made = [
        calibration(truth, mine.mean[:, 0], money, name, when),
        ranking(truth, means, when),
        residuals(truth, mine.mean[:, 0], mine.median[:, 0], money, name, when),
        *coverage(fold, name, [days], money),
    ]
    for event in EVENTS:
        told = [decided([fold], each, [days], 0, event) for each in fold.predictions]
        made.append(decisions_section(told, name, list(means)))
    return [_named(section, days) for section in made]


def _drawn(names: Sequence[str], name: str) -> list[str]:
    """A handful to draw beside each other: that of the page, the naive rule, the anchor, a booster, what is no rule."""
    naive = [each for each in names if each.startswith("last_")]
    learned = [each for each in names if not gate.is_baseline(each) and each not in (name, *BOOSTERS)]
    wanted = dict.fromkeys([name, *naive, "anchor", BOOSTERS[-1], *learned[:1]])
    return [each for each in wanted if each in names]


def _named(section: Section, days: int) -> Section:
    return replace(section, heading=f"{section.heading}, {days} days")
