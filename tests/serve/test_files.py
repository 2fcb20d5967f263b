"""What may be read: formats, columns, folders, globs, and schemas that fit or do not."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from sternpost.errors import ContractError, DataError, UsageError
from sternpost.serve.files import open_input
from tests.serve.tables import SUFFIXES, flights, read, write


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rows", "batch_rows"), [(0, 10), (1, 10), (5_000, 700), (5_000, 10_000), (5_000, 1_000)])
def test_one_file(tmp_path, suffix, rows, batch_rows):
    table = flights(rows)
    path = write(table, tmp_path / f"a{suffix}")
    with open_input([path], batch_rows=batch_rows) as opened:
        assert opened.schema.equals(table.schema)
        assert opened.row_count == (None if suffix == ".arrows" else rows)
        assert opened.files == (path,)
        sizes = [len(batch) for batch in opened.batches()]
        assert all(0 < size <= batch_rows for size in sizes)
        assert sum(sizes) == rows
        assert read(opened).equals(table), "and it can be read again"


def test_feather_and_names_that_say_nothing(tmp_path):
    table = flights(3_000)
    feather.write_feather(table, tmp_path / "a.feather", compression="lz4")
    shutil.copy(tmp_path / "a.feather", tmp_path / "_no suffix, % and ü.parquet")
    shutil.copy(write(table, tmp_path / "b.parquet"), tmp_path / ".c.arrow")
    for name in ("a.feather", "_no suffix, % and ü.parquet", ".c.arrow"):
        assert read(open_input([str(tmp_path / name)])).equals(table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_in_the_order_asked_for(tmp_path, suffix):
    table = flights(2_500)
    path = write(table, tmp_path / f"a{suffix}")
    opened = open_input([path], columns=["carrier", "row"], batch_rows=999)
    assert opened.schema.names == ["carrier", "row"]
    assert read(opened).equals(table.select(["carrier", "row"]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_folders_globs_and_their_order(tmp_path, suffix):
    whole = flights(400)
    (tmp_path / "sub").mkdir()
    for i, name in enumerate(["b", "a10", "sub/x", "a9"]):
        write(whole.slice(i * 100, 100), tmp_path / f"{name}{suffix}")
    for name in (".hidden", "_SUCCESS", "_temporary"):
        (tmp_path / name).write_bytes(b"no data")
        (tmp_path / f"{name}_folder").mkdir()
        write(whole, tmp_path / f"{name}_folder" / f"a{suffix}")
    by_name = [f"{name}{suffix}" for name in ("a10", "a9", "b", "sub/x")]
    for sources in (
        [tmp_path],
        [tmp_path / f"**/*{suffix}"],
        [tmp_path / f"*{suffix}", tmp_path / "sub"],
        [tmp_path / "a*", tmp_path / "[bs]*"],
        [str(tmp_path) + "/**"],
    ):
        opened = open_input(sources)
        assert [str(path.relative_to(tmp_path)) for path in opened.files] == by_name
        order = [1, 3, 0, 2]
        assert read(opened)["row"].to_pylist() == [row for i in order for row in range(i * 100, i * 100 + 100)]
    backwards = [tmp_path / f"b{suffix}", tmp_path / f"a9{suffix}"]
    assert open_input(backwards).files == tuple(backwards)


def test_a_name_that_looks_like_a_pattern(tmp_path):
    write(flights(1), tmp_path / "a1.parquet")
    path = write(flights(2), tmp_path / "a[1].parquet")
    assert open_input([path]).row_count == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_folders_that_are_keys(tmp_path, suffix):
    for year in (2013, 2014):
        for carrier in ("A%20A", "__HIVE_DEFAULT_PARTITION__"):
            folder = tmp_path / f"year={year}" / f"carrier={carrier}"
            folder.mkdir(parents=True)
            write(flights(10).select(["row"]), folder / f"x{suffix}")
    opened = open_input([tmp_path])
    assert opened.schema.names == ["row", "year", "carrier"]
    table = read(opened)
    keys = [(row["year"], row["carrier"]) for row in table.to_pylist()[::10]]
    assert keys == [(2013, "A A"), (2013, None), (2014, "A A"), (2014, None)]
    only = open_input([tmp_path], columns=["year"])
    assert read(only)["year"].to_pylist() == table["year"].to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_at_all(tmp_path, suffix):
    table = flights(0)
    write(table, tmp_path / f"a{suffix}")
    write(table, tmp_path / f"b{suffix}")
    assert list(open_input([tmp_path]).batches()) == []
    empty = [pa.record_batch(flights(0).to_pydict(), schema=table.schema)] * 3
    if suffix == ".arrows":
        with ipc.new_stream(tmp_path / "c.arrows", table.schema) as writer:
            for batch in empty:
                writer.write_batch(batch)
    assert list(open_input([tmp_path]).batches()) == []


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "no.parquet", r"no\.parquet: no such file"),
        (tmp_path / "*.parquet", r"\*\.parquet: no files match"),
        (tmp_path / "empty", "no files in this folder"),
        (tmp_path / "**", "no files match"),
    ):
        with pytest.raises(DataError, match=words):
            open_input([source])


def test_what_makes_no_sense(tmp_path):
    path = write(flights(3), tmp_path / "a.parquet")
    (tmp_path / "link.parquet").symlink_to(path)
    for sources, how, words in (
        ([], {}, "no input"),
        ([path, path], {}, "named twice"),
        ([path, tmp_path / "link.parquet"], {}, "named twice"),
        ([tmp_path / "a*", tmp_path], {}, "named twice"),
        (["-", path], {}, "only be the one source"),
        (["/dev/null", path], {}, "only be the one source"),
        ([path], {"columns": []}, "at least one"),
        ([path], {"columns": ["row", "row"]}, "each once"),
        ([path], {"batch_rows": 0}, "at least one row"),
    ):
        with pytest.raises(UsageError, match=words):
            open_input(sources, **how)
    with pytest.raises(ContractError, match="no column 'delays'; did you mean 'delay'"):
        open_input([path], columns=["row", "delays"])
    with pytest.raises(ContractError, match="no column 'xyz'; it has row, delay, carrier"):
        open_input([path], columns=["xyz"])


def test_formats_that_are_mixed(tmp_path):
    one, two = (write(flights(3), tmp_path / name) for name in ("a.parquet", "b.arrow"))
    with pytest.raises(DataError, match=r"a\.parquet is a Parquet file, .*b\.arrow is an Arrow IPC file"):
        open_input([one, two])
    write(flights(3), tmp_path / "c.arrows")
    with pytest.raises(DataError, match="formats are mixed"):
        open_input([tmp_path / "*.arrow*"])


BASE = flights(3)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (BASE.drop_columns(["delay"]), r"a.* has a column 'delay', .*b.* has no such column"),
        (BASE.append_column("more", BASE["row"]), r"b.* has a column 'more', .*a.* has none"),
        (BASE.set_column(1, "delay", BASE["row"]), r"column 'delay' is double in .*a.* and int64 in .*b"),
        (BASE.rename_columns(["row", "row", "carrier"]), r"a.* has a column 'row', .*b.* has more than one"),
    ],
)
def test_schemas_that_differ(tmp_path, suffix, other, words):
    one, two = write(BASE, tmp_path / f"a{suffix}"), write(other, tmp_path / f"b{suffix}")
    with pytest.raises(DataError, match=words) as error:
        open_input([one, two])
    assert "schemas differ" in str(error.value)
    opened = open_input([one, two], columns=["carrier"])
    assert read(opened).num_rows == 6, "what is not read may differ"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_order_metadata_and_nullability_may_differ(tmp_path, suffix):
    solid = pa.schema([field.with_nullable(False) for field in BASE.schema])
    solid = pa.schema([solid.field("row"), BASE.schema.field("delay"), solid.field("carrier")], {"pandas": "x"})
    one = write(BASE.cast(solid), tmp_path / f"a{suffix}")
    two = write(BASE.select(["carrier", "row", "delay"]), tmp_path / f"b{suffix}")
    opened = open_input([one, two])
    assert opened.schema.equals(BASE.schema, check_metadata=True)
    assert read(opened).equals(pa.concat_tables([BASE, BASE]))


def test_one_name_for_two_columns(tmp_path):
    path = write(BASE.rename_columns(["a", "b", "a"]), tmp_path / "x.arrow")
    with pytest.raises(DataError, match="column 'a' is there 2 times"):
        open_input([path])
    assert read(open_input([path], columns=["b"])).num_rows == 3


def test_parquet_without_arrow_metadata(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(flights(100), path, store_schema=False, use_dictionary=False, version="1.0")
    assert read(open_input([path])).equals(flights(100))
