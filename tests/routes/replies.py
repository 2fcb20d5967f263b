"""Answers of every protocol in the one form that the route tests compare: (score bits, scores bits, label, action,
reasons)."""

from __future__ import annotations

import math
import struct
from typing import Any

import sternpost as sp

Answer = tuple[int | None, tuple[int | None, ...], str | None, str, tuple[str, ...]]


def bits(score: float | None) -> int | None:
    return None if score is None else struct.unpack("<Q", struct.pack("<d", score))[0]


def of_row(row: dict[str, Any]) -> Answer:
    """A row of a scored table."""
    scores = tuple(bits(s) for s in row.get("scores") or ())
    return bits(row["score"]), scores, row.get("label"), row["action"], tuple(row["reasons"])


def of_decision(decision: sp.Decision) -> Answer:
    scores = tuple(bits(s) for s in decision.scores)
    return bits(decision.score), scores, decision.label, decision.action, tuple(decision.reasons)


def of_reply(reply: Any) -> Answer:
    """A ScoreReply."""
    score = bits(reply.score) if reply.HasField("score") else None
    return score, tuple(bits(s) for s in reply.scores), reply.label or None, reply.action, tuple(reply.reasons)


def of_tensors(outputs: dict[str, list[Any]]) -> list[Answer]:
    """Outputs of the Open Inference Protocol, by name, a list of rows each: NaN and empty texts where there is none."""
    rows = len(outputs["score"])

    def scores(row: list[float]) -> tuple[int | None, ...]:
        return () if all(math.isnan(s) for s in row) else tuple(bits(s) for s in row)

    return [
        (
            None if math.isnan(outputs["score"][i]) else bits(outputs["score"][i]),
            scores(outputs["scores"][i]) if "scores" in outputs else (),
            (outputs["label"][i] or None) if "label" in outputs else None,
            outputs["action"][i],
            tuple(outputs["reasons"][i].split(";")) if outputs["reasons"][i] else (),
        )
        for i in range(rows)
    ]
