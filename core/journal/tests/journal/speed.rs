//! What a push costs and how many rows a second are written. Run by hand:
//! `cargo test --release -p sternpost-journal --test journal speed -- --ignored --nocapture`

use std::sync::Arc;
use std::time::{Duration, Instant};

use sternpost_engine::contract::Contract;
use sternpost_engine::spec::BundleName;
use sternpost_engine::value_rows::Value;
use sternpost_journal::decisions::Decision;
use sternpost_journal::encode::Encode;
use sternpost_journal::streams::Streams;
use sternpost_journal::writer::{Durability, Full, Options, Writer};

use super::fixture::*;

const INPUTS: usize = 19;

/// Decisions of 34 columns: 15 and 19 inputs, of which every fourth is a category.
struct Wide(Arc<Contract>, BundleName);

impl Wide {
    fn new() -> Self {
        let columns: Vec<_> = (0..INPUTS)
            .map(|place| match place % 4 {
                0 => format!(r#"{{"name": "c{place}", "type": "category", "categories": ["red", "blue"]}}"#),
                1 => format!(r#"{{"name": "i{place}", "type": "int"}}"#),
                _ => format!(r#"{{"name": "f{place}", "type": "float"}}"#),
            })
            .collect();
        let json = format!(r#"{{"format": 1, "name": "Wide", "columns": [{}]}}"#, columns.join(","));
        Self(Arc::new(Contract::from_json(&json).unwrap()), BundleName { name: "wide".to_owned(), digest: "ab".repeat(32) })
    }
}

impl Encode for Wide {
    type Entry = [u64; 8];

    fn encode(&mut self, entry: [u64; 8], streams: &mut Streams) -> sternpost_journal::Result<()> {
        let rows = streams.decisions(&self.1, &self.0);
        for place in 0..INPUTS {
            let value = match place % 4 {
                0 => Value::Label((entry[1] % 2) as u32),
                1 => Value::Int(entry[2] as i64),
                _ => Value::Float(entry[3] as f64),
            };
            let _ = rows.input(place, value);
        }
        let id = format!("{:026}", entry[0]);
        rows.push(&Decision {
            prediction_id: &id,
            at_us: entry[0] as i64,
            rung: "advise",
            source: "model",
            stake: "advise",
            score: Some(0.5),
            action: Some("on time"),
            latency_ns: Some(5000),
            ..Decision::default()
        });
        Ok(())
    }
}

#[test]
#[ignore = "measures; see the head of the file"]
fn rows_a_second() {
    const ROWS: u64 = 400_000;
    for durability in [Durability::Off, Durability::Async, Durability::Group] {
        let folder = Folder::new();
        let options = Options { durability, full: Full::Wait(Duration::from_secs(60)), ..Options::default() };
        let writer = Writer::open(&folder.0, Wide::new(), options).unwrap();
        let mut producer = writer.producer().unwrap();
        let begun = Instant::now();
        (0..ROWS).for_each(|row| assert!(producer.push([row; 8]).is_ok()));
        let stats = writer.close();
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(stats.durable, ROWS);
        println!("{durability:?}: {:.0} rows/s, {} bytes a row, {} flushes", ROWS as f64 / seconds, stats.bytes / ROWS, stats.fsyncs);
    }
}

#[test]
#[ignore = "measures; see the head of the file"]
fn nanoseconds_a_push() {
    let mut rounds: Vec<f64> = Vec::new();
    for durability in [Durability::Async, Durability::Group] {
        rounds.clear();
        for _ in 0..15 {
            let folder = Folder::new();
            let options = Options { durability, ring: 1 << 14, ..Options::default() };
            let writer = Writer::open(&folder.0, Wide::new(), options).unwrap();
            let mut producer = writer.producer().unwrap();
            let begun = Instant::now();
            (0..8000_u64).for_each(|row| assert!(producer.push([row; 8]).is_ok()));
            rounds.push(begun.elapsed().as_nanos() as f64 / 8000.0);
            writer.close();
        }
        rounds.sort_by(|a, b| a.total_cmp(b));
        println!("{durability:?}: {:.0} ns a push of 64 bytes (median of 15)", rounds[7]);
    }
}
