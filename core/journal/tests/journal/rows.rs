//! Rows of decisions, outcomes and events: what goes in comes out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use proptest::prelude::*;
use sternpost_engine::contract::Contract;
use sternpost_engine::spec::BundleName;
use sternpost_engine::value_rows::Value;
use sternpost_journal::decisions::Decision;
use sternpost_journal::encode::Encode;
use sternpost_journal::events::Event;
use sternpost_journal::listing::list;
use sternpost_journal::outcomes::Outcome;
use sternpost_journal::segment::Segment;
use sternpost_journal::streams::Streams;
use sternpost_journal::writer::{Durability, Writer};

use super::fixture::*;

pub fn contract() -> Arc<Contract> {
    let json = r#"{"format": 1, "name": "Ride", "columns": [
        {"name": "x", "type": "float", "nullable": true}, {"name": "i", "type": "int"}, {"name": "b", "type": "bool", "nullable": true},
        {"name": "c", "type": "category", "categories": ["red", "blue"], "nullable": true}, {"name": "t", "type": "timestamp"}, {"name": "m", "type": "money"}]}"#;
    Arc::new(Contract::from_json(json).unwrap())
}

/// Entries that become a decision each.
pub struct Answers(Arc<Contract>, BundleName);

impl Answers {
    pub fn new() -> Self {
        Self(contract(), BundleName { name: "ride".to_owned(), digest: "0123456789abcdef".repeat(4) })
    }
}

impl Encode for Answers {
    type Entry = i64;

    fn encode(&mut self, entry: i64, streams: &mut Streams) -> sternpost_journal::Result<()> {
        let rows = streams.decisions(&self.1, &self.0);
        let _ = rows.input(1, Value::Int(entry));
        let id = entry.to_string();
        rows.push(&Decision { prediction_id: &id, at_us: entry, rung: "advise", source: "model", stake: "decide", ..Decision::default() });
        Ok(())
    }
}

type Row = (Option<f64>, Option<i64>, Option<bool>, Option<String>, Option<f64>, Vec<String>, Vec<f64>, bool);

fn row() -> impl Strategy<Value = Row> {
    let text = "[a-z\u{e9}]{0,9}";
    (
        prop::option::of(any::<f64>()),
        prop::option::of(any::<i64>()),
        prop::option::of(any::<bool>()),
        prop::option::of(text),
        prop::option::of(any::<f64>()),
        prop::collection::vec(text, 0..3),
        prop::collection::vec(any::<f64>(), 0..3),
        any::<bool>(),
    )
}

/// Gives every row of a list to the streams in one entry.
struct Rows(Arc<Contract>, BundleName);

impl Encode for Rows {
    type Entry = Vec<Row>;

    fn encode(&mut self, entry: Vec<Row>, streams: &mut Streams) -> sternpost_journal::Result<()> {
        for (place, (x, long, flag, text, score, reasons, scores, backwards)) in entry.iter().enumerate() {
            let rows = streams.decisions(&self.1, &self.0);
            let id = place.to_string();
            let mut inputs = vec![
                (0, x.map_or(Value::Null, Value::Float)),
                (1, long.map_or(Value::HugeInt, Value::Int)),
                (2, flag.map_or(Value::Null, Value::Bool)),
                (3, text.as_ref().map_or(Value::Label(1), |text| Value::Text(text.as_bytes()))),
            ];
            if let Some(long) = long {
                inputs.extend([(4, Value::Instant(*long)), (5, Value::Int(*long))]);
            }
            if *backwards {
                inputs.reverse();
            }
            for (place, value) in inputs {
                rows.input(place, value).unwrap();
            }
            let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
            rows.push(&Decision {
                prediction_id: &id,
                at_us: place as i64,
                rung: "shadow",
                source: "model",
                stake: "batch",
                score: *score,
                scores,
                binding: *backwards,
                reasons: &reasons,
                label: text.as_deref(),
                latency_ns: *long,
                ..Decision::default()
            });
        }
        Ok(())
    }
}

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    a.map(f64::to_bits) == b.map(f64::to_bits)
}

