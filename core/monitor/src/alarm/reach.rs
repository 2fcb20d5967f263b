//! How small a change can be seen: the smallest shift whose expected evidence reaches the threshold within a number of windows.
//!
//! For shares p after the change, one window adds n (p ln(q/m) + (1-p) ln((1-q)/(1-m))) to the best component's logarithm in expectation, and
//! ln A less the logarithm of its weight is needed. No chance enters; half of the real delays are about the number of windows or shorter.

use serde::Serialize;

use super::band::Share;
use super::column::Kind;
use super::detector::Detector;
use super::simulate::shift;
use crate::cells::Special;

/// Each halves the interval of the shift.
const HALVINGS: usize = 40;
/// The largest location shift that is tried, in standard deviations.
const FARTHEST: f64 = 10.0;

/// The smallest changes of one column that can be seen; nothing where none can, or the column has no such change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reach {
    /// The column.
    pub column: String,
    /// A shift of ordered values, in standard deviations of normal scores.
    pub location_sd: Option<f64>,
    /// More missing values, as a part of all rows.
    pub missing: Option<f64>,
    /// Labels that the reference does not know, as a part of all rows.
    pub unseen: Option<f64>,
    /// The half-width of the band in the middle of the column's distribution (tolerance and the reference's error), as a part of all rows.
    pub band: f64,
}

/// What one window of `rows` adds in expectation to the best component, after a change to `shares`, less what is needed of it per window.
fn surplus(detector: &Detector, place: usize, shares: &[f64], rows: f64, windows: f64) -> f64 {
    let Some((watches, _)) = detector.components.of_column.get(place) else { return f64::NEG_INFINITY };
    let needed = detector.log_threshold() - detector.components.log_weights.get(place).copied().unwrap_or(f64::NEG_INFINITY);
    let tempered = rows / f64::from(detector.budget.repeats);
    let mut below = 0.0;
    let up_to: Vec<f64> = shares
        .iter()
        .map(|share| {
            below += share;
            below
        })
        .collect();
    let mut best = f64::NEG_INFINITY;
    for watch in detector.components.watches.get(watches.clone()).unwrap_or_default() {
        let of = if watch.share == Share::Single { shares } else { &up_to };
        let p = of.get(watch.cell).copied().unwrap_or_default();
        for alternative in detector.components.alternatives.get(watch.first..watch.last).unwrap_or_default() {
            best = best.max(tempered * (p * alternative.hit + (1.0 - p) * alternative.miss));
        }
    }
    windows * best - needed
}

/// Whether a change of the column to these shares would be seen at all, however long one waits.
pub fn is_ever_seen(detector: &Detector, place: usize, shares: &[f64]) -> bool {
    surplus(detector, place, shares, 1.0, 1e18) > 0.0
}

/// The smallest changes that every column shows within `windows` windows of `rows` rows.
pub fn reach(detector: &Detector, rows: f64, windows: f64) -> Vec<Reach> {
    let columns = detector.columns.iter().enumerate();
    columns
        .map(|(place, column)| {
            let shares = shift::shares(&column.counts);
            let ordinary = column.ordinary();
            let seen = |after: Vec<f64>| surplus(detector, place, &after, rows, windows) > 0.0;
            let special = |special: Special| smallest(1.0, |part| seen(shift::moved(&shares, ordinary + special as usize, part)));
            Reach {
                column: column.name.clone(),
                location_sd: column
                    .kind
                    .ordered()
                    .then(|| {
                        smallest(FARTHEST, |sd| seen(shift::located(&shares, ordinary, sd)) || seen(shift::located(&shares, ordinary, -sd)))
                    })
                    .flatten(),
                missing: special(Special::Null),
                unseen: (column.kind == Kind::Category).then(|| special(Special::Unseen)).flatten(),
                band: middle_band(detector, place),
            }
        })
        .collect()
}

/// The distance of the band's edge from the reference, where the reference's share is nearest to one half.
fn middle_band(detector: &Detector, place: usize) -> f64 {
    let watches = detector.components.of_column.get(place).and_then(|(range, _)| detector.components.watches.get(range.clone()));
    let off = |share: f64| (share - 0.5).abs();
    let middle = watches.unwrap_or_default().iter().min_by(|a, b| off(a.reference).total_cmp(&off(b.reference)));
    middle.map_or(1.0, |watch| (watch.edge - watch.reference).abs())
}

fn smallest(most: f64, seen: impl Fn(f64) -> bool) -> Option<f64> {
    if !seen(most) {
        return None;
    }
    let (mut hidden, mut shown) = (0.0, most);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (hidden + shown);
        if seen(middle) { shown = middle } else { hidden = middle }
    }
    Some(shown)
}
