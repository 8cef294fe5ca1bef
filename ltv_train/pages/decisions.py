"""Purchase and churn: are the probabilities true, and what comes of deciding by them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ltv_train import plots
from ltv_train.adjusting.calibration import CALIBRATION
from ltv_train.judging.decided import HALF, Decided
from ltv_train.judging.segments import ACTIVE_LATELY
from ltv_train.metrics.classification import Decisions
from ltv_train.pages.story import Story
from ltv_train.report import Picture, Row, Section, Table, number

_COLUMNS = (
    *("candidate", "AUC", "AUC, active lately", "Brier", "calibration gap", "best threshold"),
    *("F1 at .5", "F1 at best", "recall at best", "precision at best"),
)
_WORDS = {"purchase": ("buys", "does not"), "churn": ("is lost", "stays")}
NOTES = (
    f"Active lately: {ACTIVE_LATELY}; whoever left long ago is easily told, and flatters the AUC of all. Calibration "
    "gap: mean distance between the probability said and the share that did, over ten groups. The best threshold has "
    "the largest F1 of the rarer outcome (that of the common one would be a yes to nearly everybody); people's own "
    "outcomes in the window that is judged never chose it, though earlier windows share days with it.",
)


def purchase_and_churn(story: Story) -> list[Section]:
    """A section an event, at the newest origin."""
    made = []
    for event in dict.fromkeys(each.event for each in story.backtest.decided):
        told = [each for each in story.backtest.decided if each.event == event]
        section = decisions_section(told, story.name, story.compared)
        made.append(replace(section, lines=[*section.lines, _about_calibration(story)]))
    return made


def _about_calibration(story: Story) -> str:
    """Whether the chances of the candidate of the page are corrected, and why."""
    if CALIBRATION in story.backtest.adjustments.get(story.name, {}):
        return (
            f"The chances of {story.name} are corrected (Platt scaling): a correction learned at the origins before "
            "lowered the log loss at each of the two newest."
        )
    return (
        f"The chances of {story.name} stand as it says them: a correction (Platt scaling) is made only where it would "
        "have lowered the log loss at each of the two newest origins, and never of a plain formula's."
    )


def decisions_section(told: Sequence[Decided], name: str, compared: Sequence[str]) -> Section:
    """All candidates at the longest horizon, and `name` in detail at every horizon; `told` is of one event."""
    longest = max(each.horizon_days for each in told)
    event, mine = told[0].event, [each for each in told if each.candidate == name]
    ranked = sorted(
        (each for each in told if each.horizon_days == longest), key=lambda each: -np.nan_to_num(each.auc, nan=-1.0)
    )
    first = ranked[0]
    lines = [
        f"{longest} days from {first.origin}: of {first.users:,} customers {first.share:.1%} "
        f"{'bought' if event == 'purchase' else 'were lost'}."
    ]
    curves = {
        each.candidate: (each.reliability.predicted, each.reliability.happened)
        for each in ranked
        if each.candidate in compared
    }
    figures = [Picture(plots.reliability(curves), f"Reliability, {event} within {longest} days")]
    figures += [picture for each in mine if each.horizon_days == longest for picture in _matrices(each)]
    rows = [_row(each, each.candidate == name) for each in ranked]
    return Section(event.capitalize(), lines, _COLUMNS, rows, figures, [_detail(mine)], NOTES)


def _row(each: Decided, chosen: bool) -> Row:
    quality = [number(each.auc), number(each.auc_active), number(each.brier), number(each.reliability.gap, ".3f")]
    best = each.at_best
    decided = [
        number(value, ".3f") for value in (each.threshold, each.at_half.f1, best.f1, best.recall, best.precision)
    ]
    return Row([each.candidate, *quality, *decided], chosen)


def _matrices(each: Decided) -> list[Picture]:
    """The confusion matrices at .5 and at the best threshold."""
    yes, no = _WORDS[each.event]
    return [
        Picture(
            plots.confusion(
                [[made.true_positive, made.false_positive], [made.false_negative, made.true_negative]],
                said=(yes, no),
                happened=(yes, no),
            ),
            f"{each.candidate}, {each.horizon_days} days: {yes} from a probability of {threshold:.3g} on",
        )
        for made, threshold in ((each.at_half, HALF), (each.at_best, each.threshold))
    ]


def _detail(told: Sequence[Decided]) -> Table:
    """One candidate at every horizon and both thresholds: the matrix in numbers and what follows from it."""
    columns = ["horizon", "threshold", "chosen", "true yes", "false yes", "true no", "false no"]
    rows = [
        Row([f"{each.horizon_days} days", number(threshold, ".3f"), chosen, *_cells(made)])
        for each in told
        for made, threshold, chosen in ((each.at_half, HALF, "-"), (each.at_best, each.threshold, each.chosen))
    ]
    return Table(f"Decisions of {told[0].candidate}", [*columns, "accuracy", "precision", "recall", "F1"], rows)


def _cells(made: Decisions) -> list[str]:
    counts = (made.true_positive, made.false_positive, made.true_negative, made.false_negative)
    shares = [number(value, ".1%") for value in (made.accuracy, made.precision, made.recall)]
    return [*(f"{count:,}" for count in counts), *shares, number(made.f1, ".3f")]
