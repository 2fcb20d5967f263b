"""Tables from any Arrow producer: the same bits as rows, for any layout, batching and number of threads."""

import datetime as dt
import json
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sternpost import _core, errors
from tests.core.flight_engine import engine, model_spec, onnx_model

NOON = dt.datetime(2013, 1, 1, 12, tzinfo=dt.UTC)


def flights(rows: int) -> pa.Table:
    number = np.arange(rows)
    return pa.table(
        {
            "fare": pa.array(number),
            "unrelated": pa.array([{"a": 1}] * rows, pa.struct([("a", pa.int64())])),
            "speed_mph": pa.array((number % 160).astype(float)),
            "legs": pa.array(number % 40),
            "night": pa.array(number % 2 == 0),
            "carrier": pa.array([("AA", "UA", "ZZ", None)[i % 4] for i in range(rows)]),
            "departs_utc": pa.array([NOON] * rows, pa.timestamp("us", "UTC")),
        }
    )


def scored(table: pa.Table) -> tuple[bytes, list[list[str]]]:
    return table["score"].to_numpy().tobytes(), table["reasons"].to_pylist()


@pytest.fixture(scope="module")
def regression():
    return engine(model_spec("regression", 1))


def test_a_table_has_the_bits_of_its_rows(regression):
    table = flights(1_300)
    rows = [
        regression.score_row({key: value for key, value in row.items() if key != "unrelated"})
        for row in table.to_pylist()
    ]
    for threads in (1, 4, None):
        result = regression.score_table(table, threads)
        assert result.schema.names == ["score", "action", "reasons"]
        assert result["score"].to_pylist() == [row.score for row in rows]
        assert result["action"].to_pylist() == [row.action for row in rows]
        assert result["reasons"].to_pylist() == [list(row.reasons) for row in rows]


def test_layouts_and_producers_do_not_matter(regression):
    table = flights(2_000)
    expected = scored(regression.score_table(table))
    carrier = table.schema.get_field_index("carrier")
    for kind in (
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
    ):
        assert (
            scored(regression.score_table(table.set_column(carrier, "carrier", table["carrier"].cast(kind))))
            == expected
        )
    chunked = pa.concat_tables([table.slice(0, 700), table.slice(700, 1), table.slice(701)])
    assert scored(regression.score_table(chunked)) == expected
    padded = pa.concat_tables([table.slice(0, 3), table, table.slice(0, 5)]).combine_chunks().slice(3, 2_000)
    assert scored(regression.score_table(padded)) == expected
    assert scored(regression.score_table(table.select(list(reversed(table.schema.names))))) == expected
    assert scored(regression.score_table(table.to_batches()[0])) == expected
    assert scored(regression.score_table(table.to_reader(max_chunksize=77))) == expected
    frame = pl.DataFrame(table.drop_columns("unrelated"))
    assert scored(regression.score_table(frame)) == expected
    assert (
        scored(regression.score_table(table.drop_columns("unrelated").to_pandas(types_mapper=pd.ArrowDtype)))
        == expected
    )


def test_an_empty_table_has_the_columns_and_no_rows(regression):
    result = regression.score_table(flights(0))
    assert (result.num_rows, result.schema.names) == (0, ["score", "action", "reasons"])
    assert regression.check(flights(0)) == []
    regression.matrix(flights(0), 1, np.empty((0, 2), "float32"))
    assert regression.golden(flights(0)) == (b"", b"")


def test_multiclass_tables_have_labels_and_scores():
    result = engine(model_spec("multiclass", 3, ["a", "b", "c"])).score_table(flights(14))
    assert result.schema.field("scores").type == pa.list_(pa.float64(), 3)
    assert result["label"].to_pylist()[1] == "c"
    assert result["scores"].to_pylist()[1] == [12.0, 18.0, 32.0]
    assert result.slice(13).to_pylist() == [
        {"score": None, "label": None, "scores": None, "action": "ask", "reasons": ["raised:code"]},
    ]


