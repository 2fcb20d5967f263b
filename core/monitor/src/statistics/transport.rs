//! Distances in the unit of the column: Wasserstein-1 and the energy distance.

use super::{Measured, Pair, Sample, Status};

/// Wasserstein-1 with its scales.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wasserstein {
    /// The integral of |F - G|, in the column's unit.
    pub distance: Measured,
    /// Divided by the reference's standard deviation (divisor n).
    pub per_sd: Measured,
    /// Divided by the reference's interquartile range: what one absurd value cannot shrink.
    pub per_iqr: Measured,
}

/// Wasserstein-1 of the finite values of two raw samples.
pub fn wasserstein(reference: &Sample, current: &Sample) -> Wasserstein {
    scaled(integral(reference, current, f64::abs), reference.sd(), reference.iqr())
}

/// The energy distance of the finite values, sqrt(2 · integral of (F - G)²).
pub fn energy(reference: &Sample, current: &Sample) -> Measured {
    let squared = integral(reference, current, |difference| difference * difference);
    Measured { value: squared.value.map(|value| (2.0 * value).sqrt()), ..squared }
}

/// Wasserstein-1 from the ordinary cells of an ordered column, the mass of each at one place: the mean of its values, per side.
///
/// A place is read only where its cell holds something; `NotApplicable` if one is missing or not finite.
pub fn wasserstein_of_cells(pair: &Pair<'_>, reference_at: &[f64], current_at: &[f64], sd: Option<f64>, iqr: Option<f64>) -> Wasserstein {
    let pair = pair.ordinary();
    let distance = match (pair.empty(), steps(&pair, reference_at, current_at)) {
        (Some(status), _) => Measured::none(status),
        (None, None) => Measured::none(Status::NotApplicable),
        (None, Some(steps)) => Measured::ok(area(&steps)),
    };
    scaled(distance, sd, iqr)
}

fn scaled(distance: Measured, sd: Option<f64>, iqr: Option<f64>) -> Wasserstein {
    Wasserstein { distance, per_sd: distance.over(sd), per_iqr: distance.over(iqr) }
}

/// Where F - G changes and by how much, ascending.
fn steps(pair: &Pair<'_>, reference_at: &[f64], current_at: &[f64]) -> Option<Vec<(f64, f64)>> {
    if reference_at.len() < pair.ordinary_cells() || current_at.len() < pair.ordinary_cells() {
        return None;
    }
    let (n, m) = (pair.reference_rows() as f64, pair.current_rows() as f64);
    let mut steps = Vec::with_capacity(2 * pair.ordinary_cells());
    for ((a, b), (&x, &y)) in pair.cells().zip(reference_at.iter().zip(current_at)) {
        if (a > 0 && !x.is_finite()) || (b > 0 && !y.is_finite()) {
            return None;
        }
        if a > 0 {
            steps.push((x, a as f64 / n));
        }
        if b > 0 {
            steps.push((y, -(b as f64) / m));
        }
    }
    steps.sort_by(|left, right| left.0.total_cmp(&right.0));
    Some(steps)
}

fn area(steps: &[(f64, f64)]) -> f64 {
    let mut height = 0.0;
    steps
        .windows(2)
        .map(|two| match two {
            [(x, step), (next, _)] => {
                height += step;
                if next > x { f64::abs(height) * (next - x) } else { 0.0 }
            }
            _ => 0.0,
        })
        .sum()
}

fn integral(reference: &Sample, current: &Sample, of: impl Fn(f64) -> f64) -> Measured {
    let (a, b) = (reference.finite(), current.finite());
    if a.is_empty() || b.is_empty() {
        return Measured::none(if a.is_empty() { Status::EmptyReference } else { Status::EmptyCurrent });
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j) = (0_usize, 0_usize);
    let mut sum = 0.0;
    let mut last = None;
    loop {
        let value = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) | (None, Some(&x)) => x,
            (None, None) => break,
        };
        if let Some(before) = last {
            let height = of(i as f64 / n - j as f64 / m);
            if height > 0.0 {
                sum += height * (value - before);
            }
        }
        while a.get(i).is_some_and(|&x| x == value) {
            i += 1;
        }
        while b.get(j).is_some_and(|&y| y == value) {
            j += 1;
        }
        last = Some(value);
    }
    Measured::ok(sum)
}
