"""Counts of a table's columns in the cells of a reference, and what is shown beside them: ends and names.

Owed to callers: counts add up exactly, in any order; a column that cannot be counted is told with its reason, and the
others are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sternpost._core import Reference, ReferenceColumn, Window, tally

Counts = npt.NDArray[np.uint64]

#: Every vector of counts ends with these cells.
TAIL, UNSEEN, NAN, INFINITE, NULL = range(-5, 0)
SPECIALS = 5
#: Names of new labels kept of a column.
_NAMES_MAX = 10_000

Ends = tuple[float, float]


@dataclass(frozen=True)
class Cells:
    """What the reference knows of a column: its cells, how many rows lay in each, and where.

    For numbers cell k is (edges[k-1], edges[k]], the ends open, and `points` says which cells hold one value only.
    `labels` have a cell of their own each. `counts`: uint64 [K + 5]. `ends`: the least and the greatest number.
    """

    name: str
    role: str
    kind: str
    counts: Counts
    edges: tuple[float, ...] = ()
    points: tuple[bool, ...] = ()
    labels: tuple[str, ...] = ()
    means: tuple[float | None, ...] = ()
    ends: Ends | None = None

    @classmethod
    def of(cls, column: ReferenceColumn) -> Cells:
        """A column of the core's reference."""
        low, high = column.min, column.max
        return cls(
            column.name,
            column.role,
            column.kind,
            np.asarray(column.counts, np.uint64),
            tuple(column.edges),
            tuple(column.points),
            tuple(column.labels),
            tuple(column.means),
            None if low is None or high is None else (low, high),
        )

    @property
    def ordered(self) -> bool:
        """Do the ordinary cells stand in the order of their values?"""
        return self.kind in ("numeric", "score")

    @property
    def iqr(self) -> float | None:
        """The interquartile range, from the cells' edges; None for what has none."""
        below = np.cumsum(self.counts[:-SPECIALS].astype(float))
        if not self.ordered or not self.edges or not below[-1]:
            return None
        places = np.minimum(
            np.searchsorted(below, np.array([0.25, 0.75]) * below[-1] * (1 - 1e-9)), len(self.edges) - 1
        )
        low, high = (self.edges[int(place)] for place in places)
        return high - low


@dataclass(frozen=True)
class Tally:
    """Rows counted: `window` has the counts, `ends` and `names` what pages tell of numbers and of new labels."""

    window: Window
    rows: int = 0
    ends: dict[str, Ends] = field(default_factory=dict)
    names: dict[str, Counter[str]] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)

    def counts(self, cells: Cells) -> Counts:
        """A column's counts: uint64 [K + 5]."""
        return np.asarray(self.window.counts(cells.name, cells.role), np.uint64)


def together(reference: Reference, parts: Iterable[Tally]) -> Tally:
    """The sum of tallies; of none, zeros."""
    held = list(parts)
    ends: dict[str, Ends] = {}
    names: dict[str, Counter[str]] = {}
    odd: dict[str, str] = {}
    for part in held:
        for name, (low, high) in part.ends.items():
            before = ends.get(name, (low, high))
            ends[name] = min(before[0], low), max(before[1], high)
        for name, found in part.names.items():
            names.setdefault(name, Counter()).update(found)
        odd |= part.odd
    window = Window.merge(reference, [part.window for part in held])
    return Tally(window, sum(part.rows for part in held), ends, names, odd)


def count(
    reference: Reference, table: pa.Table, role: str = "input", known: dict[str, frozenset[str]] | None = None
) -> Tally:
    """Count a table's columns of a role. `known`: the labels of the reference, by column, to name what is new."""
    window, odd = tally(reference, table, role)
    ends: dict[str, Ends] = {}
    names: dict[str, Counter[str]] = {}
    for column in reference.columns:
        if column.role != role or column.name in odd:
            continue
        values = table.column(column.name)
        if column.kind in ("numeric", "score"):
            found = _ends(values)
            if found is not None:
                ends[column.name] = found
        elif column.kind == "category" and window.counts(column.name, role)[UNSEEN]:
            new = _new_labels(values, (known or {}).get(column.name))
            if new:
                names[column.name] = new
    return Tally(window, table.num_rows, ends, names, odd)


def labels_of(table: pa.Table) -> dict[str, frozenset[str]]:
    """All labels of every column of text."""
    found = {}
    for name in table.column_names:
        values = table.column(name)
        if _is_text(values.type):
            unique = values.unique()
            found[name] = frozenset(unique.drop_null().to_pylist())
    return found


def _is_text(type_: pa.DataType) -> bool:
    plain = type_.value_type if pt.is_dictionary(type_) else type_
    return bool(pt.is_string(plain) or pt.is_large_string(plain) or pt.is_string_view(plain))


def _ends(values: pa.ChunkedArray) -> Ends | None:
    """The least and the greatest finite number."""
    if pt.is_boolean(values.type) or pt.is_null(values.type):
        return None
    found = [ends for chunk in values.chunks if (ends := _chunk_ends(chunk)) is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _chunk_ends(chunk: pa.Array) -> Ends | None:
    if not len(chunk):
        return None
    if not chunk.null_count and (pt.is_float64(chunk.type) or pt.is_int64(chunk.type)):
        # Several times quicker than Arrow's own, and a NaN shows.
        numbers = chunk.to_numpy()
        low, high = float(numbers.min()), float(numbers.max())
        if math.isfinite(low) and math.isfinite(high):
            return low, high
    found = pc.min_max(chunk).as_py()
    if found["min"] is not None and not (math.isfinite(found["min"]) and math.isfinite(found["max"])):
        found = pc.min_max(chunk.filter(pc.is_finite(chunk))).as_py()
    return None if found["min"] is None else (float(found["min"]), float(found["max"]))


def _new_labels(values: pa.ChunkedArray, known: frozenset[str] | None) -> Counter[str] | None:
    if known is None or not _is_text(values.type):
        return None
    texts = values if not pt.is_dictionary(values.type) else values.cast(values.type.value_type)
    found = pc.value_counts(texts.drop_null()).to_pylist()
    new = {c["values"]: c["counts"] for c in found if c["values"] not in known}
    return Counter(dict(sorted(new.items(), key=lambda item: (-item[1], item[0]))[:_NAMES_MAX]))
