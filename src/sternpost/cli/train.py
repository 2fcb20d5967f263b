"""sternpost train: a project becomes a sealed bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import console, print_json, steps
from sternpost.errors import DataError, UsageError

if TYPE_CHECKING:
    from sternpost.project import TrainResult

NAME = "train"

_WORDS = {
    "load": "loading rows",
    "split": "splitting rows",
    "audit": "looking for leaks",
    "features": "compiling features, checking rows against the contract",
    "fit": "fitting",
    "seal": "exporting, proving the export, sealing",
    "measure": "scoring the holdout",
}


def run(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project folder.", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BUNDLE", help="Where the bundle goes.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Train a project, keep its gates on the holdout, and seal the model into a bundle."""
    from sternpost.project import load_project
    from sternpost.project import train as train_project

    _refuse_place(output)
    with steps(_WORDS) as progress:
        result = train_project(load_project(project), progress=progress)
        result.bundle.save(output)
    if as_json:
        print_json({"bundle": str(output), **_facts(result)})
    else:
        _show(output, result)


def _refuse_place(output: Path) -> None:
    # Saving would say the same, minutes later.
    if output.is_dir():
        raise UsageError(f"-o {output} is a folder; add a file name, e.g. {output / 'model.sbundle'}")
    if not output.absolute().parent.is_dir():
        raise DataError(f"-o {output}: the folder {output.parent} does not exist; make it first")


def _facts(result: TrainResult) -> dict[str, object]:
    return {
        "name": result.bundle.name,
        "digest": result.bundle.digest,
        "kind": result.bundle.model.kind,
        "features": len(result.bundle.kernel.outputs),
        "rows": {
            "loaded": result.rows_loaded,
            "unknown": result.rows_unknown,
            "training": result.rows_training,
            "holdout": result.rows_holdout,
            "refused": result.rows_refused,
        },
        "metrics": result.metrics,
        "gates": [asdict(gate) for gate in result.gates],
        "audit": result.audit.to_dict(),
        "seconds": result.seconds,
    }


def _show(output: Path, result: TrainResult) -> None:
    out = console()
    out.print(
        f"{output}: {result.bundle.name}, {result.bundle.model.kind}, {len(result.bundle.kernel.outputs)} features"
    )
    out.print(f"digest   {result.bundle.digest}")
    out.print(
        f"rows     {result.rows_training:,} training, {result.rows_holdout:,} held out"
        f" ({result.rows_refused:,} of them refused), {result.rows_unknown:,} without a known outcome"
    )
    told = (f"{name} {'not defined' if value is None else f'{value:.5g}'}" for name, value in result.metrics.items())
    out.print(f"holdout  {', '.join(told)}")
    for gate in result.gates:
        out.print(f"gate     {gate.name} = {gate.limit:g}: kept")
    out.print(f"audit    {result.audit.sentence}", soft_wrap=True)
    out.print(f"seconds  {', '.join(f'{name} {value:.1f}' for name, value in result.seconds.items())}")
