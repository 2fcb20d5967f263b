"""Files that are damaged, cut off or something else: one line, the file's name, no crash, no wrong rows."""

import gzip
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from sternpost.errors import DataError
from sternpost.serve.files import open_input
from tests.serve.tables import SUFFIXES, flights, read, write

SEED = random.SystemRandom().randrange(1 << 32)


def refusal(path):
    with pytest.raises(DataError) as error:
        read(open_input([path]))
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found nothing: it is empty"),
        (b"a,b,c\n1,2,3\n", "found text that begins with 'a,b,c\\n1,'; if it is CSV or JSON"),
        (b'{"a": 1}\n', "found text that begins with"),
        (b"\xef\xbb\xbfa;b\n", "found text"),
        (gzip.compress(b"x"), "gzip; decompress it first"),
        (b"PK\x03\x04" + bytes(30), "a zip archive (or a bundle)"),
        (b"FEA1" + bytes(30), "Feather file of version 1"),
        (b"PARE" + bytes(30), "encrypted Parquet"),
        (b"ORC" + bytes(9), "an ORC file"),
        (b"\x00\x01\x02\x03", "bytes that begin with b'\\x00\\x01\\x02\\x03'"),
        (b"ARROW1", "damaged"),
        (b"ARROW1\0\0", "does not end as one"),
        (b"ARROW1\0\0ARROW1", "damaged"),
        (b"PAR1", "Parquet"),
        (b"PAR1PAR1", "damaged"),
        (b"PAR1\xff\xff\xff\x7fPAR1", "damaged"),
        (b"\xff\xff\xff\xff", "damaged"),
        (b"\xff\xff\xff\xff\0\0\0\0", "damaged"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged"),
    ],
)
def test_what_was_found(tmp_path, content, words):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    assert words in refusal(path)


@pytest.mark.parametrize("suffix", [".arrow", ".arrows"])
def test_a_column_name_that_is_no_text(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(pa.table({"distance": [1.0]}), path)
    path.write_bytes(path.read_bytes().replace(b"distance", b"dist\xffnce"))
    assert "not UTF-8" in refusal(path)


def test_not_readable(tmp_path):
    path = write(flights(3), tmp_path / "a.parquet")
    path.rename(tmp_path / "b.parquet")
    (tmp_path / "a.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="no such file"):
        open_input([path])
    with pytest.raises(DataError, match=r"gone|a\.parquet"):
        read(open_input([tmp_path]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_anywhere(tmp_path, suffix):
    data = write(flights(2_000), tmp_path / f"whole{suffix}", 300).read_bytes()
    path = tmp_path / f"cut{suffix}"
    step = max(1, len(data) // 300)
    for length in [*range(0, len(data), step), *range(len(data) - 40, len(data))]:
        path.write_bytes(data[:length])
        assert refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bytes_after_the_end(tmp_path, suffix):
    path = write(flights(100), tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes() * 2 if suffix == ".arrows" else path.read_bytes() + b"\0")
    assert refusal(path)


HUNT = """
import random, sys
import pyarrow as pa
from sternpost.errors import DataError
from sternpost.serve.files import open_input
path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
data = open(path, "rb").read()
refused = 0
for _ in range(rounds):
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 3])):
        damaged[rng.randrange(len(data))] = rng.randrange(256)
    with open(path + ".x", "wb") as file:
        file.write(damaged)
    try:
        with open_input([path + ".x"]) as opened:
            for batch in opened.batches():
                for column in batch.columns:  # touch every value, as compiled code would
                    if pa.types.is_dictionary(column.type):
                        column.indices.to_pylist()
                    elif column.type in (pa.string(), pa.large_string()):
                        column.view(pa.binary() if column.type == pa.string() else pa.large_binary()).to_pylist()
                    else:
                        column.to_pylist()
    except DataError as error:
        assert str(error).startswith(path) and "\\n" not in str(error), error
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_random_damage_is_refused_or_read_but_never_crashes(tmp_path, suffix):
    """Arrow has no checksums: a changed number is another number. But a changed offset must not become a crash."""
    print(f"seed {SEED}")
    table = flights(400)
    table = table.append_column("tail", table["carrier"].combine_chunks().dictionary_encode())
    table = table.append_column("wide", table["carrier"].cast(pa.large_string()))
    path = write(table, tmp_path / f"a{suffix}", 100)
    done = subprocess.run(
        [sys.executable, "-c", HUNT, path, str(SEED), "400"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"seed {SEED}: {done.returncode} {done.stderr[-2000:]}"
    assert int(done.stdout) > 20


@pytest.mark.parametrize("suffix", [".arrow", ".arrows"])
@pytest.mark.parametrize("what", ["offsets", "codes", "negative code", "large offsets"])
def test_offsets_and_codes_that_lead_out(tmp_path, suffix, what):
    table = pa.table(
        {
            "s": pa.array(["alpha", "beta", "gamma"]),
            "w": pa.array(["alpha", "beta", "gamma"], pa.large_string()),
            "d": pa.array(["u", "v", "u"]).dictionary_encode(),
        }
    )
    path = write(table, tmp_path / f"a{suffix}")
    data = path.read_bytes()
    old, new = {
        "offsets": (np.array([0, 5, 9, 14], "<i4"), np.array([0, 5, 1 << 28, 14], "<i4")),
        "large offsets": (np.array([0, 5, 9, 14], "<i8"), np.array([0, 5, 1 << 40, 14], "<i8")),
        "codes": (np.array([0, 1, 0], "<i4"), np.array([0, 2, 0], "<i4")),
        "negative code": (np.array([0, 1, 0], "<i4"), np.array([0, -1, 0], "<i4")),
    }[what]
    assert data.count(old.tobytes()) == 1
    path.write_bytes(data.replace(old.tobytes(), new.tobytes()))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_that_is_not_utf8_is_left_to_the_contract(tmp_path, suffix):
    buffers = [None, pa.py_buffer(np.array([0, 1, 2], "<i4")), pa.py_buffer(b"\xff\xfe")]
    bad = pa.Array.from_buffers(pa.string(), 2, buffers)
    path = write(pa.table({"s": bad}), tmp_path / f"a{suffix}")
    got = read(open_input([path]))["s"].combine_chunks()
    assert got.view(pa.binary()).to_pylist() == [b"\xff", b"\xfe"]


def test_checksums_of_parquet_pages_are_checked_where_there_are_any(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"x": np.random.default_rng(3).random(1_000)})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    place = bytes(data).index(table["x"].combine_chunks().buffers()[1].to_pybytes()[4_000:4_016])
    data[place] ^= 1
    path.write_bytes(data)
    assert "CRC" in refusal(path)


def test_damage_in_the_middle_comes_after_the_rows_before_it(tmp_path):
    path = write(flights(3_000), tmp_path / "a.arrows", 1_000)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.9)])
    seen = 0
    with pytest.raises(DataError, match=r"a\.arrows"):  # noqa: PT012 - what was seen before counts
        for batch in open_input([path], batch_rows=1_000).batches():
            seen += len(batch)
    assert seen == 2_000


def test_a_batch_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "a.arrows"
    with ipc.new_stream(path, pa.schema({"x": pa.int64()})) as writer:
        writer.write_batch(pa.record_batch({"x": pa.array(range(77), pa.int64())}))
    data = path.read_bytes()
    path.write_bytes(data.replace((77).to_bytes(8, "little"), (1 << 40).to_bytes(8, "little")))
    refusal(path)
