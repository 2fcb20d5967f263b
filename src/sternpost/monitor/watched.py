"""What to watch, from where its reference is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from sternpost.errors import DataError, UsageError
from sternpost.monitor.alarms import Kind, Watched


class Described(Protocol):
    """A column of a reference, as far as a detector needs it."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def counts(self) -> Sequence[int]: ...


def watched_columns(columns: Iterable[Described]) -> dict[str, Watched]:
    """The columns of a reference by name; a name that stands in several roles is told with its role: `input age`."""
    given = list(columns)
    times = Counter(column.name for column in given)
    return {
        (c.name if times[c.name] == 1 else f"{c.role} {c.name}"): Watched(cast(Kind, c.kind), list(c.counts))
        for c in given
    }


def watched_of(path: Path) -> dict[str, Watched]:
    """The watched columns of a bundle, or of a JSON file {column: {"kind": ..., "counts": [...]}}.

    DataError for a file that cannot be read, UsageError for one that says something else or a bundle without a
    reference; what opening a bundle raises.
    """
    if path.suffix != ".json":
        from sternpost.bundle import open_bundle

        return watched_columns(open_bundle(path).require_reference().columns)
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    try:
        return {
            str(name): Watched(c["kind"], [int(n) for n in c["counts"]], float(c.get("importance", 1)))
            for name, c in described.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f'{path}: every column needs {{"kind": ..., "counts": [...]}}; {error!r}') from None
