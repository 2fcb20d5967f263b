"""A journal on disk: decisions, outcomes and events as tables, appended by one writer at a time.

Owed to callers: a row that is in a segment and in a compacted file is read once; reading takes no lock and changes
nothing, also while a server writes; damage never stops the reading of what is good, and is never silent: a
`DamagedRows` warning names file, place and rows. `docs/journal.md` tells what is kept and what a crash may take.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sternpost import _core
from sternpost.bundle.atomic import whole_file
from sternpost.errors import DataError, JournalCorrupt, UsageError
from sternpost.outcomes.compaction import Compacted, compact, compacted_files, read_compacted
from sternpost.outcomes.events import MOMENT, OUTCOME_SCHEMA, outcomes_table
from sternpost.outcomes.journal_columns import DECISION_SCHEMA, EVENT_SCHEMA, by_bundle, decision_rows, event_rows

KINDS = ("decisions", "outcomes", "events")
_EMPTY = {"decisions": DECISION_SCHEMA, "outcomes": OUTCOME_SCHEMA, "events": EVENT_SCHEMA}
#: A segment may become a compacted file between being listed and being read; then the folder is listed again.
_LISTINGS = 10


class DamagedRows(UserWarning):
    """Rows of a journal that could not be read."""


class Journal:
    """The journal in a folder, which may not be there yet."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def decisions(
        self,
        bundle: str | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Decisions in the columns of `DECISION_SCHEMA` and `inputs`, a struct of the contract's columns as received.

        `bundle` is a name or a digest; since <= at < until. Bundles with different contracts have all their inputs
        side by side, null where a bundle has none. Raises `UsageError` for moments without a time zone, unknown
        columns, or inputs of one name and different types (give `bundle`), `DataError` if files cannot be read.
        """
        table = self._read("decisions", bundle)
        for moment, keep in ((since, pc.greater_equal), (until, pc.less)):
            if moment is None:
                continue
            if moment.tzinfo is None:
                raise UsageError(f"{moment.isoformat()} has no time zone; write {moment.isoformat()}Z")
            table = table.filter(keep(table.column("at"), pa.scalar(moment, MOMENT)))
        if columns is None:
            return table
        unknown = sorted(set(columns) - set(table.column_names))
        if unknown:
            raise UsageError(
                f"decisions have no column {', '.join(unknown)}; they have {', '.join(table.column_names)}"
            )
        return table.select(list(columns))

    def outcomes(self) -> pa.Table:
        """Outcome events in the columns of `sternpost.outcomes.events.OUTCOME_SCHEMA`, in the order they were told."""
        return self._read("outcomes", None)

    def events(self) -> pa.Table:
        """Changes of rungs and bundles: at, kind, bundle, digest, detail (JSON)."""
        return self._read("events", None)

    def append_outcomes(self, table: pa.Table) -> int:
        """Append outcome events, durably; their number. Nothing is compared with what is there.

        Raises `ContractError` for other columns, `JournalLocked` while somebody else writes, `DataError`.
        """
        rows = outcomes_table(table)
        with self._writer() as writer:
            return writer.append("outcomes", rows)

    def append_events(self, table: pa.Table) -> int:
        """Append events, durably; their number. Raises as `append_outcomes`."""
        rows = event_rows(table)
        with self._writer() as writer:
            return writer.append("events", rows)

    def append_decisions(self, table: pa.Table, *, unique: bool = False) -> int:
        """Append decisions, durably; the number appended.

        Columns that are absent become null; prediction_id, at, bundle and digest must be there. With `unique`, rows
        whose prediction_id the journal has, and repetitions within the table, are left out, so that shipping the same
        decisions twice changes nothing. Raises as `append_outcomes`.
        """
        rows = decision_rows(table)
        with self._writer() as writer:
            if unique:
                # Under the lock, so that nobody appends the same rows between looking and writing.
                rows = _new(rows, self.decisions(columns=["prediction_id"]).column("prediction_id"))
            for (bundle, digest), part in by_bundle(rows):
                writer.append("decisions", part, bundle, digest)
            return int(rows.num_rows)

    def compact(self) -> list[Compacted]:
        """Turn sealed segments without damage into Parquet files; what was made. Also while somebody writes.

        A death at any moment loses nothing and doubles nothing. Raises `JournalLocked` while somebody else compacts.
        """
        self._exists()
        return compact(self.path, _core.Journal(self.path))

    def export(self, path: str | os.PathLike[str]) -> dict[str, int]:
        """Write decisions.parquet, outcomes.parquet and events.parquet into a folder; rows by kind. Kinds without rows
        have no file. Raises `DataError` when the folder cannot be written."""
        import pyarrow.parquet as pq

        folder = Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise DataError(f"cannot make the folder {folder}: {e.strerror or e}; choose another") from e
        written = {}
        for kind in KINDS:
            table = self._read(kind, None)
            written[kind] = int(table.num_rows)
            if table.num_rows:
                with whole_file(folder / f"{kind}.parquet") as file:
                    pq.write_table(table, file.name, compression="zstd")
        return written

    def look(self, *, decode: bool = False) -> dict[str, Any]:
        """What is in the folder: `segments` with their findings, `compacted`, `torn` and `foreign` files."""
        self._exists()
        found: dict[str, Any] = json.loads(_core.Journal(self.path).look(decode))
        compacted = compacted_files(self.path)
        for segment in found["segments"]:
            segment["compacted"] = any(c.covers(segment) for c in compacted)
        found["compacted"] = [c.to_dict() for c in compacted]
        ours = {c.path.name for c in compacted}
        found["foreign"] = [f for f in found["foreign"] if f not in ours]
        return found

    def verify(self) -> dict[str, Any]:
        """`look`, after reading every byte, and: `sound`, `rows`, `rows_lost` (None if it cannot be told), `findings`.

        A segment that ends within a frame is no damage: its writer is at work, or the next one will cut the end off
        and say so.
        """
        found = self.look(decode=True)
        findings = [{"file": s["file"], **f} for s in found["segments"] for f in s["findings"]]
        for segment in found["segments"]:
            if segment["unreadable"]:
                findings.append(_unreadable(segment["file"], segment["bytes"], segment["unreadable"]))
        rows = sum(s["rows"] for s in found["segments"] if not s["compacted"])
        for compacted in compacted_files(self.path):
            try:
                rows += int(read_compacted(compacted.path).num_rows)
            except JournalCorrupt as error:
                findings.append(_unreadable(compacted.path.name, compacted.path.stat().st_size, str(error)))
        damaged = [f for f in findings if f["trouble"] == "damaged"]
        unknown = any(f["rows_lost"] is None for f in damaged)
        lost = None if unknown else sum(f["rows_lost"] for f in damaged)
        return {"sound": not damaged, "rows": rows, "rows_lost": lost, "findings": findings, **found}

    def query(self, sql: str) -> pa.Table:
        """The answer of DuckDB to `sql` over the tables decisions, outcomes and events.

        Only tables that the text names are read. Raises `UsageError` for SQL that cannot be run, or without duckdb.
        """
        from sternpost.outcomes.journal_query import query

        return query(sql, {kind: partial(self._read, kind, None) for kind in KINDS})

    def _writer(self) -> _core.JournalWriter:
        return _core.JournalWriter(self.path)

    def _exists(self) -> None:
        if not self.path.is_dir():
            state = "is a file" if self.path.exists() else "does not exist"
            raise UsageError(f"{self.path} {state}; name the folder of a journal")

    def _read(self, kind: str, bundle: str | None) -> pa.Table:
        self._exists()
        for listing in range(_LISTINGS):
            try:
                tables, damage = self._parts(kind, bundle)
            except FileNotFoundError:
                continue
            except DataError:
                # A segment that was there when listed; the last listing tells what is wrong with it.
                if listing == _LISTINGS - 1:
                    raise
                continue
            if damage:
                warnings.warn("; ".join(damage), DamagedRows, stacklevel=3)
            return self._together(kind, tables)
        raise DataError(f"{self.path}: its files change faster than they can be read; try again")

    def _parts(self, kind: str, bundle: str | None) -> tuple[list[pa.Table], list[str]]:
        reader = _core.Journal(self.path)
        # Segments are listed before compacted files: whatever goes meanwhile has become one of those.
        segments = [f for f in reader.files() if f.startswith(f"{kind}-")]
        compacted = [c for c in compacted_files(self.path) if c.kind == kind]
        parts: list[tuple[str, int, pa.Table]] = []
        damage: list[str] = []
        for file in compacted:
            try:
                table = read_compacted(file.path)
            except JournalCorrupt as error:
                damage.append(str(error))
                continue
            if bundle is not None:
                match = pc.or_(pc.equal(table.column("bundle"), bundle), pc.equal(table.column("digest"), bundle))
                table = table.filter(match)
            parts.append((file.stream, file.first, table))
        for name in segments:
            _, stream, number = name.removesuffix(".segment").split("-")
            if any(c.stream == stream and c.first <= int(number) <= c.last for c in compacted):
                continue
            try:
                told, batches = reader.read(name)
            except JournalCorrupt as error:
                damage.append(str(error))
                continue
            about = json.loads(told)
            damage += [_sentence(name, f) for f in about["findings"] if f["trouble"] == "damaged"]
            if bundle is None or bundle in (about["bundle"], about["digest"]):
                parts.append((stream, int(number), batches.read_all()))
        parts.sort(key=lambda part: part[:2])
        return [table for *_, table in parts], damage

    def _together(self, kind: str, tables: list[pa.Table]) -> pa.Table:
        if not tables:
            return _EMPTY[kind].empty_table()
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as e:
            cause = (str(e).strip().splitlines() or ["no reason given"])[0]
            raise UsageError(f"{self.path}: the {kind} do not fit together: {cause}; ask for one bundle") from e


def _new(rows: pa.Table, known: pa.ChunkedArray) -> pa.Table:
    seen = set(known.to_pylist())
    keep = []
    for name in rows.column("prediction_id").to_pylist():
        keep.append(name not in seen)
        seen.add(name)
    return rows.filter(pa.array(keep, pa.bool_()))


def _sentence(file: str, finding: dict[str, Any]) -> str:
    lost = finding["rows_lost"]
    rows = "an unknown number of rows" if lost is None else f"{lost} rows"
    return f"{file}: {finding['what']} at byte {finding['offset']}; {rows} lost; restore the file from a copy"


def _unreadable(file: str, size: int, what: str) -> dict[str, Any]:
    return {"file": file, "trouble": "damaged", "offset": 0, "bytes": size, "rows_lost": None, "what": what}
