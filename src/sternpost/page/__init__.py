"""Pages for people: one HTML file with plots, tables and words, readable without a network and without scripts.

canvas        colours, letters and the way from a drawing to SVG
masses        how much falls where: densities, categories, shares
lines         what happened over time
calibration   observed against predicted
document      the page itself
"""

from sternpost.page.calibration import calibration
from sternpost.page.canvas import Plot, Width, percent
from sternpost.page.document import Cell, Page, Tone
from sternpost.page.lines import Level, Line, Shade, lines, spark
from sternpost.page.masses import Mass, density, shares

__all__ = [
    "Cell",
    "Level",
    "Line",
    "Mass",
    "Page",
    "Plot",
    "Shade",
    "Tone",
    "Width",
    "calibration",
    "density",
    "lines",
    "percent",
    "shares",
    "spark",
]
