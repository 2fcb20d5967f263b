//! From entries to rows, on the writer's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prost::Message;
use sternpost_engine::value_rows::Value;
use sternpost_journal::decisions::{Decision, Decisions};
use sternpost_journal::encode::Encode;
use sternpost_journal::events::Event;
use sternpost_journal::outcomes::Outcome;
use sternpost_journal::streams::Streams;
use sternpost_journal::{Error, Result};
use sternpost_wire::packed;
use sternpost_wire::request::{RowRef, ScoreRequestRef};
use sternpost_wire::scoring::value::Kind;
use sternpost_wire::scoring::{NamedRow, ReportRequest, Rung, ScoreReply, Source, Stake};

use super::entry::{Answered, Change, Entry, Told};
use super::journal::Backlog;

/// gRPC's own bytes before a message.
const FRAME: usize = 5;
/// Who told an outcome, if nobody says.
const REPORTER: &str = "report";

/// Makes rows of entries.
pub struct Encoder {
    pub(super) backlog: Arc<Backlog>,
}

impl Encode for Encoder {
    type Entry = Entry;

    fn encode(&mut self, entry: Entry, streams: &mut Streams) -> Result<()> {
        self.backlog.bytes.fetch_sub(entry.weight(), Ordering::Relaxed);
        match entry {
            Entry::Row(row) => answered(&row, streams),
            Entry::Outcome(told) => {
                outcome(&told, streams);
                Ok(())
            }
            Entry::Change(change) => {
                changed(&change, streams);
                Ok(())
            }
        }
    }
}

fn answered(row: &Answered, streams: &mut Streams) -> Result<()> {
    let unreadable = |error: prost::DecodeError| Error::Usage(format!("an answered row cannot be read again: {error}"));
    let request = ScoreRequestRef::decode(&row.request).map_err(unreadable)?;
    let reply = ScoreReply::decode(row.reply.get(FRAME..).unwrap_or_default()).map_err(unreadable)?;
    let scorer = &row.served.scorer;
    let contract = scorer.contract();
    let decisions = streams.decisions(scorer.bundle(), contract);
    match request.row {
        // The lane has read the same bytes before; what it took is taken here.
        RowRef::Packed(_, values) => {
            let put = |place, value| {
                keep(decisions, place, value);
                Ok(())
            };
            packed::values(contract, values, put).map_err(|error| Error::Usage(error.to_string()))?;
        }
        RowRef::Named(values) => {
            let named = NamedRow::decode(values).map_err(unreadable)?;
            for (name, value) in &named.values {
                if let (Some(place), Some(kind)) = (contract.position(name), &value.kind) {
                    keep(decisions, place, named_value(kind));
                }
            }
        }
        RowRef::Absent => {}
    }
    let reasons: Vec<&str> = reply.reasons.iter().map(String::as_str).collect();
    let timing = reply.timing.unwrap_or_default();
    decisions.push(&Decision {
        prediction_id: &reply.prediction_id,
        at_us: row.at_us,
        rung: word(row.served.rung),
        source: if reply.source() == Source::Model { "model" } else { "none" },
        stake: stake(request.stake),
        score: reply.score,
        scores: &reply.scores,
        label: said(&reply.label),
        action: said(&reply.action),
        binding: reply.binding,
        reasons: &reasons,
        latency_ns: i64::try_from(timing.queue_ns.saturating_add(timing.score_ns)).ok(),
        request_id: said(request.id),
        entity: said(request.entity),
    });
    Ok(())
}

/// A value that its column cannot hold is null there; the decision's reasons name it.
fn keep(decisions: &mut Decisions, place: usize, value: Value<'_>) {
    if decisions.input(place, value).is_err() {
        let _ = decisions.input(place, Value::Null);
    }
}

fn named_value(kind: &Kind) -> Value<'_> {
    match kind {
        Kind::Null(_) => Value::Null,
        Kind::Number(number) => Value::Float(*number),
        Kind::Integer(integer) => Value::Int(*integer),
        Kind::Flag(flag) => Value::Bool(*flag),
        Kind::Text(text) => Value::Text(text.as_bytes()),
    }
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A rung as the journal writes it.
pub fn word(rung: Rung) -> &'static str {
    match rung {
        Rung::Unspecified | Rung::Off => "off",
        Rung::Shadow => "shadow",
        Rung::Advise => "advise",
        Rung::Decide => "decide",
    }
}

fn stake(number: i32) -> &'static str {
    match Stake::try_from(number) {
        Ok(Stake::Shadow) => "shadow",
        Ok(Stake::Batch) => "batch",
        Ok(Stake::Decide) => "decide",
        Ok(Stake::Advise | Stake::Unspecified) | Err(_) => "advise",
    }
}

fn outcome(Told { report, at_us }: &Told, streams: &mut Streams) {
    let observed = if report.known_at_us == 0 { *at_us } else { report.known_at_us };
    let (value, label) = measured(report);
    streams.outcomes().push(&Outcome {
        prediction_id: said(&report.prediction_id),
        entity: said(&report.entity),
        happened_at: Some(report.happened_at_us.unwrap_or(observed)),
        observed_at: Some(observed),
        recorded_at: Some(*at_us),
        value,
        label,
        source: said(&report.source).unwrap_or(REPORTER),
        revision: report.revision,
    });
}

/// A number, or a label.
fn measured(report: &ReportRequest) -> (Option<f64>, Option<&str>) {
    match report.outcome.as_ref().and_then(|outcome| outcome.kind.as_ref()) {
        Some(Kind::Number(number)) => (Some(*number), None),
        Some(Kind::Integer(integer)) => (Some(*integer as f64), None),
        Some(Kind::Flag(flag)) => (Some(f64::from(u8::from(*flag))), None),
        Some(Kind::Text(text)) => (None, Some(text)),
        Some(Kind::Null(_)) | None => (None, None),
    }
}

fn changed(change: &Change, streams: &mut Streams) {
    streams.events().push(&Event {
        at_us: change.at_us,
        kind: change.kind,
        bundle: Some(&change.bundle),
        digest: change.digest.as_deref(),
        detail: change.detail.as_deref(),
    });
}
