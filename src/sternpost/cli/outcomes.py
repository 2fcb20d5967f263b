"""sternpost outcomes: what really happened, told to a journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.label_options import Grace, Horizon, ProjectFolder, definition_of
from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from sternpost.outcomes.adding import Added

NAME = "outcomes"
app = typer.Typer(help="Tell a journal what really happened.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Tell a journal what really happened."""


@app.command("add")
def run(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="A journal's folder.", show_default=False)],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Outcomes: Parquet, Arrow IPC or .csv.", show_default=False)
    ],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="OURS=THEIRS",
            help="A column that FILE calls otherwise, e.g. prediction_id=loan_id. May be repeated.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Who tells, for rows that do not say it.")
    ] = "file",
    bad_rows: Annotated[
        Path | None,
        typer.Option(
            "--bad-rows",
            metavar="FILE",
            help="Where rows go that are no outcomes, with the reason: .parquet or .csv. Default: FILE.bad.parquet.",
            show_default=False,
        ),
    ] = None,
    project: ProjectFolder = None,
    horizon: Horizon = None,
    grace: Grace = None,
    as_json: AsJson = False,
) -> None:
    """Add outcomes. A file may be added twice: what the journal has is not added again."""
    from sternpost.outcomes.adding import add_outcomes
    from sternpost.outcomes.ledger import open_ledger
    from sternpost.project.data_file import read_data_file

    definition = definition_of(project, horizon=horizon, grace=grace) if project or horizon or grace else None
    columns = _mapping(column or [])
    aside = bad_rows if bad_rows is not None else file.with_name(f"{file.name}.bad.parquet")
    if aside.suffix not in (".parquet", ".csv"):
        raise UsageError(f"--bad-rows {aside}: the ending says the format; use .parquet or .csv")
    opened = open_ledger(journal)
    table, _ = read_data_file(file)
    added = add_outcomes(
        opened,
        table,
        columns=columns,
        source=source,
        definition=definition,
        keep_bad=lambda bad: _write(bad, aside),
    )
    if as_json:
        print_json({"journal": str(journal), "file": str(file), "bad_rows": _place(added, aside), **added.to_dict()})
    else:
        _show(journal, added, aside)


def _mapping(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        ours, sign, theirs = pair.partition("=")
        if not sign or not ours or not theirs:
            raise UsageError(f"--column {pair!r} is no pair; write OURS=THEIRS, e.g. prediction_id=loan_id")
        found[ours] = theirs
    return found


def _write(bad: pa.Table, aside: Path) -> None:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    from sternpost.bundle.atomic import whole_file

    with whole_file(aside) as file:
        if aside.suffix == ".csv":
            pc.write_csv(bad, file.name)
        else:
            pq.write_table(bad, file.name)


def _place(added: Added, aside: Path) -> str | None:
    return str(aside) if len(added.bad) else None


def _show(journal: Path, added: Added, aside: Path) -> None:
    typer.echo(f"{journal}: {added.added:,} of {added.rows:,} rows added")
    if added.duplicates:
        typer.echo(f"{added.duplicates:,} duplicates: the journal has them")
    if added.orphans:
        typer.echo(f"{added.orphans:,} orphans: added, but no decision of theirs is known yet")
    if added.late:
        typer.echo(f"{added.late:,} late: added after their decision had become mature")
    if len(added.bad):
        typer.echo(f"{len(added.bad):,} rows are no outcomes, in {aside}")
        for reason, count in sorted(added.reasons.items(), key=lambda item: (-item[1], item[0])):
            typer.echo(f"  {reason}: {count:,}")
