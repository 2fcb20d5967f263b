"""The bundle's file: parts in, one strict zip archive out, and back, every byte accounted for.

`docs/bundle-format.md` is the written form of what stands here and in `stored_zip.py`; change them together.

Owed to callers:
- The digest is the sha256 of `manifest.json`, which lists name, size and sha256 of every part: same parts, same
  digest. When the bundle was made and who signed it stand in `seal.json`, outside of the digest.
- `read_archive` returns only what `write_archive` would have written, to the byte; anything else is refused with the
  name of the place.
- Reading takes no more memory than a small multiple of the file's true size, whatever sizes are claimed inside, and
  writes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sternpost.bundle.atomic import whole_file
from sternpost.bundle.canonical import canonical_json, exact_fields, parse_canonical
from sternpost.bundle.signature import PrivateKeyLike, PublicKeyLike, load_private, sign, verify
from sternpost.bundle.stored_zip import ENTRY_LIMIT, SIZE_LIMIT, Entry, compare, file_size, layout, name_fault, walk
from sternpost.errors import BundleCorrupt, BundleError, BundleVersion, DataError, UsageError

#: The newest format, and the part that came with it; bundles without it stay of format 1.
FORMAT = 2
REFERENCE = "reference.arrow"
MANIFEST, SEAL = "manifest.json", "seal.json"

_ZIP_MARK = b"PK\x03\x04"
_CREATED = "%Y-%m-%dT%H:%M:%SZ"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED_BY = re.compile(r"[0-9A-Za-z.+!_-]{1,64}")


@dataclass(frozen=True)
class Seal:
    """What is known about a bundle beside its content.

    `created`: UTC, `2013-01-31T23:59:59Z`; `created_by`: the version of sternpost; `signature`, `public_key`: base64,
    both or neither. Nothing but the signature is protected against somebody who means to change it.
    """

    created: str
    created_by: str
    signature: str | None = None
    public_key: str | None = None


@dataclass(frozen=True)
class Archive:
    """A bundle that was read and found whole: its parts by name (sorted), its digest (64 hex characters), its seal."""

    parts: Mapping[str, bytes]
    digest: str
    seal: Seal


def sternpost_version() -> str:
    """The version of the installed package; "unreleased" in a source tree that is not installed."""
    try:
        return importlib.metadata.version("sternpost")
    except importlib.metadata.PackageNotFoundError:
        return "unreleased"


def new_seal(created: datetime | None = None) -> Seal:
    """An unsigned seal of this version, made at `created` (aware; default now)."""
    return Seal(_created(created or datetime.now(UTC)), sternpost_version())


def digest_of(parts: Mapping[str, bytes]) -> str:
    """The digest that a bundle of these parts has: sha256 (hex) of its manifest."""
    return hashlib.sha256(_manifest(parts)).hexdigest()


def write_archive(
    path: str | os.PathLike[str],
    parts: Mapping[str, bytes],
    *,
    seal: Seal | None = None,
    created: datetime | None = None,
    signing_key: PrivateKeyLike | None = None,
) -> str:
    """Write a bundle that appears under `path` whole or not at all, and return its digest.

    The seal is `seal`, or a new one made at `created` (aware; default now). `signing_key` signs it, in place of any
    signature in `seal`. Raises `UsageError` for names or sizes a bundle cannot hold, `DataError` when the file cannot
    be written, `SignatureError` when `seal` carries a signature that does not fit these parts.
    """
    if seal is None:
        seal = new_seal(created)
    elif created is not None:
        raise UsageError("give either `seal` or `created`: a seal already says when the bundle was made")
    _check_parts(parts)
    manifest = _manifest(parts)
    digest = hashlib.sha256(manifest).hexdigest()
    if signing_key is not None:
        signature, public_key = sign(digest, load_private(signing_key))
        seal = dataclasses.replace(seal, signature=signature, public_key=public_key)
    try:
        sealed = canonical_json(dataclasses.asdict(seal))
        _parse_seal(sealed)
    except (BundleCorrupt, ValueError) as error:
        raise UsageError(f"this seal cannot be written: {error}") from None
    verify(digest, seal.signature, seal.public_key)
    entries = [Entry(MANIFEST, manifest), *(Entry(name, parts[name]) for name in sorted(parts)), Entry(SEAL, sealed)]
    if len(entries) >= ENTRY_LIMIT or file_size(entries) > SIZE_LIMIT:
        raise UsageError(
            f"{len(parts)} parts of {sum(map(len, parts.values()))} bytes are more than one bundle holds "
            f"({ENTRY_LIMIT - 3} parts, {SIZE_LIMIT} bytes); use a smaller model or fewer reference rows"
        )
    with whole_file(path) as file:
        for piece in layout(entries):
            file.write(piece.data)
    return digest


def read_archive(
    path: str | os.PathLike[str], *, require_signature: bool = False, trusted_keys: Sequence[PublicKeyLike] = ()
) -> Archive:
    """Read a bundle and prove every byte of it.

    Raises `BundleCorrupt` (what is wrong and in which part), `BundleVersion`, `SignatureError` (see
    `signature.verify` for the rules), `UsageError` (a signature required, nobody trusted), `DataError` (the system
    does not let the file be read).
    """
    try:
        return parse_archive(_read(Path(path)), require_signature=require_signature, trusted_keys=trusted_keys)
    except BundleError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None


def parse_archive(
    data: bytes, *, require_signature: bool = False, trusted_keys: Sequence[PublicKeyLike] = ()
) -> Archive:
    """As `read_archive`, for a bundle whose bytes are in memory."""
    if not data.startswith(_ZIP_MARK):
        raise BundleCorrupt(f"not a bundle: {f'it begins with {data[:8]!r}' if data else 'the file is empty'}")
    view = memoryview(data)
    found = walk(view)
    first = next(found)
    if first.name != MANIFEST:
        raise BundleCorrupt(f"not a bundle, or reordered: the first part is {first.name}, expected {MANIFEST}")
    # Before the rest is looked at: a later format may arrange the rest differently.
    claims = _parse_manifest(first.content)
    entries = [first, *_once(found)]
    if entries[-1].name != SEAL:
        raise BundleCorrupt(f"missing part: {SEAL} is not the last entry; the last is {entries[-1].name}")
    parts = {entry.name: entry.content for entry in entries[1:-1]}
    _check_claims(claims, parts)
    seal = _parse_seal(entries[-1].content)
    ordered = [first, *(Entry(name, parts[name]) for name in sorted(parts)), entries[-1]]
    compare(view, ordered)
    digest = hashlib.sha256(first.content).hexdigest()
    verify(digest, seal.signature, seal.public_key, require_signature=require_signature, trusted_keys=trusted_keys)
    return Archive(MappingProxyType({name: parts[name] for name in sorted(parts)}), digest, seal)


def sign_archive(path: str | os.PathLike[str], key: PrivateKeyLike) -> str:
    """Sign the bundle at `path`, in place of any earlier signature, and return its digest, which does not change."""
    private = load_private(key)
    archive = read_archive(path)
    return write_archive(path, archive.parts, seal=archive.seal, signing_key=private)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleCorrupt("not a bundle: not a regular file")
            if status.st_size > SIZE_LIMIT:
                raise BundleCorrupt(f"not a bundle: {status.st_size} bytes, more than a bundle can have ({SIZE_LIMIT})")
            return file.read(status.st_size)
    except IsADirectoryError:
        raise BundleCorrupt("not a bundle: a folder") from None
    except OSError as error:
        raise DataError(
            f"cannot read the bundle {path}: {error.strerror or error}; check the path and its permissions"
        ) from error


def _once(entries: Iterable[Entry]) -> Iterator[Entry]:
    seen = {MANIFEST}
    for entry in entries:
        if entry.name in seen:
            raise BundleCorrupt(f"part {entry.name}: duplicate name, it is there twice")
        seen.add(entry.name)
        yield entry


def _check_parts(parts: Mapping[str, bytes]) -> None:
    for name in parts:
        if fault := name_fault(name):
            raise UsageError(f"a part cannot have the name {name!r}: {fault}")
        if name in (MANIFEST, SEAL):
            raise UsageError(f"a part cannot have the name {name!r}: the archive writes that part itself")
    if folder := _both_file_and_folder(parts):
        raise UsageError(f"a part cannot have the name {folder!r}: another part lies under it as a folder")


def _both_file_and_folder(names: Iterable[str]) -> str | None:
    folders = {name[:i] for name in names for i, letter in enumerate(name) if letter == "/"}
    return min(folders.intersection(names), default=None)


def _manifest(parts: Mapping[str, bytes]) -> bytes:
    listed = [
        {"name": name, "size": len(parts[name]), "sha256": hashlib.sha256(parts[name]).hexdigest()}
        for name in sorted(parts)
    ]
    return canonical_json({"format": _format_of(parts), "parts": listed})


def _format_of(parts: Mapping[str, Any]) -> int:
    return FORMAT if REFERENCE in parts else 1


def _parse_manifest(data: bytes) -> dict[str, tuple[int, str]]:
    """Name -> (size, sha256), in the manifest's order."""
    manifest = parse_canonical(data, MANIFEST)
    if isinstance(manifest, dict) and type(number := manifest.get("format")) is int and not 1 <= number <= FORMAT:
        remedy = "open it with a newer sternpost" if number > FORMAT else "no released sternpost wrote it; get it again"
        raise BundleVersion(
            f"bundle format {number}; sternpost {sternpost_version()} reads formats 1 to {FORMAT}; "
            f"{remedy}, or build it anew"
        )
    claims: dict[str, tuple[int, str]] = {}
    found = exact_fields(manifest, {"format": int, "parts": list}, MANIFEST)
    listed, number = found["parts"], found["format"]
    assert isinstance(listed, list)
    for item in listed:
        fields = exact_fields(item, {"name": str, "size": int, "sha256": str}, MANIFEST)
        name, size, sha256 = str(fields["name"]), fields["size"], str(fields["sha256"])
        fault = name_fault(name) or ("the archive writes that part itself" if name in (MANIFEST, SEAL) else None)
        if fault:
            raise BundleCorrupt(f"part {MANIFEST}: it lists the name {name[:60]!r}: {fault}")
        if claims and name <= next(reversed(claims)):
            raise BundleCorrupt(f"part {MANIFEST}: {name} is listed twice or out of order")
        if not isinstance(size, int) or size < 0 or not _SHA256.fullmatch(sha256):
            raise BundleCorrupt(f"part {MANIFEST}: size or sha256 of {name} is not possible")
        claims[name] = (size, sha256)
    if number != _format_of(claims):
        which = "without" if number == FORMAT else "with"
        raise BundleCorrupt(f"part {MANIFEST}: format {number} {which} a part {REFERENCE}")
    if folder := _both_file_and_folder(claims):
        raise BundleCorrupt(f"part {MANIFEST}: {folder} is listed both as a part and as a folder of parts")
    return claims


