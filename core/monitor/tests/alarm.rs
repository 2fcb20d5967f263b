//! The detector against its promise, on streams made by chance. Every seed is written here.

// What clippy.toml allows in tests it does not see in their helper functions.
#![allow(clippy::unwrap_used)]

use std::num::NonZero;

use sternpost_monitor::alarm::simulate::{Change, Passage, Simulation, Source, counts_of};
use sternpost_monitor::alarm::{Budget, Column, Detector, Error, Kind, Status, reach, violations};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

const A: f64 = 100.0;

/// A column with deciles of `rows` rows, two in a hundred missing.
fn deciles(name: &str, rows: u64) -> Column {
    let mut counts = vec![rows * 98 / 1000; 10];
    counts.extend([0, 0, 0, 0, rows * 2 / 100]);
    Column { name: name.into(), kind: Kind::Numeric, counts, importance: 1.0 }
}

fn labels(name: &str, rows: u64) -> Column {
    let mut counts: Vec<u64> = [500, 300, 150, 40, 8].iter().map(|part| rows * part / 1000).collect();
    counts.extend([rows * 2 / 1000, 0, 0, 0, 0]);
    Column { name: name.into(), kind: Kind::Category, counts, importance: 1.0 }
}

fn columns(count: usize, rows: u64) -> Vec<Column> {
    (0..count).map(|k| if k % 4 == 3 { labels(&format!("c{k}"), rows) } else { deciles(&format!("c{k}"), rows) }).collect()
}

fn simulation(columns: Vec<Column>, budget: Budget, rows_per_window: u64, windows: u64) -> Simulation {
    let budget = Budget { windows_per_alarm: A, ..budget };
    Simulation {
        columns,
        budget,
        rows_per_window,
        windows,
        thresholds: vec![A],
        reference_rows: None,
        correlation: 0.0,
        change: None,
        seed: 20_261_123,
    }
}

fn run(simulation: &Simulation, runs: u64) -> Vec<Passage> {
    simulation.run(0, runs, NonZero::new(2).unwrap()).unwrap()
}

/// Alarmed runs and windows in all: their ratio estimates E[min(T, cap)] / P(T <= cap), which is at least A.
fn tally(passages: &[Passage]) -> (u64, u64) {
    let alarms = passages.iter().filter(|passage| passage.passed[0].is_some()).count() as u64;
    (alarms, passages.iter().map(|passage| passage.windows).sum())
}

fn median(passages: &[Passage]) -> u64 {
    let mut delays: Vec<u64> = passages.iter().map(|passage| passage.passed[0].unwrap_or(u64::MAX)).collect();
    delays.sort_unstable();
    delays[delays.len() / 2]
}

/// No more alarms than the promise allows, give or take four standard deviations of a Poisson count.
fn keeps_the_promise(passages: &[Passage]) {
    let (alarms, windows) = tally(passages);
    let allowed = windows as f64 / A;
    assert!(alarms as f64 <= allowed + 4.0 * allowed.sqrt(), "{alarms} alarms in {windows} windows");
}

#[test]
fn at_the_sharpest_null_the_promise_holds_and_is_not_idle() {
    // The reference is the truth and nothing is tolerated: every likelihood ratio has mean exactly one.
    let exact = Budget { known_reference: true, tolerance: 0.0, rare_tolerance: 0.0, ..Budget::default() };
    for correlation in [0.0, 0.9] {
        let passages = run(&Simulation { correlation, ..simulation(columns(8, 100_000), exact.clone(), 300, 400) }, 120);
        keeps_the_promise(&passages);
        let (alarms, windows) = tally(&passages);
        assert!(alarms > 20, "{alarms} alarms in {windows} windows: the test would not notice a detector that never alarms");
    }
}

#[test]
fn a_reference_that_is_a_sample_bites_without_its_band_and_not_with_it() {
    let blind = Budget { known_reference: true, tolerance: 0.0, rare_tolerance: 0.0, ..Budget::default() };
    let naive = Simulation { reference_rows: Some(10_000), ..simulation(columns(8, 100_000), blind, 1_000, 300) };
    let bitten = run(&naive, 60);
    assert!(median(&bitten) < 60, "median {}", median(&bitten));
    let cured = Simulation { budget: Budget { known_reference: false, ..naive.budget.clone() }, ..naive };
    let (alarms, _) = tally(&run(&cured, 60));
    assert_eq!(alarms, 0);
}

