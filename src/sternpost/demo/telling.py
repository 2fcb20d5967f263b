"""The story on a terminal: numbered steps with their time, tables, text. Silent when a machine listens."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 120


class Telling:
    """Tells steps as they end. `seconds` holds the time of each by its name, in order."""

    def __init__(self, *, silent: bool) -> None:
        self.seconds: dict[str, float] = {}
        found = Console(highlight=False, markup=False, quiet=silent)
        plain = Console(highlight=False, markup=False, quiet=silent, width=_PLAIN_WIDTH)
        self._out = found if found.is_terminal else plain

    @contextlib.contextmanager
    def step(self, name: str, doing: str) -> Iterator[list[str]]:
        """One step. What it appends to the list it is given is told when it ends, the first line with the time.

        While it runs, a terminal shows what it is doing on stderr.
        """
        told: list[str] = []
        started = time.perf_counter()
        with self._turning(doing):
            yield told
        self.seconds[name] = round(time.perf_counter() - started, 3)
        first, *rest = told or [doing]
        self.say(f"{len(self.seconds)}  {first:<92} {self.seconds[name]:>6.1f} s")
        for line in rest:
            self.say(f"   {line}")

    def say(self, text: str = "") -> None:
        """A line of text."""
        self._out.print(text, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; the first column is text, the others are numbers."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self._out.print()
        self._out.print(table)
        self._out.print()

    def _turning(self, doing: str) -> contextlib.AbstractContextManager[object]:
        return Console(stderr=True).status(doing) if sys.stderr.isatty() else contextlib.nullcontext()
