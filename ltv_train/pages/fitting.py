"""How the candidates were fitted: blend weights, learning curves, and what every rank read."""

from collections.abc import Mapping, Sequence
from typing import Any

from ltv_train import plots
from ltv_train.pages.story import Story
from ltv_train.report import Picture, Row, Section

Curve = Sequence[Mapping[str, float]]


def blend(story: Story) -> list[Section]:
    """The weights of the members; nothing where none was trained."""
    weights = story.backtest.weights
    if not weights.names:
        return []
    rows = [
        Row([name, f"{mean:.2f}", f"{median:.2f}"])
        for name, mean, median in zip(weights.names, weights.mean, weights.median, strict=True)
    ]
    return [Section("Blend", [f"Weights: {weights.how}."], ("member", "mean", "median"), rows)]


def search(story: Story) -> list[Section]:
    """What was tried where settings were searched, and what the networks of the night began with."""
    found, starts = story.backtest.run.get("search"), story.backtest.run.get("starts") or {}
    made = []
    if found:
        rows = [_trial(trial, place == found["adopted"]) for place, trial in enumerate(found["trials"])]
        columns = ("settings changed", "mean loss", "epochs", "loss by origin")
        made.append(Section("Search of settings", [f"Adopted, marked below: {found['reason']}."], columns, rows))
    if starts:
        rows = [Row([str(name), str(reason)]) for name, reason in starts.items()]
        made.append(Section("How networks began", [], ("network", "its weights"), rows, plain=True))
    return made


def _trial(trial: Mapping[str, Any], adopted: bool) -> Row:
    changed = ", ".join(f"{name} {value}" for name, value in trial["changed"].items()) or "as they are"
    losses = ", ".join(f"{loss:.4f}" for loss in trial["losses"])
    return Row([changed, f"{trial['loss']:.4f}", str(trial["epochs"]), losses], adopted)


def learning(story: Story) -> list[Section]:
    """Loss by step: the fits of one network in one picture."""
    curves: Mapping[str, Mapping[str, Sequence[Curve]]] = story.backtest.run["curves"]
    by_network: dict[str, dict[str, Curve]] = {}
    for origin, by_name in curves.items():
        for name, fits in by_name.items():
            for seed, rows in enumerate(fits):
                label = origin + (f" seed {seed + 1}" if len(fits) > 1 else "")
                by_network.setdefault(name, {})[label] = rows
    figures = [
        Picture(plots.learning_curve(fits), f"{name}: loss by step, one colour a fit")
        for name, fits in by_network.items()
    ]
    return [Section("Learning curves", figures=figures)] if figures else []


def feeding(story: Story) -> list[Section]:
    """What was read, held against the plan."""
    read: Mapping[str, Mapping[str, Any]] = story.backtest.run["examples_read"]
    rows = [
        Row([f"{name} {origin}", str(len(epochs)), str(len(epochs[0])), f"{sum(map(sum, epochs)):,}"])
        for origin, by_name in read.items()
        for name, fits in by_name.items()
        for epochs in fits
        if epochs
    ]
    lines = ["Every rank's count was held against the reading plan in every epoch."]
    return [Section("Examples read", lines, ("fit", "epochs", "ranks", "examples"), rows)]
