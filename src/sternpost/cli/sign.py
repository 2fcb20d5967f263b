"""sternpost sign: put a signature on a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sternpost.cli.options import AsJson, BundlePath
from sternpost.cli.present import print_json

NAME = "sign"


def run(
    bundle: BundlePath,
    *,
    key: Annotated[
        Path, typer.Option("--key", metavar="PEM", help="An ed25519 private key (PKCS8).", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Sign a bundle with an ed25519 key, in place of any earlier signature. Its digest stays."""
    from sternpost.bundle.archive import sign_archive
    from sternpost.bundle.signature import fingerprint, load_private

    signed_by = fingerprint(load_private(key).public_key())
    digest = sign_archive(bundle, key)
    if as_json:
        print_json({"bundle": str(bundle), "digest": digest, "signed_by": signed_by})
    else:
        typer.echo(f"{bundle}: signed by {signed_by}, digest {digest}")
