"""VotingClassifier: the stock converter on a copy whose settings it understands.

`flatten_transform` only shapes transform(), which a score never calls, yet the converter refuses its default;
and it expects weights as an array, one for each estimator that was not dropped.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from sternpost.export.ending import Stand


def convert(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for VotingClassifier with voting='soft'."""
    from skl2onnx.operator_converters import voting_classifier as stock

    twin = copy.copy(operator.raw_operator)
    twin.flatten_transform = False
    if twin.weights is not None:
        twin.weights = np.asarray(twin._weights_not_none, dtype=np.float64)
    stock.convert_voting_classifier(scope, Stand(operator, container, twin), container)
