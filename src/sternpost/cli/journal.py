"""sternpost journal: what was decided and what happened, read, checked and tidied."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import console, print_json
from sternpost.errors import JournalCorrupt

if TYPE_CHECKING:
    from sternpost.outcomes.journal import Journal

NAME = "journal"
app = typer.Typer(help="Read, check and tidy a journal.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A journal's folder.", show_default=False)]
#: Rows of an answer that a person is shown.
_ROWS_SHOWN = 200


@app.callback()
def _group() -> None:
    """Read, check and tidy a journal."""


@app.command("ls")
def ls(folder: Folder, *, as_json: AsJson = False) -> None:
    """List the files of a journal with their rows."""
    found = _open(folder).look()
    if as_json:
        print_json({"journal": str(folder), **found})
        return
    rows = [_segment_row(s) for s in found["segments"]]
    rows += [
        (c["file"], f"{c['rows']:,}" if c["rows"] is not None else "?", f"{c['bytes']:,}", "", "compacted")
        for c in found["compacted"]
    ]
    _show(f"journal {folder}", ("file", "rows", "bytes", "bundle", "state"), rows, right=(1, 2))
    for what in ("torn", "foreign"):
        if found[what]:
            typer.echo(f"{what}: {', '.join(found[what])}")


@app.command("query")
def query(
    folder: Folder,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One statement over decisions, outcomes, events.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Ask DuckDB about the tables decisions, outcomes and events."""
    with _damage_told():
        answer = _open(folder).query(sql)
    if as_json:
        print_json({"columns": answer.column_names, "rows": [_plain(r) for r in answer.to_pylist()]})
        return
    shown = answer.slice(0, _ROWS_SHOWN)
    _show("", answer.column_names, [tuple(_text(v) for v in row.values()) for row in shown.to_pylist()])
    if answer.num_rows > _ROWS_SHOWN:
        typer.echo(f"{answer.num_rows:,} rows, {_ROWS_SHOWN} shown; add LIMIT, or --json for all")


@app.command("verify")
def verify(folder: Folder, *, as_json: AsJson = False) -> None:
    """Read every byte; exit code 40 if any was changed."""
    found = _open(folder).verify()
    if as_json:
        print_json({"journal": str(folder), **found})
    else:
        for f in found["findings"]:
            lost = "rows unknown" if f["rows_lost"] is None else f"{f['rows_lost']:,} rows lost"
            typer.echo(
                f"{f['file']}: {f['trouble']} at byte {f['offset']:,}, {f['bytes']:,} bytes, {lost}: {f['what']}"
            )
        damaged = sum(f["trouble"] == "damaged" for f in found["findings"])
        typer.echo(
            f"{folder}: {found['rows']:,} rows, "
            + (f"{damaged} damaged places" if damaged else "every byte as written")
        )
    if not found["sound"]:
        raise typer.Exit(JournalCorrupt.exit_code)


@app.command("export")
def export(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the files go.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write the tables as Parquet files, one for each kind that has rows."""
    with _damage_told():
        written = _open(folder).export(output)
    if as_json:
        print_json({"journal": str(folder), "output": str(output), "rows": written})
    else:
        typer.echo(f"{output}: " + ", ".join(f"{rows:,} {kind}" for kind, rows in written.items()))


@app.command("compact")
def compact(folder: Folder, *, as_json: AsJson = False) -> None:
    """Turn sealed segments into Parquet; safe while a server writes."""
    made = _open(folder).compact()
    if as_json:
        print_json({"journal": str(folder), "made": [m.to_dict() for m in made]})
        return
    for m in made:
        typer.echo(f"{m.file}: {m.rows:,} rows of {m.segments} segments")
    if not made:
        typer.echo(f"{folder}: nothing to compact; a segment is sealed when it is full, old or its writer ends")


@app.command("ship")
def ship(
    source: Annotated[
        Path,
        typer.Argument(metavar="FROM", help="A journal, or a folder of clients' journals.", show_default=False),
    ],
    into: Annotated[
        Path, typer.Argument(metavar="INTO", help="The journal that takes the decisions.", show_default=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Bring decisions that clients kept into another journal, each once; may be repeated, and killed at any moment."""
    from sternpost.outcomes.shipping import ship as shipped

    done = shipped(source, into)
    if as_json:
        print_json({"from": str(source), "into": str(into), **done.to_dict()})
    else:
        typer.echo(f"{into}: {done.new:,} new of {done.decisions:,} decisions in {done.journals:,} journals")


@contextmanager
def _damage_told() -> Iterator[None]:
    """What reading warns of goes to stderr, as sentences, once reading is over."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    for warning in told:
        typer.echo(f"sternpost: {warning.message}", err=True)


def _open(folder: Path) -> Journal:
    from sternpost.outcomes.journal import Journal

    return Journal(folder)


def _segment_row(segment: dict[str, Any]) -> tuple[str, ...]:
    state = "sealed" if segment["sealed"] else "open"
    if segment["unreadable"] or any(f["trouble"] == "damaged" for f in segment["findings"]):
        state = "damaged"
    elif segment["compacted"]:
        state = "compacted, to be removed"
    bundle = f"{segment['bundle']} {segment['digest'][:12]}".strip()
    return segment["file"], f"{segment['rows']:,}", f"{segment['bytes']:,}", bundle, state


def _show(
    title: str, headings: tuple[str, ...] | list[str], rows: list[tuple[str, ...]], right: tuple[int, ...] = ()
) -> None:
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if place in right else "left")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(_plain(value))


def _plain(value: object) -> Any:
    """A value that JSON has: moments and all else as text, what is not finite as null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
