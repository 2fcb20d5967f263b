"""How much of the rows falls where, reference beside current: densities, categories, shares of columns.

Grey is the reference, colour is the current rows, and one accent colour means that something is the matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sternpost.page.canvas import (
    ACCENT,
    CURRENT,
    FONT_PX,
    INK,
    MUTED,
    REFERENCE,
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

_BAR_PX = 46
#: Beyond this, differences of places would overflow.
_FARTHEST = 1e150
_ROW_PX = 27
_DENSITY_HEIGHT: dict[Width, int] = {"wide": 250, "half": 190, "third": 150, "cell": 40}


class Mass(NamedTuple):
    """Shares of all rows, in [0, 1], that have one value. `loud` draws the current one in the accent colour."""

    label: str
    reference: float
    current: float
    loud: bool = False


def density(
    edges: Sequence[float],
    reference: Sequence[float],
    current: Sequence[float],
    *,
    points: Sequence[Mass] = (),
    current_ends: tuple[float, float] | None = None,
    loud: bool = False,
    unit: str = "",
    name: str = "",
    width: Width = "half",
) -> Plot:
    """Intervals on their true axis as densities, and beside them the values that have mass of their own.

    `edges`: K + 1 finite, ascending bounds; `reference`, `current`: K shares of all rows in [0, 1]. The first and the
    last interval are open; `current_ends` are the least and the greatest current value, to which they are stretched
    for the current rows. A far end that would press the rest together is cut off. `points`: what is not an interval,
    such as zero or null.
    """
    from numpy import asarray

    held = [p for p in points if p.reference > 0 or p.current > 0]
    cut = [min(max(float(edge), -_FARTHEST), _FARTHEST) for edge in edges]
    spread = len(cut) > 1 and cut[0] < cut[-1] and sum(reference) + sum(current) > 0
    legend = width in ("wide", "half")
    height = _DENSITY_HEIGHT[width]

    def paint(figure: Figure) -> None:
        right = _BAR_PX * len(held) + (22 if held and spread else 0)
        bottom, top = 26 + (12 if unit else 0), 24 if legend else 10
        if spread:
            axes = axes_at(figure, 12, bottom, WIDTHS[width] - 24 - right, height - bottom - top)
            ours = list(cut)
            if current_ends is not None and all(map(math.isfinite, current_ends)):
                ours[0] = max(min(ours[0], current_ends[0]), -_FARTHEST)
                ours[-1] = min(max(ours[-1], current_ends[1]), _FARTHEST)
            for cuts, share, colour, filled in (
                (cut, reference, REFERENCE, True),
                (ours, current, ACCENT if loud else CURRENT, False),
            ):
                widths = asarray(cuts[1:]) - asarray(cuts[:-1])
                heights = asarray(share) / widths.clip(1e-300)
                axes.stairs(heights, cuts, fill=filled, color=colour, linewidth=0 if filled else 1.8)
            axes.set_xlim(*_view(ours, reference, current))
            axes.set_ylim(0, None)
            axes.set_yticks([])
            axes.locator_params(axis="x", nbins=5 if width == "third" else 7, min_n_ticks=2)
            if unit:
                axes.set_xlabel(plain(unit), labelpad=2)
        if held:
            left = WIDTHS[width] - 8 - _BAR_PX * len(held) if spread else 12
            span = _BAR_PX * len(held) if spread else min(WIDTHS[width] - 24, 90 * len(held))
            _bars(axes_at(figure, left, bottom, span, height - bottom - top - 10), held)
        if legend:
            _legend(figure, loud)

    shares = "; ".join(f"{plain(p.label)}: {percent(p.reference)}, now {percent(p.current)}" for p in held)
    words = f"Density of {plain(name) if name else 'the values'}, reference against current. {shares}".strip()
    return draw(paint, width=width, height=height, words=words)


def shares(
    rows: Sequence[Mass],
    *,
    most: int = 12,
    loud: bool = False,
    name: str = "",
    width: Width = "half",
) -> Plot:
    """One pair of bars per label or column, in the order given; beyond `most` the rest is put together as "others".

    `loud` draws every current bar in the accent colour, a row's own `loud` that row's.
    """
    rows = [row._replace(reference=_known(row.reference), current=_known(row.current)) for row in rows]
    shown = list(rows[:most])
    if rest := rows[most:]:
        shown.append(Mass(f"{len(rest)} others", sum(r.reference for r in rest), sum(r.current for r in rest)))
    labels = [plain(r.label) for r in shown]
    height = 30 + _ROW_PX * max(len(shown), 1)

    def paint(figure: Figure) -> None:
        left = min(max((text_px(label) for label in labels), default=40) + 12, WIDTHS[width] * 0.42)
        axes = axes_at(figure, left, 4, WIDTHS[width] - left - 52, height - 28)
        places = range(len(shown))
        colours = [ACCENT if loud or row.loud else CURRENT for row in shown]
        axes.barh([p - 0.17 for p in places], [r.reference for r in shown], 0.3, color=REFERENCE)
        axes.barh([p + 0.17 for p in places], [r.current for r in shown], 0.3, color=colours)
        largest = max((max(r.reference, r.current) for r in shown), default=0) or 1
        for place, row in zip(places, shown, strict=True):
            at = max(row.reference, row.current) + largest * 0.012
            axes.text(at, place, _change(row), va="center", color=INK if row.loud else MUTED)
        axes.set_yticks(list(places), labels, color=INK)
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(0, largest * 1.22)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(True)
        _legend(figure, loud)

    told = "; ".join(
        f"{label}: {percent(r.reference)}, now {percent(r.current)}" for label, r in zip(labels, shown, strict=True)
    )
    return draw(paint, width=width, height=height, words=f"Shares{f' of {plain(name)}' if name else ''}. {told}")


def _known(share: float) -> float:
    return share if math.isfinite(share) else 0.0


def _change(row: Mass) -> str:
    before, now = percent(row.reference), percent(row.current)
    return now if before == now else f"{before} → {now}"


def _bars(axes: Axes, rows: Sequence[Mass]) -> None:
    places = range(len(rows))
    colours = [ACCENT if row.loud else CURRENT for row in rows]
    axes.bar([p - 0.17 for p in places], [r.reference for r in rows], 0.3, color=REFERENCE)
    axes.bar([p + 0.17 for p in places], [r.current for r in rows], 0.3, color=colours)
    # A tenth fills at least half of the height: what is rare should look rare.
    largest = max(0.2, *(max(r.reference, r.current) for r in rows))
    for place, row in zip(places, rows, strict=True):
        at = max(row.reference, row.current) + largest * 0.03
        axes.text(place, at, percent(row.current), ha="center", color=MUTED)
    axes.set_xticks(list(places), [plain(r.label, 8) for r in rows])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(rows) - 0.45)
    axes.set_ylim(0, largest * 1.1)
    axes.set_yticks([])


def _view(cuts: Sequence[float], reference: Sequence[float], current: Sequence[float]) -> tuple[float, float]:
    """What part of the axis to show: all of it, unless an end that holds little, or is absurd, would fill it."""
    low, high = cuts[0], cuts[-1]
    if len(cuts) > 3:
        inner = cuts[-2] - cuts[1]
        for place, far in ((0, cuts[1] - cuts[0]), (-1, cuts[-1] - cuts[-2])):
            held = max(reference[place], current[place])
            if inner > 0 and (far > 20 * inner or (far > 0.35 * inner and held < 0.1)):
                if place == 0:
                    low = cuts[1] - 0.2 * inner
                else:
                    high = cuts[-2] + 0.2 * inner
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return (0.0, 1.0)
    return low, high


def _legend(figure: Figure, loud: bool) -> None:
    up = 1 - 9 / (figure.get_figheight() * 72)
    across = figure.get_figwidth() * 72
    left = 12.0
    for colour, told in ((REFERENCE, "reference"), (ACCENT if loud else CURRENT, "current")):
        figure.text(left / across, up, "■", color=colour, va="center")
        figure.text((left + FONT_PX + 1) / across, up, told, color=MUTED, va="center")
        left += 26 + text_px(told)
