"""What is watched, as Prometheus reads it: text exposition format 0.0.4.

Owed to callers: any name is quoted, so no label breaks a line; series are bounded, `COLUMNS_MAX` columns a bundle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sternpost._core import Window
from sternpost.monitor.counting import UNSEEN, Cells
from sternpost.monitor.measuring import measure

#: Columns of a bundle that have gauges: the first ones of its reference.
COLUMNS_MAX: Final = 500

_GAUGES: Final = {
    "psi": ("sternpost_watch_psi", "Population stability index of the sliding window against the reference."),
    "psi_debiased": ("sternpost_watch_psi_debiased", "The same less what chance alone adds."),
    "ks": ("sternpost_watch_ks", "Kolmogorov-Smirnov distance at the cells' bounds, a lower bound; ordered columns."),
    "missing": ("sternpost_watch_missing_share", "Share of rows without a value in the sliding window."),
    "unseen": ("sternpost_watch_unseen_share", "Share of rows with a label that the contract lacks; categories."),
}


@dataclass
class Told:
    """Of one bundle: its columns, its sliding window, and what was counted since the start."""

    cells: list[Cells]
    sliding: Window
    alarm: bool = False
    alarms: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    broken: dict[tuple[str, str, str], int] = field(default_factory=dict)


def exposition(bundles: Mapping[str, Told], own: Iterable[tuple[str, str, str, float]]) -> str:
    """The page's part. `own` are the monitor's own numbers: (name, kind, help, value)."""
    lines: list[str] = []

    def page(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{{{labels}}} {_number(value)}" for labels, value in samples)

    page(
        "sternpost_watch_window_rows",
        "gauge",
        "Rows in the sliding window.",
        [(_labels(bundle=name), told.sliding.rows["seen"]) for name, told in bundles.items()],
    )
    measured = {name: _measured(told) for name, told in bundles.items()}
    for key, (metric, text) in _GAUGES.items():
        samples = [
            (_labels(bundle=name, column=column, role=role), value)
            for name, columns in measured.items()
            for (column, role), values in columns.items()
            if (value := values.get(key)) is not None and math.isfinite(value)
        ]
        page(metric, "gauge", text, samples)
    for key, text in (
        ("seen", "Rows watched."),
        ("refused", "Of these, rows without a score."),
        ("dropped", "Rows scored that the monitor did not count."),
    ):
        name = "sternpost_watch_rows_total" if key == "seen" else f"sternpost_watch_rows_{key}_total"
        page(name, "counter", text, [(_labels(bundle=b), told.rows.get(key, 0)) for b, told in bundles.items()])
    broken = [
        (_labels(bundle=name, column=column, role=role, rule=rule), count)
        for name, told in bundles.items()
        for (role, column, rule), count in sorted(told.broken.items())
        if (column, role) in measured[name]
    ]
    page("sternpost_watch_rules_broken_total", "counter", "Rows that broke a rule of the contract.", broken)
    page(
        "sternpost_alarm",
        "gauge",
        "1 while an alarm of a bundle is on.",
        [(_labels(bundle=name), float(told.alarm)) for name, told in bundles.items()],
    )
    alarms = [
        (_labels(bundle=name, kind=kind), told.alarms.get(kind, 0))
        for name, told in bundles.items()
        for kind in ("shift", "contract")
    ]
    page("sternpost_alarms_total", "counter", "Alarms raised.", alarms)
    for name, kind, text, value in own:
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {_number(value)}"))
    return "\n".join(lines) + "\n"


def _measured(told: Told) -> dict[tuple[str, str], dict[str, float | None]]:
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for cells in told.cells[:COLUMNS_MAX]:
        counts = np.asarray(told.sliding.counts(cells.name, cells.role), np.uint64)
        rows = int(counts.sum())
        values = measure(cells, counts) if rows else {}
        if rows and cells.kind == "category":
            values["unseen"] = int(counts[UNSEEN]) / rows
        found[cells.name, cells.role] = values
    return found


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)) if not float(value).is_integer() else str(int(value))
