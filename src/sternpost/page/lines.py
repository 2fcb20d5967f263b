"""What happened over time: lines with bands or error bars, levels to compare with, and stretches that are not final.

A stretch is shaded where what is shown may still change, such as cohorts whose outcomes are not all due: draw what is
known as a solid line, what is estimated as a dashed one.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sternpost.page.canvas import (
    ACCENT,
    CURRENT,
    FONT_PX,
    MUTED,
    SERIES,
    SHADE,
    WIDTHS,
    Plot,
    Width,
    axes_at,
    draw,
    percent,
    plain,
    text_px,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A place in time: a moment, or the name of a period; all of one kind in a plot.
When = dt.datetime | dt.date | str

_HEIGHT: dict[Width, int] = {"wide": 270, "half": 200, "third": 160, "cell": 30}


@dataclass(frozen=True)
class Line:
    """One value per place of `x`; None or NaN leaves a gap.

    `low`, `high`: an interval around each value, drawn as a band, or as error bars with `bars`. `dashed` is for what
    is estimated, `loud` for what is the matter.
    """

    name: str
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    dashed: bool = False
    bars: bool = False
    loud: bool = False


@dataclass(frozen=True)
class Shade:
    """A stretch from `start` to `end` (both places of `x`), and what it means."""

    start: When
    end: When
    words: str


@dataclass(frozen=True)
class Level:
    """A value to compare with, such as a threshold or the reference's."""

    y: float
    words: str


def lines(
    x: Sequence[When],
    series: Sequence[Line],
    *,
    shades: Sequence[Shade] = (),
    levels: Sequence[Level] = (),
    y_label: str = "",
    y_range: tuple[float | None, float | None] = (None, None),
    percents: bool = False,
    name: str = "",
    width: Width = "wide",
    height: int | None = None,
) -> Plot:
    """Lines over `x`, named at their right end. `percents` writes shares as percentages; `y_range` fixes either end."""
    tall = height if height is not None else _HEIGHT[width]

    def paint(figure: Figure) -> None:
        names = [plain(s.name, 22) for s in series] + [plain(v.words, 22) for v in levels]
        right = max((text_px(n) for n in names), default=0) + 16 if width != "third" else 12
        left = 46 + (14 if y_label else 0)
        axes = axes_at(figure, left, 26, WIDTHS[width] - left - right, tall - 26 - 20)
        places = _places(x)
        for shade in shades:
            start, end = _place(shade.start, x, places), _place(shade.end, x, places)
            half = 0.5 if isinstance(shade.start, str) else 0.0
            axes.axvspan(start - half, end + half, color=SHADE, linewidth=0)
            axes.annotate(
                plain(shade.words, 40), ((start + end) / 2, 1), xycoords=("data", "axes fraction"), xytext=(0, 5),
                textcoords="offset points", ha="center", color=MUTED, annotation_clip=False,
            )  # fmt: skip
        ends: list[tuple[float, str, str]] = []
        for level in levels:
            axes.axhline(level.y, color=MUTED, linewidth=1, dashes=(2, 2))
            ends.append((level.y, plain(level.words, 22), MUTED))
        ordinary = iter(SERIES)
        for line in series:
            colour = ACCENT if line.loud else next(ordinary, CURRENT)
            y = numbers(line.y)
            _interval(axes, places, line, colour)
            axes.plot(
                places, y, color=colour, linestyle=(0, (4, 2.5)) if line.dashed else "solid", marker="o",
                markersize=_mark(len(x), line.dashed), markerfacecolor="none" if line.dashed else colour,
            )  # fmt: skip
            known = [value for value in y if math.isfinite(value)]
            if known:
                ends.append((known[-1], plain(line.name, 22), colour))
        _frame(axes, x, places, y_range, percents, narrow=width != "wide")
        if y_label:
            axes.set_ylabel(plain(y_label))
        if width != "third":
            _name_ends(figure, axes, ends)

    told = ", ".join(plain(s.name) for s in series)
    return draw(paint, width=width, height=tall, words=f"{plain(name) + ': ' if name else ''}{told} over time.")


