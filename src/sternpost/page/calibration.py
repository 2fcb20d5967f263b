"""Does a score of 0.3 mean three in ten: observed against predicted, and how many rows stand behind each point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sternpost.page.canvas import CURRENT, GRID, MUTED, REFERENCE, WIDTHS, Plot, Width, axes_at, draw, plain
from sternpost.page.lines import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEIGHT: dict[Width, int] = {"wide": 420, "half": 380, "third": 280, "cell": 60}


def calibration(
    predicted: Sequence[float],
    observed: Sequence[float],
    *,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    rows: Sequence[int] | None = None,
    reference: tuple[Sequence[float], Sequence[float]] | None = None,
    name: str = "",
    width: Width = "half",
) -> Plot:
    """One point per group of rows: mean score across, share of positives up, both in [0, 1].

    `low`, `high`: the interval of each observed share. `rows`: how many rows each group has, as bars below.
    `reference`: (predicted, observed) of the reference, as a grey line.
    """
    height = _HEIGHT[width]

    def paint(figure: Figure) -> None:
        below = 46 if rows is not None else 0
        axes = axes_at(figure, 52, 42 + below, WIDTHS[width] - 66, height - 56 - below)
        axes.spines["left"].set_visible(True)
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, dashes=(2, 2))
        if reference is not None:
            axes.plot(*reference, color=REFERENCE, linewidth=2.4)
        if low is not None and high is not None:
            axes.vlines(predicted, numbers(low), numbers(high), color=CURRENT, linewidth=1.1, alpha=0.75)
        axes.plot(predicted, observed, color=CURRENT, marker="o", markersize=4.5, linewidth=1.2)
        top = max([*predicted, *observed, *(v for v in high or () if v is not None), 0.05])
        end = min(1.0, top * 1.06)
        axes.set(xlim=(0, end), ylim=(0, end))
        axes.grid(color=GRID)
        axes.locator_params(nbins=5)
        axes.set_ylabel("observed share")
        lowest = axes
        if rows is not None:
            axes.tick_params(labelbottom=False)
            lowest = axes_at(figure, 52, 42, WIDTHS[width] - 66, below - 10)
            lowest.bar(predicted, rows, width=end / 45, color=REFERENCE)
            lowest.set(xlim=(0, end), yticks=[])
            lowest.locator_params(axis="x", nbins=5)
        lowest.set_xlabel("mean score" if rows is None else "mean score; bars: rows")

    told = f"Calibration{f' of {plain(name)}' if name else ''}: {len(predicted)} groups"
    return draw(paint, width=width, height=height, words=told)
