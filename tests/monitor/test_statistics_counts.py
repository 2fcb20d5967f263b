"""Statistics over counts against numpy, scipy and statsmodels, and their statuses where there is nothing to compute."""

import math

import numpy as np
import pytest
import scipy.stats as st
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.spatial.distance import jensenshannon
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from sternpost import _core
from sternpost.errors import UsageError

SPECIAL = 5
#: Small numbers with many zeros, and up to 1e12.
COUNT = some.one_of(some.integers(0, 3), some.integers(0, 500), some.integers(10**8, 10**12))


@some.composite
def pairs(draw, count=COUNT):
    cells = draw(some.integers(1, 30))
    both = [draw(some.lists(count, min_size=cells, max_size=cells)) for _ in range(2)]
    return tuple(np.asarray(side, dtype=np.uint64) for side in both)


def of_column(ordinary, *, unseen=0, nan=0, null=0):
    return np.asarray([*ordinary, 0, unseen, nan, 0, null], dtype=np.uint64)


def shares(a, b):
    kept = (a > 0) | (b > 0)
    return a[kept] / a.sum(dtype=float), b[kept] / b.sum(dtype=float)


def expected_status(a, b):
    if not a.any():
        return "empty_reference"
    if not b.any():
        return "empty_current"
    return "constant" if np.count_nonzero((a > 0) | (b > 0)) == 1 else "ok"


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_distances_are_numpys_and_scipys(pair):
    a, b = pair
    found = _core.distances_of_counts(a, b, plain=True)
    status = expected_status(a, b)
    assert {s["status"] for s in found.values()} == {status}
    if status.startswith("empty"):
        assert all(s["value"] is None for s in found.values())
        return
    p, q = shares(a, b)
    expected = {
        "jensen_shannon": jensenshannon(p, q, base=2),
        "jensen_shannon_divergence": jensenshannon(p, q, base=2) ** 2,
        "jensen_shannon_nats": jensenshannon(p, q),
        "hellinger": math.sqrt(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)),
        "total_variation": 0.5 * np.abs(p - q).sum(),
        "l_infinity": np.abs(p - q).max(),
    }
    for name, value in expected.items():
        value = 0.0 if math.isnan(value) else value  # scipy's sum of what cancels may fall below 0
        assert found[name]["value"] == pytest.approx(value, rel=1e-7, abs=3e-8), name


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_psi_and_its_conventions_are_their_formulas(pair):
    a, b = pair
    if expected_status(a, b) != "ok":
        return
    p, q = shares(a, b)
    k, n, m = len(p), a.sum(dtype=float), b.sum(dtype=float)
    kept = (a > 0) | (b > 0)

    def index(p, q):
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.sum(np.where(p == q, 0.0, (q - p) * np.log(q / p))))

    expected = {
        "jeffreys": index((a[kept] + 0.5) / (n + k / 2), (b[kept] + 0.5) / (m + k / 2)),
        "raw": index(p, q),
        "clip1e-4": index(np.maximum(p, 1e-4), np.maximum(q, 1e-4)),
        "scouter": index(p + 1e-10, q + 1e-10),
        "deepchecks": index(np.maximum(p, 0.01), np.maximum(q, 0.01)),
    }
    for convention, value in expected.items():
        found = _core.psi_of_counts(a, b, convention=convention, plain=True)
        assert found["status"] == "ok"
        assert found["cells"] == k
        assert found["value"] == pytest.approx(value, rel=1e-9, abs=1e-14), convention
    found = _core.psi_of_counts(a, b, plain=True)
    unit = 1 / n + 1 / m
    assert found["debiased"] == pytest.approx(expected["jeffreys"] - (k - 1) * unit, rel=1e-9, abs=1e-14)
    assert found["p_value"] == pytest.approx(st.chi2.sf(expected["jeffreys"] / unit, k - 1), rel=1e-6, abs=1e-12)
    assert found["critical"] == pytest.approx(st.chi2.isf(0.05, k - 1) * unit, rel=1e-9)


def test_psi_interval_inverts_the_noncentral_chi_square():
    a, b = np.asarray([300, 400, 300], np.uint64), np.asarray([250, 350, 400], np.uint64)
    found = _core.psi_of_counts(a, b, level=0.9, plain=True)
    unit = 1 / 1000 + 1 / 1000
    assert st.ncx2.cdf(found["value"] / unit, 2, found["low"] / unit) == pytest.approx(0.95, abs=1e-9)
    assert st.ncx2.cdf(found["value"] / unit, 2, found["high"] / unit) == pytest.approx(0.05, abs=1e-9)


def test_raw_psi_is_infinite_where_a_cell_is_empty_on_one_side():
    found = _core.psi_of_counts(of_column([5, 5]), of_column([5, 0]), convention="raw")
    assert found["value"] == math.inf


def test_cells_that_stayed_empty_on_both_sides_change_nothing():
    a, b = of_column([40, 60], null=7), of_column([55, 45], null=1)
    padded = [of_column([x[0], 0, x[1], 0], null=x[6]) for x in (a, b)]
    assert _core.psi_of_counts(a, b) == _core.psi_of_counts(*padded)
    assert _core.distances_of_counts(a, b) == _core.distances_of_counts(*padded)


