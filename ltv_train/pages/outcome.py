"""The page about what happened to a night's promises, once a horizon has passed."""

from collections.abc import Mapping, Sequence

from ltv_train.decided import EVENTS, decided
from ltv_train.evaluation import Fold, Measures
from ltv_train.money import Money
from ltv_train.pages.decisions import decisions_section
from ltv_train.pages.intervals import coverage
from ltv_train.pages.spend import NOTES, calibration, measures_table, ranking, residuals
from ltv_train.report import Section, number, page


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
    tables = [measures_table([row for row in rows if row.horizon_days == days], published, money) for days in horizons]
    told = (
        "Compared are the users of whom every candidate spoke: those with an order before the night. Nothing here "
        "chose or changed a model."
    )
    lead = f"What the scores of {night} promised, against what customers did."
    sections = [
        Section("Verdict", _verdict(rows, published, money)),
        Section("Candidates and baselines", [told], tables=tables, notes=NOTES),
    ]
    for days, fold in folds.items():
        sections += _in_detail(fold, days, money, published, f"{days} days from {night}")
    return page(f"Outcome of the night {night}", lead, sections, "Written by monitor.")


def _verdict(rows: Sequence[Measures], published: str, money: Money) -> list[str]:
    """The published score in words, and who was better at the longest horizon."""
    days = rows[0].horizon_days
    here = [row for row in rows if row.horizon_days == days]
    mine = next(row for row in here if row.candidate == published)
    lines = [
        f"{days} days after {mine.origin}, the {published} score ranked {mine.users:,} customers with a normalised "
        f"Gini of {number(mine.gini, '.3f')} and missed what a customer spent by {money(mine.mae)} {money.currency} on "
        f"average. The tenth ranked first brought {number(mine.top_decile_capture, '.0%')} of all spend."
    ]
    others = [row for row in here if row.candidate != published]
    for what, better in (
        ("Gini", [row for row in others if row.gini > mine.gini]),
        ("error of the median", [row for row in others if row.mae < mine.mae]),
    ):
        names = ", ".join(row.candidate for row in better)
        lines.append(f"Better in {what}: {names or 'none of the candidates'}.")
    return lines


def _in_detail(fold: Fold, days: int, money: Money, name: str, when: str) -> list[Section]:
    truth, mine = fold.spend[:, 0], fold.predictions[name]
    means = {each: said.mean[:, 0] for each, said in list(fold.predictions.items())[:5]}
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


def _named(section: Section, days: int) -> Section:
    return Section(f"{section.heading}, {days} days", *list(vars(section).values())[1:])
