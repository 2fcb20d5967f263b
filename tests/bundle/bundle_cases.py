"""Bundles to alter, and ways of altering them through the standard library, for the tests of the container."""

import io
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from sternpost.bundle.archive import write_archive
from sternpost.bundle.canonical import canonical_json

CREATED = datetime(2013, 1, 31, 23, 59, 59, tzinfo=UTC)
SMALL = {"contract.json": b'{"format":1}\n', "kernel/x86_64.o": b"\x7fELF\x00\xff" * 7, "model.onnx": b""}


def contents(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    return {name: archive.read(name) for name in archive.namelist()}


def rezip(entries, compression=zipfile.ZIP_STORED):
    """A zip as near to a bundle as the standard library makes it; `entries` may hold a name twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr, info.compress_type = 3, 0o100644 << 16, compression
            archive.writestr(info, content)
    return buffer.getvalue()


def sealed(parts, *, manifest=None, raw=None, swap=None, seal=None):
    """A zip of the right shape with a manifest, contents or a seal of our choice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        write_archive(path, parts, created=CREATED)
        entries = contents(path.read_bytes())
    if manifest is not None or raw is not None:
        entries["manifest.json"] = canonical_json(manifest) if raw is None else raw
    entries |= swap or {}
    if seal is not None:
        entries["seal.json"] = seal
    return rezip(entries.items())
