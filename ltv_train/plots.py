"""Pictures for the reports: each function returns one figure as a PNG data address, ready for an `img` tag.

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

mpl.use("Agg")

Floats = npt.NDArray[np.float64]
_SIZE = (5.6, 4.0)
_INK = "#334"


def calibration(predicted: Floats, happened: Floats, *, unit: str) -> str:
    """Mean predicted and mean happened spend by decile of the prediction, [10] each; decile 1 is the best tenth."""

    def draw(axes: Axes) -> None:
        places = np.arange(1, len(predicted) + 1)
        axes.bar(places - 0.2, happened, width=0.4, label="happened", color="#8fb7d9")
        axes.bar(places + 0.2, predicted, width=0.4, label="predicted", color="#e0a458")
        axes.set_xticks(places)
        axes.set_xlabel("decile by predicted value (1 = best)")
        axes.set_ylabel(f"mean spend, {unit}")

    return _picture(draw)


def gain_curve(curves: Mapping[str, tuple[Floats, Floats]]) -> str:
    """Share of spend caught against share of customers contacted, one line a candidate, with the line of chance."""

    def draw(axes: Axes) -> None:
        for name, (customers, spend) in curves.items():
            axes.plot(customers, spend, label=name, linewidth=1.6)
        axes.plot([0, 1], [0, 1], color="#999", linestyle=":", linewidth=1, label="chance")
        axes.set_xlabel("share of customers, best first")
        axes.set_ylabel("share of spend caught")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)

    return _picture(draw)


def learning_curve(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Training (dashed) and validation loss by step, one colour a fit; `curves` holds rows with step and losses."""

    def draw(axes: Axes) -> None:
        for number, (name, rows) in enumerate(curves.items()):
            steps = [row["step"] for row in rows]
            axes.plot(steps, [row["train_loss"] for row in rows], f"C{number}--", linewidth=1)
            axes.plot(steps, [row["validation_loss"] for row in rows], f"C{number}-", linewidth=1.6, label=name)
        axes.set_xlabel("steps")
        axes.set_ylabel("loss (dashed: training)")

    return _picture(draw)


def stacked_by_night(nights: Sequence[str], parts: Mapping[str, Sequence[float]], *, unit: str) -> str:
    """One bar a night, cut into its parts, [nights] each; parts without anything stay out of the legend."""

    def draw(axes: Axes) -> None:
        places, floor = np.arange(len(nights)), np.zeros(len(nights))
        for number, (name, heights) in enumerate(parts.items()):
            if any(heights):
                axes.bar(places, heights, bottom=floor, label=name, color=f"C{number}")
                floor = floor + np.asarray(heights)
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


def _name_nights(axes: Axes, nights: Sequence[str]) -> None:
    """Names of at most ten nights below the axis."""
    step = -(-len(nights) // 10)
    axes.set_xticks(range(0, len(nights), step), list(nights)[::step])
    axes.set_xlabel("night")


def _picture(draw: Callable[[Axes], None]) -> str:
    figure = Figure(figsize=_SIZE, dpi=110, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
