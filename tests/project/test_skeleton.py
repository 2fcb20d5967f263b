"""A project written from a data file trains as it is, and guesses nothing that it cannot know."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sternpost.errors import ContractError, DataError, UsageError
from sternpost.project import load_project, skeleton, train
from tests.project.loans_project import loans


def write(table: pa.Table, path: Path) -> Path:
    match path.suffix:
        case ".parquet":
            pq.write_table(table, path)
        case ".csv":
            pyarrow.csv.write_csv(table, path)
        case ".arrow" | ".feather":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        case ".arrows":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".csv"])
def test_every_format_is_read_as_it_was_drafted(tmp_path, suffix):
    table = loans(400)
    project = load_project(skeleton(tmp_path / "p", write(table, tmp_path / f"data{suffix}"), target="unpaid"))
    assert project.settings.project.name == "p"
    assert project.load().select(["amount", "purpose"]) == table.select(["amount", "purpose"])


def test_with_a_time_whole_days_are_held_out(tmp_path):
    data = write(loans(), tmp_path / "d.parquet")
    folder = skeleton(tmp_path / "p", data, target="unpaid", time="applied_at")
    project = load_project(folder)
    assert project.settings.split.time == "applied_at"
    assert "applied_at_hour" in project.features.names
    assert "applied_at" not in project.features.names
    train(project)


def every_type(rows: int = 300) -> pa.Table:
    random = np.random.default_rng(0)
    stamps = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(rows)]
    return pa.table(
        {
            "real": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.2),
            "whole": pa.array(random.integers(-5, 5, rows), pa.int16()),
            "flag": pa.array((random.random(rows) < 0.5).tolist()),
            "maybe": pa.array([None if i % 7 == 0 else i % 2 == 0 for i in range(rows)]),
            "label": pa.array(random.choice(["a", "b"], rows).tolist()).dictionary_encode(),
            "cost": pa.array([decimal.Decimal(i) / 100 for i in range(rows)], pa.decimal128(9, 2)),
            "when": pa.array(stamps, pa.timestamp("ns", tz="Europe/Berlin")),
            "naive": pa.array([s.replace(tzinfo=None) for s in stamps], pa.timestamp("us")),
            "parts": pa.array([[1, 2]] * rows),
            "two words": pa.array(range(rows)),
            "class": pa.array(range(rows)),
            "y": pa.array(random.normal(size=rows)),
        }
    )


def test_every_type_has_a_place_or_a_reason(tmp_path):
    data = write(every_type(), tmp_path / "d.parquet")
    folder = skeleton(tmp_path / "p", data, target="y")
    project = load_project(folder)
    types = {c.name: (c.type, c.nullable) for c in project.contract.columns}
    assert types == {
        "real": ("float", True),
        "whole": ("int", False),
        "flag": ("bool", False),
        "maybe": ("bool", True),
        "label": ("category", False),
        "cost": ("money", False),
        "when": ("timestamp", False),
    }
    text = (folder / "model.py").read_text()
    for name in ("naive", "parts", "two words", "class"):
        assert f"# {name}: left out, " in text
    assert "HistGradientBoostingRegressor" in text
    result = train(project)
    assert result.bundle.model.kind == "regression"


@pytest.mark.parametrize("column", ["real", "whole", "flag", "maybe", "label", "cost", "when"])
def test_any_single_column_makes_a_project(tmp_path, column):
    table = every_type().select([column, "y"])
    project = load_project(skeleton(tmp_path / "p", write(table, tmp_path / "d.parquet"), target="y"))
    assert len(project.features.names) == (1 if column == "when" else 2)
    assert project.features.learn(table).matrix(table).shape[0] == table.num_rows


@pytest.mark.parametrize(
    ("values", "estimator"),
    [
        (pa.array([0, 1] * 50, pa.int8()), "Classifier"),
        (pa.array([0.0, 1.0] * 50), "Classifier"),
        (pa.array(["a", "b"] * 50), "Classifier"),
        (pa.array([True, False] * 50), "Classifier"),
        (pa.array(list(range(100))), "Regressor"),
        (pa.array([0.0, 0.5] * 50), "Regressor"),
        (pa.array([1, 2, 3, 4] * 25), "Classifier"),
    ],
)
def test_the_target_says_what_is_predicted(tmp_path, values, estimator):
    table = pa.table({"x": np.arange(100.0), "y": values})
    folder = skeleton(tmp_path / "p", write(table, tmp_path / "d.parquet"), target="y")
    assert f"HistGradientBoosting{estimator}(" in (folder / "model.py").read_text()


def test_data_inside_of_the_project_moves_with_it(tmp_path):
    data = tmp_path / "d.parquet"
    write(loans(300), data)
    folder = skeleton(tmp_path / "p", data, target="unpaid")
    assert str(data) in (folder / "model.py").read_text()
    inside = tmp_path / "q"
    (inside).mkdir()
    # A new project refuses a folder with content, so data is moved in and the path edited, as a person would.
    text = (folder / "model.py").read_text().replace(f'Path("{data}")', 'Path(__file__).parent / "d.parquet"')
    (inside / "model.py").write_text(text)
    (inside / "sternpost.toml").write_text((folder / "sternpost.toml").read_text())
    data.rename(inside / "d.parquet")
    assert load_project(inside).load().num_rows == 300


@pytest.mark.parametrize(
    ("target", "time", "error", "fragments"),
    [
        (None, None, UsageError, ["--target COLUMN", "loan_id, amount"]),
        ("unpayed", None, UsageError, ["--target unpayed", "not there", "unpaid"]),
        ("unpaid", "applied", UsageError, ["--time applied", "not there"]),
        ("unpaid", "unpaid", UsageError, ["--time unpaid", "is the target"]),
        ("unpaid", "amount", ContractError, ["--time amount", "not a time"]),
    ],
)
def test_what_cannot_be_known_is_asked(tmp_path, target, time, error, fragments):
    data = write(loans(50), tmp_path / "d.parquet")
    with pytest.raises(error) as told:
        skeleton(tmp_path / "p", data, target=target, time=time)
    for fragment in fragments:
        assert fragment in str(told.value)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("table", "fragment"),
    [
        (pa.table({"x": [1.0, 2.0], "y": [1, 1]}), "only the value 1"),
        (pa.table({"x": [1.0], "y": pa.array([None], pa.int64())}), "no value that is not null"),
        (pa.table({"x": [1.0, 2.0], "y": [[1], [2]]}), "nothing can be learned|has no value|list"),
        (pa.table({"y": [1, 2]}), "no column but the target"),
        (pa.table({"x": [[1], [2]], "y": [1, 2]}), "fits a contract"),
    ],
)
def test_a_table_with_nothing_to_learn_is_refused(tmp_path, table, fragment):
    with pytest.raises(ContractError, match=fragment):
        skeleton(tmp_path / "p", write(table, tmp_path / "d.parquet"), target="y")


def test_nothing_is_overwritten(tmp_path):
    data = write(loans(50), tmp_path / "d.parquet")
    with pytest.raises(UsageError, match=r"is not empty \(it has d\.parquet\)"):
        skeleton(tmp_path, data, target="unpaid")
    with pytest.raises(UsageError, match="is a file"):
        skeleton(data, data, target="unpaid")


def test_a_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    data = write(loans(50), tmp_path / "d.parquet")

    def no_room(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_room)
    with pytest.raises(DataError, match="No space left on device"):
        skeleton(tmp_path / "p", data, target="unpaid")
    assert [p.name for p in tmp_path.iterdir()] == ["d.parquet"]


def test_an_empty_folder_is_as_good_as_a_new_one(tmp_path):
    (tmp_path / "p").mkdir()
    skeleton(tmp_path / "p", write(loans(50), tmp_path / "d.parquet"), target="unpaid")


@pytest.mark.parametrize(
    ("content", "error", "fragment"),
    [
        (b"", UsageError, "it is empty"),
        (b"hello, world", UsageError, "it begins with b'hello"),
        (b"PAR1\x00\x00", DataError, "as parquet"),
        (b"ARROW1\x00\x00", DataError, "as ipc file"),
        (b"\xff\xff\xff\xff\x10\x00", DataError, "as ipc stream"),
    ],
)
def test_a_file_that_is_no_data_is_refused(tmp_path, content, error, fragment):
    (tmp_path / "d").write_bytes(content)
    with pytest.raises(error, match=fragment):
        skeleton(tmp_path / "p", tmp_path / "d", target="y")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        skeleton(tmp_path / "p", tmp_path / "nothing", target="y")
    with pytest.raises(UsageError, match="is a folder"):
        skeleton(tmp_path / "p", tmp_path, target="y")
