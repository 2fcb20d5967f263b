//! What must hold for any counts and any values; the numbers are checked from Python, against scipy and statsmodels.

use proptest::prelude::*;

use super::compare::{About, compare};
use super::contingency::{Pooling, chi_square};
use super::kolmogorov_smirnov::{Method, of_cells, of_samples};
use super::psi::{Convention, psi, psi_by};
use super::{Measured, Pair, Sample, Status, divergence, transport};

fn counts() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let count = || prop_oneof![Just(0_u64), 1..5_u64, 1..1000_u64, Just(u64::MAX)];
    prop::collection::vec((count(), count()), 5..40)
}

fn sane(measured: &Measured) -> bool {
    let finite = |x: Option<f64>| x.is_none_or(f64::is_finite);
    let p = measured.p_value.is_none_or(|p| (0.0..=1.0).contains(&p));
    finite(measured.value)
        && finite(measured.low)
        && finite(measured.high)
        && p
        && (measured.status != Status::Ok || measured.value.is_some())
}

proptest! {
    #[test]
    fn no_counts_panic_or_give_nan(cells in counts(), ordered: bool, scale in prop_oneof![Just(0.0), Just(f64::NAN), 0.1..9.0]) {
        let (a, b): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
        let pair = Pair::of_column(&a, &b).unwrap();
        let at: Vec<f64> = (0..a.len()).map(|cell| cell as f64).collect();
        let about = About { ordered, reference_at: Some(&at), sd: Some(scale), iqr: Some(scale), singletons: Some(2), ..About::default() };
        let c = compare(&pair, &about);
        let all = [
            c.psi.measured, c.jensen_shannon, c.hellinger, c.total_variation, c.l_infinity, c.chi_square.measured, c.chi_square.cramer_v,
            c.chi_square.bergsma_v, c.ks.measured, c.wasserstein.distance, c.wasserstein.per_sd, c.wasserstein.per_iqr, c.missing.difference,
            c.unseen.measured,
        ];
        for measured in &all {
            prop_assert!(sane(measured), "{measured:?} of {cells:?}");
        }
    }

    #[test]
    fn distances_are_symmetric_and_bounded(cells in counts()) {
        let (a, b): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
        let (there, back) = (Pair::plain(&a, &b).unwrap(), Pair::plain(&b, &a).unwrap());
        prop_assume!(there.empty().is_none());
        for distance in [divergence::jensen_shannon, divergence::hellinger, divergence::total_variation, divergence::l_infinity] {
            let value = distance(&there).value.unwrap();
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert!((value - distance(&back).value.unwrap()).abs() <= 1e-12);
        }
        let d = of_cells(&there);
        prop_assert!(d.measured.value.unwrap() <= d.upper.unwrap());
        let psi = psi(&there, 0.95).measured.value.unwrap();
        prop_assert!(psi >= 0.0 && psi <= psi_by(&there, Convention::Raw).value.unwrap() * (1.0 + 1e-9) + 1.0);
        let v = chi_square(&there, Pooling::Small).cramer_v.value;
        prop_assert!(v.is_none_or(|v| (0.0..=1.0).contains(&v)));
    }

    #[test]
    fn samples_of_any_floats_have_a_status(x in prop::collection::vec(any::<f64>(), 0..30), y in prop::collection::vec(any::<f64>(), 0..30)) {
        let (a, b) = (Sample::new(x), Sample::new(y));
        let ks = of_samples(&a, &b, Method::Auto);
        prop_assert!(sane(&ks), "{ks:?}");
        let w = transport::wasserstein(&a, &b);
        for measured in [w.distance, w.per_sd, w.per_iqr, transport::energy(&a, &b)] {
            prop_assert!(!measured.value.is_some_and(f64::is_nan));
        }
    }

    #[test]
    fn a_sample_does_not_know_its_order(mut x in prop::collection::vec(-50..50_i32, 1..40), y in prop::collection::vec(-50..50_i32, 1..40)) {
        let sample = |values: &[i32]| Sample::new(values.iter().copied().map(f64::from));
        let before = of_samples(&sample(&x), &sample(&y), Method::Auto);
        let distance = transport::wasserstein(&sample(&x), &sample(&y));
        x.reverse();
        prop_assert_eq!(before, of_samples(&sample(&x), &sample(&y), Method::Auto));
        prop_assert_eq!(distance, transport::wasserstein(&sample(&x), &sample(&y)));
    }
}

#[test]
fn counts_that_do_not_belong_together_are_named() {
    let short = Pair::of_column(&[1, 2], &[3, 4]).unwrap_err().to_string();
    assert!(short.contains("2 counts are fewer than the 5 special cells"), "{short}");
    let lengths = Pair::plain(&[1, 2], &[3]).unwrap_err().to_string();
    assert!(lengths.contains("2 cells and the current counts have 1"), "{lengths}");
}
