"""The one zip layout a bundle may have: entries stored, in order, every other field fixed.

Why not `zipfile`: it forgives (it searches for the directory, skips gaps, trusts sizes), and its output may change
between Python versions, while a bundle's bytes must mean the same for ever. What is written here is the plainest
archive there is, so every zip tool lists it.

1. `layout` says, piece by piece, what the file of given entries is.
2. `walk` finds entries from the front. It believes sizes only as far as the file reaches, and checks no more than it
   needs.
3. `compare` holds the file against the layout of what was found: the first byte that is not the writer's is named.
   After it, no byte is unaccounted for.

Limits come from zip without its 64-bit extension: the file stays under 4 GiB and holds fewer than 65,535 entries.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sternpost.errors import BundleCorrupt

SIZE_LIMIT = 0xFFFF_FFFF
ENTRY_LIMIT = 0xFFFF
NAME_LIMIT = 200
# Each step of a name starts with a letter or digit, so `..`, `.`, `-option` and hidden files cannot be spelled.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION = 20
_MADE_BY_UNIX = (3 << 8) | _VERSION
_STORED = 0
_TIME, _DATE = 0, (1 << 5) | 1  # 1980-01-01 00:00, the first moment zip can write
_MODE = 0o100644 << 16  # a regular file, rw-r--r--


class Entry(NamedTuple):
    """One entry: its name and its content."""

    name: str
    content: bytes


class Piece(NamedTuple):
    """A run of bytes of the file and what it is, in words for an error message."""

    what: str
    data: bytes


def name_fault(name: str) -> str | None:
    """What is wrong with a part's name, or None. Letters a-z, digits, `._-` and `/` between steps; at most 200
    characters."""
    if len(name) > NAME_LIMIT:
        return f"longer than {NAME_LIMIT} characters"
    if not _NAME.fullmatch(name):
        return "only a-z, 0-9, '.', '_', '-' and '/' are allowed, and each step starts with a letter or digit"
    return None


def file_size(entries: Sequence[Entry]) -> int:
    """How long `layout` makes the file, in bytes."""
    return _END.size + sum(_LOCAL.size + _CENTRAL.size + 2 * len(name) + len(content) for name, content in entries)


def layout(entries: Sequence[Entry]) -> Iterator[Piece]:
    """The whole file, piece by piece. Names must be sound and sizes within the limits; the caller has seen to that."""
    directory: list[Piece] = []
    offset = 0
    for name, content in entries:
        raw = name.encode("ascii")
        facts = (_STORED, _TIME, _DATE, zlib.crc32(content), len(content), len(content), len(raw), 0)
        yield Piece(f"header of part {name}", _LOCAL.pack(_LOCAL_MARK, _VERSION, 0, *facts) + raw)
        yield Piece(f"part {name}", content)
        central = _CENTRAL.pack(_CENTRAL_MARK, _MADE_BY_UNIX, _VERSION, 0, *facts, 0, 0, 0, _MODE, offset)
        directory.append(Piece(f"directory entry of part {name}", central + raw))
        offset += _LOCAL.size + len(raw) + len(content)
    yield from directory
    size = sum(len(piece.data) for piece in directory)
    count = len(directory)
    yield Piece("end record", _END.pack(_END_MARK, 0, 0, count, count, size, offset, 0))


def walk(data: memoryview) -> Iterator[Entry]:
    """Entries from the front of the file up to its directory; each content is a copy, made once its size is known to
    be there.

    Raises `BundleCorrupt` when an entry is cut off, claims more than the file holds, is compressed, or has a name no
    part may have.
    """
    offset, last = 0, "the beginning"
    while True:
        mark = bytes(data[offset : offset + 4])
        if mark == _CENTRAL_MARK:
            return
        if len(data) - offset < _LOCAL.size:
            raise BundleCorrupt(f"truncated: the file ends at byte {len(data)}, after {last}, before its directory")
        if mark != _LOCAL_MARK:
            raise BundleCorrupt(f"bad zip structure: no part begins at byte {offset}, after {last}; found {mark!r}")
        _, _, flags, method, _, _, _, packed, size, name_length, extra = _LOCAL.unpack_from(data, offset)
        start = offset + _LOCAL.size + name_length
        if start > len(data):
            raise BundleCorrupt(
                f"truncated: the file ends at byte {len(data)} inside the name of the entry after {last}"
            )
        name = _name(bytes(data[offset + _LOCAL.size : start]), offset)
        if method != _STORED or flags or extra or packed != size:
            raise BundleCorrupt(
                f"part {name}: bad zip structure: compressed, encrypted or streamed (method {method}, flags "
                f"{flags:#06x}, {extra} extra bytes, {packed} packed for {size}); a bundle's parts are stored plainly"
            )
        if size > len(data) - start:
            raise BundleCorrupt(
                f"part {name}: truncated, or a false size: it claims {size} bytes, the file holds "
                f"{len(data) - start} after its header"
            )
        yield Entry(name, bytes(data[start : start + size]))
        offset, last = start + size, f"part {name}"


def compare(data: memoryview, entries: Sequence[Entry]) -> None:
    """Raise `BundleCorrupt` at the first byte of `data` that is not what the writer makes of `entries`."""
    offset = 0
    for what, piece in layout(entries):
        # As bytes: comparing views goes element by element, ten times slower.
        found = bytes(data[offset : offset + len(piece)])
        if found != piece:
            if len(found) < len(piece) and found == piece[: len(found)]:
                raise BundleCorrupt(f"truncated: the file ends at byte {len(data)} inside the {what}")
            place = next(i for i, (a, b) in enumerate(zip(found, piece, strict=False)) if a != b)
            raise BundleCorrupt(
                f"{what}: byte {offset + place} of the file is {found[place]:#04x}, the writer puts {piece[place]:#04x}"
            )
        offset += len(piece)
    if offset < len(data):
        raise BundleCorrupt(f"trailing bytes: {len(data) - offset} bytes follow the end of the bundle at byte {offset}")


def _name(raw: bytes, offset: int) -> str:
    name = raw.decode("latin-1")
    if fault := name_fault(name):
        raise BundleCorrupt(f"the entry at byte {offset} has the name {name[:60]!r}: {fault}")
    return name