#[test]
fn a_tiny_true_shift_at_huge_n_bites_without_tolerance_and_not_with_it() {
    let strict = Budget { known_reference: true, tolerance: 0.0, rare_tolerance: 0.0, ..Budget::default() };
    let shifted = Simulation { change: Some((Change::Location(0.01), 0)), ..simulation(columns(8, 100_000), strict, 1_000_000, 50) };
    let bitten = run(&shifted, 40);
    assert!(median(&bitten) <= 5, "median {}", median(&bitten));
    let tolerant = Budget { tolerance: 0.01, rare_tolerance: 0.002, ..shifted.budget.clone() };
    let (alarms, _) = tally(&run(&Simulation { budget: tolerant, ..shifted }, 40));
    assert_eq!(alarms, 0);
}

#[test]
fn rows_that_go_together_bite_without_tempering_and_not_with_it() {
    // Every row five times: five times as many rows as there is evidence.
    let exact = Budget {
        known_reference: true,
        tolerance: 0.0,
        rare_tolerance: 0.0,
        windows_per_alarm: A,
        acknowledge_at_once: true,
        ..Budget::default()
    };
    let column = deciles("c", 100_000);
    let shares: Vec<f64> = column.counts.iter().map(|count| *count as f64 / 100_000.0).collect();
    let alarms = |repeats: u32| {
        let mut by = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut detector = Detector::new(vec![column.clone()], Budget { repeats, ..exact.clone() }).unwrap();
        let mut counts = vec![0u64; column.counts.len()];
        for _ in 0..3_000 {
            counts_of(&shares, 200, &mut by, &mut counts);
            counts.iter_mut().for_each(|count| *count *= 5);
            detector.update(&[&counts]).unwrap();
        }
        detector.alarms()
    };
    let allowed = 3_000.0 / A;
    assert!(alarms(1) as f64 > 3.0 * allowed, "{} alarms", alarms(1));
    assert!(alarms(5) as f64 <= allowed + 4.0 * allowed.sqrt(), "{} alarms", alarms(5));
}

#[test]
fn runs_do_not_depend_on_threads_or_on_what_was_run_before() {
    let simulation =
        simulation(columns(4, 20_000), Budget { known_reference: true, tolerance: 0.0, rare_tolerance: 0.0, ..Budget::default() }, 200, 60);
    let at_once = simulation.run(0, 7, NonZero::new(3).unwrap()).unwrap();
    let mut apart = simulation.run(0, 3, NonZero::new(1).unwrap()).unwrap();
    apart.extend(simulation.run(3, 4, NonZero::new(2).unwrap()).unwrap());
    assert_eq!(at_once, apart);
}

#[test]
fn shifts_are_seen_in_the_order_of_their_size_and_the_culprit_is_named() {
    let base = simulation(columns(8, 100_000), Budget::default(), 1_000, 400);
    let delay = |change| median(&run(&Simulation { change: Some((change, 1)), ..base.clone() }, 40));
    let (large, larger) = (delay(Change::Location(0.2)), delay(Change::Location(0.3)));
    assert!(larger <= large && large < 20, "{larger} {large}");
    assert_eq!(delay(Change::Stuck), 1);
    let mut detector = Detector::new(base.columns.clone(), base.budget.clone()).unwrap();
    let quiet: Vec<Vec<u64>> = base.columns.iter().map(|column| column.counts.iter().map(|count| count / 100).collect()).collect();
    let mut missing = quiet.clone();
    missing[1].iter_mut().take(10).for_each(|count| *count -= 9);
    missing[1][14] += 90;
    for window in 0..20 {
        let counts = if window < 10 { &quiet } else { &missing };
        let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        let verdict = detector.update(&borrowed).unwrap();
        assert!(window >= 10 || verdict.status == Status::Watching);
        if verdict.alarm {
            let culprit = &verdict.culprits[0];
            assert_eq!((culprit.column.as_str(), culprit.cell, culprit.cumulative, culprit.up, culprit.since), ("c1", 14, false, true, 10));
            assert!(culprit.share > 0.9);
            let named: Vec<&str> = verdict.columns.iter().filter(|column| column.named).map(|column| column.column.as_str()).collect();
            assert_eq!(named, ["c1"]);
            return;
        }
    }
    panic!("no alarm");
}

