"""Options that several verbs share, written once so that they mean and read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
