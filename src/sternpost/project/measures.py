"""The holdout's numbers, and the floors they have to reach.

What is measured is the sealed bundle's own scores, so that no number belongs to a model that is not in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.errors import GateMissed, UsageError
from sternpost.export import ModelSpec
from sternpost.outcomes.expected import Expectations
from sternpost.outcomes.measures.measure import finite
from sternpost.outcomes.measures.regression import regression
from sternpost.project.settings import GatesSection


@dataclass(frozen=True)
class Gate:
    """One floor or ceiling: its key in [gates], its limit, what was measured (None when it cannot be), the verdict."""

    name: str
    limit: float
    found: float | None
    passed: bool


def measure(model: ModelSpec, scored: pa.Table, truth: npt.NDArray[Any]) -> dict[str, float | None]:
    """The numbers of one holdout.

    `scored`: the bundle's output for n rows that all have a score; `truth`: their targets [n]. binary: auc, brier,
    log_loss; multiclass: accuracy, log_loss; regression: mae, rmse, in the target's unit. A number that the rows do
    not determine (auc with one class) is None.
    """
    score = scored.column("score").to_numpy().astype(np.float64)
    if model.kind == "regression":
        found = {m.name: m.value for m in regression(np.asarray(truth, dtype=np.float64), score)}
        return {name: found[name] for name in ("mae", "rmse")}
    labels = np.array([str(value) for value in truth.tolist()], dtype=object)
    if model.kind == "binary":
        # A ready .onnx file may not name its classes.
        positive = np.isin(labels, ("1", "1.0", "True") if model.classes is None else model.classes[1:])
        # What holds for outcomes that are told later holds for the holdout's, which are known.
        numbers = Expectations(np.clip(score, 0, 1), np.ones(len(score)), ())
        told = dict(zip(numbers.names, numbers.of(positive.astype(np.float64)), strict=True))
        return {name: finite(told[name]) for name in ("auc", "brier", "log_loss")}
    classes = model.classes or ()
    from sklearn import metrics

    scores = np.stack(scored.column("scores").to_pylist())
    called = np.array(scored.column("label").to_pylist(), dtype=object)
    known = np.isin(labels, classes)
    log_loss = None
    if known.all():
        order = np.argsort(classes)
        # Scores are float32, so they add up to one only nearly, and scikit-learn asks for more.
        shares = scores[:, order] / scores.sum(axis=1, keepdims=True)
        log_loss = float(metrics.log_loss(labels.astype(str), shares, labels=[classes[i] for i in order]))
    return {"accuracy": float(np.mean(called == labels)), "log_loss": log_loss}


def check_gates(gates: GatesSection, kind: str, measured: Mapping[str, float | None]) -> tuple[Gate, ...]:
    """Every gate of the settings with its verdict.

    Raises `UsageError` for a gate that this kind of model has no number for, `GateMissed` when one is missed.
    """
    results = []
    for name in type(gates).model_fields:
        limit: float | None = getattr(gates, name)
        if limit is None:
            continue
        bound, _, metric = name.partition("_")
        if metric not in measured:
            raise UsageError(
                f"[gates] {name}: a {kind} model has no {metric}; it has {', '.join(measured)}; remove the gate"
            )
        found = measured[metric]
        passed = found is not None and (found >= limit if bound == "min" else found <= limit)
        results.append(Gate(name, limit, found, passed))
    missed = [g for g in results if not g.passed]
    if missed:
        told = "; ".join(
            f"{g.name} = {g.limit:g}, found {'nothing to compute it from' if g.found is None else f'{g.found:.6g}'}"
            for g in missed
        )
        raise GateMissed(f"the holdout misses {told}; no bundle was written", tuple(results))
    return tuple(results)
