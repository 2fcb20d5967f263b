"""The wall clock may jump as it likes: nothing that waits, expires or is measured looks at it."""

from __future__ import annotations

import re
from pathlib import Path

CORE = Path(__file__).parents[2] / "core"
#: Where a crate on a row's way reads the wall clock, and what for.
READERS = {
    "server/src/clock.rs": "times that others read: names of predictions, statistics, spans",
    "server/src/tls.rs": "whether a certificate's file changed",
    "client/src/backoff.rs": "a seed",
}


def test_the_wall_clock_is_read_where_it_is_known_to_be():
    found = {
        str(path.relative_to(CORE))
        for crate in ("engine", "wire", "client", "server")
        for path in (CORE / crate / "src").rglob("*.rs")
        if re.search(r"\bSystemTime\b|\bUNIX_EPOCH\b", path.read_text())
    }
    assert found == set(READERS)
