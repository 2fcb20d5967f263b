//! `/healthz`, `/readyz` and `/metrics`, for orchestrators and Prometheus. Text exposition format 0.0.4.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use sternpost_journal::counters::Stats;

use crate::catalog::{Registry, Served};
use crate::health::Health;
use crate::histogram::Histogram;
use crate::remember::Journal;
use crate::thread::Thread;
use crate::traces::Counts;

/// The pages.
pub fn router(
    registry: Arc<Registry>,
    health: Health,
    threads: Arc<[Thread]>,
    traces: Option<Arc<Counts>>,
    journal: Option<Arc<Journal>>,
) -> Router {
    let ready = health.clone();
    let page = move || {
        let text = exposition(&registry, &health, &threads, traces.as_deref(), journal.as_deref());
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get(move || {
                let trouble = ready.trouble();
                async move {
                    match trouble {
                        None => (StatusCode::OK, "ready\n".to_owned()).into_response(),
                        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {trouble}\n")).into_response(),
                    }
                }
            }),
        )
        .route("/metrics", get(page))
}

fn exposition(registry: &Registry, health: &Health, threads: &[Thread], traces: Option<&Counts>, journal: Option<&Journal>) -> String {
    let catalog = registry.catalog();
    let bundles = catalog.bundles();
    let mut page = Page::default();
    page.head("sternpost_ready", "gauge", "1 if every thread has just scored a golden row of every bundle.");
    page.line("sternpost_ready", "", f64::from(u8::from(health.trouble().is_none())));
    page.head("sternpost_bundle_info", "gauge", "A bundle that is served; the version counts the bundles of this name.");
    for served in bundles {
        let labels = format!(
            "bundle={},version=\"{}\",digest={},rung={}",
            quoted(&served.name),
            served.version,
            quoted(served.digest()),
            quoted(rung(served))
        );
        page.line("sternpost_bundle_info", &labels, 1.0);
    }
    page.head("sternpost_bundle_trouble", "gauge", "A bundle that is not served, or not in its newest form, and why.");
    for trouble in catalog.troubles() {
        page.line("sternpost_bundle_trouble", &format!("bundle={},reason={}", quoted(&trouble.name), quoted(&trouble.reason)), 1.0);
    }
    type Count = fn(&Served) -> &AtomicU64;
    let counts: [(&str, &str, Count); 5] = [
        ("sternpost_requests_answered_total", "Requests answered.", |served| &served.statistics.answered),
        ("sternpost_requests_failed_total", "Requests refused or failed.", |served| &served.statistics.failed),
        ("sternpost_rows_total", "Rows that went through the scorer.", |served| &served.statistics.rows),
        ("sternpost_rows_refused_total", "Rows without a score.", |served| &served.statistics.rows_refused),
        ("sternpost_runs_total", "Runs of the scorer.", |served| &served.statistics.runs),
    ];
    for (name, help, count) in counts {
        page.head(name, "counter", help);
        for served in bundles {
            page.line(name, &format!("bundle={}", quoted(&served.name)), count(served).load(Ordering::Relaxed) as f64);
        }
    }
    type Times = fn(&Served) -> &Histogram;
    let times: [(&str, &str, Times); 3] = [
        ("sternpost_queue_seconds", "From a request's arrival to the start of its run.", |served| &served.statistics.queue),
        ("sternpost_score_seconds", "Runs of the scorer.", |served| &served.statistics.score),
        ("sternpost_request_seconds", "From a request's arrival to its answer.", |served| &served.statistics.total),
    ];
    for (name, help, histogram) in times {
        page.head(name, "histogram", help);
        for served in bundles {
            page.histogram(name, &format!("bundle={}", quoted(&served.name)), histogram(served));
        }
    }
    page.head("sternpost_connections", "gauge", "Open connections.");
    for (number, thread) in threads.iter().enumerate() {
        page.line("sternpost_connections", &format!("thread=\"{number}\""), thread.connections() as f64);
    }
    type Pulse = fn(&crate::lane::Pulse) -> &AtomicU64;
    let pulses: [(&str, &str, &str, Pulse); 3] = [
        ("sternpost_waiting_rows", "gauge", "Rows that wait in a thread's lane.", |pulse| &pulse.waiting),
        ("sternpost_shed_total", "counter", "Requests turned away by a thread's lane.", |pulse| &pulse.shed),
        ("sternpost_expired_total", "counter", "Requests whose deadline passed while they waited.", |pulse| &pulse.expired),
    ];
    for (name, kind, help, value) in pulses {
        page.head(name, kind, help);
        for (number, thread) in threads.iter().enumerate() {
            page.line(name, &format!("thread=\"{number}\""), value(thread.pulse()).load(Ordering::Relaxed) as f64);
        }
    }
    page.head("sternpost_log_lines_lost_total", "counter", "Log lines that could not be written.");
    page.line("sternpost_log_lines_lost_total", "", crate::log::lost() as f64);
    if let Some(Counts { sent, dropped, lost }) = traces {
        page.head(
            "sternpost_trace_spans_total",
            "counter",
            "Spans that the collector took, that found no room to wait, and that it did not take.",
        );
        for (fate, count) in [("sent", sent), ("dropped", dropped), ("lost", lost)] {
            page.line("sternpost_trace_spans_total", &format!("fate=\"{fate}\""), count.load(Ordering::Relaxed) as f64);
        }
    }
    if let Some(journal) = journal {
        page.journal(&journal.stats());
    }
    page.text.push_str(&registry.watched().page());
    page.text
}

fn rung(served: &Served) -> &'static str {
    served.rung.as_str_name().strip_prefix("RUNG_").unwrap_or_default()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    // Writing into a text cannot fail.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = if labels.is_empty() { writeln!(self.text, "{name} {value}") } else { writeln!(self.text, "{name}{{{labels}}} {value}") };
    }

    fn journal(&mut self, stats: &Stats) {
        let counts = [
            ("appended", "Rows written to the journal.", stats.appended),
            ("durable", "Rows settled to the durability that was asked for.", stats.durable),
            ("dropped", "Entries that the journal did not take because it was full.", stats.dropped),
            ("lost", "Rows that were taken and may not be there because the disk failed.", stats.lost),
            ("fsyncs", "Times that the disk was asked to flush.", stats.fsyncs),
            ("bytes", "Bytes written to the journal.", stats.bytes),
            ("segments", "Segments begun.", stats.segments),
            ("errors", "Times that the disk failed.", stats.errors),
        ];
        for (name, help, value) in counts {
            let name = format!("sternpost_journal_{name}_total");
            self.head(&name, "counter", help);
            self.line(&name, "", value as f64);
        }
        self.head("sternpost_journal_failing", "gauge", "1 while the journal cannot be written, as when the disk is full.");
        self.line("sternpost_journal_failing", "", f64::from(u8::from(stats.alarm)));
        self.head("sternpost_journal_lag_seconds", "gauge", "Age of the oldest row that is not settled.");
        self.line("sternpost_journal_lag_seconds", "", stats.lag_us as f64 / 1e6);
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let mut seen = 0;
        for (bound, count) in histogram.buckets() {
            seen += count;
            let bound = bound.map_or("+Inf".to_owned(), |ns| (ns as f64 / 1e9).to_string());
            let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"{bound}\"}} {seen}");
        }
        let _ = writeln!(self.text, "{name}_sum{{{labels}}} {}", histogram.sum_ns() as f64 / 1e9);
        let _ = writeln!(self.text, "{name}_count{{{labels}}} {seen}");
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
