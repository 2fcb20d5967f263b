"""`python -m benchmarks.load`: measure, print the page, keep the record."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.load.candidates import ALL
from benchmarks.load.run import PARTS, keep, run
from benchmarks.load.scenarios import FULL, QUICK


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short cases and one round: a look, not a result")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument(
        "--candidate", choices=[c.name for c in ALL], action="append", help="this candidate; may be repeated"
    )
    parser.add_argument("--out", type=Path, help="folder for record and page; default benchmarks/results/<date>")
    parser.add_argument("--data", type=Path, help="keep what is built and prepared here for the next run")
    parser.add_argument("--mlserver", action="store_true", help="also MLServer, in an environment of its own")
    parser.add_argument("--lock", type=Path, help="a file that is locked while load is made, on a shared machine")
    parser.add_argument("--cpus", default="0,1", help="processor of the server, processor of the generator")
    args = parser.parse_args()
    server, generator = (int(cpu) for cpu in args.cpus.split(","))
    data = args.data or Path(tempfile.gettempdir()) / "sternpost-load-data"
    record = run(
        QUICK if args.quick else FULL,
        parts=args.only or PARTS,
        only=args.candidate or (),
        quick=args.quick,
        data=data,
        mlserver=args.mlserver,
        lock=args.lock,
        cpus=(server, generator),
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(keep(record, args.out).read_text())


if __name__ == "__main__":
    main()