def test_frames_are_typed_and_matrices_are_their_cast(regression):
    table = flights(13)
    frame = regression.frame(table)
    assert frame.schema.types == [pa.float64(), pa.int32()]
    assert frame["code"].to_pylist()[:4] == [0, 1, -2, None]
    matrix = np.empty((13, 2), "float32")
    regression.matrix(table, None, matrix)
    assert (matrix[:, 0] == frame["doubled"].to_numpy().astype("f4")).all()
    with pytest.raises(errors.ContractViolation, match="of 2000 rows break contract Flight") as raised:
        regression.frame(flights(2_000))
    assert (raised.value.violations[0].rule, len(raised.value.violations)) == ("raised", 100)


def harmless(rows: int) -> pa.Table:
    """Flights that neither the contract nor a feature refuses."""
    number = np.arange(rows)
    table = flights(rows).drop_columns(["speed_mph", "legs"])
    speeds = pa.array((number % 151).astype(float), mask=number % 11 == 0)
    return table.append_column("speed_mph", speeds).append_column("legs", pa.array(number % 13))


def test_frames_and_matrices_do_not_know_about_threads(regression):
    table = harmless(40_001)
    speeds, carriers = table["speed_mph"].to_pylist(), ([0, 1, -2, None] * 10_001)[:40_001]
    for threads in (1, 2, 5):
        frame = regression.frame(table, threads)
        assert frame["doubled"].to_pylist() == [None if speed is None else 2 * speed for speed in speeds]
        assert frame["code"].to_pylist() == carriers
        assert [frame[name].null_count for name in frame.column_names] == [3_637, 10_000]
        matrix = np.full((40_001, 2), -7, "float32")
        regression.matrix(table, threads, matrix)
        expected = np.array([speeds, [-1 if code is None else code for code in carriers]], float).T.astype("f4")
        assert np.array_equal(matrix, expected * np.float32([2, 1]), equal_nan=True)
        assert set(matrix[np.isnan(matrix)].view("u4")) == {0x7FC00000}


def test_blocks_without_a_mark_have_the_bits_of_their_rows(regression):
    """Whole blocks at once, and the same rows one by one; a null speed gives a score that is not finite."""
    table = harmless(3_000).drop_columns("carrier").append_column("carrier", pa.array(["AA", "UA", None] * 1_000))
    for speeds in (table["speed_mph"], table["speed_mph"].fill_null(7.0)):
        rows = table.drop_columns("speed_mph").append_column("speed_mph", speeds).drop_columns("unrelated")
        result = regression.score_table(rows, 1).to_pylist()
        expected = [regression.score_row(row) for row in rows.to_pylist()]
        assert result == [{"score": e.score, "action": e.action, "reasons": list(e.reasons)} for e in expected]
        assert sum(row["score"] is None for row in result) == speeds.null_count


def test_a_matrix_is_written_only_where_it_fits(regression):
    table = flights(4)
    whole = np.empty((4, 2), "float32")
    locked = whole.copy()
    locked.flags.writeable = False
    for wrong in (
        whole.astype("float64"), whole[:3], whole.T, whole.ravel(), np.empty((4, 4), "float32")[:, ::2], locked,
        bytearray(32), None,
    ):  # fmt: skip
        with pytest.raises(errors.UsageError, match=r"use numpy.empty\(\(4, 2\), 'float32'\)"):
            regression.matrix(table, 1, wrong)
    with pytest.raises(errors.ContractViolation, match="1 of 14 rows break contract Flight"):
        regression.matrix(flights(14), 2, np.empty((14, 2), "float32"))


def test_golden_bits_are_the_frame_s_and_the_model_s(regression):
    table = flights(600)
    features, scores = regression.golden(table)
    assert (len(features), len(scores)) == (600 * 2 * 8, 600 * 8)
    expected = regression.score_table(table)["score"].to_numpy()
    assert np.frombuffer(scores, "<f8").tobytes() == np.where(np.isnan(expected), np.nan, expected).tobytes()
    assert len(engine(model_spec("binary", 2)).golden(table)[1]) == 600 * 2 * 8