#[test]
fn the_reach_that_is_computed_is_the_delay_that_is_simulated() {
    let base = simulation(columns(8, 100_000), Budget::default(), 1_000, 200);
    let detector = Detector::new(base.columns.clone(), base.budget.clone()).unwrap();
    let smallest = reach::reach(&detector, 1_000.0, 20.0)[1].clone();
    let shift = Change::Location(smallest.location_sd.unwrap());
    let delay = median(&run(&Simulation { change: Some((shift, 1)), ..base.clone() }, 60));
    assert!((8..=24).contains(&delay), "{delay} windows for {smallest:?}");
    let part = Change::Missing(smallest.missing.unwrap());
    let delay = median(&run(&Simulation { change: Some((part, 1)), ..base }, 60));
    assert!((8..=24).contains(&delay), "{delay} windows for {smallest:?}");
}

#[test]
fn a_saved_detector_goes_on_with_the_same_bits_and_damage_is_noticed() {
    let columns = columns(4, 5_000);
    let mut one = Detector::new(columns.clone(), Budget { cool_down: 2, ..Budget::default() }).unwrap();
    let counts: Vec<Vec<u64>> = columns.iter().map(|column| column.counts.iter().map(|count| count / 7).collect()).collect();
    let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
    one.update(&borrowed).unwrap();
    let bytes = one.to_bytes().unwrap();
    let mut other = Detector::from_bytes(&bytes).unwrap();
    for _ in 0..5 {
        assert_eq!(one.update(&borrowed).unwrap(), other.update(&borrowed).unwrap());
    }
    assert_eq!(one.to_bytes().unwrap(), other.to_bytes().unwrap());
    for end in [0, 1, 8, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(Detector::from_bytes(&bytes[..end]), Err(Error::State(_))), "{end}");
    }
}

#[test]
fn whatever_a_window_holds_there_is_a_verdict() {
    let columns = columns(4, 5_000);
    let mut detector = Detector::new(columns.clone(), Budget { cool_down: 1, ..Budget::default() }).unwrap();
    let window = |fill: &dyn Fn(usize, usize) -> u64| -> Vec<Vec<u64>> {
        columns.iter().enumerate().map(|(k, column)| (0..column.counts.len()).map(|cell| fill(k, cell)).collect()).collect()
    };
    let mut update = |counts: &[Vec<u64>]| {
        let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        detector.update(&borrowed).map(|verdict| (verdict.alarm, verdict.log_mean, verdict.status))
    };
    assert_eq!(update(&window(&|_, _| 0)).unwrap(), (false, None, Status::Watching));
    assert!(update(&window(&|_, cell| u64::from(cell == 0))).unwrap().1.is_some_and(f64::is_finite));
    let huge = update(&window(&|_, cell| if cell == 2 { 1 << 62 } else { u64::MAX / 3 })).unwrap();
    assert!(huge.0 && huge.1.is_some_and(f64::is_finite), "{huge:?}");
    assert_eq!(update(&window(&|_, _| 1)).unwrap().2, Status::Alarmed);
    assert!(matches!(update(&window(&|_, _| 1)[1..]), Err(Error::Counts(_))));
    assert!(detector.acknowledge() && !detector.acknowledge());
    let nulls = window(&|k, cell| if cell + 1 == columns[k].counts.len() { 1_000_000_000 } else { 0 });
    let borrowed: Vec<&[u64]> = nulls.iter().map(Vec::as_slice).collect();
    assert_eq!(detector.update(&borrowed).unwrap().status, Status::Cooling);
    assert!(detector.update(&borrowed).unwrap().alarm);
    let mut short = nulls.clone();
    short[2].pop();
    let borrowed: Vec<&[u64]> = short.iter().map(Vec::as_slice).collect();
    assert!(detector.update(&borrowed).unwrap_err().to_string().contains("column c2"));
}

#[test]
fn settings_that_promise_nothing_are_refused() {
    let refused = |columns: Vec<Column>, budget: Budget| matches!(Detector::new(columns, budget), Err(Error::Settings(_)));
    assert!(refused(vec![], Budget::default()));
    assert!(refused(vec![deciles("a", 1000), deciles("a", 1000)], Budget::default()));
    assert!(refused(vec![Column { counts: vec![0; 15], ..deciles("a", 1000) }], Budget::default()));
    assert!(refused(vec![Column { importance: f64::NAN, ..deciles("a", 1000) }], Budget::default()));
    for value in [f64::NAN, 1.0, -3.0, f64::INFINITY] {
        assert!(refused(vec![deciles("a", 1000)], Budget { windows_per_alarm: value, ..Budget::default() }));
    }
    assert!(refused(vec![deciles("a", 1000)], Budget { tolerance: -0.1, ..Budget::default() }));
    assert!(refused(vec![deciles("a", 1000)], Budget { rare_tolerance: 0.02, ..Budget::default() }));
    assert!(refused(vec![deciles("a", 1000)], Budget { repeats: 0, ..Budget::default() }));
}

