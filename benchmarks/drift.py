"""Drift of a table against a stored reference, beside what one would write by hand and beside drift libraries.

    python -m benchmarks.drift                         # 100,000 x 50 on one core, up to 10,000,000 x 20 on two
    python -m benchmarks.drift --quick                 # 100,000 x 50 and 1,000,000 x 20, two rounds
    python -m benchmarks.drift --peers VENV/bin/python # also Evidently, NannyML, whylogs, which want pandas < 3

Every method is a process of its own, pinned before any library is imported. It reads the rows from an uncompressed
Arrow file (Parquet where the library reads nothing else), makes its reference side from 200,000 rows, is run once to be
warm where a round takes less than 5 s, and then times the current side: counts, and an index or test per column.
Processes take turns, one per method and round. By hand means deciles of the reference and a PSI per column; ours means
40 cells, and everything that `sp.drift` reports.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REFERENCE_ROWS = 200_000
#: Methods by the interpreter that they run in.
OURS = ("sternpost", "polars", "numpy", "duckdb", "scipy_ks", "read_once")
THEIRS = ("evidently", "nannyml", "whylogs")
#: Rows above which a method would take minutes.
ROWS_MAX = {"evidently": 1_000_000, "nannyml": 1_000_000, "whylogs": 1_000_000}
TIMEOUT_S = 400

Calculation = Callable[[], Any]


def _by_hand_edges(reference: Any) -> dict[str, Any]:
    import numpy as np
    import pyarrow as pa

    edges = {}
    for name in reference.column_names:
        if not pa.types.is_string(reference.schema.field(name).type):
            values = reference[name].drop_null().cast(pa.float64()).to_numpy()
            edges[name] = np.unique(np.quantile(values, np.linspace(0, 1, 11)[1:-1]))
    return edges


def _psi(a: Any, b: Any) -> float:
    import numpy as np

    p, q = np.clip(a / a.sum(), 1e-6, None), np.clip(b / b.sum(), 1e-6, None)
    return float(((q - p) * np.log(q / p)).sum())


def _read(path: str) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(f"{path}.arrow")).read_all()


def sternpost(reference: str, current: str, threads: int) -> Calculation:
    """Ours: `sp.drift` against a reference that was made before."""
    import sternpost as sp
    from sternpost.monitor.drift import reference_of

    del threads  # as many as the process may use
    stored, table = reference_of(_read(reference)), _read(current)
    return lambda: sp.drift(stored, table)


def numpy(reference: str, current: str, threads: int) -> Calculation:
    """searchsorted and bincount; labels by Arrow's index_in."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(threads)
    before, table = _read(reference), _read(current)
    edges = _by_hand_edges(before)
    labels = {n: pc.unique(before[n].drop_null()) for n in before.column_names if n not in edges}

    def counts(rows: Any, name: str) -> Any:
        if name in edges:
            values = rows[name].cast(pa.float64()).to_numpy()
            place = np.searchsorted(edges[name], values)
            place[np.isnan(values)] = len(edges[name]) + 1
            return np.bincount(place, minlength=len(edges[name]) + 2).astype(float)
        known = labels[name]
        place = pc.fill_null(pc.index_in(rows[name], value_set=known), len(known)).to_numpy()
        return np.bincount(place, minlength=len(known) + 1).astype(float)

    stored = {name: counts(before, name) for name in before.column_names}
    return lambda: {name: _psi(stored[name], counts(table, name)) for name in stored}


def polars(reference: str, current: str, threads: int) -> Calculation:
    """`cut` and group by, all columns collected together."""
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import numpy as np
    import polars as pl

    before = _read(reference)
    edges = {name: e.tolist() for name, e in _by_hand_edges(before).items()}
    names = before.column_names

    def counts(rows: Any) -> list[dict[Any, int]]:
        cut = [
            rows.select((pl.col(n).cast(pl.Float64).cut(edges[n]) if n in edges else pl.col(n)).alias("b"))
            .group_by("b")
            .len()
            for n in names
        ]
        return [dict(zip(d["b"].cast(pl.Utf8).to_list(), d["len"].to_list(), strict=True)) for d in pl.collect_all(cut)]

    stored = counts(pl.scan_ipc(f"{reference}.arrow"))

    def calculate() -> list[float]:
        found = []
        for a, b in zip(stored, counts(pl.scan_ipc(f"{current}.arrow")), strict=True):
            cells = sorted(set(a) | set(b), key=str)
            found.append(
                _psi(np.array([a.get(c, 0) for c in cells], float), np.array([b.get(c, 0) for c in cells], float))
            )
        return found

    return calculate