def pooled(a, b, ordinary, neighbours):
    """The stated rule in plain Python: groups as (reference, current)."""
    n, m = sum(a), sum(b)
    small = lambda g: (g[0] + g[1]) * min(n, m) / (n + m) < 5  # noqa: E731
    groups, rest, run = [], (0, 0), (0, 0)
    for place, cell in enumerate(zip(a, b, strict=True)):
        if neighbours and place < ordinary:
            run = (run[0] + cell[0], run[1] + cell[1])
            if not small(run):
                groups.append(run)
                run = (0, 0)
    if groups:
        groups[-1] = (groups[-1][0] + run[0], groups[-1][1] + run[1])
    else:
        rest = run
    for cell in list(zip(a, b, strict=True))[ordinary if neighbours else 0 :]:
        if small(cell):
            rest = (rest[0] + cell[0], rest[1] + cell[1])
        else:
            groups.append(cell)
    if sum(rest):
        if small(rest) and groups:
            least = min(range(len(groups)), key=lambda i: sum(groups[i]))
            groups[least] = (groups[least][0] + rest[0], groups[least][1] + rest[1])
        else:
            groups.append(rest)
    return groups


@settings(max_examples=200, deadline=None)
@given(pairs(some.one_of(some.integers(0, 8), some.integers(0, 200))), some.sampled_from(["small", "neighbours"]))
def test_chi_square_of_the_pooled_table_is_scipys(pair, pooling):
    a, b = ([int(x) for x in side] + [1, 0, 2, 0, 9] for side in pair)
    found = _core.chi_square_of_counts(np.asarray(a, np.uint64), np.asarray(b, np.uint64), pooling=pooling)
    groups = pooled(a, b, len(a) - SPECIAL, pooling == "neighbours")
    assert found["groups"] == len(groups)
    if len(groups) < 2:
        assert found["status"] == "too_few"
        assert found["value"] is None
        return
    table = np.asarray(groups).T
    expected = st.chi2_contingency(table, correction=False)
    assert found["value"] == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-300)
    assert found["cramer_v"]["value"] == pytest.approx(st.contingency.association(table, "cramer"), rel=1e-8, abs=1e-9)


def test_bergsma_v_is_the_corrected_formula_and_zero_under_chance():
    a, b = [200, 300, 500], [300, 300, 400]
    found = _core.chi_square_of_counts(np.asarray(a, np.uint64), np.asarray(b, np.uint64), pooling="none", plain=True)
    n = 2000
    phi = st.chi2_contingency([a, b], correction=False).statistic / n
    corrected, k, r = max(0, phi - 2 / (n - 1)), 3 - 4 / (n - 1), 2 - 1 / (n - 1)
    assert found["bergsma_v"]["value"] == pytest.approx(math.sqrt(corrected / min(k - 1, r - 1)), rel=1e-12)
    same = _core.chi_square_of_counts(np.asarray(a, np.uint64), np.asarray(a, np.uint64), plain=True)
    assert same["bergsma_v"]["value"] == 0.0


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_ks_of_cells_and_wasserstein_of_cells_are_scipys_on_weights(pair):
    a, b = pair
    found = _core.ks_of_counts(a, b, plain=True)
    status = expected_status(a, b)
    assert found["status"] == status
    if status.startswith("empty"):
        return
    fa, fb = np.cumsum(a, dtype=float) / a.sum(dtype=float), np.cumsum(b, dtype=float) / b.sum(dtype=float)
    at = np.linspace(-3, 5, len(a)) ** 3
    w = _core.wasserstein_of_counts(a, b, at, at + 0.01, sd=2.0, iqr=0.0, plain=True)
    assert w["wasserstein"]["value"] == pytest.approx(st.wasserstein_distance(at, at + 0.01, a, b), rel=1e-7, abs=1e-9)
    assert w["wasserstein_per_sd"]["value"] == pytest.approx(w["wasserstein"]["value"] / 2)
    assert w["wasserstein_per_iqr"] == {"value": None, "p_value": None, "low": None, "high": None, "status": "constant"}
    if status == "ok":
        assert found["value"] == pytest.approx(np.abs(fa - fb).max(), abs=1e-12)
        before_a, before_b = np.r_[0, fa[:-1]], np.r_[0, fb[:-1]]
        assert found["upper"] == pytest.approx(max((fa - before_b).max(), (fb - before_a).max()), abs=1e-12)


def test_raw_d_lies_between_the_cells_d_and_its_bound():
    rng = np.random.default_rng(3)
    for shift in (0, 0.05, 0.3, 2):
        x, y = rng.normal(size=4000), rng.normal(shift, size=900)
        edges = np.r_[-np.inf, np.quantile(x, np.arange(1, 10) / 10), np.inf]
        a, b = (np.histogram(v, edges)[0].astype(np.uint64) for v in (x, y))
        cells, raw = _core.ks_of_counts(a, b, plain=True), st.ks_2samp(x, y)
        assert cells["value"] <= raw.statistic + 1e-12 <= cells["upper"] + 2e-12
        assert cells["p_value"] >= st.ks_2samp(x, y, method="asymp").pvalue * (1 - 1e-9)


