"""From score to action: the part of a bundle that says what a score is called.

    [policy]
    bands = [{below = 0.3, action = "on_time"}, {action = "late"}]
    refused = "review"

Bands ascend; a score takes the first band it lies below, the last band takes the rest. A row that the contract
refuses, or whose score is not finite, takes `refused`. Without bands a score has no action.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sternpost.errors import UsageError

REFUSED = "review"


def settle_policy(policy: Mapping[str, Any] | None) -> dict[str, Any]:
    """The policy in the form the engine reads: every key present, the last band open. Raises UsageError."""
    given = dict(policy or {})
    bands = list(given.pop("bands", []))
    refused = given.pop("refused", REFUSED)
    if given:
        raise UsageError(f"policy: unknown key {next(iter(given))!r}; known are bands and refused")
    if not isinstance(refused, str) or not refused:
        raise UsageError(f"policy: refused={refused!r} must be the name of an action")
    settled: list[dict[str, Any]] = []
    for place, band in enumerate(bands):
        extra = set(band) - {"below", "action"}
        if extra or not isinstance(band.get("action"), str) or not band["action"]:
            raise UsageError(
                f"policy: band {place + 1} {dict(band)!r} needs an action, and below unless it is the last"
            )
        below = band.get("below")
        last = place == len(bands) - 1
        if last != (below is None):
            wanted = "no below, as it takes the rest" if last else "a below"
            raise UsageError(f"policy: band {place + 1} of {len(bands)} ({band['action']}) needs {wanted}")
        if below is not None and (isinstance(below, bool) or not isinstance(below, int | float) or math.isnan(below)):
            raise UsageError(f"policy: band {place + 1}: below={below!r} is not a number")
        if settled and below is not None and below <= settled[-1]["below"]:
            raise UsageError(f"policy: bands must ascend, yet {below} follows {settled[-1]['below']}")
        settled.append({"below": None if below is None else float(below), "action": band["action"]})
    return {"bands": settled, "refused": refused}


def policy_json(policy: dict[str, Any]) -> bytes:
    """Canonical JSON of a settled policy."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
