"""What an outcome is, as options of a verb: from a project's [outcome], or said on the command line."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sternpost.errors import UsageError

if TYPE_CHECKING:
    from sternpost.outcomes import LabelDefinition

ProjectFolder = Annotated[
    Path | None,
    typer.Option(
        "--project", metavar="DIR", help="Take [outcome] and [policy] of this project's sternpost.toml.",
        show_default=False,
    ),
]  # fmt: skip
Horizon = Annotated[
    str | None,
    typer.Option("--horizon", metavar="LENGTH", help="How long after a decision its outcome may happen, e.g. 90d.",
                 show_default=False),
]  # fmt: skip
Grace = Annotated[
    str | None,
    typer.Option("--grace", metavar="LENGTH", help="How much later it may be told. Default: 0d.", show_default=False),
]
AbsenceMeans = Annotated[
    str | None,
    typer.Option("--absence", metavar="MEANING", help="explicit (default), negative_at_maturity or censored: what it "
                 "means that no outcome was told.", show_default=False),
]  # fmt: skip
Positive = Annotated[
    list[str] | None,
    typer.Option("--positive", metavar="LABEL", help="A label that means 1; may be repeated. Without it, values 0 and "
                 "1 are read.", show_default=False),
]  # fmt: skip
OutcomeKind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="binary (default) or quantity.", show_default=False),
]


def definition_of(project: Path | None, **given: Any) -> LabelDefinition | None:
    """The project's definition with what was said on the command line; None when neither says anything.

    `given`: fields of a `LabelDefinition`, None where nothing was said. Raises `UsageError`.
    """
    from sternpost.outcomes import LabelDefinition

    said = {name: value for name, value in given.items() if value is not None}
    if "positive" in said:
        said["positive"] = tuple(said["positive"])
    base = None
    if project is not None:
        from sternpost.project.settings import FILE_NAME, read_settings

        base = read_settings(project).outcome
        if base is None and "horizon" not in said:
            raise UsageError(f'{project / FILE_NAME} has no [outcome]; add one with horizon = "90d", or use --horizon')
    if base is not None:
        return replace(base, **said)
    if not said:
        return None
    if "horizon" not in said:
        raise UsageError(f"{', '.join('--' + name for name in said)} without --horizon; add e.g. --horizon 90d")
    return LabelDefinition(**said)


def cuts_of(project: Path | None) -> tuple[float, ...]:
    """The scores at which the project's policy changes its action."""
    if project is None:
        return ()
    from sternpost.project.settings import read_settings

    policy = read_settings(project).policy
    return () if policy is None else tuple(b["below"] for b in policy["bands"] if b["below"] is not None)


def moment(text: str, option: str) -> dt.datetime:
    """A date (its first moment, UTC) or a moment with its time zone. Raises `UsageError` that names the option."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a moment; write 2024-05-01 or 2024-05-01T10:00:00Z") from None
    if found.tzinfo is None:
        if len(text) > len("2024-05-01"):
            raise UsageError(f"{option} {text} has no time zone; write {text}Z")
        return found.replace(tzinfo=dt.UTC)
    return found.astimezone(dt.UTC)
