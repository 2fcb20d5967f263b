//! A bundle's counts in the protocol's form.

use std::sync::atomic::Ordering::Relaxed;

use sternpost_wire::inference::{InferStatistics, ModelStatistics, StatisticDuration};

use crate::catalog::Served;
use crate::histogram::Histogram;

/// The counts of one bundle. Reading columns and writing outputs are not measured by themselves and count as nothing.
pub fn of(served: &Served) -> ModelStatistics {
    let statistics = &served.statistics;
    let answered = statistics.answered.load(Relaxed);
    let none = Some(StatisticDuration { count: answered, ns: 0 });
    ModelStatistics {
        name: served.name.clone(),
        version: served.version.to_string(),
        last_inference: statistics.last_run_ms.load(Relaxed),
        inference_count: statistics.rows.load(Relaxed),
        execution_count: statistics.runs.load(Relaxed),
        inference_stats: Some(InferStatistics {
            success: Some(StatisticDuration { count: answered, ns: statistics.total.sum_ns() }),
            fail: Some(StatisticDuration { count: statistics.failed.load(Relaxed), ns: 0 }),
            queue: duration(&statistics.queue),
            compute_input: none,
            compute_infer: duration(&statistics.score),
            compute_output: none,
            cache_hit: Some(StatisticDuration::default()),
            cache_miss: Some(StatisticDuration::default()),
        }),
        batch_stats: Vec::new(),
    }
}

fn duration(histogram: &Histogram) -> Option<StatisticDuration> {
    Some(StatisticDuration { count: histogram.count(), ns: histogram.sum_ns() })
}
