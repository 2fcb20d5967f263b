"""From a run's record to a page: medians, spread, ratios of the same round, and whether they are what is expected.

Run alone, `python -m benchmarks.report RESULTS.json` renders a kept record again.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.case import OURS

TITLES = {
    "one_row": "One row, end to end",
    "batch": "A batch, from Arrow file to Arrow file",
    "features": "Features alone, one core",
    "parts": "Where our own time goes, one core",
}


def page(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    m, w = record["machine"], record["workload"]
    virtual = ", virtual" if m["virtual"] else ""
    lines = [
        f"# Benchmarks of {record['date']}" + (", quick" if record["quick"] else ""),
        "",
        f"{m['processor']}{virtual}, {m['processors']} processors for this process, second-level cache "
        f"{m['second_level_cache']}, {m['memory_gib']} GiB, {m['system']}, Python {m['python']}.",
        "",
        ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".",
        "",
        f"Waiting processes per processor: {record['load']['before']} before, {record['load']['after']} after "
        f"(above 1, others used the machine). Tables of {w['table_rows']:,} rows, models of {w['trees']} trees and a "
        f"logistic regression, {w['rounds']} rounds in turns.",
        "",
        "Every time is the median over all calls, in brackets the medians of the quickest and slowest round; processor "
        "time is that of all threads. Ratios are our time divided by the peer's in the same round: median, smallest, "
        "largest. `README.md` has the method.",
        "",
    ]
    for part, title in TITLES.items():
        cases = [case for case in record["cases"] if case["part"] == part]
        if cases:
            lines += [f"## {title}", "", *_table(cases), ""]
    lines += ["## Agreement, checked before timing", "", *_agreement(record["agreement"]), ""]
    return "\n".join(lines)


def ratios(case: dict[str, Any], peer: str) -> tuple[float, float, float]:
    """Our time over the peer's, round by round: median, smallest, largest."""
    ours, theirs = (_round_medians(case["forms"][form]) for form in (OURS, peer))
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return statistics.median(each), min(each), max(each)


def median_ns(form: dict[str, Any]) -> float:
    """Nanoseconds of the median call."""
    return statistics.median(call for calls in form["ns"] for call in calls)


def _table(cases: list[dict[str, Any]]) -> Iterator[str]:
    with_peers = any(OURS in case["forms"] for case in cases)
    single = any(case["rows"] == 1 for case in cases)
    head = ["case", "form", "time", *(["99 %"] if single else []), "per row", "processor time per row", "peak MiB"]
    head += ["ours / this", "expected", "ours / this, processor time"] if with_peers else []
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for case in cases:
        threads = f", {case['threads']} threads" if case["threads"] > 1 else ""
        for name, form in case["forms"].items():
            rounds = _round_medians(form)
            median = median_ns(form)
            time = f"{_duration(median)} [{_duration(min(rounds))}, {_duration(max(rounds))}]"
            cells = [f"{case['case']}{threads}", name, time]
            if single:
                cells.append(_duration(_quantile(form, 0.99)) if case["rows"] == 1 else "")
            cells += [_duration(median / case["rows"]), _duration(_cpu_per_row(case, form)), str(form["peak_mib"])]
            if with_peers:
                cells += _against(case, name)
            yield f"| {' | '.join(cells)} |"


def _against(case: dict[str, Any], name: str) -> list[str]:
    if name.startswith(OURS):
        return ["", "", ""]
    median, least, most = ratios(case, name)
    expected = case["at_most"].get(name)
    verdict = "" if expected is None else f"<= {expected:g}: {'met' if median <= expected else 'missed'}"
    cpu = [a / b for a, b in zip(case["forms"][OURS]["cpu_ns"], case["forms"][name]["cpu_ns"], strict=True)]
    return [f"{median:.2f} [{least:.2f}, {most:.2f}]", verdict, f"{statistics.median(cpu):.2f}"]


def _agreement(records: list[dict[str, Any]]) -> Iterator[str]:
    yield "| what | form | rows | values that differ from ours | largest difference, ulp |"
    yield "|---|---|---|---|---|"
    for r in records:
        yield f"| {r['what']} | {r['form']} | {r['rows']:,} | {r['values_that_differ']:,} | {r['largest_ulp']} |"


def _round_medians(form: dict[str, Any]) -> list[float]:
    return [statistics.median(calls) for calls in form["ns"]]


def _cpu_per_row(case: dict[str, Any], form: dict[str, Any]) -> float:
    return statistics.median(form["cpu_ns"]) / len(form["ns"][0]) / case["rows"]


def _quantile(form: dict[str, Any], q: float) -> float:
    calls = sorted(call for calls in form["ns"] for call in calls)
    return calls[min(len(calls) - 1, int(q * len(calls)))]


def _duration(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


if __name__ == "__main__":
    print(page(results.read(Path(sys.argv[1]))))
