"""The fault table: each verb on broken input gives one line, the exit code, no traceback, and no half file.

Every case says what is broken, the command, the exit code, and what the line must contain.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost.cli import app
from tests.project.loans_project import MODULE, TOML, loans, replaced

ARROW = b"ARROW1"


def arrow_bytes(stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    table = loans(500)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    return sink.getvalue().to_pybytes()


def broken_inputs(work: Path) -> None:
    """Every kind of broken file, by a name that tells."""
    data = (work / "in.parquet").read_bytes()
    (work / "cut.parquet").write_bytes(data[: len(data) // 2])
    (work / "cut.arrow").write_bytes(arrow_bytes(False)[:9_000])
    (work / "cut.arrows").write_bytes(arrow_bytes(True)[:9_000])
    (work / "empty.parquet").write_bytes(b"")
    (work / "text.parquet").write_bytes(b"amount,income\n1,2\n")
    (work / "folder").mkdir()
    (work / "empty_folder").mkdir()
    bundle = bytearray((work / "b.sbundle").read_bytes())
    (work / "cut.sbundle").write_bytes(bundle[: len(bundle) // 2])
    bundle[len(bundle) // 2] ^= 1
    (work / "flipped.sbundle").write_bytes(bundle)
    table = loans(100)
    pq.write_table(table.drop_columns(["term"]), work / "no_term.parquet")
    pq.write_table(table.set_column(3, "term", table["term"].cast(pa.string())), work / "text_term.parquet")
    naive = table["applied_at"].cast(pa.timestamp("us"))
    pq.write_table(table.set_column(5, "applied_at", naive), work / "naive.parquet")
    pq.write_table(replaced(table, "amount", {42: -1.0}), work / "bad_row.parquet")


def broken_projects(work: Path) -> None:
    for name, toml, module in (
        ("no_toml", None, MODULE),
        ("bad_toml", "[project\n", MODULE),
        ("unknown_key", TOML.replace("owner", "ownr"), MODULE),
        ("no_module", TOML.replace('module = "loans"', 'module = "lost"'), MODULE),
        ("bad_module", TOML, "import lost_package\n"),
        ("no_fit", TOML, MODULE.replace("def fit", "def fitted")),
        ("bad_feature", TOML, MODULE.replace("burden(amount:", "burden(amont:")),
        ("bad_load", TOML, MODULE.replace("loans.parquet", "lost.parquet")),
        ("missed_gate", TOML.replace("0.6", "0.999"), MODULE),
        ("raising_fit", TOML, MODULE.replace("return Hist", "raise ValueError('no luck')\n    Hist")),
        ("no_estimator", TOML, MODULE.replace("return Hist", "return 'a' or Hist")),
    ):
        folder = work / name
        shutil.copytree(work / "loans", folder)
        (folder / "loans.py").write_text(module)
        (folder / "sternpost.toml").unlink()
        if toml is not None:
            (folder / "sternpost.toml").write_text(toml)
    folder = work / "bad_rows"
    shutil.copytree(work / "loans", folder)
    pq.write_table(replaced(loans(), "amount", {7: -1.0}), folder / "loans.parquet")


SCORE = "score b.sbundle {} -o out.parquet"
CASES = [
    # what the command line itself cannot mean
    ("", 2, ""),
    ("scor", 2, "No such command 'scor'"),
    ("score", 2, "Missing argument 'BUNDLE'. See sternpost score --help."),
    ("score b.sbundle in.parquet", 2, "Missing option '--output'"),
    (SCORE.format("in.parquet") + " --threads 0", 2, "Invalid value for '--threads'"),
    (SCORE.format("in.parquet") + " --thread 1", 2, "No such option: --thread"),
    ("init", 2, "Missing argument 'DIR'"),
    ("demo trains", 2, "trains"),
    ("init p --example trains", 2, "trains"),
    # init
    ("init p", 2, "either --from DATA --target COL, or --example flights"),
    ("init p --example flights --from in.parquet", 2, "either --from DATA"),
    ("init p --example flights --target y", 2, "--target and --time go with --from"),
    ("init p --from in.parquet", 2, "--target COLUMN; the file has loan_id"),
    ("init p --from in.parquet --target unpayed", 2, "--target unpayed: that column is not there"),
    ("init p --from lost.parquet --target unpaid", 50, "cannot read lost.parquet: No such file"),
    ("init p --from folder --target unpaid", 2, "folder is a folder"),
    ("init p --from cut.parquet --target unpaid", 50, "cut.parquet"),
    ("init p --from cut.arrow --target unpaid", 50, "cut.arrow"),
    ("init p --from cut.arrows --target unpaid", 50, "cut.arrows"),
    ("init p --from empty.parquet --target unpaid", 2, "it is empty"),
    ("init p --from b.sbundle --target unpaid", 2, "not a data file"),
    ("init loans --from in.parquet --target unpaid", 2, "loans is not empty"),
    ("init in.parquet --from in.parquet --target unpaid", 2, "in.parquet is a file"),
    # train
    ("train lost -o out.sbundle", 2, "lost does not exist"),
    ("train in.parquet -o out.sbundle", 2, "in.parquet is a file"),
    ("train folder -o out.sbundle", 2, "folder has no sternpost.toml"),
    ("train no_toml -o out.sbundle", 2, "no_toml has no sternpost.toml"),
    ("train bad_toml -o out.sbundle", 2, "not TOML"),
    ("train unknown_key -o out.sbundle", 2, "[project] ownr is not a known key; did you mean owner?"),
    ("train no_module -o out.sbundle", 2, "lost.py does not exist"),
    ("train bad_module -o out.sbundle", 2, "No module named 'lost_package' (loans.py, line 1)"),
    ("train no_fit -o out.sbundle", 2, "defines no `fit`"),
    ("train bad_feature -o out.sbundle", 20, "did you mean amount?"),
    ("train bad_load -o out.sbundle", 2, "load() failed: FileNotFoundError"),
    ("train bad_rows -o out.sbundle", 20, "row 7, column amount: -1.0"),
    ("train raising_fit -o out.sbundle", 2, "fit() failed: ValueError: no luck (loans.py, line"),
    ("train missed_gate -o out.sbundle", 30, "min_auc = 0.999, found 0."),
    ("train loans -o lost/out.sbundle", 50, "the folder lost does not exist"),
    ("train loans -o folder", 2, "folder is a folder"),
    # inspect
    ("inspect lost.sbundle", 50, "cannot read the bundle lost.sbundle: No such file"),
    ("inspect folder", 40, "a folder"),
    ("inspect in.parquet", 40, "not a bundle"),
    ("inspect empty.parquet", 40, "the file is empty"),
    ("inspect cut.sbundle", 40, "cut.sbundle: "),
    ("inspect flipped.sbundle", 40, "flipped.sbundle: part "),
    ("inspect b.sbundle --require-signature", 2, "needs the keys to trust"),
    ("inspect b.sbundle --trusted-key keys/sternpost-public.pem", 40, "not signed"),
    ("inspect b.sbundle --trusted-key lost.pem", 50, "lost.pem"),
    ("inspect b.sbundle --trusted-key in.parquet", 2, "expected an ed25519 public key"),
    ("inspect signed.sbundle --trusted-key others/sternpost-public.pem", 40, "not trusted here"),
    # score: the bundle
    ("score lost.sbundle in.parquet -o out.parquet", 50, "lost.sbundle"),
    ("score flipped.sbundle in.parquet -o out.parquet", 40, "flipped.sbundle: part "),
    ("score in.parquet b.sbundle -o out.parquet", 40, "not a bundle"),
    ("score b.sbundle in.parquet -o out.parquet --require-signature", 2, "needs the keys to trust"),
    ("score signed.sbundle in.parquet -o out.parquet --trusted-key others/sternpost-public.pem", 40, "not trusted"),
    # score: the input
    (SCORE.format("lost.parquet"), 50, "lost.parquet"),
    (SCORE.format("lost-*.parquet"), 50, "no files match"),
    (SCORE.format("empty_folder"), 50, "no files in this folder"),
    (SCORE.format("cut.parquet"), 50, "cut.parquet: "),
    (SCORE.format("cut.arrow"), 50, "cut.arrow: "),
    (SCORE.format("cut.arrows"), 50, "cut.arrows: "),
    (SCORE.format("empty.parquet"), 50, "it is empty"),
    (SCORE.format("text.parquet"), 50, "convert it to Parquet"),
    (SCORE.format("b.sbundle"), 50, "b.sbundle: "),
    (SCORE.format("in.parquet in.parquet"), 2, "named twice"),
    (SCORE.format("in.parquet no_term.parquet"), 50, "no_term.parquet"),
    (SCORE.format("no_term.parquet"), 20, "term"),
    (SCORE.format("text_term.parquet"), 20, "term"),
    (SCORE.format("naive.parquet"), 20, "applied_at"),
    (SCORE.format("in.parquet") + " --keep lone_id", 20, "did you mean 'loan_id'?"),
    (SCORE.format("in.parquet") + " --keep loan_id,loan_id", 2, "twice"),
    (SCORE.format("bad_row.parquet") + " --strict", 20, "row 42 of the input (counted from 0), column amount: -1.0"),
    (SCORE.format("in.parquet") + " --strict --bad-rows bad.parquet", 2, "use one of both"),
    # score: the output
    ("score b.sbundle in.parquet -o lost/out.parquet", 50, "lost/out.parquet"),
    ("score b.sbundle in.parquet -o in.parquet", 2, "also an input"),
    ("score b.sbundle in.parquet -o ./loans/../in.parquet", 2, "also an input"),
    ("score b.sbundle in.parquet -o out.csv", 2, ".csv"),
    ("score b.sbundle in.parquet -o folder", 2, "folder"),
    ("score b.sbundle in.parquet -o out.parquet --bad-rows out.parquet", 2, "name two files"),
    ("score b.sbundle in.parquet -o out.parquet --bad-rows lost/bad.parquet", 50, "lost/bad.parquet"),
    ("score b.sbundle in.parquet -o -  --json", 2, "both want stdout"),
    # sign and keygen
    ("sign lost.sbundle --key keys/sternpost-private.pem", 50, "lost.sbundle"),
    ("sign flipped.sbundle --key keys/sternpost-private.pem", 40, "part "),
    ("sign b.sbundle --key keys/sternpost-public.pem", 2, "expected an ed25519 private key"),
    ("sign b.sbundle --key lost.pem", 50, "lost.pem"),
    ("sign b.sbundle", 2, "Missing option '--key'"),
    ("keygen keys", 2, "never overwritten"),
    ("keygen in.parquet", 50, "in.parquet"),
]  # fmt: skip


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The folder of all broken things, made once; each test works on a copy."""
    from tests.project.loans_project import sealed_loans, write_project

    work = tmp_path_factory.mktemp("broken")
    write_project(work / "loans")
    sealed_loans().save(work / "b.sbundle")
    pq.write_table(loans(500, seed=9), work / "in.parquet", row_group_size=100)
    broken_inputs(work)
    broken_projects(work)
    assert app.main(["keygen", str(work / "keys")]) == 0
    assert app.main(["keygen", str(work / "others")]) == 0
    shutil.copy(work / "b.sbundle", work / "signed.sbundle")
    assert app.main(["sign", str(work / "signed.sbundle"), "--key", str(work / "keys" / "sternpost-private.pem")]) == 0
    return work


