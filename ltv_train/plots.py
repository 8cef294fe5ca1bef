"""Pictures for the reports: each function returns one figure as an SVG data address, ready for an `img` tag.

Room: drawing only; numbers come in computed. May import: NumPy, matplotlib.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("svg")

Floats = npt.NDArray[np.float64]
_SIZE = (5.0, 3.5)
_INK = "#334"
_HAPPENED, _PREDICTED, _CHANCE = "#8fb7d9", "#e0a458", "#999"
_MOST_POINTS = 400
"""More points of a curve than this cannot be told apart in a picture."""
_COLOURS = {"kept": "#4f8fc0", "duplicates": "#b9c3cf", "quarantined": "#c8443a", "anonymous": "#e0a458"}
"""What is refused is red, wherever it is drawn."""


def calibration(predicted: Floats, happened: Floats, *, unit: str) -> str:
    """Mean predicted and mean happened spend by decile of the prediction, [10] each; decile 1 is the best tenth."""

    def draw(axes: Axes) -> None:
        places = np.arange(1, len(predicted) + 1)
        axes.bar(places - 0.2, happened, width=0.4, label="happened", color=_HAPPENED)
        axes.bar(places + 0.2, predicted, width=0.4, label="predicted", color=_PREDICTED)
        axes.set_xticks(places)
        axes.set_xlabel("decile by predicted value (1 = best)")
        axes.set_ylabel(f"mean spend, {unit}")

    return _picture(draw)


def gain_curve(curves: Mapping[str, tuple[Floats, Floats]]) -> str:
    """Share of spend caught against share of customers contacted, one line a candidate, with the line of chance."""

    def draw(axes: Axes) -> None:
        for name, (customers, spend) in curves.items():
            places = np.linspace(0, 1, _MOST_POINTS) if len(customers) > _MOST_POINTS else customers
            axes.plot(places, np.interp(places, customers, spend), label=name, linewidth=1.6)
        axes.set_xlabel("share of customers, best first")
        axes.set_ylabel("share of spend caught")
        _unit_square(axes)

    return _picture(draw)


def learning_curve(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Training (dashed) and validation loss by step, one colour a fit; `curves` holds rows with step and losses."""

    def draw(axes: Axes) -> None:
        for number, (name, rows) in enumerate(curves.items()):
            steps = [row["step"] for row in rows]
            axes.plot(steps, [row["train_loss"] for row in rows], f"C{number}--", linewidth=1)
            held = [row.get("validation_loss", float("nan")) for row in rows]  # a refit holds nobody back
            axes.plot(steps, held, f"C{number}-", linewidth=1.6, label=name)
        axes.set_xlabel("steps")
        axes.set_ylabel("loss (dashed: training)")

    return _picture(draw)


def residuals(quantiles: Floats, *, unit: str) -> str:
    """Happened less predicted by decile of the prediction, from [10, 5] quantiles: 10, 25, 50, 75 and 90 %."""

    def draw(axes: Axes) -> None:
        places = np.arange(1, len(quantiles) + 1)
        low, quarter, middle, three_quarters, high = quantiles.T
        axes.axhline(0, color=_CHANCE, linewidth=1, linestyle=":")
        axes.vlines(places, low, high, color=_HAPPENED, linewidth=1.6, label="80 % of customers")
        axes.bar(places, three_quarters - quarter, 0.5, quarter, color=_HAPPENED, label="half of them")
        axes.plot(places, middle, "_", color=_INK, markersize=12, markeredgewidth=2, label="median")
        axes.set_xticks(places)
        axes.set_xlabel("decile by predicted value (1 = best)")
        axes.set_ylabel(f"happened - predicted, {unit}")

    return _picture(draw)


def reliability(curves: Mapping[str, tuple[Floats, Floats]]) -> str:
    """Share that did it against the probability said, ten points a curve, with the line of perfect calibration."""

    def draw(axes: Axes) -> None:
        for name, (said, happened) in curves.items():
            axes.plot(said, happened, label=name, marker="o", markersize=4, linewidth=1.4)
        axes.set_xlabel("probability said")
        axes.set_ylabel("share that did")
        _unit_square(axes, "perfect")

    return _picture(draw)


