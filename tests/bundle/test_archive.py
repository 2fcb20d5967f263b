"""What the writer writes and the reader gives back: round trip, determinism, and a zip that others can read."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sternpost.bundle.archive import Seal, parse_archive, read_archive, sign_archive, write_archive
from sternpost.errors import BundleCorrupt, DataError, SignatureError, UsageError
from tests.bundle.bundle_cases import CREATED, SMALL

OURS = ("manifest.json", "seal.json")


def test_round_trip(tmp_path):
    path = tmp_path / "a.sbundle"
    digest = write_archive(path, SMALL, created=CREATED)
    archive = read_archive(path)
    assert dict(archive.parts) == SMALL
    assert list(archive.parts) == sorted(SMALL)
    assert archive.digest == digest == hashlib.sha256(zipfile.ZipFile(path).read("manifest.json")).hexdigest()
    assert archive.seal.created == "2013-01-31T23:59:59Z"
    assert archive.seal.signature is archive.seal.public_key is None
    with pytest.raises(TypeError):
        archive.parts["contract.json"] = b""


step = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(step.map(lambda name: f"d/{name}"), st.binary(max_size=300), max_size=8))
def test_round_trip_of_any_parts(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "any.sbundle"
    digest = write_archive(path, parts)
    archive = read_archive(path)
    assert dict(archive.parts) == parts
    assert archive.digest == digest


def test_same_parts_give_the_same_bytes_and_digest(tmp_path):
    backwards = dict(reversed(SMALL.items()))
    one = write_archive(tmp_path / "1", SMALL, created=CREATED)
    two = write_archive(tmp_path / "2", backwards, created=CREATED)
    assert one == two
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_another_time_changes_only_the_seal(tmp_path):
    one = write_archive(tmp_path / "1", SMALL, created=CREATED)
    two = write_archive(tmp_path / "2", SMALL, created=CREATED + timedelta(days=400))
    assert one == two
    before, after = zipfile.ZipFile(tmp_path / "1"), zipfile.ZipFile(tmp_path / "2")
    changed = [name for name in before.namelist() if before.read(name) != after.read(name)]
    assert changed == ["seal.json"]


def test_digest_covers_names_and_contents(tmp_path):
    digest = write_archive(tmp_path / "a", {"a": b"1", "b": b"2"})
    for parts in ({"a": b"1", "b": b"3"}, {"a": b"1", "c": b"2"}, {"a": b"2", "b": b"1"}, {"a": b"1"}):
        assert write_archive(tmp_path / "b", parts) != digest


def test_digest_is_pinned(tmp_path):
    """Changes when the format changes, and then `format` must change with it."""
    digest = write_archive(tmp_path / "a", SMALL)
    assert digest == PINNED_DIGEST


def test_is_the_zip_that_zipfile_would_write(small):
    archive = parse_archive(small)
    ours = zipfile.ZipFile(BytesIO(small))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as theirs:
        for name in ["manifest.json", *sorted(archive.parts), "seal.json"]:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16
            theirs.writestr(info, ours.read(name))
    assert ours.testzip() is None
    assert buffer.getvalue() == small


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
def test_unzip_lists_and_tests_it(tmp_path, small):
    path = tmp_path / "a.sbundle"
    path.write_bytes(small)
    assert subprocess.run(["unzip", "-tqq", path], check=False).returncode == 0


def test_seal_says_when_and_by_what(tmp_path):
    path = tmp_path / "a"
    write_archive(path, SMALL, created=datetime(2024, 2, 29, 1, 0, 0, 999_999, timezone(timedelta(hours=2))))
    assert read_archive(path).seal.created == "2024-02-28T23:00:00Z"
    write_archive(path, SMALL)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(read_archive(path).seal.created)) < timedelta(minutes=1)
    seal = Seal("2020-01-01T00:00:00Z", "0.1.0")
    write_archive(path, SMALL, seal=seal)
    assert read_archive(path).seal == seal


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".a",
        "a/.b",
        "-a",
        "A",
        "a b",
        "a\\b",
        "é",
        "a\n",
        "a:b",
        "a" * 201,
        *OURS,
    ],
)
def test_names_a_part_cannot_have(tmp_path, name):
    with pytest.raises(UsageError) as error:
        write_archive(tmp_path / "a", {name: b""})
    assert repr(name) in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_not_also_a_folder(tmp_path):
    with pytest.raises(UsageError, match="'a/b'"):
        write_archive(tmp_path / "a", {"a/b": b"", "a/b/c": b"", "a/bc": b""})


def test_more_than_zip_holds_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="70000 parts"):
        write_archive(tmp_path / "a", {f"p{i}": b"" for i in range(70_000)})
    monkeypatch.setattr("sternpost.bundle.archive.SIZE_LIMIT", 2_000)
    with pytest.raises(UsageError, match="2000 bytes"):
        write_archive(tmp_path / "a", {"a": bytes(2_000)})
    assert list(tmp_path.iterdir()) == []


def test_a_seal_that_could_not_be_read_is_not_written(tmp_path):
    good = Seal("2020-01-01T00:00:00Z", "0.1.0")
    for change in (
        {"created": "2020-01-01"},
        {"created": "2020-13-01T00:00:00Z"},
        {"created": "0001-1-01T00:00:00Z"},
        {"created_by": "a b"},
        {"created_by": "/home/x"},
        {"signature": "AAAA"},
        {"created": 3},
    ):
        with pytest.raises(UsageError, match="seal"):
            write_archive(tmp_path / "a", SMALL, seal=dataclasses.replace(good, **change))
    with pytest.raises(SignatureError):
        write_archive(tmp_path / "a", SMALL, seal=dataclasses.replace(good, signature="AAAA", public_key="AAAA"))
    with pytest.raises(UsageError, match="either"):
        write_archive(tmp_path / "a", SMALL, seal=good, created=CREATED)
    with pytest.raises(UsageError, match="time zone"):
        write_archive(tmp_path / "a", SMALL, created=datetime(2020, 1, 1))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_archive(tmp_path / "absent")
    with pytest.raises(BundleCorrupt, match="a folder"):
        read_archive(tmp_path)
    with pytest.raises(BundleCorrupt, match="not a regular file"):
        read_archive("/dev/zero")
    for content, words in ((b"", "empty"), (b"PAR1....", "begins with b'PAR1"), (b"PK", "begins with")):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(BundleCorrupt, match=words) as error:
            read_archive(tmp_path / "x")
        assert str(error.value).startswith(f"{tmp_path / 'x'}: ")


def test_a_huge_sparse_file_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(1 << 40)
    with pytest.raises(BundleCorrupt, match="more than a bundle can have"):
        read_archive(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_reading_leaves_nothing_open_and_writes_nothing(tmp_path, small):
    path = tmp_path / "a.sbundle"
    path.write_bytes(small)
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_archive(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.sbundle"]


def test_signing_changes_only_the_seal(tmp_path, key):
    path = tmp_path / "a.sbundle"
    digest = write_archive(path, SMALL, created=CREATED)
    before = zipfile.ZipFile(BytesIO(path.read_bytes()))
    assert sign_archive(path, key) == digest == read_archive(path).digest
    after = zipfile.ZipFile(path)
    changed = [name for name in before.namelist() if before.read(name) != after.read(name)]
    assert changed == ["seal.json"]
    old, new = (json.loads(archive.read("seal.json")) for archive in (before, after))
    assert {name for name in old if old[name] != new[name]} == {"signature", "public_key"}


PINNED_DIGEST = "1f880923b437d0d2a14c38fd208d7793c5857b554ef054201d8d26d1c6112d97"
