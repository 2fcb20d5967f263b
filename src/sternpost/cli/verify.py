"""sternpost verify: whether the ledger is what was written, and the rung files what it says."""

from __future__ import annotations

from typing import Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import print_json
from sternpost.cli.trust_options import LedgerPlace, RegistryPlace, open_ladder
from sternpost.errors import UsageError

NAME = "verify"


def run(
    registry: RegistryPlace,
    *,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SERIAL:DIGEST",
            help="Where the ledger once was, as this verb printed it; found missing if it was cut since.",
            show_default=False,
        ),
    ] = None,
    ledger: LedgerPlace = None,
    as_json: AsJson = False,
) -> None:
    """Check every record of a ledger; exit code 70 names the first broken one. Rung files are brought up to it."""
    from sternpost.trust.chain import NOTHING, Head

    noted = None
    if head is not None:
        serial, colon, digest = head.partition(":")
        if not colon or not (serial.isascii() and serial.isdigit()) or len(digest) != len(NOTHING):
            raise UsageError(f"--head {head!r} is no head; write SERIAL:DIGEST as sternpost verify prints it")
        noted = Head(int(serial), digest)
    ladder = open_ladder(registry, ledger)
    records = ladder.ledger.verify(noted)
    settled = ladder.settle()
    last = f"{records[-1].serial}:{records[-1].digest}" if records else f"0:{NOTHING}"
    if as_json:
        print_json({"registry": registry, "records": len(records), "head": last, "settled": settled, "sound": True})
        return
    typer.echo(f"{registry}: {len(records):,} records, every one as written")
    for use_case in settled:
        typer.echo(f"  the rung file of {use_case} was behind and is not any more")
    typer.echo(f"head {last}")