def spark(y: Sequence[float | None], *, loud: bool = False, y_range: tuple[float, float] | None = None) -> Plot:
    """A line without axes for a table's cell; its last value has a dot."""

    def paint(figure: Figure) -> None:
        axes = axes_at(figure, 4, 4, WIDTHS["cell"] - 8, _HEIGHT["cell"] - 8)
        axes.axis("off")
        values = numbers(y)
        colour = ACCENT if loud else CURRENT
        axes.plot(values, color=colour, linewidth=1.4)
        known = [(place, value) for place, value in enumerate(values) if math.isfinite(value)]
        if known:
            axes.plot(*known[-1], "o", color=colour, markersize=3.5, clip_on=False)
        if y_range is not None:
            axes.set_ylim(*y_range)
        axes.set_xlim(-0.2, max(len(values) - 0.8, 0.8))

    return draw(paint, width="cell", height=_HEIGHT["cell"], words=f"{len(y)} values over time")


def numbers(values: Sequence[float | None]) -> list[float]:
    """The values as floats; what is missing or not finite is NaN, which leaves a gap."""
    return [math.nan if value is None or not math.isfinite(value) else float(value) for value in values]


def _places(x: Sequence[When]) -> list[float]:
    if all(isinstance(place, str) for place in x):
        return [float(place) for place in range(len(x))]
    from matplotlib.dates import date2num

    return [float(date2num(place)) for place in x]


def _place(when: When, x: Sequence[When], places: Sequence[float]) -> float:
    if isinstance(when, str):
        return places[list(x).index(when)]
    from matplotlib.dates import date2num

    return float(date2num(when))


def _mark(places: int, dashed: bool) -> float:
    return 0 if places > 60 else 4.2 if dashed else 3.6


def _interval(axes: Axes, places: Sequence[float], line: Line, colour: str) -> None:
    if line.low is None or line.high is None:
        return
    low, high = numbers(line.low), numbers(line.high)
    if line.bars:
        axes.vlines(places, low, high, color=colour, linewidth=1.1, alpha=0.75)
    else:
        axes.fill_between(places, low, high, color=colour, alpha=0.14, linewidth=0)


def _frame(
    axes: Axes, x: Sequence[When], places: Sequence[float], y_range: tuple[float | None, float | None],
    percents: bool, *, narrow: bool,
) -> None:  # fmt: skip
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    low, high = (low if y_range[0] is None else y_range[0]), (high if y_range[1] is None else y_range[1])
    if y_range[0] is not None and y_range[1] is None:
        high += 0.06 * (high - low)
    if low < high:
        axes.set_ylim(low, high)
    axes.locator_params(axis="y", nbins=5)
    if percents:
        axes.yaxis.set_major_formatter(lambda share, _place: percent(share))
    if places:
        pad = 0.02 * (max(places) - min(places)) or 0.5
        axes.set_xlim(min(places) - pad, max(places) + pad)
    if all(isinstance(place, str) for place in x):
        room = axes.bbox.width / max(max((text_px(plain(p, 16)) for p in x), default=1) + 10, 1)
        step = max(1, math.ceil(len(x) / max(room, 1)))
        axes.set_xticks(list(places)[::step], [plain(p, 16) for p in x][::step])
    else:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=5 if narrow else 10)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def _name_ends(figure: Figure, axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Each line's name beside its last value, moved apart where two would meet."""
    if not ends:
        return
    low, high = axes.get_ylim()
    box = axes.get_position()
    pixels = box.height * figure.get_figheight() * 72
    spread: list[tuple[float, str, str]] = []
    for value, name, colour in sorted(ends, key=lambda end: end[0]):
        at = (value - low) / ((high - low) or 1) * pixels
        at = max(at, spread[-1][0] + FONT_PX + 2) if spread else at
        spread.append((at, name, colour))
    over = max(spread[-1][0] - pixels, 0.0)
    for at, name, colour in spread:
        axes.annotate(
            name, (1, (at - over) / pixels), xycoords="axes fraction", xytext=(7, 0), textcoords="offset points",
            va="center", color=colour, annotation_clip=False,
        )  # fmt: skip
