//! Alarms that need no statistics: too many rows of a window broke a rule of the contract.
//!
//! A row that breaks its contract is a fact, not a chance, so these alarms stand outside of the budget of false alarms. A rule fires when
//! more than its share of the window's rows broke it, and at least a few did: one bad row in a window of ten is not an incident.

use serde::{Deserialize, Serialize};

/// How many rows may break what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The column it is for; any column when absent.
    pub column: Option<String>,
    /// The contract's rule it is for (`type`, `null`, `ge`, ...); any rule when absent.
    pub rule: Option<String>,
    /// The share of the window's rows that may break it.
    pub share: f64,
    /// The number of rows that must break it, whatever the share.
    pub least_rows: u64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { column: None, rule: None, share: 0.01, least_rows: 5 }
    }
}

/// A rule of the contract that too many rows broke.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breach {
    /// The column; empty for refused rows as a whole.
    pub column: String,
    /// The rule; `refused` for refused rows as a whole.
    pub rule: String,
    /// Rows that broke it.
    pub rows: u64,
    /// Their share of the window's rows.
    pub share: f64,
    /// The share that was allowed.
    pub allowed: f64,
}

/// Compares one window with the limits. `broken` holds (column, rule, rows). The most particular limit counts: one that names column and
/// rule before one that names the column, that before one that names the rule, that before one for all; among equals the first. Refused rows
/// as a whole are held against limits for the rule `refused`. Breaches come with the largest share first.
pub fn breaches(limits: &[Limit], rows: u64, refused: u64, broken: &[(String, String, u64)]) -> Vec<Breach> {
    let whole = (String::new(), "refused".to_owned(), refused);
    let mut found = Vec::new();
    for (column, rule, count) in broken.iter().chain(std::iter::once(&whole)) {
        let fits =
            |limit: &&Limit| limit.column.as_ref().is_none_or(|name| name == column) && limit.rule.as_ref().is_none_or(|name| name == rule);
        let particular = |limit: &&Limit| 2 * u8::from(limit.column.is_some()) + u8::from(limit.rule.is_some());
        // Of equals max_by_key takes the last, so the list is walked from its end.
        let Some(limit) = limits.iter().rev().filter(fits).max_by_key(particular) else { continue };
        let share = *count as f64 / rows.max(1) as f64;
        if *count >= limit.least_rows.max(1) && share > limit.share {
            found.push(Breach { column: column.clone(), rule: rule.clone(), rows: *count, share, allowed: limit.share });
        }
    }
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found
}
