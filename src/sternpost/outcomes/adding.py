"""Outcome events from a table or file into a journal: nothing lost, nothing twice.

A row that is an event is added; a row that is none is given back with the reason. A row that the journal already has,
the same in identity and content, is not added again, so that a file may be added twice. Orphans and late events are
added and counted: their decision, or a revision, may still come.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import ContractError, UsageError
from sternpost.outcomes import events
from sternpost.outcomes.label import LabelDefinition

Flags = npt.NDArray[np.bool_]
DEFAULT_SOURCE = "file"
#: Clocks differ; a recording further in the future than this is a mistake.
_AHEAD_US = 60_000_000


class KeepsOutcomes(Protocol):
    """What adding needs of a journal."""

    def decisions(self) -> pa.Table:
        """The decisions table."""

    def outcomes(self) -> pa.Table:
        """The outcome events."""

    def append_outcomes(self, table: pa.Table) -> object:
        """Keep more of them."""


@dataclass(frozen=True)
class Added:
    """What became of the rows. `bad`: those that are no events, as they came, with a column `why`.

    `orphans` and `late` are among `added`; `late` is None when nobody said what late means.
    """

    rows: int
    added: int
    duplicates: int
    orphans: int
    late: int | None
    bad: pa.Table
    reasons: Mapping[str, int]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "rows": self.rows,
            "added": self.added,
            "duplicates": self.duplicates,
            "orphans": self.orphans,
            "late": self.late,
            "bad": len(self.bad),
            "reasons": dict(self.reasons),
        }


def add_outcomes(
    journal: KeepsOutcomes,
    table: pa.Table,
    *,
    columns: Mapping[str, str] | None = None,
    source: str = DEFAULT_SOURCE,
    now: dt.datetime | None = None,
    definition: LabelDefinition | None = None,
    keep_bad: Callable[[pa.Table], None] | None = None,
) -> Added:
    """Add the events in `table` to a journal.

    `columns`: our name -> the table's, for columns that are called otherwise. Needed: `prediction_id` or `entity`, and
    `value` or `label`; with an entity also `happened_at`. Without `happened_at` or `observed_at` an event happened and
    was observed when it was recorded; `recorded_at` is `now` unless the table has it, which is for taking over a
    history. `source` and `revision` (0) fill columns that the table lacks. `definition` says what late
    means. `keep_bad` is given the rows that are no events, when there are any, before anything is added.

    Raises `UsageError` for a mapping that does not fit the table, `ContractError` for columns of a type that no event
    has; what single rows lack is told in the result.
    """
    moment = dt.datetime.now(dt.UTC) if now is None else now
    drafted = _drafted(table, dict(columns or {}), source, events.moment_us(moment))
    why = _faults(drafted, events.moment_us(moment))
    good = np.array([not w for w in why], dtype=np.bool_)
    fresh = drafted.filter(pa.array(good))
    told = pa.array([w for w in why if w], pa.string())
    bad = table.filter(pa.array(~good)).append_column("why", told)
    if keep_bad is not None and len(bad):
        keep_bad(bad)
    undated = _undated(table, dict(columns or {}))[good]
    again = _there_already(fresh, undated, events.outcomes_table(journal.outcomes()))
    fresh = fresh.filter(pa.array(~again))
    decisions = events.decisions_table(journal.decisions())
    orphans, late = _known(fresh, decisions, definition)
    if len(fresh):
        journal.append_outcomes(fresh)
    reasons: dict[str, int] = {}
    for reason in why:
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    return Added(
        rows=len(table),
        added=len(fresh),
        duplicates=int(again.sum()),
        orphans=orphans,
        late=late,
        bad=bad,
        reasons=reasons,
    )


def _drafted(table: pa.Table, columns: dict[str, str], source: str, now: int) -> pa.Table:
    """The table in the schema of outcome events; what single rows lack is null."""
    names = events.OUTCOME_SCHEMA.names
    for ours, theirs in columns.items():
        if ours not in names:
            raise UsageError(f"an outcome event has no {ours}; it has {', '.join(names)}")
        if theirs not in table.column_names:
            raise UsageError(f"{ours} = {theirs}: there is no such column; there are {', '.join(table.column_names)}")
    place = {name: columns.get(name, name) for name in names}
    has = {name for name in names if place[name] in table.column_names}
    if not has & {"prediction_id", "entity"} or not has & {"value", "label"}:
        raise UsageError(
            f"an outcome event needs prediction_id or entity, and value or label; there are columns "
            f"{', '.join(table.column_names) or 'none'}; say which is which, e.g. --column prediction_id=id"
        )
    n = len(table)
    filled: dict[str, pa.Array | pa.ChunkedArray] = {}
    for field in events.OUTCOME_SCHEMA:
        if field.name in has:
            filled[field.name] = _cast(table.column(place[field.name]), field.name, place[field.name], field.type)
        else:
            filled[field.name] = pa.nulls(n, field.type)
    for name in ("prediction_id", "entity", "label", "source"):
        # A CSV file has no other way to say nothing.
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(filled[name])), 0)
        filled[name] = pc.if_else(blank, None, filled[name])
    recorded = pa.scalar(now, events.MOMENT)
    filled["recorded_at"] = pc.fill_null(filled["recorded_at"], recorded)
    filled["source"] = pc.fill_null(filled["source"], source)
    filled["revision"] = pc.fill_null(filled["revision"], 0)
    by_id = pc.is_valid(filled["prediction_id"])
    # What happened and was not dated: it is known to have happened by when it was observed, or recorded.
    observed = pc.coalesce(filled["observed_at"], filled["happened_at"], filled["recorded_at"])
    happened = pc.if_else(by_id, pc.coalesce(filled["happened_at"], observed), filled["happened_at"])
    return pa.table({**filled, "observed_at": observed, "happened_at": happened}, schema=events.OUTCOME_SCHEMA)


def _cast(column: pa.ChunkedArray, ours: str, theirs: str, wanted: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = column.type
    if wanted == events.MOMENT and pa.types.is_timestamp(found) and found.tz is None:
        raise ContractError(f"column {theirs} ({ours}) has no time zone; write moments as 2024-05-01T10:00:00Z")
    if wanted == events.MOMENT and pa.types.is_date(found):
        return column.cast(pa.timestamp("us")).cast(wanted)
    if wanted == pa.float64() and pa.types.is_boolean(found):
        return column.cast(pa.int8()).cast(wanted)
    if wanted == pa.string() and pa.types.is_floating(found):
        raise ContractError(f"column {theirs} ({ours}) is {found}; ids and labels are text or whole numbers")
    try:
        return column.cast(wanted)
    except pa.ArrowException as e:
        cause = (str(e).splitlines() or ["no reason given"])[0]
        raise ContractError(f"column {theirs} ({ours}) is {found}, not {wanted}: {cause}") from None


def _faults(drafted: pa.Table, now: int) -> list[str]:
    """Per row what keeps it from being an event, or nothing."""
    null = {name: ~events.bools(pc.is_valid(drafted.column(name))) for name in drafted.column_names}
    value = events.floats(drafted.column("value"))
    moment = {
        name: np.asarray(pc.fill_null(drafted.column(name).cast(pa.int64()), 0).to_numpy())
        for name in ("happened_at", "observed_at", "recorded_at")
    }
    revision = events.ints(drafted.column("revision"))
    faults = (
        ("no prediction_id and no entity", null["prediction_id"] & null["entity"]),
        ("an entity without happened_at", null["happened_at"]),
        ("a negative revision", revision < 0),
        ("no value and no label in the first telling", null["value"] & null["label"] & (revision == 0)),
        ("a value that is not finite", ~null["value"] & ~np.isfinite(value)),
        ("happened after it was observed", moment["happened_at"] > moment["observed_at"]),
        ("observed after it was recorded", moment["observed_at"] > moment["recorded_at"]),
        ("recorded in the future", moment["recorded_at"] > now + _AHEAD_US),
    )
    why = np.full(len(drafted), "", dtype=object)
    for reason, flags in reversed(faults):
        why[flags] = reason
    return [str(w) for w in why]


def _undated(table: pa.Table, columns: dict[str, str]) -> Flags:
    """Rows that do not say when it happened."""
    name = columns.get("happened_at", "happened_at")
    if name not in table.column_names:
        return np.ones(len(table), dtype=np.bool_)
    return ~events.bools(pc.is_valid(table.column(name)))


def _there_already(fresh: pa.Table, undated: Flags, kept: pa.Table) -> Flags:
    """Rows that the journal has, or that came before in the table: same identity, same content. An undated row is
    there when its identity and content are there with any date."""
    both = pa.concat_tables([kept, fresh])
    texts = [events.codes(both.column(name)) for name in ("prediction_id", "entity", "source", "label")]
    # Bits, as NaN is not equal to itself.
    value = events.floats(both.column("value")).view(np.int64)
    keys = [*texts, value, events.ints(both.column("revision"))]
    dated = _repeats([*keys, events.ints(both.column("happened_at"))])
    again: Flags = (dated | _repeats(keys) & np.concatenate([np.zeros(len(kept), np.bool_), undated]))[len(kept) :]
    return again


def _repeats(keys: Sequence[npt.NDArray[np.int64]]) -> Flags:
    """Rows whose keys [n] an earlier row has too."""
    n = len(keys[0])
    order = np.lexsort([np.arange(n), *keys])
    same = np.ones(max(n - 1, 0), dtype=np.bool_)
    for key in keys:
        same &= np.diff(key[order]) == 0
    again = np.zeros(n, dtype=np.bool_)
    again[order[1:]] = same
    return again


def _known(fresh: pa.Table, decisions: pa.Table, definition: LabelDefinition | None) -> tuple[int, int | None]:
    """How many events have no decision yet; how many came after their decision was mature."""
    ids = decisions.column("prediction_id")
    place = pc.index_in(fresh.column("prediction_id"), value_set=ids, skip_nulls=True)
    by_id = events.bools(pc.is_valid(fresh.column("prediction_id")))
    linked = events.bools(pc.is_valid(place))
    entities = pc.unique(decisions.column("entity")).drop_null()
    by_entity = events.bools(pc.is_in(fresh.column("entity"), value_set=entities, skip_nulls=True))
    orphans = int((np.where(by_id, ~linked, ~by_entity)).sum())
    if definition is None:
        return orphans, None
    at = events.ints(decisions.column("at"))
    rows = np.asarray(pc.fill_null(place.cast(pa.int64()), -1).to_numpy())[linked]
    lag = events.ints(fresh.column("recorded_at"))[linked] - at[rows]
    return orphans, int((lag > definition.due_us).sum())
