"""A feature set inside scikit-learn: pipelines, cross-validation, clone, pickling."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import sternpost as sp
from sternpost.errors import ContractError, ContractViolation

from .flights_like import FEATURES, Flight, rows


class Open(sp.Contract):
    carrier: sp.Category
    wind_mph: float | None


OPEN = sp.FeatureSet(Open, ["carrier", "wind_mph"])


def test_a_pipeline_fits_predicts_and_cross_validates():
    # pandas' own int64 turns into float64 as soon as one value is null; its Arrow types do not.
    table = rows(600, 1).to_pandas(types_mapper=pd.ArrowDtype)
    y = (table["distance_mi"] > 150).to_numpy()
    pipeline = make_pipeline(sp.FeatureSet(Flight, FEATURES).transformer(), HistGradientBoostingClassifier(max_iter=10))
    assert pipeline.fit(table, y).score(table, y) > 0.95
    assert cross_val_score(pipeline, table, y, cv=3).mean() > 0.9
    search = GridSearchCV(pipeline, {"histgradientboostingclassifier__max_depth": [2, 3]}, cv=2).fit(table, y)
    assert search.best_score_ > 0.9


def test_categories_are_learned_in_fit():
    table = pd.DataFrame({"carrier": ["b", "a", "b"], "wind_mph": [1.0, None, 3.0]})
    transformer = OPEN.transformer()
    with pytest.raises(NotFittedError):
        transformer.transform(table)
    assert transformer.fit(table).transform(table)[:, 0].tolist() == [1.0, 0.0, 1.0]
    later = pd.DataFrame({"carrier": ["c"], "wind_mph": [0.5]})
    assert transformer.transform(later)[0, 0] == -2.0
    assert OPEN.contract.unlearned == ("carrier",), "the set itself learned nothing"


def test_clone_and_pickle():
    transformer = sp.FeatureSet(Flight, FEATURES).transformer()
    copy = clone(transformer)
    assert copy is not transformer
    assert copy.features is transformer.features
    table = rows(50, 2)
    again = pickle.loads(pickle.dumps(transformer.fit(table)))
    assert np.array_equal(again.transform(table).view(np.uint32), transformer.transform(table).view(np.uint32))


def test_names_of_the_output():
    transformer = sp.FeatureSet(Flight, FEATURES).transformer()
    assert transformer.get_feature_names_out().tolist()[:2] == ["log_distance", "wind_or_calm"]
    framed = transformer.fit(rows(5, 3)).set_output(transform="pandas").transform(rows(5, 3))
    assert list(framed.columns) == [f if isinstance(f, str) else f.name for f in FEATURES]


def test_frames_have_types_and_nulls():
    frame = sp.FeatureSet(Flight, FEATURES).frame(rows(200, 4))
    kinds = {f.name: str(f.type) for f in frame.schema}
    assert kinds["log_distance"] == "double"
    assert kinds["major"] == "bool"
    assert kinds["local_hour"] == "int64"
    assert kinds["carrier"] == "int32"
    assert frame["wind_mph"].null_count > 0
    assert frame["log_distance"].null_count == 0


def test_rows_that_break_the_contract_are_listed():
    table = rows(10, 5)
    broken = table.set_column(1, "distance_mi", pa.array([1.0] * 8 + [-4.0, 2.0]))
    with pytest.raises(ContractViolation, match=r"row 8.*distance_mi.*-4") as refusal:
        sp.FeatureSet(Flight, FEATURES).frame(broken)
    assert [(v.row, v.rule) for v in refusal.value.violations] == [(8, "ge")]
    with pytest.raises(ContractError, match="expected an Arrow table"):
        sp.FeatureSet(Flight, FEATURES).frame([1, 2])


def test_a_thousand_columns():
    names = [f"c{i}" for i in range(1000)]
    spec = sp.contract.ContractSpec("Wide", tuple(sp.contract.Column(n, "float", True) for n in names))
    table = pa.table({n: pa.array([float(i), None]) for i, n in enumerate(names)})
    matrix = sp.FeatureSet(spec, names).matrix(table)
    assert matrix[0].tolist() == [float(i) for i in range(1000)]
    assert np.isnan(matrix[1]).all()
