"""A bundle is there whole or not at all, whatever fails on the way."""

import builtins
import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sternpost.bundle.archive import read_archive, sign_archive, write_archive
from sternpost.bundle.atomic import whole_file
from sternpost.errors import DataError
from tests.bundle.bundle_cases import CREATED, SMALL


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """A file that takes a few bytes and then no more."""

    def __init__(self, file):
        self._file, self.name = file, file.name

    def write(self, data):
        self._file.write(bytes(data)[:10])
        full()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.fixture(params=["replace", "fsync", "write", "open"])
def failing(request, monkeypatch):
    if request.param in ("replace", "fsync"):
        return lambda: monkeypatch.setattr(os, request.param, full)
    opened = builtins.open
    fail = full if request.param == "open" else lambda *args, **kwargs: FullDisk(opened(*args, **kwargs))
    return lambda: monkeypatch.setattr("sternpost.bundle.atomic.open", fail, raising=False)


@pytest.mark.parametrize("earlier", [False, True])
def test_disk_full(tmp_path, failing, earlier, monkeypatch):
    path = tmp_path / "a.sbundle"
    if earlier:
        write_archive(path, {"old": b"1"}, created=CREATED)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    failing()
    with pytest.raises(DataError, match=r"cannot write .*a\.sbundle: No space left on device; free some space"):
        write_archive(path, SMALL, created=CREATED)
    monkeypatch.undo()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_signing_that_fails_leaves_the_bundle(tmp_path, key, monkeypatch):
    path = tmp_path / "a.sbundle"
    write_archive(path, SMALL, created=CREATED)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError):
        sign_archive(path, key)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_whatever_is_raised_inside(tmp_path, error):
    def write():
        with whole_file(tmp_path / "a") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_real_limit_of_the_system(tmp_path):
    """Not a simulation: the kernel refuses the bytes."""
    code = (
        "import signal, sys\n"
        "from sternpost.bundle.archive import write_archive\n"
        "from sternpost.errors import DataError\n"
        "import resource\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_archive(sys.argv[1], {'a': bytes(100_000)})\n"
        "except DataError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "File too large" in done.stdout
    assert "ulimit" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_half_file_under_the_name(tmp_path):
    code = (
        "import sys, time\n"
        "from sternpost.bundle.atomic import whole_file\n"
        "with whole_file(sys.argv[1]) as file:\n"
        "    file.write(b'half' * 100_000); print('now', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "a"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    left = list(tmp_path.iterdir())
    assert [entry.suffix for entry in left] == [".part"]
    assert left[0].name.startswith(".a.")


def test_readers_never_see_a_half_file(tmp_path):
    """A reader in a loop beside a writer in a loop sees one bundle or the other, each whole."""
    path = tmp_path / "a.sbundle"
    parts = [{"a": bytes([i]) * 200_000} for i in range(2)]
    digests = {write_archive(path, p, created=CREATED) for p in parts}
    code = (
        "import sys\nfrom sternpost.bundle.archive import write_archive\n"
        "while True:\n    for i in range(2): write_archive(sys.argv[1], {'a': bytes([i]) * 200_000})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, path]) as process:
        try:
            seen = set()
            end = time.monotonic() + 20
            while seen != digests and time.monotonic() < end:
                seen.add(read_archive(path).digest)
            for _ in range(200):
                seen.add(read_archive(path).digest)
        finally:
            process.kill()
    assert seen == digests


def test_permissions_and_links(tmp_path):
    path, link = tmp_path / "a", tmp_path / "link"
    umask = os.umask(0o027)
    try:
        write_archive(path, SMALL)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    link.symlink_to(path)
    write_archive(link, {"a": b"2"})
    assert link.is_symlink()
    assert read_archive(path).parts == {"a": b"2"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_no_such_folder_and_other_refusals(tmp_path):
    for path, words in (
        (tmp_path / "no" / "a", "the folder does not exist"),
        (tmp_path, "this is a folder"),
        (Path("/dev/null/a"), "a file, not a folder"),
    ):
        with pytest.raises(DataError, match=words):
            write_archive(path, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_long_name(tmp_path):
    path = tmp_path / ("n" * 250)
    write_archive(path, SMALL)
    assert read_archive(path).parts == SMALL
