"""Lengths of time as people write them, in settings and options alike: the one grammar.

A number and a unit: `10s`, `15m` or `15min`, `36h`, `90d`, `2w`, `1.5h`.
"""

from __future__ import annotations

import datetime as dt
import re

from sternpost.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*", re.ASCII)
#: Longer than anything that is waited for, short enough that moments stay within 64 bits of microseconds.
_LONGEST = dt.timedelta(days=365 * 200)


def duration(text: str | dt.timedelta, place: str, *, above_zero: bool = False) -> dt.timedelta:
    """A length of time from nothing (or, with `above_zero`, from just above) to 200 years.

    `place` is the option or key that it was given for; a `UsageError` names it.
    """
    found = text if isinstance(text, dt.timedelta) else _read(text)
    if found is None:
        raise UsageError(
            f"{place}: {text!r} is no length of time; write a number and one of s, m (or min), h, d, w, e.g. 90d"
        )
    if not dt.timedelta(0) <= found <= _LONGEST:
        raise UsageError(f"{place}: {text!r} must lie between 0 and 200 years")
    if above_zero and not found:
        raise UsageError(f"{place}: {text!r} is no time at all; give more than 0, e.g. 15m")
    return found


def _read(text: object) -> dt.timedelta | None:
    match = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    seconds = float(match[1]) * _UNITS[match[2]]
    return dt.timedelta(seconds=seconds) if seconds <= _LONGEST.total_seconds() else _LONGEST + dt.timedelta(1)
