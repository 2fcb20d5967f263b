"""Rows that the contract refuses: in the output without a score, in a file of their own, or the end of the run."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sternpost.errors import ContractViolation
from sternpost.serve.batch import score_files
from tests.project.loans_project import loans, replaced
from tests.serve.arrow_files import ROWS, bits, read, write


def test_without_bad_rows_a_refused_row_stays_without_a_score(tmp_path, bundle, rows):
    score_files(bundle, [write(rows, tmp_path / "in.parquet")], tmp_path / "out.parquet")
    found = read(tmp_path / "out.parquet")
    refused = found.filter(pc.is_null(found["score"]))
    assert refused["reasons"].to_pylist() == [["gt:amount"], ["nan:amount"], ["le:amount"]]
    assert set(refused["action"].to_pylist()) == {"review"}


def test_bad_rows_go_aside_with_all_their_columns(tmp_path, bundle, rows, expected):
    source = write(rows, tmp_path / "in.parquet")
    report = score_files(
        bundle,
        [source],
        tmp_path / "out.parquet",
        keep=["loan_id"],
        bad_rows=tmp_path / "bad.parquet",
        batch_rows=512,
    )
    good, bad = read(tmp_path / "out.parquet"), read(tmp_path / "bad.parquet")
    assert report.rows_refused == bad.num_rows == 3
    assert good.num_rows == report.rows_scored
    assert bad.column_names == [*rows.column_names, "reasons"]
    assert bad.drop_columns(["reasons"]).to_pylist()[0] == rows.to_pylist()[0]
    assert bad["reasons"].to_pylist() == [["gt:amount"], ["nan:amount"], ["le:amount"]]
    assert sorted(good["loan_id"].to_pylist() + bad["loan_id"].to_pylist()) == list(range(ROWS))
    assert bits(good["score"]) == bits(expected["score"].drop_null())


def test_without_refused_rows_the_side_file_is_there_and_empty(tmp_path, bundle):
    source = write(loans(50), tmp_path / "in.parquet")
    score_files(bundle, [source], tmp_path / "out.parquet", bad_rows=tmp_path / "bad.parquet")
    assert read(tmp_path / "bad.parquet").num_rows == 0
    assert read(tmp_path / "out.parquet").num_rows == 50


def test_corrected_bad_rows_can_be_scored_again(tmp_path, bundle, rows):
    score_files(
        bundle, [write(rows, tmp_path / "in.parquet")], tmp_path / "out.parquet", bad_rows=tmp_path / "bad.parquet"
    )
    corrected = read(tmp_path / "bad.parquet")
    corrected = corrected.set_column(1, "amount", pa.array([1.0, 2.0, -3.0]))
    report = score_files(
        bundle,
        [write(corrected, tmp_path / "again.parquet")],
        tmp_path / "out2.parquet",
        bad_rows=tmp_path / "bad2.parquet",
    )
    assert (report.rows_scored, report.rows_refused) == (2, 1)
    still_bad = read(tmp_path / "bad2.parquet")
    assert still_bad.column_names.count("reasons") == 1
    assert still_bad["reasons"].to_pylist() == [["gt:amount"]]


@pytest.mark.parametrize("batch_rows", [1, 100, 65_536])
def test_strict_names_the_first_refused_row_and_writes_nothing(tmp_path, bundle, batch_rows):
    source = write(replaced(loans(300), "amount", {250: -7.5, 260: -8.5}), tmp_path / "in.parquet")
    with pytest.raises(ContractViolation, match=r"row 250 of the input.*column amount: -7\.5.* gt") as told:
        score_files(bundle, [source], tmp_path / "out.parquet", strict=True, batch_rows=batch_rows)
    assert told.value.violations[0].column == "amount"
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_strict_counts_rows_over_all_files(tmp_path, bundle):
    first = write(loans(100), tmp_path / "a.parquet")
    second = write(replaced(loans(100), "term", {3: 0}), tmp_path / "b.parquet")
    with pytest.raises(ContractViolation, match=r"row 103 .*column term"):
        score_files(bundle, [first, second], tmp_path / "out.parquet", strict=True)


def test_strict_lets_good_rows_pass(tmp_path, bundle):
    report = score_files(bundle, [write(loans(100), tmp_path / "a.parquet")], tmp_path / "out.parquet", strict=True)
    assert report.rows_scored == 100