def confusion(cells: Sequence[Sequence[int]], *, said: tuple[str, str], happened: tuple[str, str]) -> str:
    """Counts [2, 2]: rows by what was said, columns by what happened; the deeper the blue, the more customers."""

    def draw(axes: Axes) -> None:
        counts = np.asarray(cells, np.float64)
        axes.imshow(counts / max(counts.sum(), 1), cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for row in (0, 1):
            for column in (0, 1):
                share = counts[row, column] / max(counts.sum(), 1)
                words, color = f"{cells[row][column]:,}\n{share:.1%}", "white" if share > 0.6 else _INK
                axes.text(column, row, words, ha="center", va="center", fontsize=12, color=color)
        axes.set_xticks((0, 1), [f"happened: {word}" for word in happened])
        axes.set_yticks((0, 1), [f"said: {word}" for word in said], rotation=90, va="center")
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return _picture(draw)


def standings(intervals: Mapping[str, tuple[float, float, float]], *, unit: str, chosen: str | None) -> str:
    """One row a candidate, the first one on top: (value, low, high), with a line at 0."""

    def draw(axes: Axes) -> None:
        for row, (name, (value, low, high)) in enumerate(list(intervals.items())[::-1]):
            color = _PREDICTED if name == chosen else _HAPPENED
            axes.hlines(row, low, high, color=color, linewidth=3)
            axes.plot(value, row, "o", color=_INK, markersize=4)
        axes.axvline(0, color=_CHANCE, linewidth=1, linestyle=":")
        axes.set_yticks(range(len(intervals)), list(intervals)[::-1], fontsize=8)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(unit)

    return _picture(draw)


def lifts(by_name: Mapping[str, Floats]) -> str:
    """Mean spend of a decile over the mean of all, [10] a candidate, with the line of chance at 1."""

    def draw(axes: Axes) -> None:
        for name, lift in by_name.items():
            axes.plot(np.arange(1, len(lift) + 1), lift, label=name, marker="o", markersize=3, linewidth=1.4)
        axes.axhline(1, color=_CHANCE, linestyle=":", linewidth=1, label="chance")
        axes.set_xticks(range(1, 11))
        axes.set_xlabel("decile by predicted value (1 = best)")
        axes.set_ylabel("lift")

    return _picture(draw)


def stacked_by_night(nights: Sequence[str], parts: Mapping[str, Sequence[float]], *, unit: str) -> str:
    """One bar a night, cut into its parts, [nights] each; parts without anything stay out of the legend."""

    def draw(axes: Axes) -> None:
        places, floor = np.arange(len(nights)), np.zeros(len(nights))
        for number, (name, heights) in enumerate(parts.items()):
            if any(heights):
                axes.bar(places, heights, bottom=floor, label=name, color=_COLOURS.get(name, f"C{number}"))
                floor = floor + np.asarray(heights)
        if any(map(any, parts.values())):
            axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(parts))
        _name_nights(axes, nights)
        axes.set_ylabel(unit)

    return _picture(draw)


def shares_by_night(nights: Sequence[str], shares: Mapping[str, Sequence[float]]) -> str:
    """One line a share, [nights] each, between 0 and 1."""

    def draw(axes: Axes) -> None:
        for name, values in shares.items():
            axes.plot(range(len(nights)), values, label=name, marker="o", markersize=3, linewidth=1.6)
        _name_nights(axes, nights)
        axes.set_ylim(min([0.9, *(value for values in shares.values() for value in values)]) - 0.01, 1.01)

    return _picture(draw)


def _unit_square(axes: Axes, diagonal: str = "chance") -> None:
    axes.plot([0, 1], [0, 1], color=_CHANCE, linestyle=":", linewidth=1, label=diagonal)
    axes.set_xlim(0, 1.005)
    axes.set_ylim(0, 1.005)


def bars(heights: Mapping[str, float], *, unit: str, spread: Mapping[str, float] | None = None) -> str:
    """One lying bar a name, the first one on top, with its deviation where `spread` is given."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(heights))[::-1]
        errors = [spread[name] for name in heights] if spread else None
        axes.barh(places, list(heights.values()), xerr=errors, color="#8fb7d9", ecolor=_INK)
        axes.set_yticks(places, list(heights), fontsize=8)
        axes.axvline(0, color=_INK, linewidth=0.8)
        axes.set_xlabel(unit)

    return _picture(draw)


def strips(points: Mapping[str, tuple[Floats, Floats]], *, unit: str) -> str:
    """One row of points a name, the first one on top: [N] places, coloured by [N] levels from 0 (low) to 1 (high)."""

    def draw(axes: Axes) -> None:
        rows = np.arange(len(points))[::-1]
        for row, (places, levels) in zip(rows, points.values(), strict=True):
            jitter = np.random.default_rng(1).uniform(-0.3, 0.3, len(places))
            shown = axes.scatter(places, row + jitter, c=levels, cmap="coolwarm", vmin=0, vmax=1, s=4, linewidths=0)
        axes.set_yticks(rows, list(points), fontsize=8)
        axes.axvline(0, color=_INK, linewidth=0.8)
        axes.set_xlabel(unit)
        if len(points):
            bar = axes.figure.colorbar(shown, ax=axes, ticks=[0, 1], shrink=0.6)
            bar.ax.set_yticklabels(["low", "high"], fontsize=8)

    return _picture(draw)


def _name_nights(axes: Axes, nights: Sequence[str]) -> None:
    """Names of at most ten nights below the axis."""
    step = -(-len(nights) // 10)
    axes.set_xticks(range(0, len(nights), step), list(nights)[::step])
    axes.set_xlabel("night")


def _picture(draw: Callable[[Axes], None]) -> str:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    if axes.get_legend() is None and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ltv"}):  # the same numbers give the same bytes
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()
