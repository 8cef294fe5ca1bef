"""What the report pages say: the back-test that chose a model, and what happened to a night's promises.

Room: numbers in, words and pictures out. May import: report, plots, metrics, backtest.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ltv_train import plots
from ltv_train.backtest import Backtest
from ltv_train.evaluation import Fold, Measures
from ltv_train.metrics import value
from ltv_train.report import Picture, Row, Section, number, page

_COLUMNS = (
    *("candidate", "Gini", "Spearman", "MAE (median)", "RMSE", "bias", "calibration error", "top decile"),
    *("AUC purchase", "AUC churn"),
)


def evaluation_page(backtest: Backtest, *, as_of: str, currency: str, minor_per_unit: int, chosen: str | None) -> str:
    """The back-test as a page: verdict, one table a horizon and fold, calibration, gain and learning curves."""
    verdict = backtest.verdict
    lead = f"{chosen} may serve from {as_of} on (grade {verdict.grade})." if chosen else "Production stays as it is."
    sections = [Section("Why", list(verdict.reasons)), _blend(backtest)]
    for fold in reversed(backtest.folds):
        for horizon in reversed(backtest.horizons_days):
            rows = [m for m in backtest.measures if (m.origin, m.horizon_days) == (fold.origin, horizon)]
            sections.append(_table(rows, chosen, currency, minor_per_unit))
    if backtest.folds:
        shown = (chosen or verdict.best_baseline, *backtest.run["networks"], "boosting_e", "anchor")
        sections.append(_pictures(backtest.folds[-1], shown, currency, minor_per_unit))
    sections.append(_curves(backtest.run["curves"]))
    sections.append(_feeding(backtest.run))
    return page(f"Back-test as of {as_of}", lead, sections, f"Training run {backtest.run['run_name']}.")


def outcome_page(
    rows: Sequence[Measures], deciles: value.DecileCalibration, *, night: str, currency: str, published: str
) -> str:
    """What happened after a night, candidate by candidate, in currency units; `deciles` are of the published score."""
    picture = Picture(
        plots.calibration(deciles.predicted, deciles.happened, unit=currency), "Published score, longest horizon"
    )
    horizons = dict.fromkeys(row.horizon_days for row in rows)
    tables = [_table([row for row in rows if row.horizon_days == days], published, currency, 1) for days in horizons]
    lead = (
        "Compared are the users of whom every candidate spoke: those with an order before the night. MAE judges the "
        "median column, everything else the mean column. Nothing here chose or changed a model."
    )
    sections = [*tables, Section("By decile", figures=[picture])]
    return page(f"Outcome of the night {night}", lead, sections, "Written by monitor.")


def _table(rows: Sequence[Measures], chosen: str | None, currency: str, minor: int) -> Section:
    ranked = sorted(rows, key=lambda row: -np.nan_to_num(row.gini, nan=-1.0))
    heading = f"{rows[0].horizon_days} days from {rows[0].origin} ({rows[0].users:,} users, money in {currency})"
    return Section(heading, [], _COLUMNS, [_row(row, row.candidate == chosen, minor) for row in ranked])


def _row(row: Measures, chosen: bool, minor: int) -> Row:
    ranks = [number(row.gini), number(row.spearman)]
    money = [f"{amount / minor:,.2f}" for amount in (row.mae, row.rmse, row.bias)]
    shares = [f"{row.calibration_error:.1%}", f"{row.top_decile_capture:.1%}"]
    return Row([row.candidate, *ranks, *money, *shares, number(row.auc_purchase), number(row.auc_churn)], chosen)


def _blend(backtest: Backtest) -> Section:
    weights = backtest.weights
    rows = [
        Row([name, f"{mean:.2f}", f"{median:.2f}"])
        for name, mean, median in zip(weights.names, weights.mean, weights.median, strict=True)
    ]
    return Section("Blend", [f"Weights: {weights.how}."], ("member", "mean", "median"), rows)


def _pictures(fold: Fold, names: Sequence[str], currency: str, minor: int) -> Section:
    """Calibration of the first candidate, and how much spend each catches."""
    name = names[0]
    truth = fold.spend[:, -1] / minor
    said = fold.predictions[name].mean[:, -1] / minor
    deciles = value.decile_calibration(truth, said)
    shown = [other for other in dict.fromkeys(names) if other in fold.predictions]
    gains = {other: value.gain_curve(truth, fold.predictions[other].mean[:, -1]) for other in shown}
    figures = [
        Picture(plots.calibration(deciles.predicted, deciles.happened, unit=currency), f"Calibration of {name}"),
        Picture(plots.gain_curve(gains), "Spend caught by the customers ranked first"),
    ]
    return Section(f"Latest past origin, {fold.origin}", figures=figures)


def _curves(curves: Mapping[str, Mapping[str, Sequence[Sequence[Mapping[str, float]]]]]) -> Section:
    named = {
        f"{name} {origin}" + (f" seed {seed + 1}" if len(fits) > 1 else ""): rows
        for origin, by_name in curves.items()
        for name, fits in by_name.items()
        for seed, rows in enumerate(fits)
    }
    return Section("Learning curves", figures=[Picture(plots.learning_curve(named), "Loss by step, one colour a fit")])


def _feeding(run: Mapping[str, object]) -> Section:
    read: Mapping[str, Mapping[str, Sequence[Sequence[Sequence[int]]]]] = run["examples_read"]  # type: ignore[assignment]
    rows = [
        Row([f"{name} {origin}", str(len(epochs)), str(len(epochs[0])), f"{sum(map(sum, epochs)):,}"])
        for origin, by_name in read.items()
        for name, fits in by_name.items()
        for epochs in fits
        if epochs
    ]
    lines = ["Every rank's count was held against the reading plan in every epoch."]
    return Section("Examples read", lines, ("fit", "epochs", "ranks", "examples"), rows)
