//! Whole streams without a network: a scorer that doubles its column stands in for the real one.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type};
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, StringArray};
use arrow_flight::{FlightDescriptor, PutResult};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use sternpost_engine::scorer::Scorer;
use sternpost_engine::spec::Spec;
use sternpost_engine::{model, outputs};
use sternpost_wire::scoring::{Rung, Stake};
use tokio::sync::mpsc::{Receiver, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::super::answer::{Summary, Written};
use super::*;
use crate::catalog::{Opened as Bundle, Served};

const SPEC: &str = r#"{
    "contract": {"format": 1, "name": "Row", "columns": [{"name": "a", "type": "float", "nullable": true}]},
    "features": [{"name": "f", "type": "float"}], "order": [0], "bundle": {"name": "doubled", "digest": "d1"},
    "model": {"kind": "regression", "input": "i", "output": "o", "features": 1, "outputs": 1, "min_rows": 1, "chunk_rows": 8}}"#;

struct NoModel;

impl model::Model for NoModel {
    fn open(&self) -> sternpost_engine::Result<Box<dyn model::Session>> {
        Ok(Box::new(NoModel))
    }
}

impl model::Session for NoModel {
    fn run(&mut self, _: &[f32], _: usize, _: &mut Vec<f32>) -> sternpost_engine::Result<()> {
        Ok(())
    }
}

/// Doubles `a`; answers in two batches, and later batches before earlier ones unless they are awaited in order.
#[derive(Default)]
pub struct Doubles {
    calls: Mutex<Vec<Call>>,
    running: Arc<AtomicUsize>,
    most: AtomicUsize,
    /// Pieces of long work.
    taken: AtomicUsize,
}

impl Scoring for Doubles {
    fn score(&self, served: Arc<Served>, table: Batches, call: Call) -> BoxFuture<'static, Result<Scored, Failure>> {
        self.calls.lock().unwrap().push(call);
        let running = self.running.clone();
        self.most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            let schema = outputs::schema(&served.scorer).unwrap();
            let a = table.batches[0].column_by_name("a").unwrap().as_primitive::<Float64Type>().clone();
            if a.iter().any(|a| a == Some(-1.0)) {
                return Err(Failure::new(Code::ResourceExhausted, Reason::Overloaded, "busy").retry_after(7));
            }
            let half = |a: Float64Array| {
                let mut reasons = ListBuilder::new(StringBuilder::new());
                a.iter().for_each(|a| reasons.append_value(a.is_none().then_some(Some("null:a"))));
                let score: Float64Array = a.iter().map(|a| a.map(|a| 2.0 * a)).collect();
                let action = StringArray::from(vec!["pass"; a.len()]);
                let columns: Vec<ArrayRef> = vec![Arc::new(score), Arc::new(action), Arc::new(reasons.finish())];
                RecordBatch::try_new(schema.clone(), columns).unwrap()
            };
            let middle = a.len() / 2;
            let batches = vec![half(a.slice(0, middle)), half(a.slice(middle, a.len() - middle))];
            Ok(Scored { batches, ..Scored::default() })
        })
    }
}

