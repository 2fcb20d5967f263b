"""Requests for the load generator say what the row says; the page shows what a record holds."""

from __future__ import annotations

import struct

from benchmarks import workload
from benchmarks.load import page, prepared


def test_a_field_has_its_number_its_length_and_its_content():
    assert prepared.field(4, b"ab") == b"\x22\x02ab"
    assert prepared.varint(300) == b"\xac\x02"


def test_an_application_leaves_nulls_out():
    row = workload.rows(1).to_pylist()[0] | {"income": None, "requested": 2.5, "age": None, "sector": None}
    encoded = prepared.application(row)
    assert encoded.startswith(b"\x11" + struct.pack("<d", 2.5))
    full = prepared.application(row | {"income": 1.0, "age": 30, "sector": "sector_01"})
    assert len(full) == len(encoded) + 9 + 2 + 3 + len("sector_01")


def test_the_generators_file_counts_its_rows(tmp_path):
    prepared.write(tmp_path / "x.rows", [b"a", b"bc"], [0.5, None])
    expected = b"SPROWS01\2\0\0\0" + b"\1\0\0\0a" + struct.pack("<d", 0.5) + b"\2\0\0\0bc" + b"\xff" * 8
    assert (tmp_path / "x.rows").read_bytes() == expected


def test_the_page_forms_ratios_within_a_round():
    def sample(candidate, number, p50):
        quantiles = {"p50": p50, "p90": p50, "p99": p50, "p999": p50, "max": p50, "mean": p50}
        return {
            "candidate": candidate, "scenario": "tcp 1", "round": number, "latency_us": quantiles,
            "checked": 5, "wrong": 0, "statuses": {"0": 5}, "ok": 5,
            "late": 0, "lost": 0, "unanswered": 0, "not_sent": 0,
        }  # fmt: skip

    samples = [sample("sternpost", 0, 50), sample("tonic echo", 0, 100), sample("sternpost", 1, 90)]
    samples.append(sample("tonic echo", 1, 100))
    machine = dict.fromkeys(("processor", "virtual", "memory_gib", "system", "python"), "x")
    shown = page.page({
        "date": "d", "quick": False, "machine": machine, "load": {"before": 0, "after": 0}, "peers": {}, "failed": [],
        "candidates": {"sternpost": {"about": "ours", "absent": None}}, "samples": samples,
    })  # fmt: skip
    assert "| tonic echo | 0.70 [0.50..0.90] |" in shown
    assert "| sternpost | 10 | 0 | 0 | 0 |" in shown
