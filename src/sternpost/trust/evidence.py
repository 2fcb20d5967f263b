"""What is known of a model in a use case as of a moment, as far as its terms ask for it: facts, no verdict.

`gather` reads them from a journal; everything that could not be known is None, and a gate that needs it fails. The same
journal gives the same evidence as of the same moment, and so the same digest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import UsageError
from sternpost.outcomes.cohort import Book, mature, open_book
from sternpost.outcomes.events import MOMENT, bools, decisions_table, floats, moment_us
from sternpost.outcomes.grouping import by_segment, column_of
from sternpost.outcomes.join import join
from sternpost.outcomes.measures.bins import equal_mass
from sternpost.outcomes.measures.calibration import ECE_BINS, ece
from sternpost.trust.betting import log_no_worse, log_worse
from sternpost.trust.chain import content_digest
from sternpost.trust.terms import Candidate, Terms

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_DAY_US = 86_400_000_000
_WEEK_US = 7 * _DAY_US
#: Whom a bundle is compared with: who the terms name, or, of a challenger, the champion.
INCUMBENT, CHAMPION = "incumbent", "champion"
#: Who answered when the model itself did.
_BY_MODEL = ("model", "champion", "none")


@dataclass(frozen=True)
class BandCount:
    """Mature decisions in a candidate band, and those among them whose action was an error."""

    band: Candidate
    n: int
    errors: int


@dataclass(frozen=True)
class Replay:
    """Journalled decisions made again from their inputs: how many, and how many had other bits."""

    rows: int
    mismatches: int


@dataclass(frozen=True)
class Evidence:
    """Facts about `bundle` (digest) in `use_case` from `since` to `as_of`; None is not known.

    - `against`: whom the pairs compare it with, INCUMBENT or CHAMPION (of a challenger);
    - `days`: from the first decision to the last; `decisions`: how many; `segments`: how many per segment;
    - `replayed`, `mismatches`: made again, and of other bits; `p99_ms`, `error_rate`: latency, share without the model;
    - `coverage`: share of due decisions whose outcome is known; `feed_stopped`: nobody tells outcomes any more;
    - `ece`: expected calibration error; `pairs`, `log_no_worse`, `log_worse`: the bets of `betting`;
    - `bands`: at the last of the registered looks; `breaches`: broken ceilings of each of the last whole weeks;
    - `golden`: whether the bundle opened, with all its golden rows; `author`, `approvers`: from the ledger.
    """

    use_case: str
    bundle: str
    terms: str
    against: str = INCUMBENT
    since: dt.datetime | None = None
    as_of: dt.datetime | None = None
    days: float | None = None
    decisions: int | None = None
    segments: Mapping[str, int] | None = None
    replayed: int | None = None
    mismatches: int | None = None
    p99_ms: float | None = None
    error_rate: float | None = None
    coverage: float | None = None
    feed_stopped: bool | None = None
    ece: float | None = None
    pairs: int | None = None
    log_no_worse: float | None = None
    log_worse: float | None = None
    bands: tuple[BandCount, ...] = ()
    breaches: tuple[tuple[str, ...], ...] = ()
    golden: bool | None = None
    author: str | None = None
    approvers: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """The facts' own; who approved them is not one of them, so an approval names what it approves."""
        return content_digest({k: v for k, v in self.to_dict().items() if k not in ("author", "approvers")})

    def to_dict(self) -> dict[str, Any]:
        """For JSON; NaN is left to whoever writes it."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("since", "as_of"):
            plain[name] = None if plain[name] is None else plain[name].isoformat()
        plain["segments"] = None if self.segments is None else dict(self.segments)
        plain["bands"] = [{**vars(b.band), "n": b.n, "errors": b.errors} for b in self.bands]
        plain["breaches"] = [list(week) for week in self.breaches]
        plain["approvers"] = list(self.approvers)
        return plain


def gather(
    decisions: pa.Table,
    outcomes: pa.Table,
    terms: Terms,
    *,
    use_case: str,
    bundle: str,
    since: dt.datetime,
    as_of: dt.datetime,
    incumbent: pa.Table | None = None,
    replay: Replay | None = None,
    champion: pa.Table | None = None,
) -> Evidence:
    """The evidence of a journal's tables.

    `bundle`: a digest; other bundles' decisions, those before `since` and after `as_of` are left aside. `incumbent`:
    columns prediction_id and action, for terms that say "table". `champion`: the same columns, for the evidence about a
    challenger, which is compared with the champion. Raises `ContractError` for tables that are none,
    `UsageError` for an incumbent that is not there.
    """
    table = decisions_table(decisions)
    at = table.column("at")
    inside = pc.and_(pc.greater_equal(at, _moment(since)), pc.less_equal(at, _moment(as_of)))
    table = table.filter(pc.and_(inside, pc.equal(table.column("digest"), bundle)))
    book = open_book(join(table, outcomes, terms.definition, as_of=as_of))
    table, when = book.joined.decisions, book.joined.at_us
    n = len(table)
    known, y = _known(book, terms)
    due = book.mature & book.scored & ~book.joined.excluded
    cohort = mature(book)
    facts: dict[str, Any] = {
        "days": float(when[-1] - when[0]) / _DAY_US if n else 0.0,
        "decisions": n,
        "segments": None if terms.segment is None or not n else _rows_by_segment(table, terms.segment),
        "replayed": None if replay is None else replay.rows,
        "mismatches": None if replay is None else replay.mismatches,
        "p99_ms": _p99_ms(table),
        "error_rate": _error_rate(table),
        "coverage": float(known.sum() / due.sum()) if due.any() else None,
        "feed_stopped": book.stopped,
        "ece": _ece(cohort.y, cohort.score) if len(cohort.y) else None,
        "breaches": _breaches(table, when, moment_us(since), moment_us(as_of), terms),
    }
    if "action" in table.column_names and terms.incumbent is not None and known.any() and terms.margin is not None:
        theirs, answered = _incumbent(table, terms, incumbent) if champion is None else _told(table, terms, champion)
        both = known & answered
        budget = terms.budget_pairs if terms.budget_pairs is not None else n
        chosen = np.flatnonzero(both)[:budget]
        ours = _positive(table.column("action"), terms)
        d = (_costs(ours, y, terms) - _costs(theirs, y, terms)) / max(
            terms.cost_false_positive, terms.cost_false_negative
        )
        # Who hands a case to a person costs what the incumbent costs.
        d = np.where(bools(pc.is_null(table.column("action"))), 0.0, d)
        day = (when - moment_us(since)) // _DAY_US
        d_all, day_all = d[both], day[both]
        facts |= {
            "pairs": len(chosen),
            "log_no_worse": log_no_worse(d[chosen], terms.margin),
            "log_worse": log_worse(
                [d_all[day_all == k] for k in range(int(day_all.max()) + 1)] if len(d_all) else [], terms.margin
            ),
        }
        facts["bands"] = _bands(table, book.score, known, y, terms)
    against = INCUMBENT if champion is None else CHAMPION
    return Evidence(
        use_case=use_case, bundle=bundle, terms=terms.digest, against=against, since=since, as_of=as_of, **facts
    )


def _known(book: Book, terms: Terms) -> tuple[Flags, Floats]:
    """Which decisions are due with a known outcome [n], and the outcome [n]; absence is read as the terms say."""
    joined = book.joined
    told = ~np.isnan(joined.value)
    usable = book.mature & book.scored & ~joined.excluded & ~joined.unsettled
    if mature(book).status != "ok":
        return np.zeros(len(usable), dtype=np.bool_), joined.value
    if terms.definition.absence == "explicit":
        return usable & told, joined.value
    usable &= book.heard
    if terms.definition.absence == "negative_at_maturity":
        return usable, np.where(told, joined.value, 0.0)
    return usable & told, joined.value


def _incumbent(table: pa.Table, terms: Terms, given: pa.Table | None) -> tuple[Flags, Flags]:
    """Whether the incumbent's answer is positive [n], and whether there is one [n]."""
    kind, _, name = (terms.incumbent or "").partition(":")
    if kind == "constant":
        return np.full(len(table), name in terms.positive_actions), np.ones(len(table), dtype=np.bool_)
    if kind == "column":
        actions = column_of(table, name)
        return _positive(actions, terms), bools(pc.is_valid(actions))
    if given is None:
        raise UsageError('incumbent = "table", yet none was given; name a file with prediction_id and action')
    return _told(table, terms, given)


