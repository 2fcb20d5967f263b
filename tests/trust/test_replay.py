"""Decisions made again: every differing bit is named, and what the model did not make is left aside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.outcomes.events import MOMENT
from sternpost.trust.replay import replay


@pytest.fixture(scope="module")
def bundle():
    from tests.trust.conftest import SEALED

    return sp.open_bundle(SEALED / "format-2.sbundle")


@pytest.fixture
def journalled(bundle):
    rows = bundle.golden.rows
    scored = bundle.score(rows)
    n = len(rows)
    columns = {
        "prediction_id": [f"p{i}" for i in range(n)],
        "at": pa.array(range(n), MOMENT),
        "bundle": ["boosting"] * n,
        "digest": [bundle.digest] * n,
        "source": ["model"] * n,
        "score": scored["score"],
        "action": scored["action"],
        "inputs": pa.table(rows).to_struct_array().combine_chunks(),
    }
    return pa.table(columns)


def changed(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def test_golden_rows_come_out_the_same_refused_ones_too(bundle, journalled):
    done = replay(bundle, journalled)
    assert done.counts.rows == len(journalled) > 20
    assert done.counts.mismatches == 0


def test_one_bit_of_a_score_another_action_and_a_score_that_was_null_are_named(bundle, journalled):
    score = journalled["score"].to_pylist()
    known = [i for i, s in enumerate(score) if s is not None]
    a, b, c = known[:3]
    score[a], score[b] = float(np.nextafter(score[a], 2)), None
    action = journalled["action"].to_pylist()
    action[c] = "perhaps"
    table = changed(changed(journalled, "score", pa.array(score, pa.float64())), "action", pa.array(action))
    done = replay(bundle, table)
    assert np.flatnonzero(~done.same).tolist() == sorted((a, b, c))


def test_what_the_model_did_not_make_and_what_has_no_inputs_is_left_aside(bundle, journalled):
    n = len(journalled)
    for name, values in (
        ("source", pa.array(["rule"] + ["model"] * (n - 1))),
        ("digest", pa.array(["cd" * 32] + [bundle.digest] * (n - 1))),
    ):
        assert replay(bundle, changed(journalled, name, values)).counts.rows == n - 1
    assert replay(bundle, journalled.drop_columns("inputs")).counts.rows == 0
    assert replay(bundle, journalled.slice(0, 0)).counts.rows == 0
