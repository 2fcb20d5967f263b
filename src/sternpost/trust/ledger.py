"""The ledger: who changed what a model may do, when, why, and on which evidence. Append-only and hash-chained.

The head, the last serial and digest, is kept in a file beside a SQLite ledger, or noted anywhere else.

Owed to callers: a record is there whole or not at all; of two writers who looked at the same state one wins and the
other gets `Superseded`; what is in the ledger never changes. The head follows the record: a writer that dies between
the two leaves a head that is one record behind, which is no break.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sternpost.bundle.atomic import whole_file
from sternpost.bundle.canonical import canonical_json
from sternpost.errors import DataError, LedgerBroken, Superseded, UsageError
from sternpost.trust.chain import KINDS, NOTES, NOTHING, STOP, Head, Record, check_chain, check_head

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

FILE_NAME, HEAD_NAME = "ledger.sqlite", "ledger.head"
#: How often a writer tries again because records of other use cases came first.
_TRIES = 50


class Ledger:
    """A ledger at `place`: a folder, which gets a SQLite file and a head beside it, or a database URL of SQLAlchemy,
    whose head is kept in `head_file` if one is named."""

    def __init__(
        self, place: str | os.PathLike[str], *, head_file: str | os.PathLike[str] | None = None, make: bool = True
    ) -> None:
        """`make`: begin one where there is none; without, that is a `UsageError`. A head without one is a
        `LedgerBroken`.

        Raises `DataError` when it cannot be opened, `UsageError` for a URL that names no database.
        """
        text = os.fspath(place)
        if "://" in text:
            self.place, url = text, text
            self._head_file = None if head_file is None else Path(head_file)
        else:
            folder = Path(place)
            self._head_file = Path(head_file) if head_file is not None else folder / HEAD_NAME
            if not (folder / FILE_NAME).exists():
                if self._head_file.exists():
                    raise LedgerBroken(f"{folder / FILE_NAME} is missing, its head is there. {STOP}")
                if not make:
                    raise UsageError(f"{folder} has no ledger ({FILE_NAME}); name the folder of a registry")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as e:
                raise DataError(f"cannot make the folder {folder}: {e.strerror or e}; choose another folder") from e
            self.place, url = str(folder / FILE_NAME), f"sqlite:///{folder / FILE_NAME}"
        self._engine, self._table = _opened(url, self.place, make=make)

    def append(
        self,
        kind: str,
        use_case: str,
        body: Mapping[str, Any],
        *,
        who: str,
        why: str,
        at: dt.datetime,
        evidence: str = "",
        seen: int | None = None,
    ) -> Record:
        """Add a record and return it.

        `seen`: the serial up to which the caller knew the use case; a newer change of it raises `Superseded`. `at` is
        never before the last record's moment. Raises `UsageError` for an unknown kind or an empty `who` or `why`.
        """
        if kind not in KINDS:
            raise UsageError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
        who, why = who.strip(), why.strip()
        if not who or not why:
            raise UsageError(f"a record needs a person and a reason; {'who' if not who else 'why'} is empty")
        if at.tzinfo is None:
            raise UsageError(f"{at.isoformat()} has no time zone; write {at.isoformat()}Z")
        us = (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        text = canonical_json(body).decode()
        for _ in range(_TRIES):
            head = self.head()  # before the last record: a head that is ahead of it is a break, not another writer
            last, newest = self._last(), self._last(use_case) if seen is not None else None
            if head is not None and head.serial > (0 if last is None else last.serial):
                raise LedgerBroken(f"{self.place}: the head names {head.serial} records, there are fewer. {STOP}")
            if seen is not None and newest is not None and newest.serial > seen:
                raise Superseded(
                    f"{use_case}: {newest.who} was first ({newest.kind}, record {newest.serial}: {newest.why}); "
                    "look at the use case again, then decide anew"
                )
            draft = Record(
                serial=1 if last is None else last.serial + 1,
                at=us if last is None else max(us, last.at),
                kind=kind,
                use_case=use_case,
                who=who,
                why=why,
                evidence=evidence,
                body=text,
                previous=NOTHING if last is None else last.digest,
                digest="",
            )
            record = Record(**{**vars(draft), "digest": draft.hashed()})
            if self._inserted(record):
                self._note(record)
                return record
        raise DataError(f"{self.place}: others write all the time; try again")

    def records(self, use_case: str | None = None) -> list[Record]:
        """All records, of one use case if named, in order. Not checked: see `verify`."""
        from sqlalchemy import select

        query = select(self._table).order_by(self._table.c.serial)
        if use_case is not None:
            query = query.where(self._table.c.use_case == use_case)
        with self._connected() as connection:
            return [Record(**row._mapping) for row in connection.execute(query)]

    def head(self) -> Head | None:
        """The head as noted; None where none is kept. Raises `LedgerBroken` when it cannot be read."""
        if self._head_file is None:
            return None
        try:
            noted = json.loads(self._head_file.read_bytes())
            return Head(int(noted["serial"]), str(noted["digest"]))
        except FileNotFoundError:
            return Head()
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise LedgerBroken(f"{self._head_file}: the head cannot be read ({e}); restore it from a copy") from None

    def verify(self, head: Head | None = None) -> list[Record]:
        """All records, if every one is as it was written. Raises `LedgerBroken` that names the first that is not.

        `head`: where the ledger once was, noted elsewhere; checked beside the head that is kept with it.
        """
        records = self.records()
        check_chain(records, self.place)
        # The writer of the first record may have died before it noted the head; of later ones it was there already.
        if self._head_file is not None and len(records) > 1 and not self._head_file.exists():
            raise LedgerBroken(f"{self._head_file} is missing, so nobody can tell whether records are. {STOP}")
        for noted in (self.head(), head):
            if noted is not None:
                check_head(records, noted, self.place)
        return records

    def _last(self, use_case: str | None = None) -> Record | None:
        """The last record, or the last that changed a use case."""
        from sqlalchemy import select

        query = select(self._table).order_by(self._table.c.serial.desc()).limit(1)
        if use_case is not None:
            columns = self._table.c
            query = query.where(columns.use_case == use_case, columns.kind.not_in(NOTES))
        with self._connected() as connection:
            row = connection.execute(query).first()
        return None if row is None else Record(**row._mapping)

    def _inserted(self, record: Record) -> bool:
        """Whether the record took its place; False when another one has it."""
        from sqlalchemy.exc import IntegrityError

        try:
            with self._connected() as connection, connection.begin():
                connection.execute(self._table.insert().values(**vars(record)))
        except IntegrityError:
            return False
        return True

    def _note(self, record: Record) -> None:
        if self._head_file is None:
            return
        noted = self.head()
        # Another writer may have been quicker with the head of a later record.
        if noted is not None and noted.serial < record.serial:
            with whole_file(self._head_file) as file:
                file.write(canonical_json({"serial": record.serial, "digest": record.digest}))

    def _connected(self) -> _Connected:
        return _Connected(self._engine, self.place)


class _Connected:
    """A connection whose troubles are told as ours."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine, self._place = engine, place

    def __enter__(self) -> Connection:
        connection: Connection = _explained(self._engine.connect, self._place)
        self._connection = connection
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from sqlalchemy.exc import DBAPIError, IntegrityError

        self._connection.close()
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            raise _trouble(error, self._place) from error