def _told(table: pa.Table, terms: Terms, given: pa.Table) -> tuple[Flags, Flags]:
    """The same, of answers in a table of their own."""
    for column in ("prediction_id", "action"):
        if column not in given.column_names:
            raise UsageError(f"the other answers have no column {column}; they have {', '.join(given.column_names)}")
    rows = pc.index_in(table.column("prediction_id"), value_set=given.column("prediction_id"))
    actions = given.column("action").take(rows)
    return _positive(actions, terms), bools(pc.is_valid(actions))


def _positive(actions: pa.ChunkedArray, terms: Terms) -> Flags:
    texts = actions.cast(pa.string())
    return bools(pc.is_in(texts, value_set=pa.array(terms.positive_actions, pa.string())))


def _costs(positive: Flags, y: Floats, terms: Terms) -> Floats:
    wrong = positive != (y == 1)
    return np.where(wrong, np.where(positive, terms.cost_false_positive, terms.cost_false_negative), 0.0)


def _bands(table: pa.Table, score: Floats, known: Flags, y: Floats, terms: Terms) -> tuple[BandCount, ...]:
    """Counts at the largest registered look that the known decisions reach; none before the first look."""
    reached = [look for look in terms.looks if look <= int(known.sum())]
    if not reached:
        return ()
    first = np.flatnonzero(known)[: reached[-1]]
    action = table.column("action").cast(pa.string()).to_pylist()
    named = any(c.segment is not None for c in terms.candidates)
    segment = column_of(table, terms.segment).cast(pa.string()).to_pylist() if named and terms.segment else None
    wrong = _positive(table.column("action"), terms) != (y == 1)
    counts = []
    for band in terms.candidates:
        held = [i for i in first if band.holds(action[i], score[i], None if segment is None else segment[i])]
        counts.append(BandCount(band, len(held), int(wrong[held].sum())))
    return tuple(counts)


