"""`python -m benchmarks.load.clients`: what one call costs a Python program, one call at a time.

The server is pinned to one processor and this process to another; forms are measured in turn, round by round, over rows
that change from call to call. grpcio is given a request that was encoded before, so its figure is without that work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc

import sternpost as sp
from benchmarks import workload
from benchmarks.load.prepared import packed, prepare, schema
from benchmarks.load.run import RESULTS
from benchmarks.load.server import Server
from benchmarks.machine import machine
from benchmarks.material import FULL, QUICK, Material

METHOD = "/sternpost.v1.Scoring/Score"


@contextlib.contextmanager
def forms(
    tcp: str, unix: str, bundle: sp.Bundle, rows: list[dict[str, Any]]
) -> Iterator[dict[str, Callable[[int], Any]]]:
    """Each form scores row number `i`."""
    columns = list(bundle.contract.columns)
    bodies = [packed(row, columns, schema(columns)) for row in rows]
    with contextlib.ExitStack() as open_until_the_end:
        enter = open_until_the_end.enter_context

        def client(address: str, **settings: Any) -> Callable[[int], Any]:
            made = enter(sp.Client(address, watch_health=False, **settings))
            return lambda i: made.score(rows[i % len(rows)])

        call = enter(grpc.insecure_channel(tcp)).unary_unary(METHOD)
        # The path of a socket file is no authority that HTTP/2 would take.
        over_file = enter(grpc.insecure_channel(unix, [("grpc.default_authority", "localhost")])).unary_unary(METHOD)
        yield {
            "grpcio": lambda i: call(bodies[i % len(rows)]),
            "grpcio, unix": lambda i: over_file(bodies[i % len(rows)]),
            "sp.Client": client(tcp),
            "sp.Client, unary": client(tcp, transport="unary"),
            "sp.Client, unix": client(unix),
            "sp.Client, spinning": client(tcp, busy_poll_us=500),
            "fallback, no server": client("127.0.0.1:1", fallback=bundle),
            "bundle.score": lambda i: bundle.score(rows[i % len(rows)]),
        }


def timed(form: Callable[[int], Any], calls: int) -> dict[str, float]:
    """Microseconds."""
    took = []
    cpu = time.process_time_ns()
    for i in range(calls):
        begun = time.perf_counter_ns()
        form(i)
        took.append((time.perf_counter_ns() - begun) / 1000)
    cpu = time.process_time_ns() - cpu
    took.sort()
    return {"p50": took[calls // 2], "p99": took[int(calls * 0.99)], "cpu": cpu / 1000 / calls}


def page(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    kind = "busy polling" if record["busy_poll"] else "sleeping"
    lines = [f"# One call from Python, {record['date']}", "", f"{record['machine']}; row threads {kind}.", ""]
    lines += ["| form | p50 us | p99 us | CPU of the caller us | p50 of grpcio |", "|---|---|---|---|---|"]
    rounds = record["rounds"]
    for name in rounds[0]:
        middle = {key: statistics.median(r[name][key] for r in rounds) for key in ("p50", "p99", "cpu")}
        ratios = sorted(r[name]["p50"] / r["grpcio"]["p50"] for r in rounds)
        spread = f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}]"
        lines.append(f"| {name} | {middle['p50']:.1f} | {middle['p99']:.1f} | {middle['cpu']:.1f} | {spread} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.clients", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few calls: a look, not a result")
    parser.add_argument("--out", type=Path, help="folder for record and page; default benchmarks/results/<date>")
    parser.add_argument("--data", type=Path, help="keep what is prepared here for the next run")
    parser.add_argument("--busy-poll", action="store_true", help="the server's row threads never sleep")
    parser.add_argument("--cpus", default="0,1", help="processor of the server, processor of the caller")
    args = parser.parse_args()
    cpu, own = (int(number) for number in args.cpus.split(","))
    data = args.data or Path(tempfile.gettempdir()) / "sternpost-load-data"
    prepared = prepare(Material(data, QUICK if args.quick else FULL))
    bundle = sp.open_bundle(prepared.bundle)
    rows = workload.rows(5_000, workload.SEED + 2).to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        unix = f"unix:{folder}/s.sock"
        command = [sys.executable, "-m", "sternpost.cli", "serve", str(prepared.bundle), "--listen", "127.0.0.1:0"]
        command += ["--listen", unix, "--http", "none", "--threads", "1", *(["--busy-poll"] if args.busy_poll else [])]
        with Server(command, cpu=cpu, log=Path(folder) / "log") as server:
            os.sched_setaffinity(0, {own})
            with forms(server.address, unix, bundle, rows) as calls:
                for form in calls.values():
                    timed(form, 200)
                rounds = [
                    {name: timed(form, 200 if args.quick else 2_000) for name, form in calls.items()}
                    for _ in range(2 if args.quick else 7)
                ]
    here = machine()
    told = f"{os.cpu_count()} processors, {here['processor']}, Python {here['python']}"
    record = {"date": time.strftime("%Y-%m-%d"), "machine": told, "busy_poll": args.busy_poll, "rounds": rounds}
    print(page(record), end="")
    if not args.quick or args.out:
        out = args.out or RESULTS / record["date"]
        out.mkdir(parents=True, exist_ok=True)
        name = "clients-busy-poll" if args.busy_poll else "clients"
        (out / f"{name}.json").write_text(json.dumps(record))
        (out / f"{name}.md").write_text(page(record))


if __name__ == "__main__":
    main()
