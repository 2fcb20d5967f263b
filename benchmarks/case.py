"""What a part measures: cases, each with the forms that do the same work, and what is expected of ours.

A part is a module with `cases(sizes, processors)` and `form(case, name, material)`; the latter gives a function and
the inputs it is called with in turn, so that no two calls in a row see the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OURS = "sternpost"


class Form(NamedTuple):
    """One way of doing a case's work: `function(input)`, for each of `inputs` in turn."""

    function: Callable[[Any], Any]
    inputs: Sequence[Any]


@dataclass(frozen=True)
class Case:
    """The same work in several forms. `rows` is the rows of one call; `calls` the calls of one round.

    `at_most` says, per peer, what our time divided by the peer's is expected not to exceed.
    """

    part: str
    name: str
    rows: int
    calls: int
    threads: int
    forms: tuple[str, ...]
    at_most: dict[str, float] = field(default_factory=dict)
    what: str = ""
