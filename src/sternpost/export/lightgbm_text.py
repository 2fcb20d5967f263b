"""Rewrites a LightGBM text model so that the converter and float32 cannot misread it.

Works on the text only; the estimator it came from is never touched. Each rewrite keeps what the model
computes on float32 rows and removes something that is lost on the way to ONNX:

1. thresholds become the largest float32 below them (`floor32`); categorical nodes are left alone;
2. "no missing values seen" nodes, where LightGBM reads NaN as 0, become nodes that say where NaN goes;
3. random-forest averaging and a sigmoid slope other than 1 move into the leaf values;
4. objectives that only name an identity link become `regression`.

A threshold within LightGBM's zero (|x| <= 1e-35) also takes along that all of it counts as 0. What ONNX
must still do to the sum of leaves is returned beside the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sternpost.errors import ExportError
from sternpost.export.float32 import below, floor32

# LightGBM reads everything from -ZERO to ZERO as 0.
ZERO = np.float32(1e-35)
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_NONE, _MISSING_NAN = 2, 0, 2
_IDENTITY = ("regression_l1", "huber", "fair", "quantile", "mape")


@dataclass
class Rewritten:
    """The rewritten text and what ONNX must still do.

    `link`: operators to apply to the sum of leaves (`ending.finish`); `one_sigmoid_per_class`: classes are
    independent, not a softmax; `categorical`: columns with categorical splits.
    """

    text: str
    link: tuple[str, ...] = ()
    one_sigmoid_per_class: bool = False
    categorical: set[int] = field(default_factory=set)


def rewrite(text: str) -> Rewritten:
    """The text model with the four rewrites done. Raises `ExportError` for trees with linear leaves."""
    head, *trees = text.split("\nTree=")
    if not trees:
        return Rewritten(text)
    lines = head.splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    words = settings.get("objective", "").split()
    slope = next((float(word.partition(":")[2]) for word in words if word.startswith("sigmoid:")), 1.0)
    rounds = len(trees) / int(settings["num_tree_per_iteration"])
    result = Rewritten("")
    objective = _plain_objective(words, result)
    # Sizes in bytes let LightGBM parse trees in parallel; without the line it reads them in turn.
    lines = [line for line in lines if not line.startswith("tree_sizes=") and line != "average_output"]
    lines = [f"objective={objective}" if line.startswith("objective=") else line for line in lines]
    factor = slope / (rounds if "average_output" in head.splitlines() else 1.0)
    body = [_tree(tree, factor, result.categorical) for tree in trees]
    result.text = "\n".join(lines) + "\n\nTree=" + "\nTree=".join(body)
    return result


def _plain_objective(words: list[str], result: Rewritten) -> str:
    """The objective as the converter understands it, without the sigmoid slope; what is lost goes to `result`."""
    if not words:
        return ""
    if words[0] == "multiclassova":
        result.one_sigmoid_per_class = True
        return " ".join(["multiclass", *(word for word in words[1:] if not word.startswith("sigmoid:"))])
    if words[0] == "binary":
        return "binary sigmoid:1"
    if words[0] == "cross_entropy":
        result.link = ("Sigmoid",)
        return "regression"
    if words[0] == "regression" and "sqrt" in words:
        result.link = ("Abs", "Mul")
        return "regression"
    return "regression" if words[0] in _IDENTITY else " ".join(words)


def _snapped(threshold: float) -> float:
    """The float32 threshold that sends every float32 value where LightGBM sends it."""
    if -float(ZERO) <= threshold < 0.0:
        return float(below(np.array(-ZERO)))
    if 0.0 <= threshold < float(ZERO):
        return float(ZERO)
    return float(floor32(threshold))


def _tree(text: str, factor: float, categorical: set[int]) -> str:
    lines = text.split("\n")
    where = {line.partition("=")[0]: i for i, line in enumerate(lines)}

    def values(key: str) -> list[str]:
        return lines[where[key]].partition("=")[2].split() if key in where else []

    if values("is_linear") == ["1"]:
        raise ExportError(
            "LightGBM was trained with linear_tree=True: a leaf is a linear model, which an ONNX tree cannot hold. "
            "Train with linear_tree=False."
        )
    thresholds, decisions = values("threshold"), [int(code) for code in values("decision_type")]
    features = [int(index) for index in values("split_feature")]
    for i, (threshold, decision) in enumerate(zip(thresholds, decisions, strict=True)):
        if decision & _CATEGORICAL:
            categorical.add(features[i])
            continue
        thresholds[i] = repr(_snapped(float(threshold)))
        if decision >> _MISSING_SHIFT == _MISSING_NONE:
            zero_goes_left = float(threshold) >= 0.0
            decisions[i] = (_MISSING_NAN << _MISSING_SHIFT) | (_DEFAULT_LEFT if zero_goes_left else 0)
    if thresholds:
        lines[where["threshold"]] = "threshold=" + " ".join(thresholds)
        lines[where["decision_type"]] = "decision_type=" + " ".join(map(str, decisions))
    if factor != 1.0:
        leaves = np.array(values("leaf_value"), dtype=np.float64) * factor
        lines[where["leaf_value"]] = "leaf_value=" + " ".join(repr(float(leaf)) for leaf in leaves)
    return "\n".join(lines)


def numbered_leaves(text: str) -> tuple[str, list[list[float]]]:
    """The model with each leaf's number in place of its value, and the values of each tree's leaves."""
    head, *trees = text.split("\nTree=")
    values: list[list[float]] = []
    for i, tree in enumerate(trees):
        lines = tree.split("\n")
        at = next(at for at, line in enumerate(lines) if line.startswith("leaf_value="))
        values.append([float(value) for value in lines[at].partition("=")[2].split()])
        lines[at] = "leaf_value=" + " ".join(map(str, range(len(values[-1]))))
        trees[i] = "\n".join(lines)
    return "\nTree=".join([head, *trees]), values


def cuts(text: str) -> list[tuple[int, float]]:
    """Every (column, threshold) of the text model; a categorical split gives each of its codes."""
    found: list[tuple[int, float]] = []
    for tree in text.split("\nTree=")[1:]:
        entries = dict(line.split("=", 1) for line in tree.split("\n\n")[0].split("\n")[1:] if "=" in line)
        bounds = [int(value) for value in entries.get("cat_boundaries", "").split()]
        words = [int(value) for value in entries.get("cat_threshold", "").split()]
        splits = zip(
            entries.get("split_feature", "").split(),
            entries.get("threshold", "").split(),
            entries.get("decision_type", "").split(),
            strict=True,
        )
        for feature, threshold, decision in splits:
            if int(decision) & _CATEGORICAL:
                start, stop = bounds[int(threshold)], bounds[int(threshold) + 1]
                codes = [
                    32 * i + bit for i, word in enumerate(words[start:stop]) for bit in range(32) if word >> bit & 1
                ]
                found.extend((int(feature), float(code)) for code in (-1, *codes, 32 * (stop - start)))
            else:
                found.append((int(feature), float(threshold)))
    return found