def test_padding_and_chunks_of_a_model_do_not_move_results():
    runs = [(1, 1), (64, 1), (7, 7), (64, 64)]
    tables = [
        engine(model_spec("regression", 1, min_rows=low, chunk_rows=high)).score_table(flights(500))
        for high, low in runs
    ]
    assert len({scored(table)[0] for table in tables}) == 1
    model = _core.Model(onnx_model(2), json.dumps(model_spec("binary", 2)))
    rows = np.arange(14, dtype="float32").reshape(7, 2)
    expected = np.stack([rows[:, 0] + 10 * rows[:, 1], -rows[:, 0] + 20 * rows[:, 1]], axis=1).astype("<f4").tobytes()
    for rows_per_call, pad_to in [(1, 1), (3, 3), (7, 1), (2, 16), (100, 0)]:
        assert model.run(rows, rows_per_call, pad_to) == expected
    for wrong in (rows.astype("float64"), rows[:, ::-1], rows.ravel(), rows[:, :1], [1.0]):
        with pytest.raises(errors.UsageError, match="C-contiguous float32 matrix"):
            model.run(wrong, 1, 1)


def test_models_that_do_not_fit_are_refused_when_they_are_opened():
    graph = onnx_model(2)
    for changed, told in [
        ({"output": "Z"}, "no output Z; it has Y"),
        ({"input": "Z"}, "input is X"),
        ({"features": 3}, r"\[rows, 3\] is needed"),
        ({"chunk_rows": 0}, "chunk_rows 0"),
    ]:
        with pytest.raises(errors.ModelError, match=told):
            _core.Model(graph, json.dumps(model_spec("binary", 2, **changed)))
    with pytest.raises(errors.ModelError, match="cannot be loaded"):
        _core.Model(graph[:-20], json.dumps(model_spec("binary", 2)))
    with pytest.raises(errors.ModelError, match="3 outputs a row"):
        _core.Model(graph, json.dumps(model_spec("binary", 3))).run(np.ones((1, 2), "float32"), 1, 1)


def test_other_objects_and_streams_that_fail(regression):
    with pytest.raises(errors.ContractError, match="a list is not Arrow data"):
        regression.score_table([1])
    with pytest.raises(errors.ContractError, match="columns missing from the table: speed_mph, legs"):
        regression.score_table(pa.table({"x": [1]}))
    with pytest.raises(errors.ContractError, match="cannot be taken"):
        regression.score_table(pa.array([1, 2]))

    def batches():
        yield flights(10).to_batches()[0]
        raise OSError("the disk went away")

    with pytest.raises(errors.DataError, match="the disk went away"):
        regression.score_table(pa.RecordBatchReader.from_batches(flights(1).schema, batches()))
    with pytest.raises(errors.UsageError, match="threads is 0"):
        regression.score_table(flights(1), 0)


def test_bytes_that_are_not_utf8_are_a_reason_and_no_crash(regression):
    table = flights(3)
    raw = pa.array([b"AA", b"\xff\xfe", b"AA"]).cast(pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    result = regression.score_table(table.set_column(table.schema.get_field_index("carrier"), "carrier", broken))
    assert result["reasons"].to_pylist() == [[], ["utf8:carrier"], []]


def test_threads_share_an_engine(regression):
    table = flights(5_000)
    expected = scored(regression.score_table(table, 1))
    results: list[tuple[bytes, list[list[str]]]] = []
    workers = [
        threading.Thread(target=lambda: results.append(scored(regression.score_table(table, 2)))) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [expected] * 6


def test_a_child_process_is_told_to_open_its_own(regression):
    table = flights(3)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            regression.score_table(table)
            told = "scored"
        except errors.SternpostError as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1_000).decode().startswith("ForkError: this engine was opened before the process forked")
    assert regression.score_table(table).num_rows == 3


def test_an_interrupt_ends_a_long_call():
    slow = engine(model_spec("regression", 1, chunk_rows=1))
    table = pa.concat_tables([flights(50_000)] * 40)

    def interrupt():
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        slow.score_table(table, 2)
    assert time.monotonic() - started < 5
