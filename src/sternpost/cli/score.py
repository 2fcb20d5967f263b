"""sternpost score: score files of rows with a bundle."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.options import AsJson, BundlePath, RequireSignature, TrustedKeys
from sternpost.cli.present import print_json, rows_bar
from sternpost.errors import UsageError

if TYPE_CHECKING:
    from sternpost.bundle import Bundle
    from sternpost.serve.batch import BatchReport

NAME = "score"
_STDOUT = "-"


def run(
    bundle: BundlePath,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Parquet or Arrow IPC: files, folders, globs; - is an Arrow stream on stdin.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where the scores go, by the ending: .parquet, .arrow, .arrows; - is an Arrow stream on stdout.",
            show_default=False,
        ),
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="COLS", help="Input columns to carry along, a,b or repeated.", show_default=False
        ),
    ] = None,
    bad_rows: Annotated[
        Path | None,
        typer.Option(
            "--bad-rows",
            metavar="FILE",
            help="Put refused rows, with all their columns and the reasons, here and not into OUT.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first refused row, and write nothing.")] = False,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=4096, metavar="N", help="Default: every CPU.", show_default=False),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", min=1, max=1 << 24, metavar="N", help="Rows in memory at a time.")
    ] = 65_536,
    require_signature: RequireSignature = False,
    trusted_key: TrustedKeys = None,
    windows: Annotated[
        Path | None,
        typer.Option(
            "--windows",
            metavar="DIR",
            help="Count the rows in the cells of the bundle's reference and leave the window there.",
            show_default=False,
        ),
    ] = None,
    replica: Annotated[
        str | None,
        typer.Option(
            "--replica",
            metavar="NAME",
            help="Who writes into DIR. Default: score- and this machine's name.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score files of any size in constant memory, rows in their order; OUT appears whole or not at all."""
    if as_json and output == _STDOUT:
        raise UsageError("--json and -o - both want stdout; write the scores to a file")
    if replica is not None and windows is None:
        raise UsageError("--replica names who writes windows; give --windows DIR as well")
    from sternpost.bundle import open_bundle
    from sternpost.serve.batch import score_files

    opened = open_bundle(bundle, require_signature=require_signature, trusted_keys=trusted_key or [])
    with contextlib.ExitStack() as stack:
        if windows is not None:
            opened = stack.enter_context(_counted(opened, windows, replica))
        progress = stack.enter_context(rows_bar("scoring"))
        report = score_files(
            opened,
            sources,
            output,
            keep=_names(keep),
            bad_rows=bad_rows,
            strict=strict,
            threads=threads,
            batch_rows=batch_rows,
            progress=progress,
        )
    if as_json:
        print_json({"output": output, "bundle": {"name": opened.name, "digest": opened.digest}, **report.to_dict()})
    else:
        _show(output, report, bad_rows)


@contextlib.contextmanager
def _counted(bundle: Bundle, folder: Path, replica: str | None) -> Iterator[Bundle]:
    """The bundle, watched; what it counted is written when the run has ended well."""
    from sternpost.monitor.snapshots import Writer

    watched = bundle.watched()
    name = replica or re.sub(r"[^A-Za-z0-9._-]", "-", f"score-{socket.gethostname()}")[:64]
    with contextlib.closing(Writer(folder, name)) as writer:
        start = time.time_ns() // 1000
        yield watched
        window = watched.collect().marked(span=(start, max(start, time.time_ns() // 1000)), replica=name)
        writer.write(bundle.name, bundle.digest, window)


def _names(keep: list[str] | None) -> list[str]:
    return [name.strip() for given in keep or [] for name in given.split(",") if name.strip()]


def _show(output: str, report: BatchReport, bad_rows: Path | None) -> None:
    # When the scores themselves go to stdout, what is said about them must not.
    to_stderr = output == _STDOUT
    place = "stdout" if to_stderr else output
    rate = report.rows_in / report.seconds if report.seconds else 0.0
    typer.echo(
        f"{place}: {report.rows_scored:,} rows scored in {report.seconds:.2f} s ({rate:,.0f} rows/s)", err=to_stderr
    )
    if report.rows_refused:
        where = "in the output without a score" if bad_rows is None else f"in {bad_rows}"
        typer.echo(f"{report.rows_refused:,} rows refused, {where}", err=to_stderr)
    for code, count in sorted(report.reasons.items(), key=lambda item: (-item[1], item[0])):
        typer.echo(f"  {code}: {count:,}", err=to_stderr)
