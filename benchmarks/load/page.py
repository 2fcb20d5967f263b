"""From a run's record to a page. `python -m benchmarks.load.page RECORD.json` renders a kept one again."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.load.candidates import OURS

Sample = dict[str, Any]


def page(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    m = record["machine"]
    lines = [
        f"# Servers under load, {record['date']}" + (", quick" if record["quick"] else ""),
        "",
        f"{m['processor']}{', virtual' if m['virtual'] else ''}, {m['memory_gib']} GiB, {m['system']}, Python "
        f"{m['python']}. Server on one processor, generator on another. Waiting processes per processor: "
        f"{record['load']['before']} before, {record['load']['after']} after (above 1, others used the machine).",
        "",
        "Peers: " + ", ".join(f"{name} {version}" for name, version in record["peers"].items()) + ".",
        "",
        "Medians of rounds, in brackets the lowest and highest. `README.md` has the method.",
        "",
    ]
    lines += [f"- {name}: {c['about']}{_absent(c)}" for name, c in record["candidates"].items()] + [""]
    for title, table in TABLES.items():
        rows = list(table(record["samples"]))
        if len(rows) > 2:
            lines += [f"## {title}", "", *rows, ""]
    lines += ["## Were the answers right?", "", *_right(record), ""]
    return "\n".join(lines)


def _absent(candidate: dict[str, Any]) -> str:
    return f" (left out: {candidate['absent']})" if candidate["absent"] else ""


def _latency(samples: list[Sample]) -> Iterator[str]:
    yield "| candidate | case | p50 us | p99 us | p99.9 us | p50, client spins | h2load p50 us |"
    yield "|---|---|---|---|---|---|---|"
    for name in _names(samples):
        for case in ("tcp 1", "unix 1", "stream 1", "oip 1"):
            found = _of(samples, name, case)
            if found:
                spin, h2 = (
                    _of(samples, name, other) if case == "tcp 1" else [] for other in ("tcp 1 spin", "h2load 1")
                )
                quantiles = [_us(found, q) for q in ("p50", "p99", "p999")]
                yield _row(name, case, *quantiles, _us(spin, "p50"), _us(h2, "p50"))


def _rates(samples: list[Sample]) -> Iterator[str]:
    cases = ("tcp 8", "tcp 32", "tcp 128", "tcp 1x32", "unix 8", "stream 32", "oip 32", "h2load 8", "h2load 32")
    yield _row("candidate", *cases, "server CPU us per call, tcp 32")
    yield _row(*["---"] * (len(cases) + 2))
    for name in _names(samples):
        rates = [_many(_of(samples, name, case), lambda s: s["ok_per_second"], "{:,.0f}") for case in cases]
        # Of all calls, those of the warm-up too: so is the processor time.
        cpu = _many(_of(samples, name, "tcp 32"), lambda s: 1e6 * s["server_cpu_s"] / max(1, s["made"]), "{:.1f}")
        if any(rates):
            yield _row(name, *rates, cpu)


def _ratios(samples: list[Sample]) -> Iterator[str]:
    yield "| ours beside | p50, one caller, TCP: ours / this | calls per second, 32 connections: ours / this |"
    yield "|---|---|---|"
    for name in _names(samples):
        if name != OURS:
            p50 = _per_round(samples, name, "tcp 1", lambda s: s["latency_us"]["p50"])
            rate = _per_round(samples, name, "tcp 32", lambda s: s["ok_per_second"])
            if p50 or rate:
                yield _row(name, _spread(p50, "{:.2f}"), _spread(rate, "{:.2f}"))


def _overload(samples: list[Sample]) -> Iterator[str]:
    yield (
        "| candidate | times the peak | offered/s | sent/s | goodput/s | of the peak | p99 of answers us | refused/s | "
        "p50 / p99 of refusals us | given up/s | connections lost |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for name in _names(samples):
        for times in ("1", "2", "5", "2 heeded", "5 heeded"):
            found = _of(samples, name, f"overload {times}")
            if found:
                refused = _many(found, lambda s: sum(s["statuses"].values()) - s["ok"], "{:,.0f}", "seconds")
                yield _row(
                    name, times, _many(found, lambda s: s["offered"], "{:,.0f}"),
                    _many(found, lambda s: s["made"] - s["not_sent"], "{:,.0f}", "all_seconds"),
                    _many(found, lambda s: s["goodput_per_second"], "{:,.0f}"),
                    _many(found, lambda s: 100 * s["goodput_per_second"] / s["peak"], "{:.0f} %"),
                    _us(found, "p99"), refused,
                    f"{_us(found, 'p50', 'refusal_us')} / {_us(found, 'p99', 'refusal_us')}",
                    _many(found, lambda s: s["late"] + s["not_sent"], "{:,.0f}", "seconds"),
                    sum(s["reconnects"] for s in found),
                )  # fmt: skip


def _reload(samples: list[Sample]) -> Iterator[str]:
    yield "| 70 % of the peak | swaps | calls/s | p50 us | p99 us | p99.9 us | longest us | not OK |"
    yield "|---|---|---|---|---|---|---|---|"
    for sample in samples:
        if sample["scenario"].startswith("reload"):
            times = [f"{(sample['latency_us'] or {}).get(q, 0):,.0f}" for q in ("p50", "p99", "p999", "max")]
            swaps, rate = sample.get("swaps", 0), f"{sample['ok_per_second']:,.0f}"
            yield _row(sample["scenario"], swaps, rate, *times, _not_ok(sample))


def _drain(samples: list[Sample]) -> Iterator[str]:
    yield "| answered before the end | lost after they were taken | not taken | exit code | seconds |"
    yield "|---|---|---|---|---|"
    for s in samples:
        if s["scenario"] == "drain":
            yield _row(f"{s['ok']:,}", s["lost"] + s["unanswered"], s["not_taken"], s["exit_code"], s["drain_s"])


def _memory(samples: list[Sample]) -> Iterator[str]:
    yield "| candidate | MiB when ready | after a tenth | after all | calls | idle, % of a processor |"
    yield "|---|---|---|---|---|---|"
    for name in _names(samples):
        for s in _of(samples, name, "memory"):
            idle = _many(_of(samples, name, "idle"), lambda i: i["cpu_percent"], "{:.2f}")
            sizes = [f"{s[f'{when}_mib']:.1f}" for when in ("ready", "tenth", "all")]
            yield _row(name, *sizes, f"{s['tenth_requests'] + s['all_requests']:,}", idle)


TABLES: dict[str, Callable[[list[Sample]], Iterator[str]]] = {
    "One call at a time": _latency,
    "Many calls, answers per second": _rates,
    "Ratios, formed within a round": _ratios,
    "More calls than can be answered": _overload,
    "Another bundle every second": _reload,
    "The end under load": _drain,
    "Memory, and doing nothing": _memory,
}


def _right(record: dict[str, Any]) -> Iterator[str]:
    yield "| candidate | scores compared | wrong | not OK in closed loops | lost |"
    yield "|---|---|---|---|---|"
    for name in _names(record["samples"]):
        own = [s for s in record["samples"] if s["candidate"] == name and "checked" in s]
        closed = [s for s in own if "rate" not in s.get("options", {}) and s["scenario"] != "drain"]
        checked, wrong = (sum(s[what] for s in own) for what in ("checked", "wrong"))
        yield _row(name, f"{checked:,}", wrong, sum(map(_not_ok, closed)), sum(s["lost"] for s in closed))
    for failure in record["failed"]:
        yield ""
        yield f"Failed: {failure['what']}, round {failure['round']}, {failure['candidate']}: {failure['why']}"


def _not_ok(sample: Sample) -> int:
    lost = sample["late"] + sample["lost"] + sample["unanswered"] + sample["not_sent"]
    return int(sum(sample["statuses"].values()) - sample["ok"] + lost)


def _names(samples: list[Sample]) -> list[str]:
    found = dict.fromkeys(s["candidate"] for s in samples)
    return sorted(found, key=lambda name: (name != OURS, name))


def _of(samples: list[Sample], name: str, scenario: str) -> list[Sample]:
    return [s for s in samples if s["candidate"] == name and s["scenario"] == scenario]


def _per_round(samples: list[Sample], name: str, case: str, value: Callable[[Sample], float]) -> list[float]:
    ours = {s["round"]: value(s) for s in _of(samples, OURS, case)}
    return [ours[s["round"]] / value(s) for s in _of(samples, name, case) if s["round"] in ours]


def _us(samples: list[Sample], quantile: str, which: str = "latency_us") -> str:
    return _spread([s[which][quantile] for s in samples if s.get(which)], "{:,.0f}")


def _many(samples: list[Sample], value: Callable[[Sample], float], form: str, per: str | None = None) -> str:
    def scaled(s: Sample) -> float:
        return value(s) / {None: 1.0, "seconds": s.get("seconds", 1.0), "all_seconds": _all_seconds(s)}[per]

    return _spread([scaled(s) for s in samples], form)


def _all_seconds(sample: Sample) -> float:
    return float(sample.get("seconds", 1.0) + sample.get("options", {}).get("warmup", 0.0))


def _spread(values: list[float], form: str) -> str:
    if not values:
        return ""
    median = form.format(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{form.format(min(values))}..{form.format(max(values))}]"


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    print(page(json.loads(Path(sys.argv[1]).read_text())))
