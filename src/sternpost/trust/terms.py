"""The terms: what a model must show for each rung, registered before the first of its data exists.

    [trust]
    positive_actions = ["review"]     # actions that answer to outcome 1; every other action answers to 0
    incumbent = "constant:approve"    # or "column:NAME" of the decisions or their inputs, or "table"
    margin = 0.01                     # how much worse, in shares of the larger cost, is still no worse
    ...

They have a digest, which the ledger holds from the moment the model enters; evidence from before that moment does not
count, and other terms mean to begin again. What is not asked for is not passed: a gate without a threshold fails.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from sternpost.errors import DataError, UsageError
from sternpost.outcomes.label import LabelDefinition
from sternpost.trust.chain import content_digest

SECTION, OUTCOME = "trust", "outcome"
INCUMBENTS = ("constant:", "column:", "table")


@dataclass(frozen=True)
class Candidate:
    """A band that may be certified: scores in [low, high) that the policy calls `action`, of one segment if named."""

    action: str
    low: float
    high: float
    segment: str | None = None

    def holds(self, action: str | None, score: float, segment: str | None = None) -> bool:
        """Whether a decision lies in it."""
        return action == self.action and self.low <= score < self.high and self.segment in (None, segment)


@dataclass(frozen=True)
class Terms:
    """See the head of this file; None is what was not asked for.

    - `positive_actions`, `cost_false_positive`, `cost_false_negative`: what an answer costs once its outcome is known;
    - `incumbent`: whom the model is compared with; `margin`, `alpha`: the test; `budget_pairs`: it ends there;
    - `min_*`: floors, `max_*`: ceilings; spans in days, latency in milliseconds, the rest counts and shares;
    - `segment`: the column whose values each need `min_segment_rows` decisions;
    - `candidates`, `max_band_error`, `looks`: bands, the share of errors allowed in one, and the numbers of mature
      decisions at which bands are looked at; `certificate_days`: how long a certificate lives;
    - `shares`: of the traffic, step by step; `breach_windows`: so many weeks in a row a ceiling may not be broken;
    - `halt_mismatch_rate`, `halt_error_rate`: above these the model is halted; `blind_share`: of cases whose reviewers
      see no score.
    """

    outcome: Mapping[str, Any]
    positive_actions: tuple[str, ...] = ()
    incumbent: str | None = None
    cost_false_positive: float = 1.0
    cost_false_negative: float = 1.0
    margin: float | None = None
    alpha: float = 0.05
    budget_pairs: int | None = None
    min_days: float | None = None
    min_decisions: int | None = None
    min_replayed: int | None = None
    min_pairs: int | None = None
    min_coverage: float | None = None
    min_segment_rows: int | None = None
    segment: str | None = None
    max_p99_ms: float | None = None
    max_error_rate: float | None = None
    max_ece: float | None = None
    candidates: tuple[Candidate, ...] = ()
    max_band_error: float | None = None
    looks: tuple[int, ...] = ()
    certificate_days: float | None = None
    shares: tuple[float, ...] = (0.05, 0.25, 1.0)
    breach_windows: int = 2
    halt_mismatch_rate: float = 0.001
    halt_error_rate: float = 0.5
    blind_share: float = 0.0

    @cached_property
    def definition(self) -> LabelDefinition:
        """What an outcome is."""
        return LabelDefinition.from_settings(self.outcome)

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical form: what is registered."""
        return content_digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """For JSON, and back with `from_dict`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["outcome"] = dict(self.outcome)
        plain["candidates"] = [vars(c) for c in self.candidates]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Terms:
        """Raises `UsageError` that names what cannot be used."""
        known = [f.name for f in fields(cls)]
        for key in given:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"[{SECTION}] {key} is not a known key; {hint}known: {', '.join(known)}")
        if "outcome" not in given:
            raise UsageError(f'the terms have no [{OUTCOME}]; say what an outcome is, e.g. horizon = "90d"')
        said: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        try:
            said["candidates"] = tuple(Candidate(**c) for c in said.get("candidates", ()))
        except TypeError as e:
            raise UsageError(
                f"[{SECTION}] candidates: {e}; a candidate has action, low, high and maybe segment"
            ) from None
        found = cls(**said)
        found._check()
        return found

    def _check(self) -> None:
        _ = self.definition
        wrong = [f.name for f in fields(self) if not _fits(f.type, getattr(self, f.name))]
        if wrong:
            raise UsageError(f"[{SECTION}] {wrong[0]} = {getattr(self, wrong[0])!r} is of the wrong type")
        if self.incumbent is not None and not self.incumbent.startswith(INCUMBENTS):
            raise UsageError(
                f'[{SECTION}] incumbent = {self.incumbent!r}; write "constant:ACTION", "column:NAME" or "table"'
            )
        if loose := [
            f.name for f in fields(self) if isinstance(v := getattr(self, f.name), float) and not math.isfinite(v)
        ]:
            raise UsageError(f"[{SECTION}] {loose[0]} = {getattr(self, loose[0])} asks for nothing; write a number")
        if not 0 < self.alpha < 1:
            raise UsageError(f"[{SECTION}] alpha = {self.alpha} must lie between 0 and 1, e.g. 0.05")
        if self.margin is not None and not 0 < self.margin < 1:
            raise UsageError(f"[{SECTION}] margin = {self.margin} must lie between 0 and 1, e.g. 0.01")
        costs = (self.cost_false_positive, self.cost_false_negative)
        if min(costs) < 0 or max(costs) <= 0 or not all(map(math.isfinite, costs)):
            raise UsageError(f"[{SECTION}] costs of {costs} must not be negative, and one must be above 0")
        if (
            list(self.shares) != sorted(set(self.shares))
            or not self.shares
            or not 0 < self.shares[0] <= self.shares[-1] <= 1
        ):
            raise UsageError(
                f"[{SECTION}] shares = {list(self.shares)} must ascend within 0 to 1, e.g. [0.05, 0.25, 1.0]"
            )
        if list(self.looks) != sorted(set(self.looks)) or any(n < 1 for n in self.looks):
            raise UsageError(f"[{SECTION}] looks = {list(self.looks)} must ascend from 1 on, e.g. [1000, 5000]")


def read_terms(path: Path) -> Terms:
    """The sections [trust] and [outcome] of a TOML file; others are left alone. Raises `UsageError`, `DataError`."""
    try:
        whole = tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageError(f"{path}: not TOML: {e}") from None
    except OSError as e:
        raise DataError(f"cannot read {path}: {e.strerror or e}; name the file with [{SECTION}] and [{OUTCOME}]") from e
    if SECTION not in whole or OUTCOME not in whole:
        missing = SECTION if SECTION not in whole else OUTCOME
        raise UsageError(f"{path} has no [{missing}]; see docs/trust.md for an example")
    try:
        return Terms.from_dict({**whole[SECTION], "outcome": whole[OUTCOME]})
    except UsageError as e:
        raise UsageError(f"{path}: {e}") from None


def _fits(kind: Any, value: object) -> bool:
    """Whether a value is of a field's type, which the annotation says as text."""
    if value is None:
        return "None" in kind
    if kind.startswith("float"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind.startswith("int"):
        return isinstance(value, int) and not isinstance(value, bool)
    if kind.startswith("str"):
        return isinstance(value, str)
    if kind.startswith("Mapping"):
        return isinstance(value, Mapping)
    inner = kind.removeprefix("tuple[").split(",")[0]
    return isinstance(value, tuple) and all(inner == "Candidate" or _fits(inner, v) for v in value)
