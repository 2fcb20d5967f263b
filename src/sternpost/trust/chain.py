"""A record of the ledger, and what makes a list of them a chain.

A record's digest covers everything in it and the digest of the record before, so an edit, a record taken out of the
middle and two records that changed places are found from the records alone; records missing at the end by the head.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sternpost.bundle.canonical import canonical_json
from sternpost.errors import LedgerBroken

#: What the first record follows.
NOTHING = "0" * 64
#: What a record may be about.
KINDS = ("enter", "promote", "demote", "halt", "release", "rollback", "challenge", "approve", "waive", "config")
#: Those that change no standing, so that nobody is superseded by them.
NOTES = ("approve", "waive", "config")
STOP = "Stop what relies on it and restore the ledger from a copy"


def content_digest(value: object) -> str:
    """sha256 of the canonical JSON of a value; NaN and infinities, which JSON cannot say, as text."""
    return hashlib.sha256(canonical_json(sayable(value))).hexdigest()


def sayable(value: object) -> object:
    """The value as JSON can say it: NaN and infinities as text, tuples as lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: sayable(v) for key, v in value.items()}
    return [sayable(v) for v in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Record:
    """One entry. `at`: microseconds since 1970 UTC. `evidence`: a digest, empty where none is needed. `body`: what
    changed, canonical JSON. `previous`, `digest`: sha256 in hexadecimal."""

    serial: int
    at: int
    kind: str
    use_case: str
    who: str
    why: str
    evidence: str
    body: str
    previous: str
    digest: str

    @property
    def moment(self) -> dt.datetime:
        """`at` as a datetime, UTC."""
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=self.at)

    @property
    def content(self) -> dict[str, Any]:
        """`body`, read."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def hashed(self) -> str:
        """The digest that this content has."""
        covered = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "digest"}
        return content_digest(covered)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "serial": self.serial,
            "at": self.moment.isoformat(),
            "kind": self.kind,
            "use_case": self.use_case,
            "who": self.who,
            "why": self.why,
            "evidence": self.evidence,
            "body": self.content,
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Head:
    """The last record, as it is noted outside of the ledger."""

    serial: int = 0
    digest: str = NOTHING


def check_chain(records: Sequence[Record], place: str) -> None:
    """Raises `LedgerBroken` that names the first record that does not follow from those before it."""
    previous, at = NOTHING, -(2**63)
    for expected, record in enumerate(records, start=1):
        if record.serial != expected:
            raise LedgerBroken(f"{place}: record {expected} is missing; the next one there is {record.serial}. {STOP}")
        if not _as_written(record):
            raise LedgerBroken(f"{place}: record {record.serial} was altered: its content has another digest. {STOP}")
        if record.previous != previous:
            raise LedgerBroken(f"{place}: record {record.serial} does not follow record {expected - 1}. {STOP}")
        if record.at < at:
            raise LedgerBroken(f"{place}: record {record.serial} is older than record {expected - 1}. {STOP}")
        previous, at = record.digest, record.at


def _as_written(record: Record) -> bool:
    try:
        return record.hashed() == record.digest
    except (TypeError, ValueError):  # a value of another type, or text that UTF-8 cannot carry: nobody wrote that
        return False


def check_head(records: Sequence[Record], head: Head, place: str) -> None:
    """Raises `LedgerBroken` when the record that the head names is missing or another one. Later ones are no break."""
    if head.serial > len(records):
        raise LedgerBroken(
            f"{place}: record {len(records) + 1} is missing: the head names {head.serial} records. {STOP}"
        )
    found = records[head.serial - 1].digest if head.serial else NOTHING
    if found != head.digest:
        raise LedgerBroken(f"{place}: record {head.serial} is not the one that the head names. {STOP}")
