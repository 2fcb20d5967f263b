"""Scoring files: rows in, scores out, in constant memory and in order.

Three things happen at once: a thread reads ahead, a thread scores (on all cores: the engine divides each batch), and
the caller's thread writes. Between them wait a few batches, so memory does not depend on the size of the input.

Owed to callers: row order is the input's; the bits of a score depend on its row alone, not on batch size, number of
threads or file format; outputs appear whole or not at all; every row of the input is in exactly one of the outputs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.bundle import Bundle
from sternpost.errors import ContractError, ContractViolation, UsageError
from sternpost.serve.files import Input, open_input
from sternpost.serve.outputs import Output, open_output
from sternpost.serve.read_ahead import read_ahead

BATCH_ROWS = 65_536
REASONS = "reasons"
# One scored batch waits while another is written; more would only hold memory.
_SCORED_AHEAD = 1

#: Called with (rows done, rows in all or None) after each batch.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class BatchReport:
    """What became of the rows: `rows_in` = `rows_scored` + `rows_refused`.

    `reasons` counts every reason of every row by its code: why rows were refused, and what was noted about rows that
    were scored all the same, such as an unseen label.
    """

    rows_in: int
    rows_scored: int
    rows_refused: int
    reasons: dict[str, int]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return asdict(self)


class _Scored(NamedTuple):
    """A batch of input rows, its scores row by row, and how many have none."""

    rows: pa.RecordBatch
    scores: pa.RecordBatch
    refused: int


def score_files(
    bundle: Bundle,
    sources: Sequence[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    bad_rows: str | os.PathLike[str] | None = None,
    strict: bool = False,
    threads: int | None = None,
    batch_rows: int = BATCH_ROWS,
    progress: Progress | None = None,
) -> BatchReport:
    """Score the rows of `sources` (see `open_input`) into `target` (see `open_output`).

    Output columns: those of `keep`, as they are in the input, then `score` (float64), `label` and `scores`
    (multiclass), `action`, `reasons`. Read are the contract's columns and `keep`; with `bad_rows` all columns, because
    a refused row goes there as it came, with its `reasons`, and not into `target`. Without it a refused row has a null
    score. With `strict` the first refused row ends the run.

    Raises ContractViolation (strict: row, column, value, rule, and nothing is written), ContractError (columns missing
    or of the wrong type), DataError (reading or writing fails), UsageError (arguments that make no sense together).
    """
    started = time.perf_counter()
    _check_arguments(keep, bad_rows, strict, target)
    wanted = list(dict.fromkeys((*bundle.contract.names, *keep)))
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(
            open_input(sources, columns=None if bad_rows is not None else wanted, batch_rows=batch_rows)
        )
        if bad_rows is not None:
            _check_columns(source, wanted)
        # Scoring no rows checks the types before anything is written, and says what columns there will be.
        scores_schema = bundle.score(source.schema.empty_table(), threads=threads).schema
        schema = pa.schema([*_kept_fields(source.schema, keep, scores_schema), *scores_schema])
        # Entered first, left last: the scores appear after the refused rows, so whoever sees scores has both.
        output = stack.enter_context(open_output(target, schema, inputs=source.files))
        side = None
        if bad_rows is not None:
            side_schema = pa.schema([*(f for f in source.schema if f.name != REASONS), scores_schema.field(REASONS)])
            side = stack.enter_context(open_output(bad_rows, side_schema, inputs=source.files))
        counted = _Counted()
        scored = read_ahead(lambda: _scored(bundle, source, threads), _SCORED_AHEAD)
        with contextlib.closing(scored):
            for batch in scored:
                if strict and batch.refused:
                    raise _first_refused(bundle, batch, counted.rows)
                _write(batch, output, side, keep)
                counted.add(batch)
                if progress is not None:
                    progress(counted.rows, source.row_count)
    return BatchReport(
        rows_in=counted.rows,
        rows_scored=counted.rows - counted.refused,
        rows_refused=counted.refused,
        reasons=dict(sorted(counted.reasons.items())),
        seconds=round(time.perf_counter() - started, 6),
    )


class _Counted:
    """Rows, refused rows and reasons so far."""

    def __init__(self) -> None:
        self.rows = self.refused = 0
        self.reasons: Counter[str] = Counter()

    def add(self, batch: _Scored) -> None:
        self.rows += batch.rows.num_rows
        self.refused += batch.refused
        codes = batch.scores.column(REASONS).flatten()
        if len(codes):
            self.reasons.update({c["values"]: c["counts"] for c in pc.value_counts(codes).to_pylist()})


def _scored(bundle: Bundle, source: Input, threads: int | None) -> Generator[_Scored, None, None]:
    for rows in source.batches():
        table = bundle.score(pa.Table.from_batches([rows]), threads=threads)
        scores = table.combine_chunks().to_batches()[0]
        yield _Scored(rows, scores, scores.column("score").null_count)


def _write(batch: _Scored, output: Output, side: Output | None, keep: Sequence[str]) -> None:
    kept = [batch.rows.column(name) for name in keep]
    fields = [batch.rows.schema.field(name) for name in keep]
    out = pa.RecordBatch.from_arrays([*kept, *batch.scores.columns], schema=pa.schema([*fields, *batch.scores.schema]))
    if side is None or not batch.refused:
        output.write(out)
        return
    answered = batch.scores.column("score").is_valid()
    if batch.refused < batch.rows.num_rows:
        output.write(out.filter(answered))
    bad = pc.invert(answered)
    rows = batch.rows.drop_columns([REASONS]) if REASONS in batch.rows.schema.names else batch.rows
    side.write(rows.append_column(batch.scores.schema.field(REASONS), batch.scores.column(REASONS)).filter(bad))


def _first_refused(bundle: Bundle, batch: _Scored, rows_before: int) -> ContractViolation:
    place = pc.index(batch.scores.column("score").is_null(), True).as_py()
    number = rows_before + place
    remedy = "nothing was written; to put such rows aside, leave --strict out and use --bad-rows"
    try:
        # Asking for the row alone names column, value and rule; scores only carry codes.
        bundle.matrix(batch.rows.slice(place, 1))
    except ContractViolation as e:
        told = e.violations[0].message.replace("row 0,", f"row {number} of the input (counted from 0),", 1)
        return ContractViolation(f"{told}; {remedy}", e.violations)
    codes = ", ".join(batch.scores.column(REASONS)[place].as_py())
    return ContractViolation(f"row {number} of the input (counted from 0) has no score: {codes}; {remedy}")


def _kept_fields(schema: pa.Schema, keep: Sequence[str], scores: pa.Schema) -> list[pa.Field]:
    for name in keep:
        if name in scores.names:
            raise UsageError(
                f"keep {name}: the output has a column of that name already ({', '.join(scores.names)}); "
                f"rename it in the input"
            )
    return [schema.field(name) for name in keep]


def _check_arguments(
    keep: Sequence[str],
    bad_rows: str | os.PathLike[str] | None,
    strict: bool,
    target: str | os.PathLike[str],
) -> None:
    twice = [name for name, count in Counter(keep).items() if count > 1]
    if twice:
        raise UsageError(f"keep names {twice[0]} twice; name each column once")
    if bad_rows is None:
        return
    if strict:
        raise UsageError("strict ends at the first refused row, so there are no bad rows to put aside; use one of both")
    if os.fspath(bad_rows) == os.fspath(target) or Path(bad_rows).resolve() == Path(target).resolve():
        raise UsageError(f"{os.fspath(target)} is named both for the scores and for the bad rows; name two files")


def _check_columns(source: Input, wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in source.schema.names:
            raise ContractError(f"column {name} is missing in the input; it has {', '.join(source.schema.names[:20])}")
