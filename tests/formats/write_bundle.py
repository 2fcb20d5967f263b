"""Writes the bundle that every later version must open: run once for each new format, by hand, and never again.

python -m tests.formats.write_bundle
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from sternpost.bundle.archive import FORMAT
from tests.routes import loans
from tests.routes.conftest import built

DATA = Path(__file__).parent / "data"
ROWS = 40
SEED = 1


def main() -> None:
    """The boosted loans model of the route tests, and the bits its scores had."""
    bundle = built("boosting")
    bundle.save(DATA / f"format-{FORMAT}.sbundle")
    rows = [*loans.real_rows(ROWS, SEED), *loans.nasty_rows(loans.real_rows(1, SEED)[0])]
    table = loans.table(rows)
    with pa.ipc.new_file(DATA / f"format-{FORMAT}.arrow", table.schema) as writer:
        writer.write_table(table)
    scored = bundle.score(table).to_pylist()
    body = {
        "digest": bundle.digest,
        "reference": bundle.require_reference().digest,
        "scores": [None if r["score"] is None else r["score"].hex() for r in scored],
        "actions": [r["action"] for r in scored],
        "reasons": [r["reasons"] for r in scored],
    }
    (DATA / f"format-{FORMAT}.json").write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
