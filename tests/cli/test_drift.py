"""sternpost drift: text, JSON, a page, over time, from files, folders and pipes; and what it says of wrong input."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sternpost as sp
from tests.project.loans_project import loans, sealed_loans


@pytest.fixture
def rows(work):
    pq.write_table(loans(1_200, seed=1), work / "ref.parquet")
    return work


def moved(rows: int, seed: int = 9) -> pa.Table:
    table = loans(rows, seed=seed)
    return table.set_column(table.column_names.index("amount"), "amount", pa.array(table["amount"].to_numpy() * 2))


def test_text_names_the_culprits_first(rows, run):
    pq.write_table(moved(2_000), rows / "now.parquet", row_group_size=100)
    ended = run("drift", "b.sbundle", "now.parquet", "--reference", "ref.parquet")
    assert (ended.code, ended.err) == (0, "")
    assert "2,000 rows against 1,200" in ended.out
    lines = [line for line in ended.out.splitlines() if " drift " in line]
    assert {line.split()[0] for line in lines} >= {"amount", "burden"}


def test_json_is_the_report_that_python_gives(rows, run):
    now = moved(2_000)
    pq.write_table(now, rows / "now.parquet", row_group_size=100)
    ended = run("drift", "b.sbundle", "now.parquet", "--reference", "ref.parquet", "--json")
    assert ended.code == 0
    ours = sp.drift(loans(1_200, seed=1), now, bundle=sealed_loans()).to_dict()
    told = ended.json
    assert told.pop("html") is None
    assert told == json.loads(json.dumps(ours))


def test_the_page_is_written_whole_and_shows_time(rows, run):
    ended = run(
        *("drift", "b.sbundle", "in.parquet", "--reference", "ref.parquet", "--by", "applied_at:week"),
        *("--html", "d.html", "--json"),
    )
    assert ended.code == 0
    assert ended.json["html"] == "d.html"
    assert sum(p["rows"] for p in ended.json["periods"]) == 500
    page = (rows / "d.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Over time" in page


def test_folders_globs_and_pipes_give_the_same_report(rows, run):
    now = moved(1_000)
    (rows / "days").mkdir()
    for k in range(4):
        pq.write_table(now.slice(250 * k, 250), rows / "days" / f"{k}.parquet")
    pq.write_table(now, rows / "now.parquet")
    given = ("drift", "b.sbundle", "--reference", "ref.parquet", "--json")
    ours = run(*given, "now.parquet").json
    assert run(*given, "days").json == ours
    assert run(*given, "days/*.parquet").json == ours
    with pa.OSFile(str(rows / "now.arrows"), "wb") as sink, pa.ipc.new_stream(sink, now.schema) as writer:
        writer.write_table(now, max_chunksize=77)
    command = [sys.executable, "-m", "sternpost.cli", *given, "-"]
    done = subprocess.run(command, cwd=rows, input=(rows / "now.arrows").read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout) == ours


def test_a_file_without_rows_is_thin(rows, run):
    pq.write_table(loans(10).slice(0, 0), rows / "none.parquet")
    ended = run("drift", "b.sbundle", "none.parquet", "--reference", "ref.parquet", "--html", "d.html", "--json")
    assert ended.code == 0
    assert {c["status"] for c in ended.json["columns"]} == {"thin"}
    assert (rows / "d.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("in.parquet", "--reference", "lost.parquet"), 50, "lost.parquet"),
        (("lost.parquet", "--reference", "ref.parquet"), 50, "lost.parquet"),
        (("in.parquet", "--reference", "ref.parquet", "--by", "lost"), 20, "lost"),
        (("in.parquet", "--reference", "ref.parquet", "--by", "applied_at:fortnight"), 2, "fortnight"),
        (("in.parquet", "--reference", "ref.parquet", "--by", "purpose:day"), 2, "purpose"),
        (("in.parquet", "--reference", "ref.parquet", "--level", "2"), 2, "level is 2"),
        (("in.parquet", "--reference", "ref.parquet", "--html", "nowhere/d.html"), 50, "nowhere"),
        (("b.sbundle", "--reference", "ref.parquet"), 50, "b.sbundle"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_exit_code(rows, run, arguments, code, told):
    ended = run("drift", "b.sbundle", *arguments)
    assert ended.code == code, ended.err
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err