def duckdb(reference: str, current: str, threads: int) -> Calculation:
    """A group by per column over Parquet; a cell is the number of edges below."""
    import duckdb as db
    import numpy as np

    before = _read(reference)
    edges = _by_hand_edges(before)
    connection = db.connect()
    connection.execute(f"set threads={threads}")

    def counts(path: str) -> dict[str, dict[Any, int]]:
        found = {}
        for name in before.column_names:
            cell = "+".join(f"({name} > {e!r})::int" for e in edges[name].tolist()) if name in edges else name
            query = f"select {cell} b, count(*) from '{path}.parquet' group by 1"
            found[name] = dict(connection.execute(query).fetchall())
        return found

    stored = counts(reference)

    def calculate() -> dict[str, float]:
        found = {}
        for name, b in counts(current).items():
            cells = list({**stored[name], **b})
            a = stored[name]
            found[name] = _psi(
                np.array([a.get(c, 0) for c in cells], float), np.array([b.get(c, 0) for c in cells], float)
            )
        return found

    return calculate


def scipy_ks(reference: str, current: str, threads: int) -> Calculation:
    """The exact two-sample statistic of numbers; labels are left out."""
    import pyarrow as pa
    from scipy.stats import ks_2samp

    del threads
    before, table = _read(reference), _read(current)
    names = list(_by_hand_edges(before))

    def values(rows: Any, name: str) -> Any:
        return rows[name].drop_null().cast(pa.float64()).to_numpy()

    stored = {name: values(before, name) for name in names}
    return lambda: {name: ks_2samp(stored[name], values(table, name), method="asymp").statistic for name in names}


def read_once(reference: str, current: str, threads: int) -> Calculation:
    """A floor: the sum of every number, which reads the memory and does nothing else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(threads)
    del reference
    table = _read(current)
    names = [n for n in table.column_names if not pa.types.is_string(table.schema.field(n).type)]
    return lambda: [pc.sum(table[name]) for name in names]


def evidently(reference: str, current: str, threads: int) -> Calculation:
    """DataDriftPreset with its default methods."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    del threads
    before, table = pd.read_parquet(f"{reference}.parquet"), pd.read_parquet(f"{current}.parquet")
    return lambda: Report([DataDriftPreset()]).run(table, before).dict()


def nannyml(reference: str, current: str, threads: int) -> Calculation:
    """UnivariateDriftCalculator: KS and Jensen-Shannon for numbers, Jensen-Shannon for labels, one chunk."""
    import nannyml as nml
    import pandas as pd

    del threads
    before, table = pd.read_parquet(f"{reference}.parquet"), pd.read_parquet(f"{current}.parquet")
    labels = [n for n in before.columns if not pd.api.types.is_numeric_dtype(before[n])]
    for frame in (before, table):
        frame[labels] = frame[labels].astype("category")
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(before.columns),
        treat_as_categorical=labels,
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
        categorical_methods=["jensen_shannon"],
        chunk_number=1,
    ).fit(before)
    return lambda: calculator.calculate(table)


def whylogs(reference: str, current: str, threads: int) -> Calculation:
    """A profile of the current rows; comparing profiles would come on top."""
    import pandas as pd
    import whylogs as why

    del reference, threads
    table = pd.read_parquet(f"{current}.parquet")
    return lambda: why.log(table).view()


def worker(method: str, reference: str, current: str, threads: int) -> None:
    """Time the current side of one method in this process, which is pinned already; prints one line of JSON."""
    calculate = globals()[method](reference, current, threads)
    started = time.perf_counter()
    calculate()
    first = time.perf_counter() - started
    seconds = [first]
    if first < 5:
        seconds = []
        for _ in range(5 if first < 1 else 1):
            started = time.perf_counter()
            calculate()
            seconds.append(time.perf_counter() - started)
    # Not ru_maxrss: that begins with the parent's.
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024
    print("\n" + json.dumps({"seconds": seconds, "first": first, "peak_mib": peak}))


def tables(folder: Path, rows: int, columns: int) -> tuple[str, str]:
    """Reference and current rows as Arrow and Parquet files: the workload's columns, repeated where more are asked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from benchmarks import workload

    paths = []
    for name, n, seed in (("reference", REFERENCE_ROWS, 3), ("current", rows, 4)):
        path = folder / f"{name}-{n}x{columns}"
        paths.append(str(path))
        if path.with_suffix(".parquet").exists():
            continue
        with pa.OSFile(f"{path}.arrow", "wb") as sink:
            writers: list[Any] = []
            for start in range(0, n, 500_000):
                part = wide(workload, min(500_000, n - start), columns, seed + start)
                if not writers:
                    writers = [pa.ipc.new_file(sink, part.schema), pq.ParquetWriter(f"{path}.parquet", part.schema)]
                writers[0].write_table(part, max_chunksize=65_536)
                writers[1].write_table(part)
            for writer in writers:
                writer.close()
    return paths[0], paths[1]


def wide(workload: Any, rows: int, columns: int, seed: int) -> Any:
    """`columns` of the workload's columns, under other names and from other seeds when they are used up."""
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    turn = 0
    while len(arrays) < columns:
        table = workload.rows(rows, seed + 1_000_003 * turn)
        for name in table.column_names[: columns - len(arrays)]:
            arrays[name if not turn else f"{name}_{turn}"] = table[name].combine_chunks()
        turn += 1
    return pa.table(arrays)