def listing(folder: Path) -> dict[str, int]:
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if "__pycache__" not in p.parts}
    return {name: path.stat().st_size if path.is_file() else -1 for name, path in found.items()}


@pytest.mark.parametrize(("line", "code", "fragment"), CASES, ids=[line or "nothing" for line, _, _ in CASES])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_one_line_the_code_and_no_half_file(broken, monkeypatch, run, *, line, code, fragment, as_json):
    monkeypatch.chdir(broken)
    before = listing(broken)
    arguments = line.split()
    if as_json and arguments and arguments[0] in ("init", "train", "inspect", "score", "sign", "keygen"):
        arguments.append("--json")
    ended = run(*arguments)
    assert ended.code == code
    assert listing(broken) == before
    if not line:
        return
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("sternpost: ")
    assert fragment in ended.err
    assert "Traceback" not in ended.err
    if "--json" in arguments:
        assert ended.json["error"]["exit_code"] == code
        assert fragment in ended.json["error"]["message"]
        assert ended.json["error"]["kind"].isidentifier()
    else:
        assert ended.out == ""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("score b.sbundle in.parquet -o in.parquet/out.parquet", 50),
        ("score b.sbundle in.parquet -o out.parquet --bad-rows in.parquet/bad.parquet", 50),
        ("train loans -o in.parquet/out.sbundle", 50),
        ("init in.parquet/p --from bad_row.parquet --target unpaid", 50),
        ("keygen in.parquet/keys", 50),
    ],
)
def test_a_place_below_a_file(broken, monkeypatch, run, line, code):
    monkeypatch.chdir(broken)
    before = listing(broken)
    ended = run(*line.split())
    assert (ended.code, ended.err.count("\n")) == (code, 1)
    assert "in.parquet" in ended.err
    assert listing(broken) == before


def test_what_nobody_foresaw_is_one_line_and_70(work, run, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("sternpost.bundle.open_bundle", fail)
    ended = run("inspect", "b.sbundle", "--json")
    assert ended.code == 70
    assert ended.json["error"]["kind"] == "InternalError"
    assert "internal error: ZeroDivisionError: of all things" in ended.err
    assert "Traceback" not in ended.err
    monkeypatch.setenv("STERNPOST_TRACEBACK", "1")
    assert "Traceback" in run("inspect", "b.sbundle").err


def test_an_older_output_outlives_a_failure(broken, monkeypatch, run, tmp_path):
    monkeypatch.chdir(broken)
    old = tmp_path / "out.parquet"
    old.write_bytes(b"what was here before")
    assert run("score", "b.sbundle", "bad_row.parquet", "-o", old, "--strict").code == 20
    assert run("score", "b.sbundle", "cut.arrows", "-o", old).code == 50
    assert old.read_bytes() == b"what was here before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.parquet"]
