"""If nothing has changed: p-values of the PSI are uniform, and the debiased PSI is 0 on average."""

import numpy as np
import pytest
import scipy.stats as st

from sternpost import _core

SEED = 20_250_611
RUNS = 4000


@pytest.mark.parametrize(
    ("probabilities", "n", "m"),
    [
        (np.ones(10) / 10, 10_000, 1_000),
        (np.ones(40) / 40, 5_000, 5_000),
        (np.r_[0.6, 0.2, 0.1, 0.05, 0.05], 2_000, 2_000),
    ],
)
def test_p_values_of_the_psi_are_uniform_under_no_change(probabilities, n, m):
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    a = rng.multinomial(n, probabilities, RUNS).astype(np.uint64)
    b = rng.multinomial(m, probabilities, RUNS).astype(np.uint64)
    found = [_core.psi_of_counts(x, y, plain=True) for x, y in zip(a, b, strict=True)]
    p_values = np.asarray([f["p_value"] for f in found])
    # Of 4000 uniform values D exceeds 0.0308 once in a thousand; the chi-square is approximate, so 0.01 more.
    assert st.kstest(p_values, "uniform").statistic < 0.041
    for level in (0.01, 0.05, 0.1):
        assert np.mean(p_values < level) == pytest.approx(level, abs=4 * np.sqrt(level / RUNS) + 0.1 * level)
    debiased = np.asarray([f["debiased"] for f in found])
    bias = (len(probabilities) - 1) * (1 / n + 1 / m)
    error = debiased.std() / np.sqrt(RUNS)
    assert abs(debiased.mean()) < 4 * error + 0.02 * bias, f"{debiased.mean() / bias:+.4f} of the bias removed is left"
    # Without the correction the mean is far from 0.
    assert np.mean([f["value"] for f in found]) > 0.9 * bias


def test_the_interval_covers_the_populations_index():
    rng = np.random.default_rng(SEED + 1)
    print(f"seed {SEED + 1}")
    p = np.ones(10) / 10
    q = p * np.linspace(0.85, 1.15, 10)
    q /= q.sum()
    true = np.sum((q - p) * np.log(q / p))
    covered = 0
    for _ in range(1000):
        a, b = (rng.multinomial(4000, side).astype(np.uint64) for side in (p, q))
        found = _core.psi_of_counts(a, b, plain=True)
        covered += found["low"] <= true <= found["high"]
    assert covered / 1000 == pytest.approx(0.95, abs=0.03)