def _rows_by_segment(table: pa.Table, column: str) -> dict[str, int]:
    return {name: int(flags.sum()) for name, flags in by_segment(table, column)}


def _ece(y: Floats, score: Floats) -> float:
    return ece(y, score, equal_mass(score, ECE_BINS), None)


def _p99_ms(table: pa.Table) -> float | None:
    if "latency_ns" not in table.column_names:
        return None
    taken = floats(table.column("latency_ns"))
    taken = taken[np.isfinite(taken)]
    return float(np.quantile(taken, 0.99, method="higher")) / 1e6 if len(taken) else None


def _error_rate(table: pa.Table) -> float | None:
    """The share of decisions that the model could not make; a row that the contract refuses is not one of them."""
    source = table.column("source")
    if not len(table) or source.null_count == len(table):
        return None
    return 1 - float(bools(pc.is_in(source, value_set=pa.array(_BY_MODEL))).mean())


def _breaches(
    table: pa.Table, when: npt.NDArray[np.int64], since: int, until: int, terms: Terms
) -> tuple[tuple[str, ...], ...]:
    weeks = []
    for start in range(since, until - _WEEK_US + 1, _WEEK_US):
        part = table.filter(pa.array((when >= start) & (when < start + _WEEK_US)))
        found = {"p99_ms": (_p99_ms(part), terms.max_p99_ms), "error_rate": (_error_rate(part), terms.max_error_rate)}
        weeks.append(tuple(k for k, (v, most) in found.items() if v is not None and most is not None and v > most))
    return tuple(weeks[-terms.breach_windows :]) if terms.breach_windows else ()


def _moment(at: dt.datetime) -> pa.Scalar:
    return pa.scalar(moment_us(at), MOMENT)
