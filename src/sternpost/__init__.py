"""Sternpost: a Python feature file and a fitted model become a sealed bundle that scores Arrow data.

The public names, by the order in which one meets them: declare a row (`Contract`, `column`, `Category`, `Timestamp`,
`Money`), write features (`feature`, `is_null`, calendar functions, `FeatureSet`), seal (`build`), open
(`open_bundle`, `Bundle`), ask a server (`Client`, `aio.Client`), what comes back (`Decision`), and what changed since
(`drift`). Everything raised on
purpose derives from `SternpostError`; see `sternpost.errors` for the tree. A name's room is imported when the name is
first used, so that the command line starts without the rooms it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sternpost._core import Decision, Violation, __version__
    from sternpost.bundle import Bundle, build, open_bundle
    from sternpost.contract import Category, Contract, Money, Timestamp, column
    from sternpost.errors import SternpostError
    from sternpost.features import (
        Feature,
        FeatureSet,
        day,
        day_of_year,
        feature,
        hour,
        is_null,
        is_unseen,
        local,
        minute_of_day,
        month,
        weekday,
        year,
    )  # fmt: skip
    from sternpost.monitor.drift import drift
    from sternpost.serve import Client

_ROOM_OF: dict[str, tuple[str, ...]] = {
    "_core": ("Decision", "Violation", "__version__"),
    "bundle": ("Bundle", "build", "open_bundle"),
    "contract": ("Category", "Contract", "Money", "Timestamp", "column"),
    "errors": ("SternpostError",),
    "features": (
        "Feature", "FeatureSet", "day", "day_of_year", "feature", "hour", "is_null", "is_unseen", "local",
        "minute_of_day", "month", "weekday", "year",
    ),
    "serve": ("Client",),
    "monitor.drift": ("drift",),
    "aio": (),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOM_OF:
        return import_module(f"sternpost.{name}")
    for room, names in _ROOM_OF.items():
        if name in names:
            value = getattr(import_module(f"sternpost.{room}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'sternpost' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(n for names in _ROOM_OF.values() for n in names)})


__all__ = [
    "Bundle",
    "Category",
    "Client",
    "Contract",
    "Decision",
    "Feature",
    "FeatureSet",
    "Money",
    "SternpostError",
    "Timestamp",
    "Violation",
    "__version__",
    "build",
    "column",
    "day",
    "day_of_year",
    "drift",
    "feature",
    "hour",
    "is_null",
    "is_unseen",
    "local",
    "minute_of_day",
    "month",
    "open_bundle",
    "weekday",
    "year",
]
