"""Current rows cut by a column: a moment into periods, anything else by its value.

Rows are counted in the smallest stretch asked for (a day, if none is) and larger ones are their sums, so a stream of
any length can be cut while it is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sternpost.errors import UsageError

Span = Literal["hour", "day", "week", "month", "quarter", "year"]
SPANS: Final[tuple[Span, ...]] = get_args(Span)
#: Without a span, the finest of these that gives at most this many periods.
_PERIODS_MANY = 60
#: More than this are no periods any more.
_PLACES_MAX = 10_000

#: Where a row belongs: the beginning of a stretch, a value as text, or None for rows without either.
Place = dt.datetime | str | None


class Calendar:
    """How rows are cut: by which column, and for moments into which span."""

    def __init__(self, column: str, span: str | None = None, finest: Span = "day") -> None:
        """Without a span, moments are cut as finely as `finest`. Raises UsageError for a span that there is not."""
        if span is not None and span not in SPANS:
            raise UsageError(f"period {span!r} is not known; choose one of {', '.join(SPANS)}")
        self.column = column
        self.span = span
        self._finest = finest
        self._places: set[Place] = set()
        self._timed = False

    def cut(self, table: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
        """The rows in groups by place, each in the table's order. Raises UsageError where the column is not fit."""
        if self.column not in table.column_names:
            raise UsageError(
                f"by {self.column}: the current rows have no such column; they have "
                f"{', '.join(table.column_names[:20])}"
            )
        values = table.column(self.column)
        self._timed = pt.is_timestamp(values.type) or pt.is_date(values.type)
        if self._timed:
            zoneless = values.cast(pa.timestamp("us", getattr(values.type, "tz", None)))
            places = pc.floor_temporal(zoneless, unit=self.span or self._finest)
        elif self.span is not None:
            raise UsageError(f"by {self.column}: it is {values.type}, not a timestamp, so it has no {self.span}s")
        elif pt.is_nested(values.type):
            raise UsageError(f"by {self.column}: it is {values.type}; rows are cut by a moment or a plain value")
        else:
            places = pc.cast(values, pa.string())
        for found in places.unique():
            place = found.as_py()
            self._keep(place)
            mask = pc.is_null(places) if place is None else pc.equal(places, found)
            yield place, table.filter(mask)

    def place_of(self, moment: dt.datetime) -> Place:
        """Where a moment belongs. Raises UsageError for more periods than can be told apart."""
        self._timed = True
        floored = pc.floor_temporal(pa.scalar(moment, pa.timestamp("us", "UTC")), unit=self.span or self._finest)
        place: dt.datetime = floored.as_py()
        self._keep(place)
        return place

    def gathered(self, places: Iterable[Place]) -> list[tuple[str, list[Place]]]:
        """Periods in order, each with its name and the places that it is the sum of; rows without a place come last."""
        known: list[Any] = sorted(p for p in places if p is not None)
        lost: list[tuple[str, list[Place]]] = [("(none)", [None])] if None in self._places else []
        if not self._timed:
            return [(str(place), [place]) for place in known] + lost
        for span in (self.span,) if self.span is not None else SPANS[SPANS.index(self._finest) :]:
            groups: dict[str, list[Place]] = {}
            for place in known:
                groups.setdefault(_named(place, span), []).append(place)
            if len(groups) <= _PERIODS_MANY:
                break
        return [*groups.items(), *lost]

    def _keep(self, place: Place) -> None:
        self._places.add(place)
        if len(self._places) > _PLACES_MAX:
            raise UsageError(
                f"by {self.column}: more than {_PLACES_MAX:,} periods or values; choose a longer period, or a "
                "column with fewer values"
            )


def _named(moment: dt.datetime, span: str) -> str:
    if span == "hour":
        return f"{moment:%Y-%m-%d %H:00}"
    if span == "week":
        return f"{moment - dt.timedelta(days=moment.weekday()):%Y-%m-%d}"
    if span == "month":
        return f"{moment:%Y-%m}"
    if span == "quarter":
        return f"{moment:%Y}-Q{(moment.month + 2) // 3}"
    return f"{moment:%Y}" if span == "year" else f"{moment:%Y-%m-%d}"