def _check_claims(claims: Mapping[str, tuple[int, str]], parts: Mapping[str, bytes]) -> None:
    if missing := sorted(claims.keys() - parts.keys()):
        raise BundleCorrupt(f"missing part: {missing[0]} is listed in {MANIFEST} and not in the file")
    if extra := sorted(parts.keys() - claims.keys()):
        raise BundleCorrupt(f"extra part: {extra[0]} is in the file and not listed in {MANIFEST}")
    for name, (size, sha256) in claims.items():
        if len(parts[name]) != size:
            raise BundleCorrupt(f"part {name}: wrong size: {len(parts[name])} bytes, {MANIFEST} says {size}")
        if (found := hashlib.sha256(parts[name]).hexdigest()) != sha256:
            raise BundleCorrupt(
                f"part {name}: wrong digest: its content has sha256 {found[:16]}..., {MANIFEST} says {sha256[:16]}..."
            )


def _parse_seal(data: bytes) -> Seal:
    text, maybe = str, (str, type(None))
    kinds: dict[str, type | tuple[type, ...]] = {
        "created": text,
        "created_by": text,
        "signature": maybe,
        "public_key": maybe,
    }
    fields = exact_fields(parse_canonical(data, SEAL), kinds, SEAL)
    values = {key: None if value is None else str(value) for key, value in fields.items()}
    created, created_by = str(values["created"]), str(values["created_by"])
    signature, public_key = values["signature"], values["public_key"]
    try:
        again = datetime.strptime(created, _CREATED).replace(tzinfo=UTC)
    except ValueError:
        again = None
    if again is None or _created(again) != created:
        raise BundleCorrupt(f"part {SEAL}: created is {created[:40]!r}, expected UTC such as '2013-01-31T23:59:59Z'")
    if not _CREATED_BY.fullmatch(created_by):
        raise BundleCorrupt(f"part {SEAL}: created_by is {created_by[:40]!r}, expected a version number")
    if (signature is None) != (public_key is None):
        raise BundleCorrupt(f"part {SEAL}: signature and public key must be there both or not at all")
    return Seal(created, created_by, signature, public_key)


def _created(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise UsageError(f"the time {moment.isoformat()} has no time zone; give it one, such as datetime.now(UTC)")
    # Not strftime: it does not pad years below 1000 alike everywhere.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
