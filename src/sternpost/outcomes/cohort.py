"""Decisions whose outcome is due, and decisions whose outcome is not, as two types.

A `Mature` cohort has outcomes and can be measured. An `Immature` one has an age and a size; what has been told of it so
far is not the truth about it (only events arrive early, never their absence), so it offers no outcome to measure and
can only be compared with other cohorts at the same age, by `sternpost.outcomes.age_matched`.

Absence means something only while somebody would have told: a decision that became due after the feed was last heard
is *unheard* and is not measured, not even if its event had come before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sternpost.errors import ContractError
from sternpost.outcomes.events import floats, from_us
from sternpost.outcomes.join import Joined

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

Status = Literal["ok", "no_rows", "no_labels", "incomplete"]
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Mature:
    """Decisions whose outcome is due. `rows` of them, of which m are known: `y`, `score`, `weight` [m].

    `left_out`: why the others are not among the m, as counts. `status` and `reason` say whether they can be measured:
    `no_labels` and `incomplete` are about the feed of labels, never about the model.
    """

    name: str
    rows: int
    y: Floats
    score: Floats
    weight: Floats | None
    left_out: Mapping[str, int]
    status: Status
    reason: str
    at_us: npt.NDArray[np.int64]
    first_at: dt.datetime | None
    last_at: dt.datetime | None


@dataclass(frozen=True)
class Immature:
    """Decisions whose outcome is not due: how many, made when, due when. It has no outcomes."""

    name: str
    rows: int
    first_at: dt.datetime
    last_at: dt.datetime
    due_from: dt.datetime
    due_until: dt.datetime
    members: Flags


@dataclass(frozen=True)
class Book:
    """All decisions as of a moment, each with what is known and why it is not used. Arrays are [n] over
    `joined.decisions`; `weight` is None when all count alike."""

    joined: Joined
    mature: Flags
    scored: Flags
    heard: Flags
    score: Floats
    weight: Floats | None
    silence_us: int

    @property
    def heard_at(self) -> dt.datetime | None:
        """When the feed was last heard."""
        return None if self.joined.heard_us is None else from_us(self.joined.heard_us)

    @property
    def stopped(self) -> bool:
        """Whether the feed has been quiet for longer than it may."""
        heard = self.joined.heard_us
        if heard is None:
            return bool(self.mature.any())
        return (self.joined.as_of - from_us(heard)) / dt.timedelta(microseconds=1) > self.silence_us


def open_book(joined: Joined, *, weight: Floats | None = None) -> Book:
    """Judge every decision: due or not, scored or not, heard or not.

    `weight` [n]: how many decisions each one stands for; finite and not negative, else `ContractError`.
    """
    if weight is not None:
        if len(weight) != len(joined.at_us):
            raise ContractError(f"{len(weight)} weights for {len(joined.at_us)} decisions; give one for each")
        bad = ~np.isfinite(weight) | (weight < 0)
        if bad.any():
            row = int(np.argmax(bad))
            raise ContractError(f"weight of decision {row} is {weight[row]}; weights are finite and not negative")
    definition = joined.definition
    due = joined.at_us + definition.due_us
    as_of = (joined.as_of - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    if definition.silence is not None:
        silence = definition.silence // dt.timedelta(microseconds=1)
    else:
        silence = max(definition.grace // dt.timedelta(microseconds=1), _DAY_US, 2 * joined.quiet_us)
    heard = (
        np.zeros(len(due), dtype=np.bool_)
        if joined.heard_us is None
        else np.asarray(due <= joined.heard_us + silence, dtype=np.bool_)
    )
    score = floats(joined.decisions.column("score"))
    return Book(
        joined=joined,
        mature=np.asarray(due <= as_of, dtype=np.bool_),
        scored=np.isfinite(score),
        heard=heard,
        score=score,
        weight=weight,
        silence_us=silence,
    )


def mature(book: Book, members: Flags | None = None, name: str = "all") -> Mature:
    """The mature ones among `members` [n] (default: all decisions), with the outcomes that are known."""
    joined, definition = book.joined, book.joined.definition
    among = book.mature & ~joined.excluded
    if members is not None:
        among &= members
    told = ~np.isnan(joined.value)
    unscored = among & ~book.scored
    unsettled = among & book.scored & joined.unsettled
    rest = among & book.scored & ~joined.unsettled
    unheard = rest & ~book.heard if definition.absence != "explicit" else np.zeros(len(among), dtype=np.bool_)
    rest &= ~unheard
    if definition.absence == "negative_at_maturity":
        y, known = np.where(told, joined.value, 0.0), rest
    else:
        y, known = joined.value, rest & told
    without = rest & ~known
    left_out = {
        name: int(flags.sum())
        for name, flags in (
            ("unscored", unscored),
            ("unsettled", unsettled),
            ("unheard", unheard),
            ("without_outcome", without),
        )
        if flags.any()
    }
    status, reason = _judge(book, rows=int(among.sum()), told=int((rest & told).sum()), rest=int(rest.sum()))
    if status != "ok":
        known = np.zeros(len(among), dtype=np.bool_)
    at = joined.at_us[among]
    return Mature(
        name=name,
        rows=int(among.sum()),
        y=y[known],
        score=book.score[known],
        weight=None if book.weight is None else book.weight[known],
        left_out=left_out,
        status=status,
        reason=reason,
        at_us=joined.at_us[known],
        first_at=from_us(int(at.min())) if len(at) else None,
        last_at=from_us(int(at.max())) if len(at) else None,
    )


def immature(book: Book, members: Flags | None = None, name: str = "all") -> Immature | None:
    """The immature ones among `members` [n]; None when there are none."""
    among = ~book.mature & ~book.joined.excluded
    if members is not None:
        among &= members
    if not among.any():
        return None
    at = book.joined.at_us[among]
    due = book.joined.definition.due_us
    return Immature(
        name=name,
        rows=int(among.sum()),
        first_at=from_us(int(at.min())),
        last_at=from_us(int(at.max())),
        due_from=from_us(int(at.min()) + due),
        due_until=from_us(int(at.max()) + due),
        members=among,
    )


def _judge(book: Book, *, rows: int, told: int, rest: int) -> tuple[Status, str]:
    definition = book.joined.definition
    if not rows:
        return "no_rows", "no mature decision"
    heard = "never" if book.heard_at is None else f"last on {book.heard_at:%Y-%m-%d %H:%M} UTC"
    if not told:
        return "no_labels", f"no outcome was told for any of {rows} mature decisions; the feed was heard {heard}"
    if definition.absence == "explicit" and told < definition.coverage_min * rest:
        return (
            "incomplete",
            f"outcomes were told for {told} of {rest} mature decisions, fewer than coverage_min = "
            f"{definition.coverage_min:g} asks for; the feed was heard {heard}",
        )
    return "ok", ""
