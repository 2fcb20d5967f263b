"""sternpost simulate: what the alarms of a bundle will do, before they do it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import console, print_json, rows_bar

if TYPE_CHECKING:
    from rich.console import Console

    from sternpost.monitor.alarms import Budget
    from sternpost.monitor.simulation import Delay, Outlook

NAME = "simulate"
_ALARMS_SHOWN = 20


def run(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="A bundle, or a JSON file of column -> {kind, counts}.", show_default=False
        ),
    ],
    *,
    rows_per_window: Annotated[int, typer.Option(min=1, help="Rows that come in one window.")] = 1000,
    window: Annotated[str, typer.Option(help="How long a window is: 15m, 1h, 1d. For the words only.")] = "1h",
    budget: Annotated[
        float, typer.Option(metavar="WINDOWS", help="At most one false alarm per so many windows.")
    ] = 10_000,
    tolerance: Annotated[float, typer.Option(help="The change of a share that does not matter.")] = 0.01,
    see_in: Annotated[int, typer.Option(min=1, help="Windows within which the smallest change is asked for.")] = 24,
    runs: Annotated[int, typer.Option(min=1, help="Simulated runs without a change.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same numbers.")] = 1,
    replay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Run the alarms over these rows of held-out history instead of simulating. May be repeated.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN[:SPAN]", help="What cuts history into windows, e.g. applied_at:day.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate the alarms: how often they are false, how long a change takes to be seen, how small it may be."""
    from sternpost.contract.duration import duration
    from sternpost.monitor.alarms import Budget
    from sternpost.monitor.simulation import outlook
    from sternpost.monitor.watched import watched_of

    asked = Budget(windows_per_alarm=budget, tolerance=tolerance, rare_tolerance=min(0.002, tolerance))
    if replay or by is not None:
        _replay(bundle, replay, by, asked, as_json=as_json)
        return
    length = duration(window, "--window", above_zero=True).total_seconds()
    columns = watched_of(bundle)
    with rows_bar("runs") as progress:
        found = outlook(
            columns,
            rows_per_window=rows_per_window,
            budget=asked,
            windows_to_see=see_in,
            runs=runs,
            seed=seed,
            progress=progress,
        )
    if as_json:
        print_json({**found.to_dict(), "window_seconds": length})
    else:
        _show(console(), found, window, length)


def _replay(path: Path, sources: list[str] | None, by: str | None, budget: Budget, *, as_json: bool) -> None:
    from sternpost.bundle import open_bundle
    from sternpost.cli.drift import count_rows
    from sternpost.errors import UsageError
    from sternpost.monitor.drift import Comparison
    from sternpost.monitor.replay import replayed
    from sternpost.monitor.simulation import promise

    if not sources or by is None:
        raise UsageError("a replay needs both --replay FILE and --by COLUMN[:SPAN], which cuts it into windows")
    bundle = open_bundle(path)
    column, _, span = by.partition(":")
    comparison = Comparison(bundle, by=column, period=span or None)
    count_rows(comparison, bundle, sources, column)
    found = replayed(comparison, by, budget)
    if as_json:
        print_json({"promise": promise(budget), **found.to_dict()})
        return
    say = partial(console().print, soft_wrap=True)
    say(promise(budget))
    say(found.sentence)
    for name, (windows, alarms) in found.quarters.items():
        say(f"  {name}: {alarms} in {windows} windows")
    for alarm in found.alarms[:_ALARMS_SHOWN]:
        say(f"  {alarm.period}, since {alarm.since}: {', '.join(alarm.columns)}")
    if len(found.alarms) > _ALARMS_SHOWN:
        say(f"  and {len(found.alarms) - _ALARMS_SHOWN} more alarms (--json has all)")


def _show(out: Console, found: Outlook, window: str, length: float) -> None:
    from rich import box
    from rich.table import Table

    say = partial(out.print, soft_wrap=True)
    say(found.promise)
    years = found.budget.windows_per_alarm * length / (365.25 * 86_400)
    say(f"With windows of {window}: {years:.3g} years.")
    for warning in found.warnings:
        say(f"warning: {warning}")
    for told in found.false_alarms:
        if told.run_length is None:
            result = f"none in {told.windows:,} windows, so one per {told.low:,.0f} or more"
        else:
            span = f"{told.low:,.0f} to {told.high:,.0f}"
            result = f"{told.alarms} in {told.windows:,} windows, one per {told.run_length:,.0f} ({span})"
        say(f"false alarms at A = {told.promised:,.0f}, {told.runs} runs: {result}")
    out.print()

    def table(title: str, *headings: str) -> Table:
        made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in headings:
            made.add_column(heading, overflow="fold")
        return made

    delays = table(
        f"windows of {found.rows_per_window:,} rows from a change to its alarm",
        "change", "median", "90 %", "runs", "inside of the band of",
    )  # fmt: skip
    for delay in found.delays:
        delays.add_row(
            delay.change, _windows(delay, delay.median), _windows(delay, delay.most), str(delay.runs),
            ", ".join(delay.unseen),
        )  # fmt: skip
    out.print(delays)
    out.print()
    smallest = table(
        f"smallest change seen in {found.windows_to_see} windows",
        "column", "values, sd", "missing, pt", "new labels, pt", "band, pt",
    )  # fmt: skip
    for column in found.smallest:
        smallest.add_row(
            column.column,
            "" if column.location_sd is None else f"{column.location_sd:.2g}",
            _points(column.missing),
            _points(column.unseen),
            _points(column.band),
        )
    out.print(smallest)


def _windows(delay: Delay, value: float | None) -> str:
    if value is not None:
        return f"{value:,.0f}"
    from sternpost.monitor.simulation import PATIENCE

    return f"> {PATIENCE}" if delay.runs else "never"


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g}"
