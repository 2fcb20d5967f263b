"""The types a contract's column can have, and what a value of each may look like.

Authors write them as annotations. `float`, `int` and `bool` are Python's own; the three classes below exist to be
written in annotations and are never instantiated. They derive from the Python type a feature function sees, so that
a type checker accepts `carrier == "UA"` and `paid_at // 1_000_000`.

The one stated representation, in Arrow, in Python and inside a kernel, is the table in `docs/architecture.md`.
"""

from __future__ import annotations

import datetime as dt
import types
import typing
from typing import Any, Literal, get_args

ColumnType = Literal["float", "int", "bool", "category", "timestamp", "money"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

#: A null int, timestamp or amount of money inside a kernel.
NULL_INT = -(2**63)
#: The codes of a category that is null, or that the contract does not list.
NULL_CODE = -1
UNSEEN_CODE = -2

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Category(str):
    """One label out of a list that the contract holds; a feature compares it with labels (`carrier == "UA"`)."""

    __slots__ = ()


class Timestamp(int):
    """A moment: whole microseconds since 1970-01-01T00:00:00Z. Naive timestamps are refused at the door."""

    __slots__ = ()


class Money(int):
    """An amount in whole minor units (cents), so that sums are exact in any order."""

    __slots__ = ()


_BY_CLASS: dict[object, ColumnType] = {
    float: "float",
    int: "int",
    bool: "bool",
    Category: "category",
    Timestamp: "timestamp",
    Money: "money",
}

ANNOTATION: dict[ColumnType, str] = {
    "float": "float",
    "int": "int",
    "bool": "bool",
    "category": "sp.Category",
    "timestamp": "sp.Timestamp",
    "money": "sp.Money",
}


def read_annotation(annotation: Any) -> tuple[ColumnType, bool] | None:
    """(type, nullable) of `T` or `T | None`; None when it is neither of the six types."""
    origin = typing.get_origin(annotation)
    if origin is typing.Union or origin is types.UnionType:
        inner = [a for a in get_args(annotation) if a is not type(None)]
        if len(inner) != 1 or len(get_args(annotation)) != 2:
            return None
        found = _BY_CLASS.get(inner[0])
        return None if found is None else (found, True)
    try:
        found = _BY_CLASS.get(annotation)
    except TypeError:
        return None
    return None if found is None else (found, False)


def microseconds(moment: dt.datetime) -> int:
    """Whole microseconds since the epoch of an aware datetime. ValueError when it is naive."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; attach one, e.g. .replace(tzinfo=datetime.UTC)")
    return (moment - EPOCH) // _MICROSECOND
