//! The cells that other libraries would have counted in, from raw samples; so that their numbers can be reproduced.
//!
//! Their edges are equally wide and hang on the extreme values; ours never do. Nothing else here uses these.

use super::Sample;

/// Counts of both sides over the same cells, all ordinary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of the reference.
    pub reference: Vec<u64>,
    /// Of the current sample.
    pub current: Vec<u64>,
}

/// Evidently 0.7's cells for PSI and Jensen-Shannon: Sturges' number of equally wide bins over both samples together, or one cell per value
/// if the reference has at most 20 different ones. Missing and infinite values are left out.
pub fn evidently(reference: &Sample, current: &Sample) -> Counted {
    if reference.distinct() <= 20 {
        return by_value(reference.finite(), current.finite(), true);
    }
    let (a, b) = (reference.finite(), current.finite());
    let ends = a.first().into_iter().chain(b.first()).copied().reduce(f64::min);
    let Some((low, high)) = ends.zip(a.last().into_iter().chain(b.last()).copied().reduce(f64::max)) else { return Counted::default() };
    let edges = edges(low, high, (high - low) / (((a.len() + b.len()) as f64).log2() + 1.0));
    Counted { reference: histogram(a, &edges), current: histogram(b, &edges) }
}

/// NannyML 0.13's cells for Jensen-Shannon and Hellinger: Doane's number of equally wide bins over the reference, or one cell per value of
/// the reference if `by_values` and it has few (at most 50, and at most a tenth of its rows); a last cell for what lies outside.
pub fn nannyml(reference: &Sample, current: &Sample, by_values: bool) -> Counted {
    let (a, b) = (reference.finite(), current.finite());
    let distinct = reference.distinct();
    let mut counted = if by_values && distinct <= 50 && distinct as f64 / a.len() as f64 <= 0.1 {
        by_value(a, b, false)
    } else {
        let (Some(&low), Some(&high)) = (a.first(), a.last()) else { return Counted::default() };
        let edges = edges(low, high, doane(reference, high - low));
        Counted { reference: histogram(a, &edges), current: histogram(b, &edges) }
    };
    let inside: u64 = counted.current.iter().sum();
    counted.reference.push(0);
    counted.current.push(b.len() as u64 - inside);
    counted
}

/// The width of Doane's bins.
fn doane(sample: &Sample, range: f64) -> f64 {
    let values = sample.finite();
    let n = values.len() as f64;
    let (Some(mean), Some(sd)) = (sample.mean(), sample.sd()) else { return 0.0 };
    if n <= 2.0 || sd <= 0.0 {
        return 0.0;
    }
    let skew = values.iter().map(|value| ((value - mean) / sd).powi(3)).sum::<f64>() / n;
    let error = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
    range / (1.0 + n.log2() + (1.0 + skew.abs() / error).log2())
}

/// Equally spaced edges, as numpy's: one bin of width 1 around a single value.
fn edges(low: f64, high: f64, width: f64) -> Vec<f64> {
    let (from, to) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let bins = if width > 0.0 { ((high - low) / width).ceil().clamp(1.0, 1e6) } else { 1.0 };
    let step = (to - from) / bins;
    (0..bins as usize).map(|edge| edge as f64 * step + from).chain(std::iter::once(to)).collect()
}

/// Counts in [e0, e1), ..., [e(k-1), ek] of ascending values.
fn histogram(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let last = edges.len().saturating_sub(1);
    let below = |place: usize, edge: f64| {
        if place == last { values.partition_point(|&value| value <= edge) } else { values.partition_point(|&value| value < edge) }
    };
    let cumulative: Vec<usize> = edges.iter().enumerate().map(|(place, &edge)| below(place, edge)).collect();
    cumulative.windows(2).map(|two| two.iter().copied().reduce(|a, b| b - a).unwrap_or(0) as u64).collect()
}

/// One cell per value of the reference, and of the current sample too if `both`.
fn by_value(a: &[f64], b: &[f64], both: bool) -> Counted {
    let mut counted = Counted::default();
    let (mut i, mut j) = (0, 0);
    loop {
        let value = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) | (None, Some(&x)) => x,
            (None, None) => break,
        };
        let run = |values: &[f64], from: usize| values.iter().skip(from).take_while(|&&x| x == value).count();
        let (p, q) = (run(a, i), run(b, j));
        (i, j) = (i + p, j + q);
        if p > 0 || both {
            counted.reference.push(p as u64);
            counted.current.push(q as u64);
        }
    }
    counted
}