impl Hands for Doubles {
    fn take(&self, _: Effort, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, Result<(), Failure>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        let thread = std::thread::spawn(work);
        Box::pin(async move {
            while !thread.is_finished() {
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    }
}

pub fn table(values: &[f64]) -> RecordBatch {
    let a: Float64Array = values.iter().map(|value| value.is_finite().then_some(*value)).collect();
    let id: DictionaryArray<Int8Type> = values.iter().map(|value| Some(if *value > 1.0 { "big" } else { "small" })).collect();
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(id)), ("a", Arc::new(a))];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// The bundle with another digest.
pub fn served(digest: &str, version: u64) -> Served {
    let spec = Spec::from_json(&SPEC.replace("d1", digest)).unwrap();
    let scorer = Arc::new(Scorer::new(spec, None, Some(Arc::new(NoModel))).unwrap());
    Served::new(Bundle { scorer, rung: Rung::Unspecified, probe: None }, version)
}

pub fn session(scoring: &Arc<Doubles>) -> Session {
    let registry = Arc::new(Registry::default());
    registry.serve(served("d1", 1));
    Session { registry, scoring: scoring.clone(), hands: scoring.clone(), limits: Limits::default(), deadline: None }
}

pub fn sent(command: &str, batches: &[RecordBatch]) -> Vec<Result<FlightData, Status>> {
    let (generator, options, mut tracker) = (IpcDataGenerator::default(), IpcWriteOptions::default(), DictionaryTracker::new(false));
    let schema = batches.first().map_or_else(|| table(&[]).schema(), RecordBatch::schema);
    let schema = generator.schema_to_bytes_with_dictionary_tracker(&schema, &mut tracker, &options);
    let descriptor = Some(FlightDescriptor::new_cmd(command.to_owned()));
    let mut messages = vec![FlightData { flight_descriptor: descriptor, ..schema.into() }];
    for (number, batch) in batches.iter().enumerate() {
        let (dictionaries, batch) = generator.encode(batch, &mut tracker, &options, &mut IpcWriteContext::default()).unwrap();
        messages.extend(dictionaries.into_iter().map(FlightData::from));
        messages.push(FlightData { app_metadata: number.to_string().into(), ..batch.into() });
    }
    messages.into_iter().map(Ok).collect()
}

async fn exchange(session: Session, messages: Vec<Result<FlightData, Status>>) -> (Vec<(RecordBatch, Bytes)>, Result<(), Failure>) {
    let (out, mut answers): (_, Receiver<Result<FlightData, Status>>) = channel(1);
    let run = tokio::spawn(async move { session.run(tokio_stream::iter(messages), Written::new(out, Arc::new(Doubles::default()))).await });
    let mut reader = None;
    let mut batches = Vec::new();
    while let Some(data) = answers.recv().await {
        let data = data.unwrap();
        let Some(reader) = &mut reader else {
            assert_eq!(data.app_metadata, "d1");
            let schema = ipc::schema(&data.data_header, &ipc::Limits::default()).unwrap();
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).filter(|name| name != "reasons").collect();
            reader = Some(Reader::new(schema, names.iter().map(String::as_str), ipc::Limits::default()).unwrap());
            continue;
        };
        batches.extend(reader.read(&data.data_header, data.data_body).unwrap().map(|batch| (batch, data.app_metadata.clone())));
    }
    (batches, run.await.unwrap())
}

fn scores(batch: &RecordBatch) -> Vec<Option<f64>> {
    batch.column_by_name("score").unwrap().as_primitive::<Float64Type>().iter().collect()
}

#[tokio::test]
async fn every_batch_is_answered_by_one_in_order_with_what_was_kept() {
    let scoring = Arc::new(Doubles::default());
    let tables = [vec![1.0, 2.0, f64::NAN], vec![], vec![3.0], (0..20_000).map(f64::from).collect()].map(|values| table(&values));
    let command = r#"{"bundle": "doubled", "keep": ["id"], "stake": "advise", "timeout_ms": 60000}"#;
    let (answers, ended) = exchange(session(&scoring), sent(command, &tables)).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(answers.len(), tables.len());
    for (number, ((answer, attached), table)) in answers.iter().zip(&tables).enumerate() {
        let names: Vec<_> = answer.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!((names.join(","), attached.as_ref()), ("id,score,action".to_owned(), number.to_string().as_bytes()));
        let expected: Vec<_> = table["a"].as_primitive::<Float64Type>().iter().map(|a| a.map(|a| 2.0 * a)).collect();
        assert_eq!(scores(answer), expected);
        assert_eq!(&answer["id"], &table["id"]);
    }
    let calls = scoring.calls.lock().unwrap();
    assert_eq!(calls.len(), 3, "a batch without rows needs no scorer");
    assert!(calls.iter().all(|call| call.stake == Stake::Advise && call.deadline.is_some_and(|end| end > call.arrived)));
    assert_eq!(scoring.taken.load(Ordering::SeqCst), 1, "only the large batch is read by another thread");
    assert!(scoring.most.load(Ordering::SeqCst) <= Limits::default().read_ahead);
}

#[tokio::test]
async fn what_goes_wrong_is_told_after_what_went_well() {
    let scoring = Arc::new(Doubles::default());
    let good = [table(&[1.0]), table(&[2.0])];
    let mut damaged = sent("", &good);
    damaged.push(Ok(FlightData { data_header: vec![1, 2, 3].into(), ..FlightData::default() }));
    let large = [sent("doubled", &good), vec![Err(Status::out_of_range("decoded message length too large"))]].concat();
    let busy = sent("doubled", &[table(&[1.0]), table(&[2.0]), table(&[-1.0]), table(&[3.0])]);
    for (messages, code, retry) in
        [(damaged, Code::InvalidArgument, None), (large, Code::ResourceExhausted, Some(-1)), (busy, Code::ResourceExhausted, Some(7))]
    {
        let (answers, ended) = exchange(session(&scoring), messages).await;
        assert_eq!(answers.iter().map(|(batch, _)| scores(batch)).collect::<Vec<_>>(), [[Some(2.0)], [Some(4.0)]]);
        let failure = ended.unwrap_err();
        assert_eq!((failure.code, failure.retry_after_ms), (code, retry));
    }
}

#[tokio::test]
async fn streams_that_cannot_be_answered_are_refused_at_their_schema() {
    let scoring = Arc::new(Doubles::default());
    let one = [table(&[1.0])];
    let other = RecordBatch::try_from_iter([("b", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)]).unwrap();
    for (messages, code, word) in [
        (sent("nobody", &one), Code::NotFound, "unknown model: 'nobody'"),
        (sent(r#"{"keep": ["c"]}"#, &one), Code::InvalidArgument, "column c"),
        (sent(r#"{"keep": ["id", "id"]}"#, &one), Code::InvalidArgument, "column id"),
        (sent("", &[other]), Code::InvalidArgument, "missing from the table: a"),
        (sent("", &one)[1..].to_vec(), Code::InvalidArgument, "does not begin with a schema"),
        (Vec::new(), Code::InvalidArgument, "before a schema came"),
    ] {
        let (answers, ended) = exchange(session(&scoring), messages).await;
        let failure = ended.unwrap_err();
        assert!(failure.code == code && failure.message.contains(word) && answers.is_empty(), "{failure:?}");
    }
    assert!(scoring.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_slow_reader_stops_the_reading() {
    let scoring = Arc::new(Doubles::default());
    let (feed, messages) = channel(1);
    let (out, mut answers) = channel(1);
    let run = tokio::spawn(session(&scoring).run(ReceiverStream::new(messages), Written::new(out, Arc::new(Doubles::default()))));
    let tables: Vec<_> = (0..100).map(|number| table(&[f64::from(number)])).collect();
    let feeder = tokio::spawn(async move {
        for message in sent("", &tables) {
            if feed.send(message).await.is_err() {
                return;
            }
        }
    });
    // Everything that can go on without a reader does, on this one thread.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    let begun = scoring.calls.lock().unwrap().len();
    assert!((1..=4).contains(&begun), "{begun} batches for a reader that reads nothing");
    assert!(answers.recv().await.is_some());
    drop(answers);
    assert_eq!(run.await.unwrap().map_err(|failure| failure.code).err().unwrap_or(Code::Cancelled), Code::Cancelled);
    feeder.await.unwrap();
}

#[tokio::test]
async fn a_put_is_answered_with_its_counts() {
    let scoring = Arc::new(Doubles::default());
    let (out, mut answers): (_, Receiver<Result<PutResult, Status>>) = channel(1);
    let messages = sent("doubled", &[table(&[1.0, f64::NAN, 2.0]), table(&[]), table(&[f64::NAN])]);
    session(&scoring).run(tokio_stream::iter(messages), Summary::new(out)).await.unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&answers.recv().await.unwrap().unwrap().app_metadata).unwrap();
    assert_eq!(summary, serde_json::json!({"rows": 4, "scored": 2, "refused": 2, "reasons": {"null:a": 2}}));
    assert!(answers.recv().await.is_none());
}
