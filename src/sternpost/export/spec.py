"""What the engine must know about an exported model to run it: `ModelSpec`.

Promise to callers: a spec that exists is consistent (kind, classes, width of the output and the positive
column fit together), and `to_json` and `from_json` are inverse; the text is canonical, so equal specs have
equal bytes. The compiled engine reads the same text.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from sternpost.errors import ExportError

Kind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class ModelSpec:
    """How to feed the ONNX model and how to read its output.

    `input` takes float32 [n, `features`]; `output` gives float32 [n, `outputs`] (or [n] when it is 1).
    binary: the score is column `positive`; multiclass: one column per entry of `classes`; regression: column 0.
    `min_rows` is the fewest rows of one run (shorter ones are padded) and `chunk_rows` the most.
    """

    kind: Kind
    classes: tuple[str, ...] | None
    input: str
    output: str
    features: int
    outputs: int
    positive: int | None
    min_rows: int = 1
    chunk_rows: int = 64

    def __post_init__(self) -> None:
        """Raise `ExportError` when the fields contradict each other."""
        if self.kind not in get_args(Kind):
            raise ExportError(f"model spec: kind is {self.kind!r}; expected one of {', '.join(get_args(Kind))}")
        if self.features < 1:
            raise ExportError(f"model spec: {self.features} features; a model needs at least one")
        if self.kind == "regression":
            fits = self.outputs == 1 and self.positive is None and self.classes is None
        elif self.kind == "binary":
            fits = self.outputs in (1, 2) and self.positive == self.outputs - 1
            fits = fits and (self.classes is None or len(self.classes) == 2)
        else:
            fits = self.classes is not None and len(self.classes) == self.outputs >= 2 and self.positive is None
        if not fits:
            raise ExportError(
                f"model spec: a {self.kind} model cannot have outputs={self.outputs}, "
                f"positive={self.positive}, classes={self.classes}"
            )
        if not 1 <= self.min_rows <= self.chunk_rows:
            raise ExportError(
                f"model spec: min_rows={self.min_rows}, chunk_rows={self.chunk_rows}; "
                "expected 1 <= min_rows <= chunk_rows"
            )

    def to_json(self) -> str:
        """The canonical JSON text: sorted keys, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what `to_json` wrote. Raises `ExportError` for unknown, missing or ill-fitting fields."""
        try:
            found: dict[str, Any] = json.loads(text)
            wanted = {field.name for field in fields(cls)}
            if set(found) != wanted:
                raise ExportError(
                    f"model spec: fields {sorted(set(found) ^ wanted)} are missing or unknown; "
                    f"expected {sorted(wanted)}"
                )
            classes = found.pop("classes")
            return cls(classes=None if classes is None else tuple(map(str, classes)), **found)
        except (ValueError, TypeError) as error:
            raise ExportError(f"model spec: not readable ({error}): {text[:200]!r}") from error
