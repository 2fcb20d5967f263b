"""Scoring files: the same bits however the rows arrive, every row in exactly one output."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sternpost as sp
from sternpost.errors import ContractError, DataError, UsageError
from sternpost.serve.batch import score_files
from tests.project.loans_project import loans
from tests.serve.arrow_files import ROWS, bits, read, write


@pytest.mark.parametrize("batch_rows", [1, 7, 512, 4_096, 65_536])
@pytest.mark.parametrize("threads", [1, 4, None])
def test_batch_size_and_threads_change_no_bit(tmp_path, bundle, rows, expected, *, batch_rows, threads):
    # One row at a time is slow, and a few hundred show as much.
    few = rows.slice(0, 300) if batch_rows < 10 else rows
    source = write(few, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    score_files(bundle, [source], out, threads=threads, batch_rows=batch_rows)
    found = read(out)
    assert bits(found["score"]) == bits(expected["score"].slice(0, few.num_rows))
    assert found["reasons"].to_pylist() == expected["reasons"].slice(0, few.num_rows).to_pylist()
    assert found["action"].to_pylist() == expected["action"].slice(0, few.num_rows).to_pylist()


@pytest.mark.parametrize("came", [".parquet", ".arrow", ".arrows"])
@pytest.mark.parametrize("goes", [".parquet", ".arrow", ".arrows"])
def test_formats_change_no_bit(tmp_path, bundle, rows, expected, *, came, goes):
    source = write(rows, tmp_path / f"in{came}")
    score_files(bundle, [source], tmp_path / f"out{goes}", keep=["loan_id"], batch_rows=1_024)
    found = read(tmp_path / f"out{goes}")
    assert found.column_names == ["loan_id", "score", "action", "reasons"]
    assert found["loan_id"].to_pylist() == list(range(ROWS))
    assert bits(found["score"]) == bits(expected["score"])


def test_a_row_alone_has_the_same_bits(tmp_path, bundle, rows, expected):
    score_files(bundle, [write(rows, tmp_path / "in.arrow")], tmp_path / "out.arrow")
    found = read(tmp_path / "out.arrow")["score"]
    for place in (1, 17, 2_500, 5_001):
        row = rows.select(bundle.contract.names).slice(place, 1).to_pylist()[0]
        assert bundle.score(row).score == found[place].as_py() == expected["score"][place].as_py()


def test_folders_globs_and_lists_are_one_input_in_order(tmp_path, bundle, rows, expected):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, start in enumerate(range(0, ROWS, 1_000)):
        write(rows.slice(start, 1_000), folder / f"part-{number}.parquet", chunk=300)
    for sources in ([folder], [str(folder / "part-*.parquet")], sorted(folder.iterdir())):
        out = tmp_path / "out.parquet"
        report = score_files(bundle, sources, out, keep=["loan_id"], batch_rows=700)
        assert report.rows_in == ROWS
        found = read(out)
        assert found["loan_id"].to_pylist() == list(range(ROWS))
        assert bits(found["score"]) == bits(expected["score"])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.set_column(4, "purpose", t["purpose"].dictionary_encode()),
        lambda t: t.set_column(4, "purpose", t["purpose"].cast(pa.large_string())),
        lambda t: t.set_column(5, "applied_at", t["applied_at"].cast(pa.timestamp("ns", tz="Europe/Berlin"))),
        lambda t: t.set_column(3, "term", t["term"].cast(pa.int16())),
        lambda t: t.select(t.column_names[::-1]),
        lambda t: t.append_column("note", pa.array([None] * len(t), pa.null())),
        lambda t: pa.concat_tables([t.slice(0, 3), t.slice(3, 1), t.slice(4)]),
    ],
    ids=["dictionary", "large_string", "zone", "int16", "reordered", "extra", "chunked"],
)
def test_other_spellings_of_the_same_rows_change_no_bit(tmp_path, bundle, rows, expected, change):
    source = write(change(rows), tmp_path / "in.parquet")
    score_files(bundle, [source], tmp_path / "out.parquet", batch_rows=999)
    assert bits(read(tmp_path / "out.parquet")["score"]) == bits(expected["score"])


def test_the_report_counts_every_row_and_reason(tmp_path, bundle, rows):
    moves = []
    report = score_files(
        bundle,
        [write(rows, tmp_path / "in.parquet")],
        tmp_path / "out.parquet",
        batch_rows=2_000,
        progress=lambda done, total: moves.append((done, total)),
    )
    assert (report.rows_in, report.rows_scored, report.rows_refused) == (ROWS, ROWS - 3, 3)
    assert report.reasons == {"gt:amount": 1, "le:amount": 1, "nan:amount": 1, "unseen:purpose": 1}
    assert report.seconds > 0
    assert moves[-1] == (ROWS, ROWS)
    assert [done for done, _ in moves] == sorted({done for done, _ in moves})


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows"])
@pytest.mark.parametrize("side", [False, True])
def test_no_rows_give_an_output_with_its_columns(tmp_path, bundle, suffix, side):
    source = write(loans(10).slice(0, 0), tmp_path / f"in{suffix}")
    bad = tmp_path / f"bad{suffix}" if side else None
    report = score_files(bundle, [source], tmp_path / f"out{suffix}", keep=["loan_id"], bad_rows=bad)
    assert (report.rows_in, report.rows_scored, report.rows_refused, report.reasons) == (0, 0, 0, {})
    found = read(tmp_path / f"out{suffix}")
    assert (found.num_rows, found.column_names) == (0, ["loan_id", "score", "action", "reasons"])
    assert not side or read(bad).column_names == [*loans(1).column_names, "reasons"]


def test_batches_without_rows_among_others(tmp_path, bundle, rows, expected):
    path = tmp_path / "in.arrows"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
        for start, length in ((0, 0), (0, 10), (10, 0), (10, 40), (50, 0)):
            for batch in rows.slice(start, length).combine_chunks().to_batches() or [
                pa.RecordBatch.from_pylist([], schema=rows.schema)
            ]:
                writer.write_batch(batch)
    assert score_files(bundle, [path], tmp_path / "out.parquet").rows_in == 50
    assert bits(read(tmp_path / "out.parquet")["score"]) == bits(expected["score"].slice(0, 50))


def test_only_the_columns_that_are_needed_are_read(tmp_path, bundle, rows):
    # A column whose pages are damaged does not matter where nobody reads it.
    path = write(rows.append_column("blob", pa.array([b"x" * 100] * ROWS)), tmp_path / "in.parquet")
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(rows.num_columns)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    score_files(bundle, [path], tmp_path / "out.parquet", keep=["loan_id"])
    with pytest.raises(DataError, match=r"in\.parquet"):
        score_files(bundle, [path], tmp_path / "out2.parquet", keep=["blob"])
    assert not (tmp_path / "out2.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "fragment"),
    [
        ({"keep": ["nothing"]}, ContractError, "nothing"),
        ({"keep": ["loan_idd"]}, ContractError, "loan_id"),
        ({"keep": ["loan_id", "loan_id"]}, UsageError, "twice"),
        ({"strict": True, "bad_rows": "bad.parquet"}, UsageError, "strict"),
        ({"bad_rows": "out.parquet"}, UsageError, "both for the scores and for the bad rows"),
        ({"bad_rows": "in.parquet"}, UsageError, "also an input"),
        ({"bad_rows": "bad.txt"}, UsageError, "txt"),
        ({"batch_rows": 0}, UsageError, "batch_rows"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path, monkeypatch, bundle, *, arguments, error, fragment):
    monkeypatch.chdir(tmp_path)
    write(loans(10), tmp_path / "in.parquet")
    with pytest.raises(error, match=fragment):
        score_files(bundle, ["in.parquet"], "out.parquet", **arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("bad_rows", [None, "bad.parquet"])
def test_a_contract_column_that_is_missing_is_named(tmp_path, bundle, bad_rows):
    source = write(loans(10).drop_columns(["term"]), tmp_path / "in.parquet")
    side = None if bad_rows is None else tmp_path / bad_rows
    with pytest.raises(ContractError, match="term"):
        score_files(bundle, [source], tmp_path / "out.parquet", bad_rows=side)
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_a_column_of_the_wrong_type_is_refused_before_anything_is_written(tmp_path, bundle):
    table = loans(10)
    source = write(table.set_column(3, "term", table["term"].cast(pa.string())), tmp_path / "in.parquet")
    with pytest.raises(ContractError, match=r"term.*(utf8|string)|string"):
        score_files(bundle, [source], tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_a_kept_column_must_not_have_the_name_of_an_output(tmp_path, bundle):
    source = write(loans(10).append_column("score", pa.array(range(10))), tmp_path / "in.parquet")
    with pytest.raises(UsageError, match="keep score: the output has a column of that name"):
        score_files(bundle, [source], tmp_path / "out.parquet", keep=["score"])


def test_an_input_is_never_an_output(tmp_path, bundle):
    source = write(loans(10), tmp_path / "in.parquet")
    link = tmp_path / "link.parquet"
    link.symlink_to(source)
    for target in (source, link):
        with pytest.raises(UsageError, match="also an input"):
            score_files(bundle, [source], target)
    assert read(source).num_rows == 10


def test_multiclass_outputs_have_labels_and_all_scores(tmp_path):
    from sklearn.tree import DecisionTreeClassifier

    class Point(sp.Contract):
        x: float
        y: float

    random = np.random.default_rng(0)
    table = pa.table({"x": random.normal(size=500), "y": random.normal(size=500)})
    features = sp.FeatureSet(Point, ["x", "y"])
    where = np.where(table["x"].to_numpy() > 0.3, "right", np.where(table["x"].to_numpy() < -0.3, "left", "middle"))
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(features.matrix(table), where)
    policy = {"bands": [{"action": "go"}]}
    bundle = sp.build(features=features, model=model, reference=table, name="p", owner="o", policy=policy)
    report = score_files(bundle, [write(table, tmp_path / "in.parquet")], tmp_path / "out.parquet", batch_rows=64)
    found = read(tmp_path / "out.parquet")
    assert report.rows_scored == 500
    assert found.column_names == ["score", "label", "scores", "action", "reasons"]
    assert found["label"].to_pylist() == model.predict(features.matrix(table)).tolist()
    assert found["scores"].to_pylist() == bundle.score(table)["scores"].to_pylist()
