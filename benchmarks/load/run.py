"""One run: build, prepare, measure in interleaved rounds, keep everything."""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, material
from benchmarks.load import page, scenarios
from benchmarks.load.building import HERE, build
from benchmarks.load.candidates import ALL, OURS, Candidate, absent
from benchmarks.load.generators import Generators
from benchmarks.load.prepared import prepare
from benchmarks.load.scenarios import Bench, Lengths, Sample

FORMAT = 1
RESULTS = HERE.parent / "results"
PARTS = ("steady", "overload", "reload", "drain", "memory")
# The model is of full size in any case: what a call costs decides what is measured. Tables are not used.
SIZES = material.Sizes(table_rows=1_000)


def run(
    lengths: Lengths,
    *,
    parts: Sequence[str] = PARTS,
    only: Sequence[str] = (),
    quick: bool = False,
    data: Path,
    mlserver: bool = False,
    lock: Path | None = None,
    cpus: tuple[int, int] = (0, 1),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The record of a run. `data` keeps what was built and prepared for the next one."""
    data.mkdir(parents=True, exist_ok=True)
    tell("building the programs and the peers' environments")
    built = build(data, mlserver=mlserver)
    tell("making bundles and requests")
    prepared = prepare(material.Material(data, SIZES))
    before = machine.load()
    record: dict[str, Any] = {
        "format": FORMAT,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "quick": quick,
        "machine": machine.machine(),
        "versions": machine.versions(),
        "peers": _packages(built.peers),
        "lengths": lengths.__dict__,
        "candidates": {c.name: {"about": c.about, "absent": absent(c, built)} for c in ALL},
        "failed": [],
        "samples": [],
    }
    chosen = [c for c in ALL if absent(c, built) is None and (not only or c.name in only)]
    with tempfile.TemporaryDirectory(prefix="sternpost-load-") as folder:
        generators = Generators(built, prepared, Path(folder), cpus[1], lock)
        bench = Bench(prepared, built, generators, Path(folder), lengths, cpus[0])
        _measure(bench, chosen, parts, record, tell)
    record["load"] = {"before": before, "after": machine.load()}
    return record


def keep(record: dict[str, Any], folder: Path | None = None) -> Path:
    """Write record and page into `folder` (default: results/<date>); the page's path."""
    folder = folder or RESULTS / record["date"]
    folder.mkdir(parents=True, exist_ok=True)
    stem = "load-quick" if record["quick"] else "load"
    (folder / f"{stem}.json").write_text(json.dumps(record, indent=1) + "\n")
    path = folder / f"{stem}.md"
    path.write_text(page.page(record))
    return path


def _measure(
    bench: Bench, chosen: list[Candidate], parts: Sequence[str], record: dict[str, Any], tell: Callable[[str], None]
) -> None:
    ours = [candidate for candidate in chosen if candidate.name == OURS]
    order = random.Random(1)

    def take(what: str, number: int, candidate: Candidate, samples: Iterable[Sample]) -> None:
        tell(f"{what}, round {number + 1}: {candidate.name}")
        try:
            for sample in samples:
                record["samples"].append({"round": number, **sample})
        except (OSError, TimeoutError, subprocess.SubprocessError) as error:
            record["failed"].append({"what": what, "round": number, "candidate": candidate.name, "why": str(error)})
            tell(f"{candidate.name}: {error}")

    if "steady" in parts:
        for number in range(bench.lengths.rounds):
            for candidate in order.sample(chosen, len(chosen)):
                take("steady", number, candidate, scenarios.steady(bench, candidate))
    if "overload" in parts:
        for number in range(bench.lengths.overload_rounds):
            for candidate in order.sample(chosen, len(chosen)):
                samples = scenarios.overload(
                    bench, candidate, _peak(bench, record, candidate, scenarios.callers(candidate))
                )
                take("overload", number, candidate, samples)
    for candidate in ours:
        if "reload" in parts:
            take(
                "reload",
                0,
                candidate,
                scenarios.reload(bench, candidate, _peak(bench, record, candidate, scenarios.RELOADING)),
            )
        if "drain" in parts:
            take("drain", 0, candidate, scenarios.drain(bench, candidate))
    if "memory" in parts:
        for candidate in ours if record["quick"] else chosen:
            take("memory", 0, candidate, scenarios.memory_and_idle(bench, candidate))


def _peak(bench: Bench, record: dict[str, Any], candidate: Candidate, connections: int) -> float:
    """Calls per second of the closed loop over as many connections; measured here if that part was left out.

    Many streams of one connection reach more calls: another shape, whose rate would be no share of this one's.
    """
    scenario = f"tcp {connections}"
    found = [
        sample["ok_per_second"]
        for sample in record["samples"]
        if sample["candidate"] == candidate.name and sample["scenario"] == scenario
    ]
    if found:
        return statistics.median(found)
    with bench.server(candidate) as running:
        bench.generators.load(candidate, running.address, seconds=2 * bench.lengths.warmup, connections=4)
        rates = [bench.sample(running, candidate, "peak", connections=connections)["ok_per_second"] for _ in range(3)]
        return statistics.median(rates)


def _packages(python: Path | None) -> dict[str, str]:
    """Versions in the peers' environment."""
    if python is None:
        return {}
    out = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    wanted = ("grpcio", "protobuf", "fastapi", "uvicorn", "onnxruntime", "numpy")
    return {p["name"]: p["version"] for p in json.loads(out.stdout) if p["name"] in wanted}
