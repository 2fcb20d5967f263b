"""How `serve` is told what to do with what it counted."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.errors import UsageError

if TYPE_CHECKING:
    from sternpost.monitor.watching import WatchSettings

Monitor = Annotated[
    bool, typer.Option("--monitor/--no-monitor", help="Count what is scored in the cells of the bundle's reference.")
]
Atom = Annotated[
    str, typer.Option("--window", metavar="LENGTH", help="How long an atom is: 30s, 1m, 1h; or 10000rows.")
]
Windows = Annotated[
    Path | None,
    typer.Option("--windows", metavar="DIR", help="Write every atom there, and keep there what alarms know."),
]
KeepWindows = Annotated[
    str, typer.Option("--keep-windows", metavar="LENGTH", help="How long this replica's files are kept: 30d; or ever.")
]
Replica = Annotated[
    str | None, typer.Option("--replica", metavar="NAME", help="Who writes into DIR. Default: this machine's name.")
]
OnAlarm = Annotated[
    str | None,
    typer.Option("--on-alarm", metavar="COMMAND|URL", help="Gets every alarm: a JSON object on stdin, or posted."),
]
AlarmBudget = Annotated[
    float, typer.Option("--alarm-budget", metavar="WINDOWS", help="At most one false alarm per so many atoms.")
]


def watch_settings(
    atom: str, folder: Path | None, keep: str, replica: str | None, *, on_alarm: str | None, budget: float
) -> WatchSettings:
    """The options together. UsageError for one that cannot be used."""
    from sternpost.contract.duration import duration
    from sternpost.monitor.alarms import Budget
    from sternpost.monitor.watching import WatchSettings

    rows = re.fullmatch(r"([1-9][0-9]*)rows", atom)
    return WatchSettings(
        seconds=60.0 if rows else duration(atom, "--window", above_zero=True).total_seconds(),
        rows=int(rows[1]) if rows else None,
        folder=folder,
        replica=replica or re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "server",
        keep_s=None if keep == "ever" else duration(keep, "--keep-windows", above_zero=True).total_seconds(),
        budget=Budget(windows_per_alarm=budget),
        hook=on_alarm,
    )


def check_unmonitored(folder: Path | None, replica: str | None, on_alarm: str | None) -> None:
    """UsageError for options that say what to do with counts where nothing is counted."""
    given = {"--windows": folder, "--replica": replica, "--on-alarm": on_alarm}
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} needs what --no-monitor turns off; leave one of them out")
