"""Running the forms of a case in turns, so that a disturbance of the machine meets all of them.

A round runs every form once, the first one moving on from round to round. What is kept is every call's time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case import Case
from benchmarks.material import Sizes
from benchmarks.worker import Round, Worker


@dataclass(frozen=True)
class Samples:
    """A form's rounds, and the most memory its process held."""

    rounds: list[Round]
    peak_mib: float


def processors_for(threads: int) -> list[int]:
    """The last `threads` of this process's processors; the first is left to the rest of the machine."""
    return sorted(os.sched_getaffinity(0))[-threads:]


def measure(case: Case, folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> dict[str, Samples]:
    """Every form of the case, `sizes.rounds` rounds in turns."""
    workers: dict[str, Worker] = {}
    taken: dict[str, list[Round]] = {form: [] for form in case.forms}
    try:
        for form in case.forms:
            tell(f"{case.part}, {case.name}, {case.threads} thread(s): setting up {form}")
            workers[form] = Worker(case, form, folder, sizes.to_dict(), processors_for(case.threads))
            workers[form].ready()
        for number in range(sizes.rounds):
            tell(f"{case.part}, {case.name}, {case.threads} thread(s): round {number + 1} of {sizes.rounds}")
            first = number % len(case.forms)
            for form in (*case.forms[first:], *case.forms[:first]):
                taken[form].append(workers[form].round(number))
        return {form: Samples(taken[form], workers[form].close()) for form in case.forms}
    finally:
        for worker in workers.values():
            worker.kill()
