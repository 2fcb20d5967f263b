"""sternpost drift: what changed since the reference, column by column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.label_options import moment
from sternpost.cli.options import AsJson, BundlePath, RequireSignature, TrustedKeys
from sternpost.cli.present import console, print_json, rows_bar
from sternpost.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from sternpost.bundle import Bundle
    from sternpost.monitor.drift import Comparison
    from sternpost.monitor.drift_report import DriftReport

NAME = "drift"
_COLUMNS_SHOWN = 25
_BATCH_ROWS = 65_536


def run(
    bundle: BundlePath,
    current: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CURRENT...",
            help="The rows to look at. Parquet or Arrow IPC: files, folders, globs; - is an Arrow stream on stdin.",
            show_default=False,
        ),
    ] = None,
    *,
    windows: Annotated[
        Path | None,
        typer.Option(
            "--windows",
            metavar="DIR",
            help="Look at the windows that servers wrote there (serve --windows) instead of at rows.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only windows that begin then or later."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only windows that begin before then.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="FILE",
            help="Compare with these rows instead of the bundle's reference. May be repeated.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.", show_default=False)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN[:SPAN]",
            help="Also over time, or by value: a column of CURRENT; a timestamp is cut by hour, day, week, month, "
            "quarter or year. For --windows just one of these.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--level", metavar="SHARE", help="False discoveries allowed among columns.")
    ] = 0.05,
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="PSI", help="The least debiased PSI that is called drift.")
    ] = 0.1,
    require_signature: RequireSignature = False,
    trusted_key: TrustedKeys = None,
    as_json: AsJson = False,
) -> None:
    """Compare rows of any number with a bundle's reference, in constant memory: inputs, features and outputs."""
    from sternpost.bundle import open_bundle
    from sternpost.monitor.drift import Comparison

    _check(current, windows, reference, since, until)
    opened = open_bundle(bundle, require_signature=require_signature, trusted_keys=trusted_key or [])
    column, _, span = ("" if windows is not None else by or "").partition(":")
    comparison = Comparison(
        opened if reference is None else _rows_of(opened, reference),
        bundle=opened,
        by=column or None,
        period=span or None,
        level=level,
        tolerance=tolerance,
    )
    if windows is None:
        count_rows(comparison, opened, current or [], column or None)
    else:
        _count_windows(comparison, opened, windows, (_moment(since, "--since"), _moment(until, "--until")), by)
    report = comparison.report()
    if html is not None:
        _write(html, report.html())
    if as_json:
        print_json(report.to_dict() | {"html": None if html is None else str(html)})
    else:
        _show(report, html)


def _check(
    current: list[str] | None, windows: Path | None, reference: list[str] | None, since: str | None, until: str | None
) -> None:
    if (windows is None) == (not current):
        raise UsageError("give the rows to look at, CURRENT, or --windows DIR; one of the two")
    if windows is not None and reference is not None:
        raise UsageError("--windows are counted in the cells of the bundle's own reference; leave --reference out")
    if windows is None and (since is not None or until is not None):
        raise UsageError("--since and --until choose among windows; give --windows DIR")


def _moment(text: str | None, option: str) -> datetime | None:
    return None if text is None else moment(text, option)


def _count_windows(
    comparison: Comparison,
    bundle: Bundle,
    folder: Path,
    between: tuple[datetime | None, datetime | None],
    by: str | None,
) -> None:
    from sternpost.errors import DataError
    from sternpost.monitor.snapshots import snapshots

    reference = bundle.require_reference()
    found = snapshots(folder, bundle.digest, *between)
    if not found:
        raise DataError(
            f"{folder}: no windows of bundle {bundle.name} ({bundle.digest[:12]}) in this time; check the folder, "
            "--since and --until, and that it is the bundle that was served"
        )
    comparison.windows_by(by)
    for snapshot in found:
        comparison.add_window(snapshot.window(reference))


def _rows_of(bundle: Bundle, sources: list[str]) -> object:
    import pyarrow as pa

    from sternpost.serve.files import open_input

    with open_input(sources, columns=bundle.contract.names) as source:
        return pa.Table.from_batches(list(source.batches()), schema=source.schema)


def count_rows(comparison: Comparison, bundle: Bundle, sources: list[str], by: str | None) -> None:
    """Count the rows of files, batch by batch; `by` is read beside the contract's columns."""
    from sternpost.serve.files import open_input

    wanted = list(dict.fromkeys([*bundle.contract.names, *([by] if by else [])]))
    with open_input(sources, columns=wanted, batch_rows=_BATCH_ROWS) as source, rows_bar("comparing") as progress:
        # No rows at all are checked too: their columns and types.
        comparison.add(source.schema.empty_table())
        done = 0
        for batch in source.batches():
            comparison.add(batch)
            done += batch.num_rows
            if progress is not None:
                progress(done, source.row_count)


def _write(path: Path, page: str) -> None:
    from sternpost.bundle.atomic import whole_file

    with whole_file(path) as file:
        file.write(page.encode())


def _show(report: DriftReport, html: Path | None) -> None:
    from rich import box
    from rich.table import Table

    typer.echo(f"{report.name}: {report.current_rows:,} rows against {report.reference_rows:,}. {report.sentence}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("column", "role", "status", "PSI", "debiased", "p (BH)", "missing", "why"):
        right = heading in ("PSI", "debiased", "p (BH)", "missing")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    told = report.told_once.columns
    for c in told[:_COLUMNS_SHOWN]:
        numbers = [_number(c.psi), _number(c.psi_debiased), _number(c.p_bh), _number(c.missing)]
        table.add_row(c.name, c.role, c.status, *numbers, "; ".join(c.reasons))
    console().print(table)
    if len(told) > _COLUMNS_SHOWN:
        typer.echo(f"and {len(told) - _COLUMNS_SHOWN} more columns (--json and --html have all)")
    if html is not None:
        typer.echo(f"report: {html}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
