"""Where a bundle came from: what data, what code, which libraries, on what class of machine, for whom.

Owed to callers: equal inputs give equal provenance, so that building twice gives one digest; and nothing here holds a
path, a host name, a user name or a time. `docs/bundle-format.md` writes the two digests down so that others can
compute them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from sternpost.bundle.archive import sternpost_version
from sternpost.bundle.canonical import canonical_json, exact_fields, parse_canonical
from sternpost.bundle.data_digest import data_digest
from sternpost.errors import BundleCorrupt

PART = "provenance.json"

_KINDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "owner": str,
    "data_digest": str,
    "data_rows": int,
    "code_digest": str,
    "libraries": dict,
    "python": str,
    "sternpost": str,
    "machine": str,
}


@dataclass(frozen=True)
class Provenance:
    """The origin of a bundle. `name` and `owner` are what its maker wrote; everything else is measured.

    `data_digest` and `data_rows` describe the reference table, `code_digest` the sources, `libraries` maps a
    distribution to its version, `python` and `sternpost` are versions, `machine` is a class of machine such as
    "x86_64-linux".
    """

    name: str
    owner: str
    data_digest: str
    data_rows: int
    code_digest: str
    libraries: Mapping[str, str]
    python: str
    sternpost: str
    machine: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "libraries", MappingProxyType(dict(self.libraries)))

    def to_json(self) -> bytes:
        """The part `provenance.json`: canonical JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return canonical_json(fields | {"libraries": dict(self.libraries)})

    @classmethod
    def from_json(cls, data: bytes) -> Provenance:
        """The inverse of `to_json`. Raises `BundleCorrupt` for anything that `to_json` does not write."""
        fields = exact_fields(parse_canonical(data, PART), _KINDS, PART)
        libraries, rows = fields.pop("libraries"), fields.pop("data_rows")
        if not isinstance(libraries, dict) or not all(isinstance(value, str) for value in libraries.values()):
            raise BundleCorrupt(f"part {PART}: key 'libraries' must map names to versions")
        if not isinstance(rows, int) or rows < 0:
            raise BundleCorrupt(f"part {PART}: key 'data_rows' is {rows!r}, expected a count of rows")
        texts = {key: str(value) for key, value in fields.items()}
        return cls(**texts, data_rows=rows, libraries=libraries)


def collect(
    name: str, owner: str, *, reference: pa.Table, sources: Mapping[str, str], libraries: Iterable[str]
) -> Provenance:
    """The provenance of a bundle that is being built here, now, from this reference table and these sources."""
    return Provenance(
        name=name,
        owner=owner,
        data_digest=data_digest(reference),
        data_rows=reference.num_rows,
        code_digest=code_digest(sources),
        libraries=library_versions(libraries),
        python=platform.python_version(),
        sternpost=sternpost_version(),
        machine=f"{platform.machine().lower()}-{sys.platform}",
    )


def code_digest(sources: Mapping[str, str]) -> str:
    """64 hex characters that depend on every name and every character of the sources, not on their order or line
    endings.

    `sources` maps a name, such as "flights.features", to source text.
    """
    listed = [[name, hashlib.sha256(_one_newline(sources[name])).hexdigest()] for name in sorted(sources)]
    return hashlib.sha256(canonical_json({"format": 1, "sources": listed})).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution name, sorted. What is not installed is left out; nothing is imported."""
    versions: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _one_newline(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "surrogatepass")
