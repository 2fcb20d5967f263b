"""One set of cases, every route: the same row gives the same bits, the same action and the same reasons."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import loans
from .conftest import SEED, features
from .replies import bits, of_decision, of_row

CASES = [*loans.real_rows(300, SEED + 1), *loans.nasty_rows(loans.real_rows(1, SEED + 2)[0])]
TABLE = loans.table(CASES)


def answers(scored: pa.Table) -> list[tuple]:
    return [of_row(row) for row in scored.to_pylist()]


@pytest.fixture(scope="module")
def expected(bundle) -> list[tuple]:
    return answers(bundle.score(TABLE, threads=1))


def test_there_is_something_to_compare(expected):
    scored = [a for a in expected if a[0] is not None]
    refused = [a for a in expected if a[0] is None]
    assert len(scored) > 300
    assert len(refused) >= 14
    assert all(a[4] for a in refused), "a refused row says why"
    assert all(a[3] == "review" for a in refused)


def test_one_row_at_a_time(bundle, expected):
    assert [of_decision(bundle.score(row)) for row in CASES] == expected


def test_threads(bundle, expected):
    many = pa.concat_tables([TABLE] * 40)
    for threads in (1, 2, 4):
        assert answers(bundle.score(many, threads=threads)) == expected * 40


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 64, 65, 127])
def test_batch_sizes_and_offsets(bundle, expected, size):
    for start in (0, 1, size, 7 * size):
        assert answers(bundle.score(TABLE.slice(start, size))) == expected[start : start + size]


def test_reopened(reopened, expected):
    assert answers(reopened.score(TABLE)) == expected


def test_scored_file(bundle, expected, tmp_path):
    from sternpost.serve.batch import score_files

    source, target = tmp_path / "in.parquet", tmp_path / "out.arrow"
    pq.write_table(TABLE, source, row_group_size=50)
    score_files(bundle, [source], target, batch_rows=64)
    assert answers(pa.ipc.open_file(target).read_all()) == expected


def arrow_forms(table: pa.Table):
    """The same values in other Arrow dress."""
    at = {name: i for i, name in enumerate(table.column_names)}

    def cast(name: str, kind: pa.DataType) -> pa.Table:
        return table.set_column(at[name], name, table[name].cast(kind))

    dictionary = pa.dictionary(pa.int8(), pa.utf8())
    yield "dictionary", cast("sector", dictionary)
    yield "dictionary, large index", cast("region", pa.dictionary(pa.int64(), pa.large_utf8()))
    yield "large string", cast("sector", pa.large_utf8())
    yield "string view", cast("sector", pa.string_view())
    cents = [None if v is None else Decimal(v).scaleb(-2) for v in table["amount"].to_pylist()]
    yield "decimal", table.set_column(at["amount"], "amount", pa.array(cents, pa.decimal128(20, 2)))
    yield "another zone", cast("applied", pa.timestamp("us", tz="Asia/Tokyo"))
    yield "reordered", table.select(list(reversed(table.column_names)))
    yield "extra column", table.append_column("ignored", pa.array(range(table.num_rows)))
    yield "chunks", pa.concat_tables([table.slice(0, 3), table.slice(3, 0), table.slice(3)])
    yield "sliced", pa.concat_tables([table.slice(5, 9), table]).slice(9)


@pytest.mark.parametrize("form", [name for name, _ in arrow_forms(TABLE)])
def test_arrow_forms(one_bundle, form):
    wanted = answers(one_bundle.score(TABLE))
    assert answers(one_bundle.score(dict(arrow_forms(TABLE))[form])) == wanted


def test_other_libraries_tables(one_bundle):
    import polars as pl

    wanted = answers(one_bundle.score(TABLE))
    assert answers(one_bundle.score(pl.from_arrow(TABLE))) == wanted
    assert answers(one_bundle.score(TABLE.to_batches()[0])) == wanted


def test_features_are_the_training_frame(bundle):
    clean = loans.table(loans.real_rows(500, SEED + 3))
    trained_on = features().matrix(clean)
    assert np.array_equal(bundle.matrix(clean).view(np.uint32), trained_on.view(np.uint32))


def test_against_onnxruntime_itself(bundle):
    """Plain Python with onnxruntime, one thread, in runs padded as the bundle says."""
    clean = loans.table(loans.real_rows(200, SEED + 4))
    matrix = features().matrix(clean)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle._parts["model.onnx"], options)
    spec = bundle.model
    width = max(spec.min_rows, 1)
    found = bundle.score(clean)
    for i in range(len(matrix)):
        rows = np.repeat(matrix[i : i + 1], width, axis=0)
        out = session.run([spec.output], {spec.input: rows})[0].reshape(width, -1)[0]
        if spec.kind == "multiclass":
            assert [bits(float(p)) for p in out] == [bits(s) for s in found["scores"][i].as_py()]
        else:
            assert bits(float(out[spec.positive or 0])) == bits(found["score"][i].as_py())


ROW = st.fixed_dictionaries(
    {
        "sector": st.one_of(st.sampled_from(loans.LABELS), st.text(max_size=12), st.none()),
        "region": st.one_of(st.sampled_from(["north", "south"]), st.text(max_size=4), st.none()),
        "amount": st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.none()),
        "rate": st.one_of(st.floats(), st.none()),
        "income": st.one_of(st.floats(), st.none()),
        "term_months": st.one_of(st.integers(-5, 650), st.none()),
        "jobs": st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.none()),
        "new_business": st.one_of(st.booleans(), st.none()),
        "applied": st.one_of(
            st.datetimes(min_value=dt.datetime(1, 1, 2)).map(lambda m: m.replace(tzinfo=dt.UTC)),
            st.none(),
        ),
    }
)


@settings(max_examples=150, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=12))
def test_random_rows(one_bundle, rows):
    together = answers(one_bundle.score(loans.table(rows)))
    assert [of_decision(one_bundle.score(row)) for row in rows] == together


@pytest.mark.nightly
@settings(
    max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_many_random_rows(bundle, rows):
    together = answers(bundle.score(loans.table(rows), threads=2))
    assert [of_decision(bundle.score(row)) for row in rows] == together
