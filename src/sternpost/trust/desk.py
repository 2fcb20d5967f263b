"""A desk: a row comes in, an answer goes out, on the rung that stands at that moment.

    desk = Desk(lambda row, name: client.score(row, id=name), Registry("registry"), "loans")
    answer = desk.decide(row, prediction_id="p1", instead="look")

The rung file is read again when it was read longer than `every_s` ago, so a change is in force that much later, in
every process, without a restart. What cannot be known is not trusted: a rung file that cannot be read for `stale_s`
counts as HALT, and a model that fails or does not answer leaves the case to what is done instead.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sternpost.errors import DataError, SternpostError
from sternpost.trust.registry import Registry
from sternpost.trust.rungs import Answer, Instead, Rung, Scored, Standing, answer

EVERY_S, STALE_S = 0.5, 10.0
#: Who answered when the model did: its server, or a bundle in the caller's own process; none when a row has no score.
_MODEL = ("model", "fallback", "none")


@dataclass(frozen=True)
class _Named:
    """A model's decision under the name that the caller gave to the case."""

    score: float | None
    action: str | None
    bundle: str
    prediction_id: str
    reasons: tuple[str, ...]


class Desk:
    """Answers for one use case; may be used by several threads.

    `model`: gives the decision for a row and a prediction id, e.g. a client's or a bundle's `score`. `clock`: the
    moment that certificates are held against; `seconds`: a clock that only runs forward.
    """

    def __init__(
        self,
        model: Callable[[Mapping[str, object], str], Scored],
        registry: Registry,
        use_case: str,
        *,
        every_s: float = EVERY_S,
        stale_s: float = STALE_S,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._registry, self._use_case = model, registry, use_case
        self._every_s, self._stale_s = every_s, stale_s
        self._clock, self._seconds = clock, seconds
        self._looked: float | None = None
        # What was read last, and when: one object, so that threads see both or neither.
        self._read: tuple[Standing, float] | None = None

    def standing(self) -> Standing:
        """What the use case may do, as of at most `every_s` ago; HALT when that cannot be known, OFF without a file."""
        now = self._seconds()
        if self._looked is None or now - self._looked >= self._every_s:
            self._looked = now
            with contextlib.suppress(DataError):  # what was read last holds for a while
                self._read = self._registry.standing(self._use_case) or Standing(self._use_case), now
        if self._read is None or now - self._read[1] >= self._stale_s:
            return Standing(self._use_case, Rung.HALT)
        return self._read[0]

    def decide(
        self, row: Mapping[str, object], *, prediction_id: str, instead: str | None, segment: str | None = None
    ) -> Answer:
        """The answer for a row. `instead`: the action of the fallback, or of whoever decides without the model;
        `segment`: of the case, for bands of one segment.

        On SHADOW the model is asked, so that its decision is kept, and its answer is not told. Never raises for a model
        that fails: then the answer is `Instead` with the reason UNAVAILABLE.
        """
        standing = self.standing()
        if standing.rung in (Rung.OFF, Rung.HALT):
            return Instead(instead, standing.rung.name)
        try:
            decision = self._model(row, prediction_id)
        except SternpostError:
            return Instead(instead, "UNAVAILABLE")
        if standing.rung is not Rung.SHADOW and getattr(decision, "source", "model") not in _MODEL:
            return Instead(instead, "UNAVAILABLE")
        named = _Named(decision.score, decision.action, decision.bundle, prediction_id, tuple(decision.reasons))
        return answer(standing, named, instead=instead, at=self._clock(), segment=segment)