def _opened(url: str, place: str, *, make: bool) -> tuple[Engine, Table]:
    from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, create_engine, inspect
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    table = Table(
        "sternpost_ledger",
        MetaData(),
        Column("serial", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
        Column("kind", String(20), nullable=False),
        Column("use_case", String(100), nullable=False, index=True),
        Column("who", String(200), nullable=False),
        Column("why", Text, nullable=False),
        Column("evidence", String(64), nullable=False),
        Column("body", Text, nullable=False),
        Column("previous", String(64), nullable=False),
        Column("digest", String(64), nullable=False),
    )
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as e:
        raise UsageError(f"{place!r} names no database: {e}; write e.g. postgresql+psycopg://host/name") from None
    if not make and not _explained(lambda: inspect(engine).has_table(table.name), place):
        raise UsageError(f"{place} has no ledger (table {table.name}); name another database")
    try:
        table.create(engine, checkfirst=True)
    except DBAPIError:  # somebody else may have made it at the same moment
        _explained(lambda: table.create(engine, checkfirst=True), place)
    return engine, table


def _explained(call: Any, place: str) -> Any:
    from sqlalchemy.exc import DBAPIError

    try:
        return call()
    except DBAPIError as e:
        raise _trouble(e, place) from e


def _trouble(error: Any, place: str) -> DataError | LedgerBroken:
    cause = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
    if "malformed" in cause or "not a database" in cause:
        return LedgerBroken(f"{place}: the file is damaged ({cause}). {STOP}")
    return DataError(f"{place}: {cause}; nothing was written. Try again")
