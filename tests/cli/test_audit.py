"""The verb: text, one object, and how it ends."""

from __future__ import annotations

from tests.project.loans_project import TOML, write_project
from tests.project.test_auditing import LATE, WAIVER


def test_it_tells_and_ends_with_20_when_a_finding_refuses(work, run):
    sound = run("audit", "loans")
    assert (sound.code, sound.err) == (0, "")
    assert "WARN   undeclared: 5 of 5 columns" in sound.out
    write_project(work / "late", module=LATE)
    ended = run("audit", "late")
    assert (ended.code, ended.err) == (20, "")
    assert "BLOCK  known_at: term is known with the outcome" in ended.out
    found = run("audit", "late", "--json")
    assert found.code == 20
    assert found.json["blocked"]
    assert found.json["findings"][0]["columns"] == ["term"]


def test_training_is_refused_with_the_way_to_waive(work, run):
    write_project(work / "late", module=LATE)
    ended = run("train", "late", "-o", "late.sbundle", "--json")
    assert ended.code == 20
    assert ended.json["error"]["kind"] == "LeakFound"
    assert "[[audit.waivers]]" in ended.json["error"]["message"]
    assert not (work / "late.sbundle").exists()


def test_the_page_holds_findings_waivers_and_columns_as_text(work, run):
    waived = TOML + WAIVER.replace("credit@example.com", "<b>credit</b>")
    write_project(work / "late", module=LATE, toml=waived)
    ended = run("audit", "late", "--html", "audit.html")
    assert (ended.code, ended.err) == (0, "")
    assert "waiver known_at of term: in force, until 2999-01-01" in ended.out
    page = (work / "audit.html").read_text()
    assert "&lt;b&gt;credit&lt;/b&gt;" in page
    assert "<script" not in page
    for name in ("term", "amount", "income", "purpose", "applied_at"):
        assert f">{name}<" in page