#[test]
fn drawn_windows_have_the_shares_and_the_correlation_asked_for() {
    let shares = vec![vec![0.2, 0.5, 0.0, 0.3, 0.0], vec![0.5, 0.5, 0.0, 0.0, 0.0]];
    for correlation in [0.0, 0.8] {
        let source = Source::new(shares.clone(), correlation);
        let mut by = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut counts = vec![vec![0u64; 5]; 2];
        let (mut sums, mut product, windows, rows) = (vec![vec![0u64; 5]; 2], 0.0, 2_000, 400);
        for _ in 0..windows {
            source.window(rows, &mut by, &mut counts);
            for (sums, counts) in sums.iter_mut().zip(&counts) {
                assert_eq!(counts.iter().sum::<u64>(), rows);
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            product += (counts[0][3] as f64 - 120.0) * (counts[1][1] as f64 - 200.0);
        }
        let all = (windows * rows) as f64;
        for (sums, shares) in sums.iter().zip(&shares) {
            for (sum, share) in sums.iter().zip(shares) {
                assert!((*sum as f64 / all - share).abs() < 4.0 * (share * (1.0 - share) / all).sqrt() + 1e-12);
            }
        }
        // Covariance per row of {first in cell 3} and {second in cell 1}: 0, or with normal scores correlated by 0.8
        // P(Z1 > 0.5244, Z2 > 0) - 0.15 = 0.11356 (numerical integration of the bivariate normal density).
        let expected = if correlation > 0.0 { 0.11356 } else { 0.0 };
        let found = product / windows as f64 / rows as f64;
        assert!((found - expected).abs() < 0.03, "{found}");
    }
}

#[test]
fn limits_of_broken_rules() {
    let limits = vec![
        violations::Limit::default(),
        violations::Limit { column: Some("age".into()), rule: Some("ge".into()), share: 0.1, least_rows: 1 },
    ];
    let broken = |column: &str, rule: &str, rows| (column.to_owned(), rule.to_owned(), rows);
    let found =
        violations::breaches(&limits, 1_000, 30, &[broken("age", "ge", 90), broken("age", "null", 11), broken("income", "type", 10)]);
    let names: Vec<(&str, &str)> = found.iter().map(|breach| (breach.column.as_str(), breach.rule.as_str())).collect();
    assert_eq!(names, [("", "refused"), ("age", "null")]);
    assert!(violations::breaches(&limits, 10, 4, &[broken("income", "type", 4)]).is_empty(), "four rows are not an incident");
    assert!(violations::breaches(&limits, 0, 0, &[]).is_empty());
}

/// `cargo test --release -p sternpost-monitor --test alarm -- --ignored --nocapture` prints the time of an update.
#[test]
#[ignore = "a measurement"]
fn time_of_an_update() {
    let wide = |k: usize| {
        let mut counts = vec![2_500; 40];
        counts.extend([0, 0, 0, 0, 1_000]);
        Column { name: format!("c{k}"), kind: Kind::Numeric, counts, importance: 1.0 }
    };
    let columns: Vec<Column> = (0..50).map(wide).collect();
    let shares: Vec<f64> = columns[0].counts.iter().map(|count| *count as f64 / 101_000.0).collect();
    let mut detector = Detector::new(columns.clone(), Budget::default()).unwrap();
    let mut by = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut times = Vec::new();
    for _ in 0..300 {
        let mut counts = vec![vec![0u64; 45]; 50];
        counts.iter_mut().for_each(|counts| counts_of(&shares, 1_000, &mut by, counts));
        let borrowed: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        let from = std::time::Instant::now();
        detector.update(&borrowed).unwrap();
        times.push(from.elapsed());
    }
    times.sort();
    println!("{} components, median {:?}, 90 % {:?}", detector.components().alternatives.len(), times[150], times[270]);
}
