//! Many p-values at once, for those who look at windows one by one.

/// Adjusted p-values of Benjamini and Hochberg (1995): rejecting those at most q keeps the false discovery rate at q if the tests are
/// independent or positively dependent. NaN marks a column without a test: it stays NaN and counts nowhere.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    step_up(p, |_| 1.0)
}

/// Adjusted p-values of Benjamini and Yekutieli (2001): the same under any dependence, at the price of a factor 1 + 1/2 + ... + 1/m.
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    step_up(p, |tests| (1..=tests).map(|k| 1.0 / k as f64).sum())
}

/// The level at which each column of each window is tested, so that at most `alarms` false ones are expected, whatever the dependence.
pub fn level_per_test(alarms: f64, windows: u64, columns: usize) -> f64 {
    let tests = windows.max(1) as f64 * columns.max(1) as f64;
    (alarms / tests).clamp(0.0, 1.0)
}

fn step_up(p: &[f64], factor: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p.iter().copied().enumerate().filter(|(_, p)| !p.is_nan()).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let tests = order.len();
    let scale = factor(tests) * tests as f64;
    let mut adjusted = p.to_vec();
    let mut least = 1.0f64;
    for (below, (place, p)) in order.into_iter().enumerate() {
        least = least.min(scale * p / (tests - below) as f64);
        if let Some(slot) = adjusted.get_mut(place) {
            *slot = least;
        }
    }
    adjusted
}

/// Which of these e-values are discoveries at the false discovery rate `level` (e-BH of Wang and Ramdas, 2022), under any dependence.
pub fn e_benjamini_hochberg(log_e: &[f64], level: f64) -> Vec<bool> {
    let mut sorted: Vec<f64> = log_e.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let tests = sorted.len() as f64;
    let needed = |k: usize| libm::log(tests / (level * (k + 1) as f64));
    let least = sorted.iter().enumerate().rev().find(|(k, e)| **e >= needed(*k)).map(|(_, e)| *e);
    log_e.iter().map(|e| least.is_some_and(|least| *e >= least)).collect()
}
