"""Options of the verbs about trust: where registry and ledger are, who acts and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sternpost.trust.ladder import Ladder
    from sternpost.trust.rungs import Standing

UseCase = Annotated[str, typer.Argument(metavar="USE_CASE", help="What is decided, by name.", show_default=False)]
RegistryPlace = Annotated[
    str,
    typer.Option("--registry", metavar="DIR", envvar="STERNPOST_REGISTRY", help="A registry: a folder or a URL.",
                 show_default=False),
]  # fmt: skip
LedgerPlace = Annotated[
    str | None,
    typer.Option("--ledger", metavar="PLACE", envvar="STERNPOST_LEDGER", help="The ledger: a folder or a database URL. "
                 "Default: the registry's folder.", show_default=False),
]  # fmt: skip
Who = Annotated[str, typer.Option("--who", metavar="NAME", help="Who does this; recorded.", show_default=False)]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; recorded.", show_default=False)]
JournalPath = Annotated[
    Path | None,
    typer.Option("--journal", metavar="DIR", help="The journal that the evidence is in.", show_default=False),
]
Incumbent = Annotated[
    Path | None,
    typer.Option("--incumbent", metavar="FILE", help="Parquet with prediction_id and action: what those answered whom "
                 'the model is compared with, for terms with incumbent = "table".', show_default=False),
]  # fmt: skip


def open_ladder(registry: str, ledger: str | None, *, make: bool = False) -> Ladder:
    """The ladder of a registry and its ledger; `make`: also where there is none yet."""
    from sternpost.errors import UsageError
    from sternpost.trust.ladder import Ladder
    from sternpost.trust.ledger import Ledger
    from sternpost.trust.registry import Registry

    if ledger is None and "://" in registry:
        raise UsageError(f"--registry {registry} is no folder; say where the ledger is: --ledger DIR or a database URL")
    return Ladder(Ledger(registry if ledger is None else ledger, make=make), Registry(registry))


def told(standing: Standing) -> str:
    """A standing in a line."""
    said = f"{standing.use_case}: {standing.rung.name}"
    if standing.champion is not None:
        said += f", champion {standing.champion[:12]}"
    if standing.challengers:
        said += f", challengers {', '.join(c[:12] for c in standing.challengers)}"
    if (c := standing.certificate) is not None:
        said += f", decides {c.share:.0%} in {len(c.bands)} bands until {c.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return said if standing.since is None else f"{said}, since {standing.since:%Y-%m-%d %H:%M:%S} UTC"
