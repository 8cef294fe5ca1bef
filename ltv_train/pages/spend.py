"""Promised spend against what was spent: calibration, gain and lift, and how far single customers were off."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ltv_train import plots
from ltv_train.judging.evaluation import Measures
from ltv_train.metrics.deciles import deciles, residual_quantiles
from ltv_train.metrics.value import gain_curve, mae
from ltv_train.money import Money
from ltv_train.pages.story import Story
from ltv_train.report import Picture, Row, Section, Table, number

Floats = npt.NDArray[np.float64]
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
_RANKS = ("candidate", "Gini", "Spearman", "top decile", "lift", "AUC purchase", "AUC churn")
_ERRORS = ("candidate", "MAE (median)", "RMSE", "MSE", "bias", "total", "calibration error")


def spend(story: Story) -> list[Section]:
    """The newest origin, longest horizon."""
    fold = story.newest
    if fold is None:
        return []
    truth, mine = fold.spend[:, -1], fold.predictions[story.name]
    means = {name: fold.predictions[name].mean[:, -1] for name in story.compared}
    when = f"{story.longest_days} days from {fold.origin}"
    return [
        calibration(truth, mine.mean[:, -1], story.money, story.name, when),
        ranking(truth, means, when),
        residuals(truth, mine.mean[:, -1], mine.median[:, -1], story.money, story.name, when),
    ]


def calibration(truth: Floats, said: Floats, money: Money, name: str, when: str) -> Section:
    """By decile of the prediction: promised and spent."""
    tenths = deciles(truth, said)
    total = truth.sum()
    lines = [
        f"{name}, {when}. Customers in ten groups by what was promised. On average a group was off by "
        f"{number(tenths.error, '.1%')} of what a customer spends."
    ]
    rows = [
        Row(
            [str(k + 1), f"{n:,}", money(p), money(h), money(p - h, "+,.2f"), number(lift, ".2f"), number(share, ".1%")]
        )
        for k, (n, p, h, lift, share) in enumerate(
            zip(
                tenths.users.tolist(),
                tenths.predicted.tolist(),
                tenths.happened.tolist(),
                tenths.lift.tolist(),
                (tenths.users * tenths.happened / total if total else np.full(10, np.nan)).tolist(),
                strict=True,
            )
        )
    ]
    unit = money.currency
    columns = ("decile", "customers", f"promised, {unit}", f"spent, {unit}", "difference", "lift", "share of spend")
    per = money.minor_per_unit
    picture = Picture(plots.calibration(tenths.predicted / per, tenths.happened / per, unit=unit), f"Means, {name}")
    notes = ["Lift: mean spend of the group over the mean spend of all. Decile 1 is promised most."]
    return Section("Calibration", lines, columns, rows, [picture], notes=notes)


def ranking(truth: Floats, means: Mapping[str, Floats], when: str) -> Section:
    """Gain and lift of several candidates."""
    gains = {name: gain_curve(truth, said) for name, said in means.items()}
    lifts = {name: deciles(truth, said).lift for name, said in means.items()}
    figures = [
        Picture(plots.gain_curve(gains), "Gain: spend caught by the customers ranked first"),
        Picture(plots.lifts(lifts), "Lift by decile"),
    ]
    return Section("Ranking: gain and lift", [f"{when}; steeper at the left is better."], figures=figures)


def residuals(truth: Floats, mean: Floats, median: Floats, money: Money, name: str, when: str) -> Section:
    """How far single customers were from the promise."""
    spread = residual_quantiles(truth, mean, SHARES)
    rows = [Row([str(k + 1), *(money(v, "+,.2f") for v in each)]) for k, each in enumerate(spread.tolist())]
    columns = ("decile", *(f"{share:.0%}" for share in SHARES))
    per = money.minor_per_unit
    lines = [
        f"What a customer spent less what {name} promised in the mean column, {when}, in {money.currency}. The median "
        f"column is off by {money(mae(truth, median))} on average, the mean column by {money(mae(truth, mean))}."
    ]
    picture = Picture(plots.residuals(spread / per, unit=money.currency), "Residuals by decile of the promise")
    return Section("Residuals by decile", lines, columns, rows, [picture])


def every_measure(story: Story) -> list[Section]:
    """All candidates at every origin and horizon."""
    if not story.backtest.folds:
        return []
    tables = [
        table
        for fold in reversed(story.backtest.folds)
        for days in reversed(story.backtest.horizons_days)
        for table in measures_tables(story.measured(fold.origin, days), story.chosen, story.money)
    ]
    return [Section("Every origin and horizon", tables=tables, notes=NOTES)]


NOTES = (
    "MAE judges the median column, everything else the mean column. MSE is the mean squared error, in squares of the "
    "currency, RMSE its root. Bias is mean promise less mean outcome; total is all that was promised over all that was "
    "spent. Top decile: share of spend of the tenth ranked first; lift: that over a tenth. Gini, AUC and capture are "
    "exact up to 10 million customers. Above that they come from 10,000 bins: an AUC is then within .001, a Gini too "
    "where the Gini of the true spend is above .3; a capture is off by at most the spend of one bin.",
)


def measures_tables(rows: Sequence[Measures], chosen: str | None, money: Money) -> list[Table]:
    """Ranking and errors, one row a candidate each, the best Gini first; `rows` are of one origin and horizon."""
    first, unit = rows[0], money.currency
    when = f"{first.horizon_days} days from {first.origin} ({first.users:,} users"
    ranked = sorted(rows, key=lambda row: -np.nan_to_num(row.gini, nan=-1.0))
    return [
        Table(caption, columns, [Row([row.candidate, *cells(row, money)], row.candidate == chosen) for row in ranked])
        for caption, columns, cells in (
            (f"Ranking, {when})", _RANKS, _ranks),
            (f"Errors in {unit}, {when})", _ERRORS, _errors),
        )
    ]


def _ranks(row: Measures, _: Money) -> list[str]:
    shares = [number(row.top_decile_capture, ".1%"), number(row.top_decile_lift, ".2f")]
    return [number(row.gini), number(row.spearman), *shares, number(row.auc_purchase), number(row.auc_churn)]


def _errors(row: Measures, money: Money) -> list[str]:
    squared = number(row.mse / money.minor_per_unit**2, ",.2f")
    errors = [money(row.mae), money(row.rmse), squared, money(row.bias, "+,.2f")]
    return [*errors, number(row.total_ratio, ".3f"), number(row.calibration_error, ".1%")]
