//! Counts and histograms of one run, and the JSON object that they become.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::options::Options;
use crate::protocol::{Done, End};
use crate::rows::{Rows, UNKNOWN};

const LONGEST_NS: u64 = 120_000_000_000;

/// Everything counted. Calls that were meant for the warm-up are left out, but their scores are checked.
pub struct Tally {
    from: u64,
    deadline: Option<u64>,
    tolerance: Option<f64>,
    ok: Histogram<u64>,
    not_ok: Histogram<u64>,
    lag: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    in_time: u64,
    not_taken: u64,
    lost: u64,
    late: u64,
    not_sent: u64,
    held_back: u64,
    checked: u64,
    wrong: u64,
    first_wrong: Option<String>,
    /// Answers that came before sending ended: what a rate is made of.
    ok_while_sending: u64,
    sending_ended: Option<u64>,
}

impl Tally {
    pub fn new(options: &Options) -> Result<Self, String> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(|error| error.to_string());
        Ok(Self {
            from: (options.warmup * 1e9) as u64,
            deadline: options.deadline_ms.map(|milliseconds| u64::from(milliseconds) * 1_000_000),
            tolerance: (!options.no_check).then_some(options.tolerance),
            ok: histogram()?,
            not_ok: histogram()?,
            lag: histogram()?,
            statuses: BTreeMap::new(),
            in_time: 0,
            not_taken: 0,
            lost: 0,
            late: 0,
            not_sent: 0,
            held_back: 0,
            checked: 0,
            wrong: 0,
            first_wrong: None,
            ok_while_sending: 0,
            sending_ended: None,
        })
    }

    /// A call left.
    pub fn sent(&mut self, intended: u64, now: u64) {
        if intended >= self.from {
            self.lag.saturating_record(now.saturating_sub(intended).max(1));
        }
    }

    /// A call ended.
    pub fn done(&mut self, done: &Done, now: u64, rows: &Rows) {
        if done.end == End::Status(0) {
            self.check(done, rows);
        }
        if done.call.intended < self.from {
            return;
        }
        let took = now.saturating_sub(done.call.intended).max(1);
        match done.end {
            End::Status(0) => {
                *self.statuses.entry(0).or_default() += 1;
                self.ok.saturating_record(took);
                self.in_time += u64::from(self.deadline.is_none_or(|deadline| took <= deadline));
                self.ok_while_sending += u64::from(self.sending_ended.is_none());
            }
            End::Status(status) => {
                *self.statuses.entry(status).or_default() += 1;
                self.not_ok.saturating_record(took);
            }
            End::NotTaken => self.not_taken += 1,
            End::Lost => self.lost += 1,
        }
    }

    /// A call was cancelled at its deadline, or was not sent because it had passed.
    pub fn late(&mut self, intended: u64) {
        self.late += u64::from(intended >= self.from);
    }

    /// A call could not be sent for want of room.
    pub fn not_sent(&mut self, intended: u64) {
        self.not_sent += u64::from(intended >= self.from);
    }

    /// A call was not made because the server had asked to be left alone.
    pub fn held_back(&mut self, intended: u64) {
        self.held_back += u64::from(intended >= self.from);
    }

    /// No more calls are sent.
    pub fn end_sending(&mut self, now: u64) {
        self.sending_ended.get_or_insert(now);
    }

    fn check(&mut self, done: &Done, rows: &Rows) {
        let (Some(tolerance), expected) = (self.tolerance, rows.expected(done.call.row)) else { return };
        if expected == UNKNOWN {
            return;
        }
        self.checked += 1;
        let wanted = f64::from_bits(expected);
        let right = |score: f64| score.to_bits() == expected || (score - wanted).abs() <= tolerance;
        if !done.answer.score.is_some_and(right) {
            self.wrong += 1;
            self.first_wrong.get_or_insert_with(|| format!("row {}: {:?} instead of {wanted}", done.call.row, done.answer.score));
        }
    }

    /// The object that is printed.
    pub fn report(&self, now: u64, unanswered: u64) -> Value {
        let seconds = (self.sending_ended.unwrap_or(now).saturating_sub(self.from) as f64 / 1e9).max(1e-9);
        let per_second = |count: u64| round(count as f64 / seconds);
        json!({
            "seconds": round(seconds),
            "ok_per_second": per_second(self.ok_while_sending),
            "goodput_per_second": per_second(self.in_time),
            "ok": self.ok.len(),
            "in_time": self.in_time,
            "statuses": self.statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect::<serde_json::Map<_, _>>(),
            "late": self.late,
            "not_sent": self.not_sent,
            "held_back": self.held_back,
            "not_taken": self.not_taken,
            "lost": self.lost,
            "unanswered": unanswered,
            "checked": self.checked,
            "wrong": self.wrong,
            "first_wrong": self.first_wrong,
            "latency_us": quantiles(&self.ok),
            "refusal_us": quantiles(&self.not_ok),
            "send_lag_us": quantiles(&self.lag),
        })
    }
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let at = |quantile| round(histogram.value_at_quantile(quantile) as f64 / 1e3);
    json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999),
        "max": round(histogram.max() as f64 / 1e3), "mean": round(histogram.mean() / 1e3),
    })
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
