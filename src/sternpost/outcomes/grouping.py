"""Decisions by vintage, by version, or by a column's value."""

from __future__ import annotations

import datetime as dt
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import UsageError
from sternpost.outcomes.events import floats

Flags = npt.NDArray[np.bool_]
Groups = list[tuple[str, Flags]]
Period = Literal["day", "week", "month", "quarter", "year"]

_FORMATS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
#: The period of a journal that spans up to so many days.
_AUTO: tuple[tuple[int, Period], ...] = ((31, "day"), (26 * 7, "week"), (4 * 366, "month"), (12 * 366, "quarter"))
#: Of a column with more values, the others are one group.
SEGMENTS_MAX = 50
OTHERS, NONE = "(others)", "(none)"
DIGEST_CHARACTERS = 12


def by_vintage(decisions: pa.Table, period: Period | None) -> Groups:
    """Groups by the period of `at` (UTC), in order of time. Without a period, one that suits the span of time."""
    at = decisions.column("at")
    if not len(at):
        return []
    if period is None:
        ends = pc.min_max(at)
        days = (ends["max"].as_py() - ends["min"].as_py()) / dt.timedelta(days=1)
        period = next((p for most, p in _AUTO if days <= most), "year")
    if period not in get_args(Period):
        raise UsageError(f"period {period!r} is not one of {', '.join(get_args(Period))}")
    if period == "quarter":
        year, quarter = pc.year(at).cast(pa.string()), pc.quarter(at).cast(pa.string())
        names = pc.binary_join_element_wise(year, quarter, "-Q")
    else:
        names = pc.strftime(at, format=_FORMATS[str(period)])
    return sorted(_split(names))


def by_version(decisions: pa.Table) -> Groups:
    """Groups by bundle digest, shortened, in order of their first decision."""
    names = pc.utf8_slice_codeunits(decisions.column("digest"), 0, DIGEST_CHARACTERS)
    return sorted(_split(names), key=lambda group: int(np.argmax(group[1])))


def by_segment(decisions: pa.Table, column: str) -> Groups:
    """Groups by the value of a column, the most frequent first; rare values beyond the first ones are one group."""
    values = column_of(decisions, column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type) or pa.types.is_nested(values.type):
        raise UsageError(f"segment {column} is {values.type}; name a column with labels, flags or whole numbers")
    groups = sorted(_split(pc.fill_null(values.cast(pa.string()), NONE)), key=lambda g: (-int(g[1].sum()), g[0]))
    if len(groups) <= SEGMENTS_MAX:
        return groups
    rest = np.logical_or.reduce([flags for _, flags in groups[SEGMENTS_MAX - 1 :]])
    return [*groups[: SEGMENTS_MAX - 1], (OTHERS, rest)]


def column_of(decisions: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of the decisions, or of the inputs they were made from. Raises `UsageError` that lists what there is."""
    if name in decisions.column_names:
        return decisions.column(name)
    inputs: list[str] = []
    if "inputs" in decisions.column_names and pa.types.is_struct(decisions.schema.field("inputs").type):
        inputs = [field.name for field in decisions.schema.field("inputs").type]
        if name in inputs:
            return pc.struct_field(decisions.column("inputs"), name)
    known = ", ".join([*inputs, *(n for n in decisions.column_names if n != "inputs")][:30])
    raise UsageError(f"decisions have no column {name}; they have {known}")


def weights(decisions: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column as weights, float64 [n]. Raises `UsageError` when it is not a number."""
    values = column_of(decisions, name)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)):
        raise UsageError(f"weight {name} is {values.type}; name a column of numbers")
    return floats(values)


def _split(names: pa.ChunkedArray) -> Groups:
    encoded = pa.chunked_array([names]) if isinstance(names, pa.Array) else names
    coded = encoded.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    places = np.asarray(coded.indices.to_numpy(zero_copy_only=False))
    return [(name, places == i) for i, name in enumerate(coded.dictionary.to_pylist())]
