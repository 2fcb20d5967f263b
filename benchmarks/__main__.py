"""`python -m benchmarks`: measure, print the page, keep the record."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.all_parts import PARTS
from benchmarks.material import FULL, QUICK
from benchmarks.run import keep, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: a look, not a result")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="this part; may be repeated")
    parser.add_argument("--out", type=Path, help="folder for record and page; default benchmarks/results/<date>")
    parser.add_argument("--data", type=Path, help="keep rows, models and bundles here for the next run")
    args = parser.parse_args()
    record = run(
        QUICK if args.quick else FULL,
        parts=args.only or tuple(PARTS),
        quick=args.quick,
        data=args.data,
        tell=_tell,
    )
    print(keep(record, args.out).read_text())


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
