"""One page that explains itself: a single HTML file that needs no network and no script, on screen and on paper.

    page = Page("Drift of late-arrivals", "Three columns moved.")
    page.section("Culprits").figure(plot, "Temperature, reference against May")
    page.table(["column", "PSI"], [["temp_f", 2.5]])
    Path("report.html").write_text(page.html())

Owed to callers: text is text, whatever it contains: nothing that comes from data can become markup. Markup comes from
this package alone: `style.css`, `page.html`, and plots. The same calls give the same bytes.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, Self

from sternpost.page.canvas import Plot, printable

if TYPE_CHECKING:
    from jinja2 import Template

#: How much attention a cell or note asks for.
Tone = Literal["plain", "loud", "quiet", "good"]


@dataclass(frozen=True)
class Cell:
    """A value in a table with a tone; `about` is told when a pointer rests on it. `chip` draws it as a label."""

    value: str | int | float | None
    tone: Tone = "plain"
    about: str = ""
    chip: bool = False


Value = Cell | Plot | str | int | float | None


@dataclass
class _Section:
    heading: str
    anchor: str
    parts: list[dict[str, Any]] = field(default_factory=list)


class Page:
    """A page being written, from top to bottom. Every method adds to the section that was begun last."""

    def __init__(self, title: str, lead: str, *, facts: Sequence[tuple[str, str]] = ()) -> None:
        """`title` names the page, `lead` says in a sentence or two what it found, `facts` are (name, value) below."""
        self._title = title
        self._lead = lead
        self._facts = list(facts)
        self._sections: list[_Section] = []
        self._plots = 0

    def section(self, heading: str, text: str = "") -> Self:
        """Begin a section, with a first paragraph."""
        self._sections.append(_Section(heading, f"s{len(self._sections) + 1}"))
        return self.text(text) if text else self

    def text(self, paragraph: str, *, tone: Tone = "plain") -> Self:
        """A paragraph; `loud` makes it a warning, `quiet` a remark."""
        return self._add("text", text=paragraph, tone=tone)

    def facts(self, pairs: Sequence[tuple[str, str]]) -> Self:
        """Names and what they mean, one below the other."""
        return self._add("facts", pairs=list(pairs))

    def figure(self, plot: Plot, caption: str, *, note: str = "") -> Self:
        """A plot with its caption; `note` is smaller and says how to read it."""
        return self.figures([(plot, caption, note)])

    def figures(self, plots: Sequence[tuple[Plot, str] | tuple[Plot, str, str]]) -> Self:
        """Plots side by side as their width allows, as small multiples: (plot, caption) or (plot, caption, note)."""
        made = [(self._placed(p[0]), p[0].width, p[1], p[2] if len(p) > 2 else "") for p in plots]
        return self._add("figures", plots=made)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Value]], *, caption: str = "") -> Self:
        """A table; numbers stand right. A cell is a value, a `Cell`, or a small plot."""
        made = [[self._cell(value) for value in row] for row in rows]
        right = [all(row[k]["number"] for row in made) and bool(made) for k in range(len(columns))]
        return self._add("table", columns=list(zip(columns, right, strict=True)), rows=made, caption=caption)

    def html(self) -> str:
        """The whole page."""
        return _template().render(
            title=self._title,
            lead=self._lead,
            facts=self._facts,
            sections=self._sections,
            style=files("sternpost.page").joinpath("style.css").read_text("utf-8"),
        )

    def _add(self, kind: str, **part: Any) -> Self:
        if not self._sections:
            self._sections.append(_Section("", "s1"))
        self._sections[-1].parts.append({"kind": kind, **part})
        return self

    def _placed(self, plot: Plot) -> str:
        """The plot's markup with names that no other plot of the page has, and words for who cannot see it."""
        from markupsafe import escape

        self._plots += 1
        own = f"p{self._plots}-"
        svg = re.sub(r'( id="|url\(#| href="#)', lambda found: found[0] + own, plot.svg)
        return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(plot.words)}" ', 1)

    def _cell(self, value: Value) -> dict[str, Any]:
        if isinstance(value, Plot):
            return {"svg": self._placed(value), "number": False}
        cell = value if isinstance(value, Cell) else Cell(value)
        number = isinstance(cell.value, int | float) and not isinstance(cell.value, bool)
        return {
            "svg": None,
            "text": shown(cell.value),
            "number": number or cell.value is None,
            "tone": cell.tone,
            "about": cell.about,
            "chip": cell.chip,
        }


def shown(value: object) -> str:
    """A value as a person reads it: four digits for fractions, commas in whole numbers, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.from_string(files("sternpost.page").joinpath("page.html").read_text("utf-8"))
