"""What an estimator is made of: pipelines, calibrators, votes and stacks, flattened.

Each estimator found is given once, outermost first. `leaves_with_inputs` also says through which
transformations a row reaches a part, so that rows can be aimed at a tree inside a pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from sternpost.export.float32 import F32

Transform = Callable[[F32], F32]
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}
# Where meta-estimators keep what they fitted. `estimator` is the unfitted prototype, or, inside a
# calibrator's own holder, the fitted one; `_is_fitted` tells.
_INSIDE = ("estimator", "estimator_", "final_estimator_", "calibrated_classifiers_", "estimators_")


def parts(estimator: Any) -> list[Any]:
    """The estimator and everything fitted inside it, at most once each; the trees of a forest are left out."""
    found: list[Any] = []
    seen: set[int] = set()

    def visit(part: Any) -> None:
        if id(part) in seen or part is None or isinstance(part, str | int | float):
            return
        seen.add(id(part))
        if isinstance(part, list | tuple):
            for item in part:
                visit(item)
        elif hasattr(part, "__dict__"):
            found.append(part)
            for name in ("steps", "transformers_", *_INSIDE):
                if not (name == "estimators_" and is_forest(part)):
                    visit(vars(part).get(name))

    visit(estimator)
    return found


def leaves_with_inputs(estimator: Any, before: Transform | None = None) -> Iterator[tuple[Any, Transform | None]]:
    """Every predictor inside, with the transformation of the model's rows that it sees (None: the rows)."""
    steps = vars(estimator).get("steps")
    if steps:
        prepare = [step for _, step in steps[:-1] if hasattr(step, "transform")]
        yield from leaves_with_inputs(steps[-1][1], _chain(before, prepare) if prepare else before)
        return
    yield estimator, before
    if is_forest(estimator):
        return
    subsets = vars(estimator).get("estimators_features_")
    for name in _INSIDE:
        inside = vars(estimator).get(name)
        for i, part in enumerate(inside if isinstance(inside, list) else [inside]):
            if hasattr(part, "__dict__") and _is_fitted(part):
                chosen = None if subsets is None or name != "estimators_" else subsets[i]
                yield from leaves_with_inputs(part, before if chosen is None else _columns(before, chosen))


def is_forest(estimator: Any) -> bool:
    """Whether `estimators_` are plain trees over the estimator's own columns."""
    inner = vars(estimator).get("estimators_")
    if inner is None or vars(estimator).get("estimators_features_") is not None:
        return False
    return all(hasattr(tree, "tree_") for tree in np.ravel(np.asarray(inner, dtype=object)))


def describe(estimator: Any) -> tuple[str, str]:
    """(libraries, estimator) as people write them: ("scikit-learn 1.9.1", "Pipeline(StandardScaler, Ridge)")."""
    libraries: dict[str, None] = {}
    for part in parts(estimator):
        package = type(part).__module__.partition(".")[0]
        name = _DISTRIBUTIONS.get(package, package)
        try:
            libraries[f"{name} {version(name)}"] = None
        except PackageNotFoundError:  # a variant of the package, such as xgboost-cpu, or the user's own module
            found = getattr(__import__(package), "__version__", None)
            libraries[f"{name} {found}" if found else name] = None
    steps = vars(estimator).get("steps")
    inside = f"({', '.join(type(step).__name__ for _, step in steps)})" if steps else ""
    return ", ".join(libraries), type(estimator).__name__ + inside


def _is_fitted(estimator: Any) -> bool:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    except TypeError:
        return True  # not an estimator itself, only a holder of fitted ones
    return True


def _columns(before: Transform | None, chosen: Any) -> Transform:
    return lambda rows: (rows if before is None else before(rows))[:, chosen]


def _chain(before: Transform | None, steps: list[Any]) -> Transform:
    def apply(rows: F32) -> F32:
        current: Any = rows if before is None else before(rows)
        for step in steps:
            current = step.transform(current)
        dense = current.toarray() if hasattr(current, "toarray") else current
        return np.asarray(dense, dtype=np.float32)

    return apply
