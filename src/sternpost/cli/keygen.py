"""sternpost keygen: a new pair of keys for signing bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.errors import DataError

NAME = "keygen"
PRIVATE, PUBLIC = "sternpost-private.pem", "sternpost-public.pem"


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the two files go.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Make an ed25519 key pair: a private key to sign with, a public one to give to those who open bundles."""
    from sternpost.bundle.signature import generate_key

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"cannot make the folder {folder}: {e.strerror or e}; choose another folder") from e
    private, public = folder / PRIVATE, folder / PUBLIC
    name = generate_key(private, public)
    if as_json:
        print_json({"fingerprint": name, "private": str(private), "public": str(public)})
        return
    typer.echo(f"{private}  sign with it, keep it secret (mode 0600, no passphrase)")
    typer.echo(f"{public}  give it to those who open bundles")
    typer.echo(f"fingerprint {name}")
