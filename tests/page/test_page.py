"""Pages: text stays text, plots are true and small, the same input gives the same bytes, nothing is fetched."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import os
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from sternpost.page import (
    Cell,
    Level,
    Line,
    Mass,
    Page,
    Plot,
    Shade,
    calibration,
    density,
    lines,
    percent,
    shares,
    spark,
)
from sternpost.page.canvas import WIDTHS
from sternpost.page.document import shown

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</text></svg><script>alert(2)</script>",
    "$x^{unfinished",
    "$\\frac{1}{2}$",
    "_hidden",
    "a\x00b\x1b[31m\ud800",
    "]]><!-- --> &amp; &lt;",
    "名前 🚢 Ünïcode",
    'id="stolen" url(#x) #d55e00 1.23456789',
    "x" * 500,
    "",
    "{{ 7 * 7 }}{% raw %}",
]


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_data(self, data):
        self.texts.append(data)


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    return parser


def every_plot(text: str = "name") -> list[Plot]:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=d) for d in range(20)]
    y = [math.sin(d / 4) + 2 for d in range(20)]
    edges = np.linspace(-3, 3, 41)
    mass = np.exp(-(edges[1:] ** 2) / 2)
    mass /= mass.sum()
    line = Line(text, y, [v - 0.1 for v in y], [v + 0.1 for v in y], bars=True)
    estimate = Line(text, y, [v - 0.2 for v in y], [v + 0.2 for v in y], dashed=True)
    return [
        density(edges, mass, mass[::-1], points=[Mass(text, 0.1, 0.3, True)], unit=text, name=text),
        shares([Mass(text, 0.2, 0.4), Mass("other", 0.5, 0.1)], name=text),
        lines(
            days, [line, estimate], shades=[Shade(days[12], days[-1], text)], levels=[Level(1.5, text)], y_label=text
        ),
        lines([text, "b"], [Line(text, [1, 2])], shades=[Shade(text, "b", text)], percents=True, width="half"),
        calibration([0.1, 0.5], [0.2, 0.4], low=[0.1, 0.3], high=[0.3, 0.5], rows=[100, 20], name=text),
        spark([1, 2, None, 3], loud=True),
    ]


def page_about(text: str) -> str:
    page = Page(text, text, facts=[(text, text)])
    page.section(text, text).text(text, tone="loud").facts([(text, text)])
    page.figures([(plot, text, text) for plot in every_plot(text)])
    page.table([text, "n"], [[text, 1], [Cell(text, "loud", about=text, chip=True), spark([1, 2])]], caption=text)
    return page.html()


PLAIN = seen(page_about("name"))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_from_data_is_text_wherever_it_stands(text):
    html = page_about(text)
    found = seen(html)
    # The markup is that of a harmless name: no element and no attribute more.
    assert set(found.tags) <= set(PLAIN.tags)
    assert "script" not in found.tags
    assert {(t, n) for t, n, _ in found.attributes} <= {(t, n) for t, n, _ in PLAIN.attributes}
    assert not [n for _, n, _ in found.attributes if n.startswith("on")]
    # A table shows all of it; whoever breaks out of a cell breaks this.
    if text.strip() and "\x00" not in text:
        assert text in found.texts
    html.encode("utf-8")


def test_a_page_fetches_nothing_and_runs_nothing():
    found = seen(page_about("name"))
    places = [v for _, n, v in found.attributes if n in ("href", "src", "data", "action", "style")]
    assert all(v.startswith("#") or "url(" not in v or "url(#" in v for v in places)
    assert not [v for v in places if re.search(r"https?:|//|@import", v)]
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & set(found.tags)
    assert ("meta", "http-equiv", "Content-Security-Policy") in found.attributes
    style = (html := page_about("name"))[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_inside_plots_belong_to_one_plot_each():
    found = seen(page_about("name"))
    ids = [v for _, n, v in found.attributes if n == "id"]
    assert len(ids) == len(set(ids))
    used = [v[1:] for t, n, v in found.attributes if t == "use" and n == "href"]
    used += [m for _, _, v in found.attributes for m in re.findall(r"url\(#([^)]+)\)", v)]
    assert used
    assert set(used) <= set(ids)


def digest() -> str:
    return hashlib.sha256(page_about("n").encode()).hexdigest()


def test_the_same_input_gives_the_same_bytes_in_every_process():
    code = "from tests.page.test_page import digest; print(digest())"
    mine = digest()
    for seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed, "TZ": "Asia/Tokyo"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == mine


def test_drawing_leaves_matplotlib_as_it_was_and_never_touches_pyplot():
    code = (
        "import sys, matplotlib; from tests.page.test_page import page_about;"
        # Asking for the backend would import pyplot to choose one.
        "now = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'};"
        "before = now(); page_about('n'); assert now() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("plot", every_plot(), ids=lambda p: p.words[:20])
def test_plots_are_small_well_formed_and_follow_light_and_dark(plot):
    assert len(plot.svg) < 15_000
    root = ElementTree.fromstring(plot.svg)
    assert root.get("width") == str(WIDTHS[plot.width])
    loose = re.sub(r"var\(--[a-z0-9-]+,#[0-9a-f]{6}\)", "", plot.svg)
    assert not re.search(r"(fill|stroke):\s*#(?!0{6}|f{6})", loose), loose
    assert plot.words


def test_every_colour_that_plots_use_has_a_light_a_dark_and_a_printed_value():
    html = page_about("name")
    style = html[html.index("<style>") : html.index("</style>")]
    for name in set(re.findall(r"var\(--([a-z0-9-]+),", html)):
        places = len(re.findall(rf"--{name}: ", style))
        assert places >= 2, name


def bar_lengths(plot: Plot, colour: str) -> list[float]:
    lengths = []
    for path in re.findall(r'<path d="([^"]*)"[^>]*style="fill:var\(--' + colour + r",", plot.svg):
        across = [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)]
        lengths.append(max(across) - min(across))
    return lengths


def test_bars_are_as_long_as_their_shares():
    plot = shares([Mass("a", 0.2, 0.4), Mass("b", 0.5, 0.1)])
    reference, current = bar_lengths(plot, "reference"), bar_lengths(plot, "current")
    assert reference[1] / reference[0] == pytest.approx(2.5, rel=1e-3)
    assert current[0] / current[1] == pytest.approx(4.0, rel=1e-3)
    assert current[0] / reference[0] == pytest.approx(2.0, rel=1e-3)


def test_labels_beyond_the_most_are_put_together_and_keep_their_mass():
    plot = shares([Mass(f"l{k}", 0.1, 0.1) for k in range(10)], most=4)
    assert "6 others: 60%, now 60%" in plot.words
    assert bar_lengths(plot, "reference")[-1] / bar_lengths(plot, "reference")[0] == pytest.approx(6.0, rel=1e-3)


def test_the_area_of_a_density_is_its_mass():
    # Two intervals, one four times as wide, with equal mass: a quarter of the height.
    plot = density([0, 1, 5], [0.5, 0.5], [0.5, 0.5])
    outline = re.search(r'<path d="([^"]*)"[^>]*style="fill:var\(--reference,', plot.svg)[1]
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", outline)]
    base = max(y for _, y in points)
    heights = sorted({round(base - y, 1) for _, y in points if y < base - 0.5})
    assert heights[1] / heights[0] == pytest.approx(4.0, rel=0.02)


def test_an_absurd_end_does_not_press_the_rest_together():
    edges = [0.0, *np.linspace(1, 2, 20)]
    mass = [0.05] * 20
    plot = density(edges, mass, mass, current_ends=(0.0, 1e30))
    ticks = [float(t.replace("−", "-")) for t in re.findall(r">([−\d.]+)</text>", plot.svg)]
    assert max(ticks) < 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: density([], [], []),
        lambda: density([1.0], [], [], points=[Mass("null", 1.0, 1.0)]),
        lambda: density([1, 1], [1.0], [1.0]),
        lambda: density([0, 1], [0.0], [0.0]),
        lambda: density([-1e308, 0, 1e308], [0.5, 0.5], [0.5, 0.5]),
        lambda: density([0, 1, 2, 3, 4], [0.25] * 4, [0.0] * 4, current_ends=(math.nan, math.nan)),
        lambda: density([0, 1, 2, 3, 4], [0.25] * 4, [0.0] * 4, current_ends=(-math.inf, math.inf)),
        lambda: density([0, 1], [1.0], [1.0], width="third"),
        lambda: shares([]),
        lambda: shares([Mass("a", 0, 0)]),
        lambda: shares([Mass("a", math.nan, 1)]),
        lambda: lines([], []),
        lambda: lines([dt.date(2024, 1, 1)], [Line("a", [1])]),
        lambda: lines(["a"], [Line("a", [None])]),
        lambda: lines(["a", "b"], [Line("a", [math.nan, math.inf])]),
        lambda: lines([str(k) for k in range(500)], [Line("a", range(500))]),
        lambda: lines([dt.date(2024, 1, 1)] * 3, [Line("a", [1, 1, 1])]),
        lambda: lines(["a"], [Line(str(k), [1.0]) for k in range(9)]),
        lambda: calibration([], []),
        lambda: calibration([0.5], [0.5], low=[None], high=[None], rows=[0]),
        lambda: spark([]),
        lambda: spark([None]),
    ],
)
def test_what_is_empty_constant_or_endless_is_drawn_without_complaint(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ElementTree.fromstring(make().svg)


def test_numbers_read_as_people_write_them():
    told = [shown(v) for v in (None, math.nan, math.inf, 0, 1234567, 0.0, 0.123456, 12345.678, 1e-12, True, "x")]
    assert told == ["–", "–", "∞", "0", "1,234,567", "0", "0.1235", "12,346", "1.0e-12", "True", "x"]
    assert [percent(s) for s in (0, 0.5, 0.034, 0.0002, 1e-9)] == ["0", "50%", "3.4%", "0.02%", "<0.01%"]
