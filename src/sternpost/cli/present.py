"""How a verb speaks: one JSON object, text for a person, progress for a terminal."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def print_json(value: Mapping[str, Any]) -> None:
    """The verb's one object on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def console() -> Console:
    """Where text for a person goes: stdout, coloured on a terminal, plain and wide elsewhere."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the process here; how a command ends is decided in one place.
            raise BrokenPipeError

    found = Quiet(highlight=False, markup=False)
    return found if found.is_terminal else Quiet(highlight=False, markup=False, width=_PLAIN_WIDTH)


@contextlib.contextmanager
def steps(names: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
    """A function to call with the name of each step that begins; on a terminal it shows the step's words, turning."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda name: status.update(names.get(name, name))


@contextlib.contextmanager
def rows_bar(words: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """A function to call with (rows done, rows in all or None), which moves a bar; None where no terminal looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)

        def moved(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield moved
