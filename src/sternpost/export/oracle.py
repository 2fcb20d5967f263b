"""The estimator as the only truth: what it is, and what it answers to float32 rows.

Guarantees: answers are float64 [n, K] whatever the library returns (a binary booster's single column
becomes two), rows the estimator refuses are told apart from rows it scores, and no fitted state changes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.errors import ExportError
from sternpost.export.float32 import F32, F64
from sternpost.export.known import advice
from sternpost.export.spec import Kind


class Oracle:
    """A fitted estimator seen as a function from float32 [n, F] to float64 [n, K]."""

    def __init__(self, estimator: Any) -> None:
        """Raises `ExportError` for something that cannot be scored: no predict, no probabilities, not fitted."""
        self.estimator = estimator
        self.name = type(estimator).__name__
        if not hasattr(estimator, "predict"):
            raise ExportError(
                f"{self.name} has no predict(): hand over a fitted classifier or regressor, a Booster of LightGBM, "
                "or the path of an .onnx file"
            )
        if self.name == "Booster" and type(estimator).__module__.startswith("xgboost"):
            raise ExportError(
                "an XGBoost Booster does not say what it predicts: load it into an estimator, "
                "e.g. model = XGBClassifier(); model.load_model(file)"
            )
        self.classes: tuple[str, ...] | None = None
        self.kind: Kind = self._kind()

    def _kind(self) -> Kind:
        if _is_lightgbm_booster(self.estimator):
            objective = str(self.estimator.dump_model(num_iteration=1).get("objective", ""))
            classes = int(self.estimator.num_model_per_iteration())
            if objective.startswith(("binary", "multiclass")):
                self.classes = tuple(str(i) for i in range(max(classes, 2)))
            return "regression" if self.classes is None else "binary" if len(self.classes) == 2 else "multiclass"
        try:
            found = getattr(self.estimator, "classes_", None)
        except Exception as error:
            raise ExportError(f"{self.name} is not fitted: {error}. Call fit() first.") from error
        if found is None:
            return "regression"
        if not hasattr(self.estimator, "predict_proba"):
            raise ExportError(
                f"{self.name} gives no probabilities (no predict_proba), so there is no score to export: wrap it in "
                "CalibratedClassifierCV(estimator, method='sigmoid') and fit that"
            )
        if isinstance(found, list) or np.ndim(found) != 1:
            raise ExportError(f"{self.name} predicts several targets at once; export one estimator per target")
        if len(found) < 2:
            raise ExportError(f"{self.name} was fitted on a single class {list(found)}; a score needs at least two")
        self.classes = tuple(str(label) for label in np.asarray(found).tolist())
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def features(self) -> int | None:
        """The number of columns the estimator was fitted on, when it says so."""
        if _is_lightgbm_booster(self.estimator):
            return int(self.estimator.num_feature())
        try:
            found = getattr(self.estimator, "n_features_in_", None)
        except Exception as error:
            raise ExportError(f"{self.name} is not fitted: {error}. Call fit() first.") from error
        return None if found is None else int(found)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names the estimator was fitted with, when it has any."""
        if _is_lightgbm_booster(self.estimator):
            return tuple(self.estimator.feature_name())
        found = getattr(self.estimator, "feature_names_in_", None)
        return None if found is None else tuple(str(name) for name in found)

    def answer(self, rows: F32) -> F64:
        """The estimator's scores, float64 [n, K]. Whatever the estimator raises passes through."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if self.kind == "regression" or _is_lightgbm_booster(self.estimator):
                found = self.estimator.predict(rows)
            else:
                found = self.estimator.predict_proba(rows)
        scores = np.asarray(found, dtype=np.float64)
        if scores.ndim == 1:
            scores = scores[:, None]
        if self.kind == "binary" and scores.shape[1] == 1:
            scores = np.hstack([1.0 - scores, scores])
        if scores.shape != (len(rows), self.outputs):
            raise ExportError(
                f"{self.name} gave {list(scores.shape)} scores for {len(rows)} rows; expected {self.outputs} per row. "
                "Export one estimator per target."
            )
        return scores

    @property
    def outputs(self) -> int:
        """K: one per class, or 1."""
        return 1 if self.classes is None else len(self.classes)

    def reference(self, rows: F32) -> F64:
        """`answer` for rows that must work. Raises `ExportError` when the estimator does not take a plain matrix."""
        try:
            return self.answer(rows)
        except ExportError:
            raise
        except Exception as error:
            cause = next(iter(str(error).strip().splitlines()), "")[:300]
            raise ExportError(
                f"{self.name} does not score the reference rows as a float32 matrix "
                f"[{rows.shape[0]}, {rows.shape[1]}]: {type(error).__name__}: {cause} The model is given numbers by "
                "position: fit it on such a matrix and select columns by index (ColumnTransformer), not by name. "
                f"{advice(self.estimator)}"
            ) from error

    def accepted(self, rows: F32, groups: Sequence[int] | npt.NDArray[np.int64]) -> tuple[F64, npt.NDArray[np.bool_]]:
        """Scores, and which rows the estimator takes at all.

        When it refuses the whole, each group is asked by itself, so that one refused column does not hide the rest.
        """
        try:
            return self.answer(rows), np.ones(len(rows), dtype=np.bool_)
        except ExportError:
            raise
        except Exception:
            pass
        keys = np.asarray(groups)
        scores = np.full((len(rows), self.outputs), np.nan)
        taken = np.zeros(len(rows), dtype=np.bool_)
        for key in np.unique(keys):
            chosen = keys == key
            try:
                scores[chosen] = self.answer(rows[chosen])
            except Exception:
                continue
            taken |= chosen
        return scores, taken


def _is_lightgbm_booster(estimator: Any) -> bool:
    return type(estimator).__name__ == "Booster" and type(estimator).__module__.startswith("lightgbm")
