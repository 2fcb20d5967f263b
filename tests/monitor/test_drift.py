"""sp.drift against independent oracles, and a status for whatever cannot be compared."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

import sternpost as sp
from sternpost.errors import ContractError, UsageError
from tests.project.loans_project import loans, sealed_loans

SEED = 20_260_101


def normal(rows: int, seed: int = SEED, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, rows)
    return pa.table(
        {
            "x": x,
            "nullable": pa.array(x * 2, mask=rng.random(rows) < 0.2),
            "whole": rng.poisson(2.0, rows),
            "label": pa.array(rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])),
            "flag": rng.random(rows) < 0.3,
            "at": pa.array(np.datetime64("2024-01-01") + rng.integers(0, 90, rows).astype("m8[D]")).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )


def labels(counts: dict[str | None, int]) -> pa.Table:
    values = [label for label, n in counts.items() for _ in range(n)]
    return pa.table({"c": pa.array(values, pa.string())})


def test_statistics_of_labels_are_those_of_the_oracles():
    before = {"a": 600, "b": 300, "c": 90, None: 10}
    now = {"a": 300, "b": 250, "c": 60, None: 40, "new": 5}
    found = sp.drift(labels(before), labels(now))["c"]
    cells = [*before, "new"]
    a = np.array([before.get(k, 0) for k in cells], float)
    b = np.array([now.get(k, 0) for k in cells], float)
    n, m, k = a.sum(), b.sum(), len(cells)
    p, q = (a + 0.5) / (n + k / 2), (b + 0.5) / (m + k / 2)
    psi = ((q - p) * np.log(q / p)).sum()
    assert found.psi == pytest.approx(psi, rel=1e-12)
    assert found.psi_debiased == pytest.approx(psi - (k - 1) * (1 / n + 1 / m), rel=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(psi / (1 / n + 1 / m), k - 1), rel=1e-6)
    assert found.js == pytest.approx(jensenshannon(a / n, b / m, base=2), rel=1e-9)
    assert found.tv == pytest.approx(np.abs(a / n - b / m).sum() / 2, rel=1e-12)
    assert found.missing == pytest.approx(40 / m)
    assert found.missing_reference == pytest.approx(10 / n)
    assert found.missing_p == pytest.approx(proportions_ztest([10, 40], [n, m])[1], rel=1e-6)
    assert found.new_labels == (("new", 5),)
    assert found.ks is None


def test_new_labels_are_held_against_what_the_references_rarest_would_bring():
    before = labels({"a": 6_000, "b": 3_990, **{f"once {k}": 1 for k in range(4)}, None: 500})
    quiet = labels({"a": 6_000, "b": 3_990, "new 1": 3, "new 2": 1, None: 500})
    loud = labels({"a": 6_000, "b": 3_960, "new": 40, None: 500})
    for now, new in ((quiet, 4), (loud, 40)):
        # Four labels stood in one row alone; the upper end of such a count is 4 + 2 sqrt(5) + 1.
        allowed = (4 + 2 * math.sqrt(5) + 1) / 9_994
        many = len(now) - 500
        assert sp.drift(before, now)["c"].new_p == pytest.approx(stats.binom.sf(new - 1, many, allowed), rel=1e-9)
    chance, told = sp.drift(before, quiet)["c"], sp.drift(before, loud)["c"]
    assert chance.status == "quiet"
    assert chance.reasons == ("new labels in 0.04% of the rows: new 1, new 2; no more than chance brings",)
    assert told.psi_debiased < 0.1
    assert told.status == "shift"
    assert told.reasons[-1] == "new labels in 0.38% of the rows: new"
    assert told.new_p_bh <= 0.05
    # Among many labels the index drowns what the test of new ones sees.
    many = {f"l{k:03}": 40 for k in range(250)}
    drowned = sp.drift(labels(many), labels({**many, "l000": 28, "new": 12}))["c"]
    assert drowned.p_bh > 0.05 >= drowned.new_p_bh
    assert (drowned.status, drowned.reasons) == ("shift", ("new labels in 0.12% of the rows: new",))
    # Numbers have no labels, and a label in one row of a reference without rare ones is no news.
    assert sp.drift(normal(100), normal(100))["x"].new_p is None
    assert sp.drift(labels({"a": 500}), labels({"a": 499, "z": 1}))["c"].status == "quiet"


def test_the_upper_end_of_the_rare_labels_is_never_below_the_exact_one():
    for alone in range(2_000):
        assert alone + 2 * math.sqrt(alone + 1) + 1 >= stats.chi2.ppf(0.95, 2 * alone + 2) / 2, alone


def test_halves_of_a_table_with_rare_labels_bring_no_new_ones():
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.zipf(1.6, 4_000).astype(str)
        halves = [pa.table({"c": pa.array(part)}) for part in (values[:2_000], values[2_000:])]
        wrong += sp.drift(*halves)["c"].new_p <= 0.05
    # 40 tests at 0.05 at the most: more than 6 would come with a probability below 0.004.
    assert wrong <= 6, f"seeds 0..39: {wrong}"


def test_a_reference_with_very_many_labels_finds_few_of_them_new():
    """Rare labels without a cell of their own are known by their number only; halves of one table have many each."""
    wrong = 0
    for seed in range(20):
        values = np.random.default_rng(seed).zipf(1.3, 8_000).astype(str)
        halves = [pa.table({"c": pa.array(part)}) for part in (values[:4_000], values[4_000:])]
        found = sp.drift(*halves)["c"]
        assert found.status != "drift", f"seed {seed}"
        assert found.new > 0.05, f"seed {seed}"
        wrong += found.new_p <= 0.05
    assert wrong <= 4, f"seeds 0..19: {wrong}"


def test_it_takes_more_than_chance_and_more_than_the_tolerance():
    # Forty labels, every second one 36 % more frequent: PSI 0.13, of which chance brings 0.078.
    even = {f"l{k}": 25 for k in range(40)}
    found = sp.drift(labels(even), labels({f"l{k}": 34 if k % 2 else 16 for k in range(40)}))["c"]
    assert found.psi > 0.1 > found.psi_debiased
    assert (found.p_bh <= 0.05, found.status) == (True, "shift")
    # Of many rows, two points more missing are no chance, and no drift.
    gone = sp.drift(labels({"a": 9_900, None: 100}), labels({"a": 9_700, None: 300}))["c"]
    assert gone.missing_p < 1e-9
    assert gone.status == "shift"
    assert sp.drift(labels({"a": 9_900, None: 100}), labels({"a": 9_300, None: 700}))["c"].status == "drift"


def test_a_feature_that_passes_an_input_on_is_told_once_to_people_and_kept_as_data():
    before, now = loans(1_200, seed=1), loans(2_000, seed=2)
    place = now.column_names.index("amount")
    now = now.set_column(place, "amount", pa.array(now["amount"].to_numpy() * 3))
    report = sp.drift(before, now, bundle=sealed_loans())
    passed = [c for c in report.columns if c.same_as is not None]
    assert "amount (feature)" in {c.name for c in passed}
    for c in passed:
        twin = report[c.same_as]
        assert (c.psi, c.p, c.ks, c.missing) == (twin.psi, twin.p, twin.ks, twin.missing)
        assert f"{c.name}<" not in report.html()
        assert f"{c.name} " not in repr(report)
    assert report["burden"].same_as is None
    told = len(report.columns) - len(passed)
    assert f"of {told} columns drifted" in report.sentence
    assert {c["name"] for c in report.to_dict()["columns"]} >= {"amount", "amount (feature)"}
    # A refused row is an input and no feature: the counts differ, and both are told.
    amounts = now["amount"].to_numpy().copy()
    amounts[0] = -1.0
    refused = sp.drift(before, now.set_column(place, "amount", pa.array(amounts)), bundle=sealed_loans())
    assert refused["amount (feature)"].same_as is None
    assert "amount (feature)<" in refused.html()


def test_thread_counts_change_no_bit():
    from sternpost import _core

    before, now = normal(200_000), normal(150_000, SEED + 1, 0.2)
    references = [_core.Reference.of_table(before, threads=threads) for threads in (1, 2, 3, 8)]
    assert len({reference.to_bytes() for reference in references}) == 1
    windows = [_core.tally(references[0], now, threads=threads)[0].to_bytes() for threads in (1, 2, 3, 8)]
    assert len(set(windows)) == 1


def test_counts_of_a_thousand_millions_and_more_are_exact():
    """A window doubled thirty times over: 10^12 rows, and the index is that of its shares."""
    from sternpost import _core
    from sternpost.monitor.drift import Comparison

    before, now = labels({"a": 600, "b": 400}), labels({"a": 500, "b": 480, None: 20})
    reference = _core.Reference.of_table(before)
    window, _ = _core.tally(reference, now)
    for _ in range(30):
        window = _core.Window.merge(reference, [window, window])
    comparison = Comparison(reference)
    comparison.add_window(window)
    found = comparison.report()["c"]
    m = 1_000 << 30
    assert found.current_rows == m > 10**12
    assert found.missing == 0.02
    a, b = np.array([600, 400, 0.0]), np.array([500, 480, 20.0]) * 2.0**30
    p, q = (a + 0.5) / (1_000 + 1.5), (b + 0.5) / (m + 1.5)
    psi = ((q - p) * np.log(q / p)).sum()
    assert found.psi == pytest.approx(psi, rel=1e-12)
    assert found.psi_debiased == pytest.approx(psi - 2 * (1 / 1_000 + 1 / m), rel=1e-12)
    assert found.tv == pytest.approx(0.1, rel=1e-12)


def test_a_shift_of_half_a_deviation_is_found_where_it_is_and_as_large_as_it_is():
    before, now = normal(20_000), normal(20_000, SEED + 1, shift=0.5)
    report = sp.drift(before, now)
    assert set(report.drifted) == {"x", "nullable"}
    # PSI of two normals of one spread is the squared distance of their means; 40 cells lose a little.
    assert report["x"].psi_debiased == pytest.approx(0.25, abs=0.03)
    assert report["x"].ks == pytest.approx(stats.ks_2samp(before["x"], now["x"]).statistic, abs=0.025)
    assert report["x"].ks == pytest.approx(2 * stats.norm.cdf(0.25) - 1, abs=0.02)


def test_w1_over_the_iqr_is_how_far_values_moved():
    before, now = normal(20_000), normal(20_000, SEED + 1, shift=0.3)
    exact = stats.wasserstein_distance(before["x"], now["x"]) / stats.iqr(before["x"])
    assert sp.drift(before, now)["x"].w1_iqr == pytest.approx(exact, abs=0.02)


def test_adjusted_values_are_those_of_statsmodels():
    before, now = normal(5_000), normal(5_000, SEED + 1, shift=0.05)
    report = sp.drift(before, now)
    # Nothing can be tested of a column whose values are all in one cell, as those of `at` are.
    tested = [c for c in report.columns if c.p is not None]
    assert len(tested) == 5
    labelled = [c for c in report.columns if c.new_p is not None]
    assert [c.name for c in labelled] == ["label"]
    ps = [c.p for c in tested] + [c.new_p for c in labelled]
    for method, got in (("fdr_bh", [c.p_bh for c in tested]), ("fdr_by", [c.p_by for c in tested])):
        assert got == pytest.approx(multipletests(ps, method=method)[1][: len(got)].tolist(), rel=1e-9), method
    assert labelled[0].new_p_bh == pytest.approx(multipletests(ps, method="fdr_bh")[1][-1], rel=1e-9)


def test_without_a_change_false_discoveries_are_at_most_the_level():
    wrong = sum(
        any(c.status in ("drift", "shift") for c in sp.drift(normal(3_000, seed), normal(2_000, seed + 10_000)).columns)
        for seed in range(60)
    )
    # 60 runs at level 0.05: more than 8 would come with a probability below 0.004.
    assert wrong <= 8, f"seeds 0..59: {wrong} runs with a discovery"


def test_every_library_gives_the_same_report():
    before, now = normal(3_000), normal(2_000, SEED + 1, 0.2)
    # pandas keeps null as NaN in a float column; that is another cell, so the nullable column stays out.
    before, now = before.drop_columns("nullable"), now.drop_columns("nullable")
    ours = sp.drift(before, now).to_dict()
    assert sp.drift(pl.from_arrow(before), pl.from_arrow(now)).to_dict() == ours
    assert sp.drift(before.to_pandas(), now.to_pandas()).to_dict() == ours
    encoded = now.set_column(2, "label", now["label"].dictionary_encode())
    assert sp.drift(before, encoded).to_dict() == ours


def test_what_cannot_be_compared_has_a_status_and_a_reason_and_the_rest_is_compared():
    rows = 500
    good = np.arange(rows, dtype=float)
    before = pa.table(
        {
            "good": good,
            "text_now": good,
            "number_now": ["a"] * rows,
            "gone": good,
            "lists": [[1]] * rows,
            "empty": pa.nulls(rows, pa.float64()),
            "nothing": pa.nulls(rows),
            "constant": [7.0] * rows,
            "moved": [7.0] * rows,
            "vanished": good,
            "money": [decimal.Decimal("1.10"), decimal.Decimal("2.20")] * (rows // 2),
        }
    )
    now = pa.table(
        {
            "good": good,
            "text_now": ["x"] * rows,
            "number_now": good,
            "lists": [[1]] * rows,
            "empty": pa.nulls(rows, pa.float64()),
            "nothing": good,
            "constant": [7.0] * rows,
            "moved": [8.0] * rows,
            "vanished": pa.nulls(rows, pa.float64()),
            "money": [decimal.Decimal("1.10"), decimal.Decimal("2.20")] * (rows // 2),
            "added": good,
        }
    )
    report = sp.drift(before, now)
    status = {c.name: c.status for c in report.columns}
    assert status == {
        "good": "quiet",
        "text_now": "unknown",
        "number_now": "unknown",
        "gone": "unknown",
        "lists": "quiet",
        "added": "unknown",
        "empty": "quiet",
        "nothing": "drift",
        "constant": "quiet",
        "moved": "drift",
        "vanished": "drift",
        "money": "quiet",
    }
    assert all(c.reasons for c in report.having("unknown"))
    assert "numeric" in report["text_now"].reasons[0]
    assert report["vanished"].missing == 1.0
    assert report.html()


@pytest.mark.parametrize("rows", [0, 1, 2, 29])
def test_few_rows_are_thin_and_never_an_error(rows):
    report = sp.drift(normal(1_000), normal(1_000).slice(0, rows))
    assert {c.status for c in report.columns} == {"thin"}
    assert report.html()
    assert repr(report)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.to_table().num_rows == 6


def test_a_reference_without_rows_is_unknown():
    report = sp.drift(normal(100).slice(0, 0), normal(100))
    assert {c.status for c in report.columns} == {"unknown"}
    assert report.html()


def test_columns_of_one_name_are_told_and_the_others_compared():
    twice = pa.table([pa.array([1.0] * 50), pa.array([2.0] * 50), pa.array([3.0] * 50)], names=["a", "a", "b"])
    report = sp.drift(twice, twice)
    assert report["a"].status == "unknown"
    assert report["a"].reasons == ("it is there 2 times",)
    assert report["b"].status == "quiet"


@pytest.mark.parametrize("absurd", [1e300, -1e300, math.inf, -math.inf, math.nan, 5e-324])
def test_one_absurd_value_moves_no_index_by_more_than_a_thousandth(absurd):
    before, now = normal(10_000), normal(10_000, SEED + 1, 0.1)
    x = now["x"].to_numpy().copy()
    x[17] = absurd
    clean, spoiled = sp.drift(before, now)["x"], sp.drift(before, now.set_column(0, "x", pa.array(x)))["x"]
    assert abs(clean.psi_debiased - spoiled.psi_debiased) < 0.001
    assert spoiled.status == clean.status
    y = before["x"].to_numpy().copy()
    y[17] = absurd
    assert abs(sp.drift(before.set_column(0, "x", pa.array(y)), now)["x"].psi_debiased - clean.psi_debiased) < 0.001


def test_the_order_of_rows_and_their_batches_change_no_bit():
    before, now = normal(5_000), normal(4_000, SEED + 1, 0.2)
    ours = json.dumps(sp.drift(before, now).to_dict())
    order = np.random.default_rng(3).permutation(len(now))
    mixed = now.take(order)
    assert json.dumps(sp.drift(before.take(np.random.default_rng(4).permutation(len(before))), mixed).to_dict()) == ours
    chunked = pa.Table.from_batches(mixed.to_batches(max_chunksize=97))
    assert chunked["x"].num_chunks > 40
    assert json.dumps(sp.drift(before, chunked).to_dict()) == ours
    from sternpost.monitor.drift import Comparison

    comparison = Comparison(before)
    for batch in mixed.to_batches(max_chunksize=331):
        comparison.add(batch)
    assert json.dumps(comparison.report().to_dict()) == ours


def test_periods_are_windows_that_add_up():
    before, now = normal(5_000), normal(9_000, SEED + 1)
    whole = sp.drift(before, now)
    report = sp.drift(before, now, by="at", period="month")
    assert [p.name for p in report.periods] == ["2024-01", "2024-02", "2024-03"]
    assert sum(p.rows for p in report.periods) == 9_000
    assert [c.to_dict() for c in report.columns] == [c.to_dict() for c in whole.columns]
    months = now["at"].to_numpy().astype("M8[M]")
    february = sp.drift(before, now.filter(pa.array(months == np.datetime64("2024-02"))))
    assert report.periods[1].psi_debiased["x"] == february["x"].psi_debiased
    # Nothing asked for: the finest span that gives at most 60 periods. 90 days are 13 or 14 weeks.
    assert 13 <= len(sp.drift(before, now, by="at").periods) <= 14
    assert [p.name for p in sp.drift(before, now, by="label").periods] == ["a", "b", "c"]


def test_rows_without_a_time_are_a_period_of_their_own():
    now = normal(100)
    at = pa.array([None] * 40 + now["at"].to_pylist()[40:], pa.timestamp("us", "UTC"))
    report = sp.drift(normal(100), now.set_column(5, "at", at), by="at", period="year")
    assert [(p.name, p.rows) for p in report.periods] == [("2024", 60), ("(none)", 40)]


def test_weeks_begin_on_monday():
    at = [dt.datetime(2024, 1, day, 12, tzinfo=dt.UTC) for day in (7, 8, 14, 15)]
    table = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "x": [1.0, 2.0, 3.0, 4.0]})
    report = sp.drift(table, table, by="at", period="week")
    assert [(p.name, p.rows) for p in report.periods] == [("2024-01-01", 1), ("2024-01-08", 2), ("2024-01-15", 1)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"by": "lost"}, "lost"),
        ({"by": "x", "period": "day"}, "double"),
        ({"by": "at", "period": "fortnight"}, "fortnight"),
        ({"period": "day"}, "day"),
        ({"level": 0.0}, "level is 0"),
        ({"tolerance": -1.0}, "tolerance is -1"),
        ({"columns": ["lost"]}, "lost"),
    ],
)
def test_arguments_that_make_no_sense_are_told_with_their_value(arguments, told):
    with pytest.raises(UsageError, match=told):
        sp.drift(normal(100), normal(100), **arguments)


def test_what_is_no_table_is_refused():
    with pytest.raises(ContractError, match="int"):
        sp.drift(3, normal(10))


def test_columns_chosen_are_the_columns_compared():
    report = sp.drift(normal(100), normal(100), columns=["label", "x"])
    assert {c.name for c in report.columns} == {"label", "x"}


HOSTILE = '<script>alert("x")</script>'


def test_names_and_labels_from_data_are_text_on_the_page():
    before = pa.table({HOSTILE: ["a", HOSTILE] * 100, "$x^{": np.arange(200.0), "": [True] * 200})
    now = pa.table({HOSTILE: ["<img src=x onerror=alert(1)>"] * 200, "$x^{": np.arange(200.0) + 99, "": [False] * 200})
    page = sp.drift(before, now, by=HOSTILE).html()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_with_a_bundle_inputs_features_and_outputs_are_compared_and_broken_rules_named():
    before, now = loans(1_200, seed=1), loans(2_000, seed=2)
    amounts = now["amount"].to_numpy().copy()
    amounts[:50] = -1.0
    amounts[50:] *= 3
    now = now.set_column(now.column_names.index("amount"), "amount", pa.array(amounts))
    report = sp.drift(before, now, bundle=sealed_loans())
    roles = {c.name: c.role for c in report.columns}
    assert roles["amount"] == "input"
    assert roles["burden"] == "feature"
    assert roles["score"] == "output"
    assert {"amount", "burden"} <= set(report.drifted)
    assert report["amount"].violations == {"gt": 50}
    assert report.name == "loans"
    assert "Broken rules" in report.html()
    with pytest.raises(ContractError, match="amount"):
        sp.drift(before, now.drop_columns("amount"), bundle=sealed_loans())


def test_a_bundle_is_compared_with_the_reference_that_it_holds():
    bundle = sealed_loans()
    assert bundle.reference is not None
    report = sp.drift(bundle, loans(2_000, seed=2))
    assert report.reference_rows == bundle.reference.rows
    assert ("reference", bundle.reference.digest[:12]) in report.about
    assert {c.role for c in report.columns} == {"input", "feature", "output"}
    assert report.drifted == ()


def test_the_report_reads_as_text_as_a_table_and_as_json():
    report = sp.drift(normal(5_000), normal(5_000, SEED + 1, 1.0))
    told = repr(report)
    assert "2 of 6 columns drifted" in told
    assert len(told.splitlines()) == 7
    table = report.to_table()
    assert table["column"].to_pylist() == [c.name for c in report.columns]
    assert table["psi"].to_pylist() == [c.psi for c in report.columns]
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["drifted"] == list(report.drifted)
    assert report.columns[0].status == "drift"
    with pytest.raises(KeyError):
        report["lost"]


def test_pandas_frames_with_an_index_and_categories_are_tables_too():
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b"] * 50), "n": range(100)}, index=range(100, 200))
    report = sp.drift(frame, frame)
    assert report["c"].status == "quiet"
    assert report["n"].status == "quiet"
