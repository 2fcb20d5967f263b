"""sternpost demo: the whole way on real data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json

NAME = "demo"


class Demo(StrEnum):
    """The demos there are."""

    flights = "flights"


def run(
    demo: Annotated[Demo, typer.Argument(metavar="[flights]", help="Which demo.")] = Demo.flights,  # noqa: ARG001
    *,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where project, bundle and scores go.")] = Path(
        "sternpost-demo"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rows, for a coarse run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train on flights from New York in 2013, seal, score the rest of the year, compare every route's bits."""
    from sternpost.demo import run_demo

    result = run_demo(into, quick=quick, json=as_json)
    if as_json:
        print_json(result)
