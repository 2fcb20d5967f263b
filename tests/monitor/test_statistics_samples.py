"""Statistics over raw values against scipy, and what Evidently and NannyML gave for the same numbers."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats as st
from hypothesis import given, settings
from hypothesis import strategies as some

from sternpost import _core
from sternpost.errors import ContractError, UsageError

VALUE = some.one_of(some.integers(-3, 3).map(float), some.floats(-1e6, 1e6).map(lambda x: round(x, 6)))
SAMPLE = some.lists(VALUE, min_size=1, max_size=60)


def share_of_paths_outside(n, m, d):
    """P(D >= d) without ties, by counting the paths inside in whole numbers (scipy's count fails for some sizes)."""
    height = round(d * math.lcm(n, m))
    ways = [0] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            inside = abs(i * m - j * n) < height * math.gcd(n, m)
            before = 1 if i == j == 0 else (ways[j] if i else 0) + (ways[j - 1] if j else 0)
            ways[j] = before if inside else 0
    return float(1 - Fraction(ways[m], math.comb(n + m, n)))


@settings(max_examples=200, deadline=None)
@given(SAMPLE, SAMPLE)
def test_raw_statistics_are_scipys(x, y):
    found = _core.compare_samples(np.asarray(x), np.asarray(y))
    d = st.ks_2samp(x, y, method="asymp").statistic  # its p-value plays no part
    assert found["ks"]["value"] == pytest.approx(d, abs=1e-14)
    assert found["ks"]["p_value"] == pytest.approx(share_of_paths_outside(len(x), len(y), d), rel=1e-9)
    assert found["wasserstein"]["value"] == pytest.approx(st.wasserstein_distance(x, y), rel=1e-9, abs=1e-9)
    assert found["energy"]["value"] == pytest.approx(st.energy_distance(x, y), rel=1e-7, abs=1e-9)
    for name, scale in (("per_sd", np.std(x)), ("per_iqr", np.subtract(*np.quantile(x, [0.75, 0.25])))):
        scaled = found[f"wasserstein_{name}"]
        if scaled["status"] == "ok":
            assert scaled["value"] == pytest.approx(found["wasserstein"]["value"] / scale, rel=1e-6)
        else:
            assert scaled["status"] == "constant"
            assert scale < 1e-9


@pytest.mark.parametrize(
    ("n", "m"), [(200, 200), (999, 1000), (3000, 1000), (10_000, 2500), (10_001, 500), (30_000, 40_000)]
)
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.4])
def test_ks_p_values_at_any_size(n, m, shift):
    rng = np.random.default_rng(n + m)
    x, y = rng.normal(size=n), rng.normal(shift, size=m)
    for method, theirs in (("auto", "auto"), ("asymptotic", "asymp")):
        expected = st.ks_2samp(x, y, method=theirs).pvalue
        assert _core.compare_samples(x, y, method=method)["ks"]["p_value"] == pytest.approx(
            expected, rel=1e-6, abs=1e-200
        )


def test_kolmogorovs_law_is_scipys():
    for n in (1, 2, 7, 139, 140, 141, 500, 1000, 1001, 30_000, 1_000_000):
        for z in np.r_[0.02:3:0.05, 3:9]:
            d = z / np.sqrt(n)
            if d < 1:
                assert _core.kolmogorov_sf(d, n) == pytest.approx(st.kstwo.sf(d, n), rel=1e-7, abs=1e-300), (n, z)
    # Far beyond, Kolmogorov's limit.
    assert _core.kolmogorov_sf(1e-9 * 2.5, 10**18) == pytest.approx(st.kstwobign.sf(2.5), rel=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 9, 44, 300])
def test_the_noncentral_chi_square_is_scipys(freedom):
    for noncentrality in (1e-9, 0.5, 12.0, 999.0, 9_999.0, 10_001.0, 1e7):
        for share in (0.001, 0.025, 0.5, 0.975, 0.999):
            x = st.ncx2.ppf(share, freedom, noncentrality)
            expected = st.ncx2.cdf(x, freedom, noncentrality)
            near = 1e-9 if noncentrality <= 1e4 else 1e-6
            assert _core.noncentral_chi_square_cdf(x, freedom, noncentrality) == pytest.approx(expected, abs=near)


def test_the_binomial_tail_is_scipys_at_any_size():
    for n in (1, 9, 1000, 10**6, 10**9, 10**12):
        for p in (1e-6, 0.001, 0.05, 0.5, 0.9):
            for away in (-5, -1, 0, 1, 4, 8):
                k = int(min(n, max(0, n * p + away * np.sqrt(n * p * (1 - p)))))
                expected = st.binom.sf(k - 1, n, p)
                assert _core.binomial_sf(k, n, p) == pytest.approx(expected, rel=1e-6, abs=1e-30), (n, p, away)


