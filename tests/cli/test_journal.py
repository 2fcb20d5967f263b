"""sternpost journal: one object or text, exit codes, no traceback."""

from __future__ import annotations

import json

import pytest

from sternpost.cli import main
from sternpost.outcomes.journal import Journal
from tests.outcomes.journals import decisions, outcomes


@pytest.fixture
def told(capfd):
    def run(*arguments):
        capfd.readouterr()
        code = main(["journal", *map(str, arguments)])
        out = capfd.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.append_decisions(decisions(0, 20))
    journal.append_outcomes(outcomes(0, 5))
    return journal


def test_ls(told, journal):
    code, out, _ = told("ls", journal.path)
    assert code == 0
    assert "decisions-abababababababab-0000000001.segment" in out
    assert "sealed" in out
    code, out, _ = told("ls", journal.path, "--json")
    assert {s["kind"]: s["rows"] for s in json.loads(out)["segments"]} == {"decisions": 20, "outcomes": 5}


def test_query(told, journal):
    sql = 'select action, count(*) as n, min("at") as first from decisions group by action order by action'
    code, out, _ = told("query", journal.path, sql)
    assert code == 0
    assert "on time" in out
    code, out, _ = told("query", journal.path, sql, "--json")
    assert json.loads(out)["rows"][0] == {"action": "late", "n": 10, "first": "2026-03-01T00:01:00+00:00"}
    assert 'write "at" in double quotes' in told("query", journal.path, "select min(at) from decisions")[2]
    code, out, err = told("query", journal.path, "selec 1", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (2, "UsageError")
    assert err.count("\n") == 1


def test_verify_ends_with_40_for_damage(told, journal):
    assert told("verify", journal.path)[:1] == (0,)
    path = next(journal.path.glob("decisions-*.segment"))
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    code, out, _ = told("verify", journal.path)
    assert code == 40
    assert "20 rows lost" in out
    code, out, _ = told("verify", journal.path, "--json")
    report = json.loads(out)
    assert (code, report["sound"], report["rows_lost"]) == (40, False, 20)
    code, out, err = told("query", journal.path, "select count(*) as n from decisions", "--json")
    assert (code, json.loads(out)["rows"]) == (0, [{"n": 0}])
    assert "20 rows lost" in err


def test_export_and_compact(told, journal, tmp_path):
    code, out, _ = told("export", journal.path, "-o", tmp_path / "out", "--json")
    assert (code, json.loads(out)["rows"]["decisions"]) == (0, 20)
    code, out, _ = told("compact", journal.path, "--json")
    assert (code, [m["rows"] for m in json.loads(out)["made"]]) == (0, [20, 5])
    assert "nothing to compact" in told("compact", journal.path)[1]
    assert "compacted" in told("ls", journal.path)[1]


def test_mistakes_are_told(told, tmp_path):
    for verb in (
        ["ls"],
        ["verify"],
        ["compact"],
        ["query", "select 1 from decisions"],
        ["export", "-o", tmp_path / "o"],
    ):
        code, _, err = told(verb[0], tmp_path / "absent", *verb[1:])
        assert code == 2, verb
        assert "does not exist" in err
        assert "Traceback" not in err
