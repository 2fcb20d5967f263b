"""sternpost replay: a journalled decision, made again from its inputs by the bundle that made it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.errors import ParityError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from sternpost.bundle import Bundle

NAME = "replay"
_COMPARED = ("score", "label", "action", "scores", "reasons")


def run(
    prediction_id: Annotated[str, typer.Argument(metavar="ID", help="A prediction id.", show_default=False)],
    *,
    journal: Annotated[
        Path, typer.Option("--journal", metavar="DIR", help="The journal that has it.", show_default=False)
    ],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="The bundle that made it.", show_default=False),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="DIR",
            envvar="STERNPOST_REGISTRY",
            help="A registry that holds the bundle.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a decision again and compare it bit for bit; exit code 40 when it differs."""
    import pyarrow.compute as pc

    from sternpost.outcomes.ledger import open_ledger
    from sternpost.trust.replay import replay

    if bundle is None and registry is None:
        raise UsageError("where the bundle is was not said; use --bundle FILE or --registry DIR")
    decisions = open_ledger(journal).decisions()
    found = decisions.filter(pc.equal(decisions.column("prediction_id"), prediction_id)).slice(0, 1)
    if not len(found):
        raise UsageError(f"{journal} has no decision {prediction_id!r}; ids are those that answers carry")
    digest = found["digest"][0].as_py()
    opened = _bundle(digest, bundle, registry)
    done = replay(opened, found)
    if not len(done.rows):
        source = found["source"][0].as_py() if "source" in found.column_names else None
        raise UsageError(
            f"decision {prediction_id} was kept without inputs, or made by {source}; it cannot be made again"
        )
    then, now, same = _said(done.rows), _said(done.again), bool(done.same[0])
    if as_json:
        at = done.rows["at"][0].as_py().isoformat()
        print_json({"prediction_id": prediction_id, "at": at, "bundle": digest, "then": then, "now": now, "same": same})
    else:
        typer.echo(f"{prediction_id}, {done.rows['at'][0].as_py():%Y-%m-%d %H:%M:%S} UTC, bundle {digest[:12]}")
        typer.echo(f"  then {_line(then)}")
        typer.echo(f"  now  {_line(now)}")
        typer.echo("  the same bits" if same else "  NOT THE SAME")
    if not same:
        raise typer.Exit(ParityError.exit_code)


def _bundle(digest: str, file: Path | None, registry: str | None) -> Bundle:
    from sternpost.bundle import open_bundle
    from sternpost.trust.registry import Registry

    if file is None:
        return Registry(str(registry)).open(digest)
    opened = open_bundle(file)
    if opened.digest != digest:
        raise UsageError(
            f"{file} is bundle {opened.digest[:12]}, the decision was made by {digest[:12]}; name that one"
        )
    return opened


def _said(row: pa.Table) -> dict[str, Any]:
    said = {name: row[name][0].as_py() for name in _COMPARED if name in row.column_names}
    score = said.get("score")
    return {**said, "score": None if score is None or not math.isfinite(score) else score}


def _line(said: dict[str, Any]) -> str:
    shown = (
        f"{k} {v.hex() + f' ({v!r})' if isinstance(v, float) else v}" for k, v in said.items() if v not in (None, [])
    )
    return ", ".join(shown)