def measure(cases: list[tuple[int, int, int]], rounds: int, peers: str | None, folder: Path) -> dict[str, Any]:
    """Every method of every case (rows, columns, cores) in turns."""
    from benchmarks.machine import load, machine, versions

    record: dict[str, Any] = {"format": 1, "date": f"{dt.date.today()}", "machine": machine(), "versions": versions()}
    record["load_before"] = load()
    record["cases"] = []
    for rows, columns, cores in cases:
        reference, current = tables(folder, rows, columns)
        found: dict[str, Any] = {}
        methods = [(m, sys.executable) for m in OURS] + [(m, peers) for m in THEIRS if peers]
        for number in range(rounds):
            for method, python in methods[number % len(methods) :] + methods[: number % len(methods)]:
                if rows > ROWS_MAX.get(method, rows) or (method in THEIRS and number):
                    continue
                told = run_one(str(python), method, reference, current, cores)
                found.setdefault(method, []).append(told)
                print(f"{rows:,} x {columns}, {cores} cores, {method}: {told}", file=sys.stderr, flush=True)
        record["cases"].append({"rows": rows, "columns": columns, "cores": cores, "methods": found})
    record["load_after"] = load()
    return record


def run_one(python: str, method: str, reference: str, current: str, cores: int) -> dict[str, Any]:
    """One process; what it printed, or why there is nothing."""
    processors = sorted(os.sched_getaffinity(0))[-cores:]
    command = [
        *("taskset", "-c", ",".join(map(str, processors)), python, "-P", __file__),
        *("--worker", method, reference, current, str(cores)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {TIMEOUT_S} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def page(record: dict[str, Any]) -> str:
    """The record for people."""
    machine = record["machine"]
    lines = [
        "# Drift against a stored reference",
        "",
        f"{record['date']}, {machine['processor']}, {machine['processors']} processors, Python {machine['python']}; "
        f"waiting processes per processor {record['load_before']} before and {record['load_after']} after. Seconds of "
        "the current side: median over rounds of a process's median, quickest and slowest round; the reference has "
        f"{REFERENCE_ROWS:,} rows.",
    ]
    for case in record["cases"]:
        lines += ["", f"## {case['rows']:,} rows x {case['columns']} columns, {case['cores']} core(s)", ""]
        lines += ["| method | s | quickest | slowest | of ours | peak MiB |", "|---|---|---|---|---|---|"]
        ours = _median(case["methods"].get("sternpost", []))
        for method, runs in case["methods"].items():
            good = [statistics.median(r["seconds"]) for r in runs if "seconds" in r]
            if not good:
                lines.append(f"| {method} | {runs[0]['failed']} | | | | |")
                continue
            middle = statistics.median(good)
            ratio = f"{middle / ours:.1f}x" if ours else ""
            peak = max(r["peak_mib"] for r in runs if "peak_mib" in r)
            lines.append(f"| {method} | {middle:.4f} | {min(good):.4f} | {max(good):.4f} | {ratio} | {peak:,} |")
    return "\n".join(lines) + "\n"


def _median(runs: list[dict[str, Any]]) -> float | None:
    good = [statistics.median(r["seconds"]) for r in runs if "seconds" in r]
    return statistics.median(good) if good else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000,000 rows instead of 10,000,000, two rounds")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with evidently, nannyml, whylogs")
    parser.add_argument("--out", type=Path, help="folder for record and page; default benchmarks/results/<date>")
    parser.add_argument("--data", type=Path, help="keep the rows here for the next run")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        method, reference, current, threads = args.worker
        worker(method, reference, current, int(threads))
        return
    many = 1_000_000 if args.quick else 10_000_000
    cases = [(100_000, 50, 1), (1_000_000, 20, 2), *([] if args.quick else [(many, 20, 2)])]
    with tempfile.TemporaryDirectory() as made:
        folder = args.data or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        record = measure(cases, 2 if args.quick else 3, args.peers, folder)
    out = args.out or Path(__file__).parent / "results" / record["date"]
    out.mkdir(parents=True, exist_ok=True)
    (out / "drift.json").write_text(json.dumps(record, indent=1) + "\n")
    (out / "drift.md").write_text(page(record))
    print(page(record))


if __name__ == "__main__":
    main()
