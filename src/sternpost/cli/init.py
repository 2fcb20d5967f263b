"""sternpost init: a new project, drafted from data or copied from an example."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.errors import UsageError

NAME = "init"


class Example(StrEnum):
    """The example projects that come with sternpost."""

    flights = "flights"


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new project's folder.", show_default=False)],
    *,
    example: Annotated[
        Example | None, typer.Option("--example", help="Copy this example project.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DATA",
            help="Draft the project from a data file: Parquet, Arrow IPC or CSV.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="COL", help="With --from: the column to predict.", show_default=False),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="COL",
            help="With --from: when the decision is made; whole days of it are held out.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a new project: sternpost.toml and one Python module with contract, features and fit."""
    if (example is None) == (data is None):
        raise UsageError("say what the project starts from: either --from DATA --target COL, or --example flights")
    if example is not None and (target is not None or time is not None):
        raise UsageError("--target and --time go with --from DATA; an example has its own")
    if data is not None:
        from sternpost.project.skeleton import skeleton

        made = skeleton(folder, data, target=target, time=time)
    else:
        from importlib.resources import as_file, files

        from sternpost.project.new_folder import copy_example

        with as_file(files("sternpost") / "demo" / str(example)) as source:
            made = copy_example(folder, source)
    wrote = sorted(p.name for p in made.iterdir())
    bundle = f"{made.resolve().name}.sbundle"
    if as_json:
        print_json({"project": str(made), "files": wrote})
        return
    typer.echo(f"{made}: wrote {', '.join(wrote)}")
    if data is not None:
        typer.echo(f"Go through the contract: remove what is not known yet when {target} is to be predicted.")
    typer.echo(f"Then: sternpost train {made} -o {bundle}")