def test_exact_p_values_keep_their_digits_far_out():
    x, y = np.arange(300.0), np.arange(250.0) + 200
    assert _core.compare_samples(x, y)["ks"]["p_value"] == pytest.approx(st.ks_2samp(x, y).pvalue, rel=1e-9)


def test_arrow_columns_in_any_chunks_and_missing_values_are_the_same_sample():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=999).astype(np.float32), rng.normal(size=500)
    expected = _core.compare_samples(x.astype(float), y)
    with_gaps = pa.chunked_array([[None, *x[:400].tolist(), float("nan")], [], x[400:].tolist()], pa.float32())
    assert _core.compare_samples(with_gaps, pa.array(np.r_[y, np.nan])) == expected
    assert _core.compare_samples(x[::-1].astype(float).copy(), np.sort(y)) == expected


@pytest.mark.parametrize(
    ("x", "y", "statuses"),
    [
        ([], [1.0], "empty_reference empty_reference"),
        ([1.0], [float("nan")], "empty_current empty_current"),
        ([2.0] * 5, [2.0] * 7, "constant ok"),
        ([1.0], [2.0], "too_few ok"),
        ([float("inf")], [1.0, 2.0], "ok empty_reference"),
        ([1e308, -1e308], [0.0, 1e300], "ok ok"),
    ],
)
def test_raw_samples_have_a_status_too(x, y, statuses):
    found = _core.compare_samples(np.asarray(x), np.asarray(y))
    assert f"{found['ks']['status']} {found['wasserstein']['status']}" == statuses


def test_what_has_no_order_is_refused():
    with pytest.raises(ContractError, match="cast it to float64"):
        _core.compare_samples(pa.array(["a"]), np.zeros(1))
    with pytest.raises(UsageError, match="current is not a buffer of float64"):
        _core.compare_samples(np.zeros(1), [1.0])


def libraries_cases():
    i, j = np.arange(1, 1201), np.arange(1, 801)
    a = np.sin(i * 1.7) * 3 + np.cos(i * 0.31) * 2 + (i % 7) * 0.25
    b = np.sin(j * 1.3) * 3 + np.cos(j * 0.29) * 2.5 + (j % 5) * 0.3 + 0.4
    absurd = b.copy()
    absurd[0] = 1e4
    few = (i % 9).astype(float), ((j * j) % 11).astype(float)
    return {"shifted": (a, b), "absurd": (a, absurd), "few": few, "skewed": (np.exp(a / 2), np.exp(b / 2))}


#: PSI, Jensen-Shannon and normed Wasserstein of evidently 0.7.23; Jensen-Shannon, Hellinger, Wasserstein and KS of
#: nannyml 0.13.1; both with numpy 2.4.6, scipy 1.17.1 and pandas 2.3.3.
LIBRARIES = {
    "shifted": [
        (0.05060450354374012, 0.07681383675387438, 0.10418690096385472),
        (0.10663039137482609, 0.10003641193852231, 0.2707713136868947, 0.05125),
    ],
    "absurd": [
        (0.0029061514183315595, 0.020818559568552275, 4.911035266180572),
        (0.10840225460158612, 0.10227660868663167, 12.763288458380337, 0.05125),
    ],
    "few": [
        (4.624827664813402, 0.48467927198346605, 0.2565204667553389),
        (0.5821591346536436, 0.5754542261699378, 0.6620833333333334, 0.1825),
    ],
    "skewed": [
        (0.07549839240344954, 0.09122118224427446, 0.20181231161662777),
        (0.13078645517959545, 0.11912801831118597, 0.8288410492665119, 0.05125),
    ],
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_the_numbers_of_evidently_and_nannyml_are_reproduced(case):
    x, y = libraries_cases()[case]
    found = {name: s["value"] for name, s in _core.parity_of_samples(x, y).items()}
    (psi, js, normed), (nanny_js, hellinger, wasserstein, ks) = LIBRARIES[case]
    assert found["evidently_psi"] == pytest.approx(psi, rel=1e-11)
    assert found["evidently_jensen_shannon"] == pytest.approx(js, rel=1e-11)
    assert found["evidently_wasserstein"] == pytest.approx(normed, rel=1e-11)
    assert found["nannyml_jensen_shannon"] == pytest.approx(nanny_js, rel=1e-11)
    assert found["nannyml_hellinger"] == pytest.approx(hellinger, rel=1e-11)
    raw = _core.compare_samples(x, y)
    assert (raw["wasserstein"]["value"], raw["ks"]["value"]) == pytest.approx((wasserstein, ks), rel=1e-11)
