"""Options that several verbs share, written once so that they mean and read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sternpost.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead of text.")]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle file.", show_default=False)]
RequireSignature = Annotated[
    bool,
    typer.Option(
        "--require-signature",
        help="Refuse to go on unless a --trusted-key is given and the bundle is signed by one. A bundle is code.",
    ),
]
TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--trusted-key",
        metavar="PEM",
        help="An ed25519 public key; the bundle must be signed by one of those given. May be repeated.",
        show_default=False,
    ),
]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str, option: str) -> float:
    """A length of time such as 15m, in seconds. UsageError that names the option."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise UsageError(f"{option} {text!r} is no length of time; write a whole number and s, m, h or d, e.g. 15m")
    return float(int(number) * _UNITS[unit])