@settings(max_examples=200, deadline=None)
@given(*[some.one_of(some.integers(0, 40), some.integers(0, 10**9)) for _ in range(4)])
def test_missing_rate_is_statsmodels_z_or_scipys_fisher(a, left, b, kept):
    n, m = a + left, b + kept
    found = _core.missing_rate(a, n, b, m)
    if n == 0 or m == 0:
        assert found["status"] == ("empty_reference" if n == 0 else "empty_current")
        return
    low, high = confint_proportions_2indep(b, m, a, n, method="newcomb", compare="diff")
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-6, abs=1e-9)
    if a + b in (0, n + m):
        assert found["status"] == "constant"
        assert found["p_value"] == 1.0
        return
    expected = min(n, m) * min(a + b, left + kept) / (n + m)
    assert found["test"] == ("fisher" if expected < 10 else "z")
    if found["test"] == "z":
        assert found["p_value"] == pytest.approx(proportions_ztest([b, a], [m, n])[1], rel=1e-6, abs=1e-300)
    elif max(n, m) < 10**6:
        assert found["p_value"] == pytest.approx(st.fisher_exact([[a, left], [b, kept]]).pvalue, rel=1e-6, abs=1e-12)


def test_unseen_labels_are_held_against_good_turing():
    found = _core.unseen_rate(30, 1000, 150, 10_000, tolerance=0.005)
    assert found["allowed"] == pytest.approx(0.02)
    assert found["p_value"] == pytest.approx(st.binomtest(30, 1000, 0.02, alternative="greater").pvalue, rel=1e-10)
    assert _core.unseen_rate(0, 1000, 0, 10_000)["p_value"] == 1.0
    assert _core.unseen_rate(1, 1000, 0, 10_000)["p_value"] == 0.0
    assert _core.unseen_rate(0, 0, 0, 10_000)["status"] == "empty_current"


@pytest.mark.parametrize(
    ("reference", "current", "status"),
    [
        (of_column([0, 0]), of_column([1, 0]), "empty_reference"),
        (of_column([3, 4]), of_column([0, 0]), "empty_current"),
        (of_column([0, 0], null=9), of_column([0, 0], null=8), "constant"),
        (of_column([9, 0]), of_column([2, 0]), "constant"),
        (of_column([3, 4]), of_column([1, 0]), "ok"),
        (of_column([10**9, 10**18]), of_column([10**18, 10**9]), "ok"),
        (of_column([2**64 - 1] * 3), of_column([1, 2**64 - 1, 0], unseen=2**64 - 1), "ok"),
    ],
)
def test_a_column_has_a_status_and_no_number_is_nan(reference, current, status):
    found = _core.compare_counts(
        reference,
        current,
        ordered=True,
        reference_at=np.asarray([1.0] * (len(reference) - SPECIAL)),
        sd=0.0,
        singletons=1,
    )
    assert found["status"] == status

    def numbers(thing):
        for value in thing.values():
            yield from numbers(value) if isinstance(value, dict) else [value]

    assert not any(isinstance(x, float) and not math.isfinite(x) for x in numbers(found)), found


def test_nulls_are_a_cell_and_the_missing_rate():
    found = _core.compare_counts(of_column([500, 500]), of_column([450, 450], null=60, nan=40), ordered=False)
    assert found["missing"]["current"] == pytest.approx(0.1)
    assert found["missing"]["p_value"] < 1e-20
    assert found["psi"]["p_value"] < 1e-15
    assert found["ks"]["status"] == found["wasserstein"]["status"] == found["unseen"]["status"] == "not_applicable"


@pytest.mark.parametrize(
    "wrong", [[1, 2, 3], np.asarray([1.0] * 7), np.zeros(7, np.int64), np.zeros(6, np.uint64), np.zeros(2, np.uint64)]
)
def test_what_is_no_vector_of_counts_is_said_to_be_none(wrong):
    with pytest.raises(UsageError, match=r"uint64|cells"):
        _core.psi_of_counts(wrong, wrong if getattr(wrong, "size", 0) == 2 else of_column([1, 2]))


def test_one_absurd_value_moves_no_psi():
    rng = np.random.default_rng(11)
    x, y = rng.lognormal(size=20_000), rng.lognormal(size=10_000)
    edges = np.r_[-np.inf, np.quantile(x, np.arange(1, 40) / 40), np.inf]
    count = lambda v: of_column(np.histogram(v, edges)[0])  # noqa: E731
    before = _core.psi_of_counts(count(x), count(y))["value"]
    for place in (0, 1):
        absurd = [x.copy(), y.copy()]
        absurd[place][17] = 1e300
        assert abs(_core.psi_of_counts(count(absurd[0]), count(absurd[1]))["value"] - before) < 0.001