fn compare(batch: &RecordBatch, rows: &[Row]) {
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names.join(" "),
        "prediction_id at bundle digest rung source stake score scores label action binding reasons latency_ns request_id entity inputs"
    );
    let inputs = column("inputs");
    let inputs = inputs.as_struct();
    for (place, (x, long, flag, text, score, reasons, scores, backwards)) in rows.iter().enumerate() {
        let real = |array: &dyn Array| (!array.is_null(place)).then(|| array.as_primitive::<Float64Type>().value(place));
        let whole = |array: &dyn Array| (!array.is_null(place)).then(|| array.as_primitive::<Int64Type>().value(place));
        assert_eq!(column("prediction_id").as_string::<i32>().value(place), place.to_string());
        assert_eq!(column("bundle").as_string::<i32>().value(place), "ride");
        assert!(same(real(&column("score")), *score) && same(real(inputs.column(0)), *x));
        assert_eq!((whole(&column("latency_ns")), whole(inputs.column(1)), whole(inputs.column(5))), (*long, *long, *long));
        assert_eq!((!inputs.column(2).is_null(place)).then(|| inputs.column(2).as_boolean().value(place)), *flag);
        assert_eq!(inputs.column(3).as_string::<i32>().value(place), text.as_deref().unwrap_or("blue"));
        let instant = inputs.column(4);
        assert_eq!((!instant.is_null(place)).then(|| instant.as_primitive::<TimestampMicrosecondType>().value(place)), *long);
        assert_eq!(column("binding").as_boolean().value(place), *backwards);
        let told: Vec<_> =
            column("reasons").as_list::<i32>().value(place).as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect();
        assert_eq!(&told, reasons);
        let outputs = column("scores");
        assert_eq!(outputs.is_null(place), scores.is_empty());
        if !scores.is_empty() {
            let values = outputs.as_list::<i32>().value(place);
            let values: Vec<_> = values.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()).collect();
            assert_eq!(values, scores.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn decisions_come_out_as_they_went_in(rows in prop::collection::vec(row(), 1..60)) {
        let folder = Folder::new();
        let bundle = BundleName { name: "ride".to_owned(), digest: "no hex".to_owned() };
        let writer = Writer::open(&folder.0, Rows(contract(), bundle), options(Durability::Off)).unwrap();
        writer.producer().unwrap().push(rows.clone()).unwrap();
        writer.close();
        let segment = Segment::open(&list(&folder.0).unwrap().segments[0].1).unwrap();
        prop_assert_eq!(segment.header().digest.as_str(), "no hex");
        let batches: Vec<_> = segment.read().map(Result::unwrap).collect();
        prop_assert_eq!(batches.len(), 1);
        compare(&batches[0], &rows);
    }
}

struct Others;

impl Encode for Others {
    type Entry = ();

    fn encode(&mut self, (): (), streams: &mut Streams) -> sternpost_journal::Result<()> {
        streams.outcomes().push(&Outcome {
            entity: Some("e"),
            happened_at: Some(5),
            value: Some(0.5),
            source: "crm",
            revision: 2,
            ..Outcome::default()
        });
        streams.events().push(&Event { at_us: 7, kind: "rung", bundle: Some("b"), digest: None, detail: Some("{\"to\": \"off\"}") });
        Ok(())
    }
}

#[test]
fn outcomes_and_events_come_out_as_they_went_in() {
    let folder = Folder::new();
    let writer = Writer::open(&folder.0, Others, options(Durability::Group)).unwrap();
    writer.producer().unwrap().push(()).unwrap();
    writer.close();
    let batches: Vec<_> = list(&folder.0)
        .unwrap()
        .segments
        .iter()
        .flat_map(|(_, path)| Segment::open(path).unwrap().read().map(Result::unwrap).collect::<Vec<_>>())
        .collect();
    let [outcomes, events] = batches.as_slice() else { panic!("{batches:?}") };
    let text = |batch: &RecordBatch, name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!((text(outcomes, "entity"), text(outcomes, "source")), ("e".to_owned(), "crm".to_owned()));
    assert_eq!(outcomes.column_by_name("revision").unwrap().as_primitive::<Int64Type>().value(0), 2);
    assert!(outcomes.column_by_name("prediction_id").unwrap().is_null(0) && outcomes.column_by_name("observed_at").unwrap().is_null(0));
    assert_eq!((text(events, "kind"), text(events, "detail")), ("rung".to_owned(), "{\"to\": \"off\"}".to_owned()));
    assert!(events.column_by_name("digest").unwrap().is_null(0));
}
