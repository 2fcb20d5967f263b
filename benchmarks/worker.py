"""One form in a process of its own, pinned to its processors, called round by round.

The parent starts it as `python -m benchmarks.worker <json>`, reads one line when it is ready (warm: every function
has run), then writes a line per round and reads a line with the nanoseconds of each call. Between rounds it waits on
its input, so that only one form runs at a time and none shares caches, allocators or thread pools with another.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.case import Case

ROOT = Path(__file__).parents[1]
WARM_CALLS = 3


class Round(NamedTuple):
    """Nanoseconds of each call, and the processor time of all of them together, over all threads."""

    ns: list[int]
    cpu_ns: int


class Worker:
    """The parent's side of one form."""

    def __init__(self, case: Case, form: str, folder: Path, sizes: dict[str, int], processors: list[int]) -> None:
        """Starts the process; `ready` waits for it."""
        self.case, self.form = case, form
        order = {"case": vars(case), "form": form, "folder": str(folder), "sizes": sizes, "processors": processors}
        threads = str(case.threads)
        settings = {"POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | settings,
        )

    def ready(self) -> None:
        """Wait until the form has been set up and run."""
        self._read("ready")

    def round(self, number: int) -> Round:
        """One round's calls."""
        return Round(**self._ask({"round": number}))

    def close(self) -> float:
        """End the process; the most memory it held, in MiB."""
        peak = float(self._ask({"close": True})["peak_mib"])
        self._process.wait(timeout=60)
        return peak

    def kill(self) -> None:
        """End the process whatever it does."""
        self._process.kill()
        self._process.wait()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._read("answer")

    def _read(self, what: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.case.part}, {self.case.name}, {self.form}: no {what}; its error is above")
        return json.loads(line)


def main() -> None:
    """The child's side."""
    order = json.loads(sys.argv[1])
    # Before any library is imported: some read the number of processors once.
    os.sched_setaffinity(0, order["processors"])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer

    import pyarrow as pa

    from benchmarks.all_parts import PARTS
    from benchmarks.material import Material, Sizes

    case = Case(**order["case"])
    pa.set_cpu_count(case.threads)
    form = PARTS[case.part].form(case, order["form"], Material(Path(order["folder"]), Sizes(**order["sizes"])))
    for i in range(case.calls if case.rows == 1 else WARM_CALLS):
        form.function(form.inputs[i % len(form.inputs)])
    gc.collect()
    gc.freeze()  # the rows are many small objects; walking them is nobody's cost
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "close" in question:
            print(json.dumps({"peak_mib": _peak_mib()}), file=answers, flush=True)
            return
        start = question["round"] * case.calls
        inputs = [form.inputs[(start + i) % len(form.inputs)] for i in range(case.calls)]
        print(json.dumps(_timed(form.function, inputs)._asdict()), file=answers, flush=True)


def _timed(function: Any, inputs: list[Any]) -> Round:
    clock = time.perf_counter_ns
    taken = []
    cpu = time.process_time_ns()
    for value in inputs:
        begin = clock()
        function(value)
        taken.append(clock() - begin)
    return Round(taken, time.process_time_ns() - cpu)


def _peak_mib() -> float:
    """The most memory this process held. Not by getrusage: that remembers what the parent held when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
