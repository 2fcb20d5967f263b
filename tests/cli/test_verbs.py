"""Every verb on sound input, as text and as one JSON object."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import stat
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sternpost as sp
from tests.project.loans_project import loans, sealed_loans

VERBS = ("init", "audit", "train", "inspect", "score", "drift", "demo", "sign", "keygen")


def test_help_lists_every_verb(run):
    ended = run("--help")
    assert ended.code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in ended.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(run, verb):
    ended = run(verb, "--help")
    assert ended.code == 0
    assert "--json" in ended.out
    assert ended.err == ""


def test_version(run):
    assert run("--version").out == f"sternpost {sp.__version__}\n"
    assert run("--version", "inspect", "lost").out == f"sternpost {sp.__version__}\n"


def test_without_a_verb_it_shows_its_help(run):
    ended = run()
    assert ended.code == 2
    assert "init" in ended.out


def test_init_then_train_then_inspect_then_score(work, run):
    pq.write_table(loans(600), work / "data.parquet")
    ended = run("init", "p", "--from", "data.parquet", "--target", "unpaid", "--time", "applied_at")
    assert (ended.code, ended.err) == (0, "")
    assert "model.py, sternpost.toml" in ended.out
    assert "sternpost train p -o p.sbundle" in ended.out
    ended = run("train", "p", "-o", "p.sbundle")
    assert (ended.code, ended.err) == (0, "")
    assert "holdout  auc " in ended.out
    assert run("inspect", "p.sbundle").code == 0
    ended = run("score", "p.sbundle", "in.parquet", "-o", "out.parquet", "--keep", "loan_id")
    assert (ended.code, ended.err) == (0, "")
    assert "500 rows scored" in ended.out
    assert pq.read_table("out.parquet").column_names == ["loan_id", "score", "action", "reasons"]


def test_init_from_json(work, run):
    ended = run("init", "p", "--from", "in.parquet", "--target", "unpaid", "--json")
    assert ended.json == {"project": "p", "files": ["model.py", "sternpost.toml"]}


def test_init_example_is_a_project(work, run):
    ended = run("init", "f", "--example", "flights", "--json")
    assert ended.code == 0
    assert "sternpost.toml" in ended.json["files"]
    assert not (work / "f" / "__pycache__").exists()
    from sternpost.project.settings import read_settings

    assert read_settings(work / "f").project.module == "flights"


def test_train_json(work, run):
    found = run("train", "loans", "-o", "t.sbundle", "--json").json
    assert found["bundle"] == "t.sbundle"
    assert found["digest"] == sp.open_bundle("t.sbundle").digest == sealed_loans().digest
    assert found["kind"] == "binary"
    assert found["features"] == 6
    assert found["rows"].keys() == {"loaded", "unknown", "training", "holdout", "refused"}
    assert found["metrics"].keys() == {"auc", "brier", "log_loss"}
    assert found["gates"][0]["name"] == "min_auc"


def test_inspect_shows_everything(work, run):
    out = run("inspect", "b.sbundle").out
    bundle = sealed_loans()
    for part in (
        "loans, answered for by credit@example.com",
        "A loan that will probably not be paid back",
        bundle.digest,
        "signature  none",
        "HistGradientBoostingClassifier of scikit-learn",
        "largest difference",
        "256 rows replayed",
        "grant below 0.5, else look; a refused row: review",
        "EUR/month",
        "float | None",
        "> 0, <= 1e+06",
        "4 labels: car,",
        "Months of income that the loan is worth.",
        bundle.provenance.data_digest,
        bundle.provenance.code_digest,
        "pyarrow ",
        "2024-01-01T",
    ):
        assert part in out, part
    for column in bundle.contract.names:
        assert f"\n {column} " in out


def test_inspect_json_is_the_whole_description(work, run):
    found = run("inspect", "b.sbundle", "--json").json
    described = json.loads(json.dumps(sp.open_bundle("b.sbundle").describe()))
    assert {**described, "signature": {"signed_by": None, "trusted": False}} == found


def test_score_json(work, run):
    found = run("score", "b.sbundle", "in.parquet", "-o", "out.arrow", "--json").json
    assert found["output"] == "out.arrow"
    assert found["bundle"] == {"name": "loans", "digest": sealed_loans().digest}
    assert (found["rows_in"], found["rows_scored"], found["rows_refused"]) == (500, 500, 0)


def test_keep_takes_lists_and_repeats(work, run):
    run("score", "b.sbundle", "in.parquet", "-o", "out.parquet", "--keep", "loan_id, term", "--keep", "purpose")
    assert pq.read_table("out.parquet").column_names[:3] == ["loan_id", "term", "purpose"]


def test_sign_and_trust(work, run):
    made = run("keygen", "keys", "--json").json
    assert stat.S_IMODE((work / made["private"]).stat().st_mode) == 0o600
    signed = run("sign", "b.sbundle", "--key", made["private"], "--json").json
    assert signed == {"bundle": "b.sbundle", "digest": sealed_loans().digest, "signed_by": made["fingerprint"]}
    ended = run("inspect", "b.sbundle", "--require-signature", "--trusted-key", made["public"])
    assert ended.code == 0
    assert f"by {made['fingerprint']}, one of the trusted keys" in ended.out
    assert "not compared with a trusted key" in run("inspect", "b.sbundle").out
    ended = run("score", "b.sbundle", "in.parquet", "-o", "o.parquet", "--trusted-key", made["public"])
    assert ended.code == 0


def test_text_of_sign_and_keygen(work, run):
    ended = run("keygen", "keys")
    assert "keep it secret" in ended.out
    ended = run("sign", "b.sbundle", "--key", "keys/sternpost-private.pem")
    assert "b.sbundle: signed by" in ended.out


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "sternpost.cli", *map(str, arguments)], capture_output=True, timeout=120, **options
    )


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    return sink.getvalue().to_pybytes()


def test_stdin_to_stdout(work):
    table = loans(500, seed=9)
    ended = command("score", "b.sbundle", "-", "-o", "-", "--keep", "loan_id", input=stream(table))
    assert ended.returncode == 0
    found = pa.ipc.open_stream(ended.stdout).read_all()
    assert found["loan_id"].to_pylist() == table["loan_id"].to_pylist()
    assert found["score"].to_pylist() == sealed_loans().score(table)["score"].to_pylist()
    assert b"500 rows scored" in ended.stderr


def test_a_reader_that_stops_reading_is_no_error(work):
    pq.write_table(loans(200_000), "large.parquet")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sternpost.cli",
            "score",
            "b.sbundle",
            "large.parquet",
            "-o",
            "-",
            "--batch-rows",
            "5000",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""


def test_progress_is_drawn_on_stderr_where_a_terminal_looks_on(work):
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sternpost.cli", "score", "b.sbundle", "in.parquet", "-o", "out.parquet", "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    drawn = b""
    with contextlib.suppress(OSError):  # how a terminal says that the other side is gone
        while piece := os.read(terminal, 4096):
            drawn += piece
    os.close(terminal)
    assert process.returncode == 0
    assert json.loads(out)["rows_in"] == 500
    assert b"scoring" in drawn


def test_help_into_a_closed_pipe_is_quiet(work):
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m sternpost.cli inspect b.sbundle | true"],
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode in (0, 141)
    assert ended.stderr == b""


def test_the_console_script_is_the_command(work):
    from importlib.metadata import entry_points

    found = [e for e in entry_points(group="console_scripts") if e.name == "sternpost"]
    assert [e.value for e in found] == ["sternpost.cli:main"]


def test_help_does_not_load_what_only_verbs_need():
    """Start-up time is the imports; a count of seconds would depend on the machine."""
    heavy = ["numba", "sklearn", "scipy", "pandas", "onnx", "onnxruntime", "skl2onnx", "rich"]
    code = (
        "import sys; from sternpost.cli import main; main(['--help']); main(['score', '--help'])\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, text=True)
    assert ended.stderr == "[]\n"
