"""A run as one JSON-able record: every sample, and nothing computed from them except in `report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.case import Case
from benchmarks.sampling import Samples

FORMAT = 1


def case_record(case: Case, samples: dict[str, Samples]) -> dict[str, Any]:
    """One case with every form's rounds: nanoseconds of every call, processor time of the round."""
    return {
        "part": case.part,
        "case": case.name,
        "what": case.what,
        "rows": case.rows,
        "threads": case.threads,
        "at_most": case.at_most,
        "forms": {
            form: {
                "peak_mib": round(s.peak_mib),
                "cpu_ns": [r.cpu_ns for r in s.rounds],
                "ns": [r.ns for r in s.rounds],
            }
            for form, s in samples.items()
        },
    }


def write(record: dict[str, Any], path: Path) -> None:
    """As JSON that a person can page through: one line per round."""
    text = json.dumps(record, indent=1)
    lines: list[str] = []
    depth = 0
    for line in text.splitlines():
        bare = line.strip()
        if depth:
            lines[-1] += bare if lines[-1].endswith("[") or bare.startswith("]") else f" {bare}"
            depth -= bare.startswith("]")
        else:
            lines.append(line)
            # A list of numbers begins: it stays on one line.
            depth += bare == "["
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A record as it was written."""
    record: dict[str, Any] = json.loads(path.read_text())
    if record["format"] != FORMAT:
        raise ValueError(f"{path.name} has format {record['format']}; this version reads {FORMAT}")
    return record
