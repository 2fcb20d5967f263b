"""A feature set as a scikit-learn transformer.

`make_pipeline(features.transformer(), HistGradientBoostingClassifier())` fits, cross-validates and clones like any
other pipeline; categories are learned in `fit`, so inside the training folds only. Imported where scikit-learn is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sternpost.features.feature_set import FeatureSet


class FeatureTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Arrow-speaking tables (pyarrow, pandas, polars) in, the model's float32 matrix [n, F] out."""

    def __init__(self, features: FeatureSet) -> None:
        self.features = features

    def fit(self, X: Any, y: Any = None) -> FeatureTransformer:  # noqa: ARG002 - scikit-learn's signature
        """Learn open categories from `X` and compile. Returns self."""
        self.features_ = self.features.learn(X)
        self.n_features_out_ = len(self.features_.names)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """float32 [n, F]; see FeatureSet.matrix."""
        check_is_fitted(self, "features_")
        return self.features_.matrix(X)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Names of the features, in order."""
        return np.array(self.features.names, dtype=object)
