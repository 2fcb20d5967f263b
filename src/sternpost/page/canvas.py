"""From a drawing to a plot on a page: colours that follow the reader's light or dark, text as text, the same bytes.

Owed to callers: the same input gives the same bytes; the SVG refers to nothing outside of itself, holds no script, and
whatever text comes from data is text in it. Colours are drawn as the light palette and written as CSS variables with
that colour as what to fall back to, so that `style.css` can turn them.

matplotlib is used by its objects alone (`Figure`), never through pyplot, and imported when something is drawn. Its
settings are global, so drawing holds a lock.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How wide a plot stands on the page: across it, two or three in a row, or in a table's cell.
Width = Literal["wide", "half", "third", "cell"]

#: Pixels, which are also the units inside the SVG: letters have one size in every plot.
WIDTHS: Final[dict[Width, int]] = {"wide": 980, "half": 478, "third": 312, "cell": 132}

# Blue and vermilion of Okabe and Ito, which people who confuse red and green tell apart; the rest is grey.
INK = "#1f2933"
MUTED = "#67727e"
GRID = "#e4e7ea"
SHADE = "#f0ebdf"
REFERENCE = "#b4bdc6"
CURRENT = "#0072b2"
ACCENT = "#d55e00"
#: For several lines in one plot, in this order.
SERIES: Final = (CURRENT, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)

#: The name of each colour in `style.css`.
COLOURS: Final[dict[str, str]] = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    SHADE: "shade",
    REFERENCE: "reference",
    CURRENT: "current",
    ACCENT: "accent",
    SERIES[1]: "series-2",
    SERIES[2]: "series-3",
    SERIES[3]: "series-4",
    SERIES[4]: "series-5",
}

FONT_PX = 11
_LABEL_CHARACTERS = 28
_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sternpost",
    "font.family": ["DejaVu Sans"],
    "font.size": FONT_PX,
    "text.usetex": False,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.limits": (-4, 6),
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "timezone": "UTC",
}
_LOCK = threading.Lock()
# What XML and UTF-8 cannot hold: a label may be any bytes that were text somewhere.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Plot:
    """A drawing for a page. `svg` is markup and was made here; `words` say the same to who cannot see it."""

    svg: str
    words: str
    width: Width = "wide"


def draw(paint: Callable[[Figure], None], *, width: Width, height: int, words: str) -> Plot:
    """Have `paint` fill an empty figure of `height` pixels, and write it down."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with _LOCK, rc_context(_SETTINGS), warnings.catch_warnings():
        # Letters are measured with a font that need not know them; the reader's browser draws them.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(WIDTHS[width] / 72, height / 72), dpi=72)
        figure.patch.set_visible(False)
        paint(figure)
        figure.savefig(
            buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")), transparent=True
        )
    return Plot(_tidied(buffer.getvalue(), WIDTHS[width], height), words, width)


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes by pixels from the lower left corner, with nothing but a base line."""
    across, up = figure.get_figwidth() * 72, figure.get_figheight() * 72
    axes = figure.add_axes((left / across, bottom / up, max(width, 1) / across, max(height, 1) / up))
    axes.spines["left"].set_visible(False)
    axes.patch.set_visible(False)
    return axes


def printable(text: str) -> str:
    """The text with the sign for a broken letter in place of what no file can hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def plain(text: object, characters: int = _LABEL_CHARACTERS) -> str:
    """Any value as one short line of text."""
    line = " ".join(printable(str(text)).split()) or "(empty)"
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"


def text_px(text: str) -> float:
    """About how wide a line of text is."""
    return len(text) * FONT_PX * 0.56


def percent(share: float) -> str:
    """A share in as few letters as still tell it from its neighbours: 0, 0.02%, 3.4%, 57%."""
    if share == 0:
        return "0"
    value = 100 * share
    return f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%" if abs(value) >= 0.01 else "<0.01%"


def _tidied(svg: str, width: int, height: int) -> str:
    """What a page needs of matplotlib's file: no prologue, no groups and names without a use, two digits, our colours.

    Only tags are touched; text between them stays as it is.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    needed = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    pieces: list[str] = []
    groups: list[bool] = []  # of those that are open: is it written
    for found, text in re.findall(r"(<[^>]*>)([^<]*)", svg):
        tag = found
        if found.startswith("<g"):
            written = any(f'{name}="' in found for name in ("clip-path", "style", "transform"))
            if not found.endswith("/>"):
                groups.append(written)
            tag = _tidied_tag(found, needed) if written else ""
        elif found == "</g>":
            tag = found if groups.pop() else ""
        elif found.startswith("<svg"):
            tag = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="plot">'
        elif not found.startswith("</"):
            tag = _tidied_tag(found, needed)
        pieces.append(tag + (text if text.strip() else ""))
    return "".join(pieces).replace("<defs></defs>", "")


def _tidied_tag(tag: str, needed: set[str]) -> str:
    tag = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in needed else "", tag)
    tag = tag.replace("xlink:href=", "href=")
    tag = re.sub(
        rf"font-size: {FONT_PX}px; |font-family: 'DejaVu Sans'(; )?|font: {FONT_PX}px 'DejaVu Sans'(; )?", "", tag
    )
    tag = re.sub(r' transform="rotate\(-0[^"]*"| style=""', "", tag)
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)
    tag = re.sub(r"\s*\n\s*|(?<= ) +", " ", tag).replace(' "', '"').replace("; ", ";").replace(": ", ":")
    for colour, name in COLOURS.items():
        tag = tag.replace(colour, f"var(--{name},{colour})")
    return tag
