//! Everything that can be said about one column from its counts, in one call.

use super::contingency::{self, ChiSquare, Pooling};
use super::kolmogorov_smirnov::{self, CellKs};
use super::missing::{self, MissingRate};
use super::psi::{self, Psi};
use super::transport::{self, Wasserstein};
use super::unseen::{self, UnseenRate};
use super::{Measured, Pair, Status, divergence};

/// What is known about the column besides its counts.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Whether the ordinary cells stand in the order of their values (numeric, score); else KS and Wasserstein do not apply.
    pub ordered: bool,
    /// Mean of the reference's values in each ordinary cell; for Wasserstein.
    pub reference_at: Option<&'a [f64]>,
    /// The same of the current values; where not known, the reference's are taken.
    pub current_at: Option<&'a [f64]>,
    /// Standard deviation of the reference, divisor n.
    pub sd: Option<f64>,
    /// Interquartile range of the reference.
    pub iqr: Option<f64>,
    /// N1: labels that stood in one row of the reference alone; only for categories.
    pub singletons: Option<u64>,
    /// How far the rate of unseen labels may exceed N1/N.
    pub tolerance: f64,
    /// Level of confidence of intervals and critical values.
    pub level: f64,
}

impl Default for About<'_> {
    fn default() -> Self {
        Self { ordered: false, reference_at: None, current_at: None, sd: None, iqr: None, singletons: None, tolerance: 0.0, level: 0.95 }
    }
}

/// Every statistic of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Ok, or why nothing at all can be compared.
    pub status: Status,
    /// Rows of the reference.
    pub reference_rows: u128,
    /// Rows of the current window.
    pub current_rows: u128,
    /// Population stability index.
    pub psi: Psi,
    /// Jensen-Shannon distance, base 2.
    pub jensen_shannon: Measured,
    /// Hellinger distance.
    pub hellinger: Measured,
    /// Total variation.
    pub total_variation: Measured,
    /// Largest change of a cell's share.
    pub l_infinity: Measured,
    /// Two-sample chi-square, pooled.
    pub chi_square: ChiSquare,
    /// Kolmogorov-Smirnov from the cells.
    pub ks: CellKs,
    /// Wasserstein-1 from the cells' means.
    pub wasserstein: Wasserstein,
    /// Missing values: NULL and NAN.
    pub missing: MissingRate,
    /// Labels that the reference never had.
    pub unseen: UnseenRate,
}

/// Compares one column.
pub fn compare(pair: &Pair<'_>, about: &About<'_>) -> Compared {
    let (n, m) = (pair.reference_rows(), pair.current_rows());
    let (a, b) = pair.missing();
    let status = match pair.empty() {
        Some(status) => status,
        None if pair.occupied_cells() <= 1 => Status::Constant,
        None => Status::Ok,
    };
    let away = Measured::none(Status::NotApplicable);
    let ks = if about.ordered { kolmogorov_smirnov::of_cells(pair) } else { CellKs { measured: away, upper: None } };
    let wasserstein = match about.reference_at {
        Some(at) if about.ordered => transport::wasserstein_of_cells(pair, at, about.current_at.unwrap_or(at), about.sd, about.iqr),
        _ => Wasserstein { distance: away, per_sd: away, per_iqr: away },
    };
    let unseen = match about.singletons {
        Some(singletons) => {
            unseen::unseen_rate(u128::from(pair.unseen().1), m.saturating_sub(b), singletons, n.saturating_sub(a), about.tolerance)
        }
        None => UnseenRate { measured: away, allowed: None },
    };
    Compared {
        status,
        reference_rows: n,
        current_rows: m,
        psi: psi::psi(pair, about.level),
        jensen_shannon: divergence::jensen_shannon(pair),
        hellinger: divergence::hellinger(pair),
        total_variation: divergence::total_variation(pair),
        l_infinity: divergence::l_infinity(pair),
        chi_square: contingency::chi_square(pair, if about.ordered { Pooling::Neighbours } else { Pooling::Small }),
        ks,
        wasserstein,
        missing: missing::missing_rate(a, n, b, m, about.level),
        unseen,
    }
}
