//! How a stream ends that its sender does not: another bundle, none, or nothing to do.

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::super::answer::Written;
use super::tests::{Doubles, sent, served, session, table};
use super::*;

struct Open {
    registry: Arc<Registry>,
    feed: Sender<Result<FlightData, Status>>,
    answers: Receiver<Result<FlightData, Status>>,
    run: JoinHandle<Result<(), Failure>>,
    /// Messages of one batch each, after the schema and a dictionary.
    batches: std::vec::IntoIter<Result<FlightData, Status>>,
}

impl Open {
    /// A stream whose first batch was answered.
    async fn new(idle: Duration) -> Self {
        let mut session = session(&Arc::new(Doubles::default()));
        session.limits.idle = idle;
        let registry = session.registry.clone();
        let (feed, messages) = channel(1);
        let (out, answers) = channel(1);
        let run = tokio::spawn(session.run(ReceiverStream::new(messages), Written::new(out, Arc::new(Doubles::default()))));
        let mut messages = sent("", &[1.0, 1.0, 1.0].map(|value| table(&[value])));
        let batches = messages.split_off(2).into_iter();
        let mut open = Self { registry, feed, answers, run, batches };
        for message in messages {
            open.feed.send(message).await.unwrap();
        }
        assert!(open.answers.recv().await.is_some(), "the schema");
        open.answer().await;
        open
    }

    async fn send(&mut self) {
        self.feed.send(self.batches.next().unwrap()).await.unwrap();
    }

    /// Sends a batch and awaits its answer.
    async fn answer(&mut self) {
        self.send().await;
        assert!(self.answers.recv().await.unwrap().is_ok());
    }

    /// What ends it.
    async fn end(mut self) -> Failure {
        assert!(self.answers.recv().await.is_none());
        self.run.await.unwrap().unwrap_err()
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_stream_holds_no_bundle_and_goes_on_with_the_same_one_in_another_version() {
    let mut open = Open::new(LONG).await;
    let old = open.registry.serve(served("d1", 2)).unwrap();
    assert_eq!(Arc::strong_count(&old), 1, "an open stream keeps what was replaced");
    open.answer().await;
    drop(open.feed);
    assert_eq!(open.run.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn another_bundle_ends_a_stream_before_its_bits_change() {
    let mut open = Open::new(LONG).await;
    open.registry.serve(served("d2", 2)).unwrap();
    open.send().await;
    let failure = open.end().await;
    assert_eq!((failure.code, failure.message.as_str()), (Code::Unavailable, "the bundle was replaced; open the stream again"));
}

#[tokio::test]
async fn no_bundle_ends_a_stream() {
    let mut open = Open::new(LONG).await;
    open.registry.withdraw("doubled").unwrap();
    open.send().await;
    let failure = open.end().await;
    assert!(failure.code == Code::Unavailable && failure.message.contains("was unloaded"), "{failure:?}");
}

#[tokio::test]
async fn a_stream_without_anything_to_do_ends() {
    let failure = Open::new(Duration::from_millis(30)).await.end().await;
    assert!(failure.code == Code::DeadlineExceeded && failure.message.contains("nothing came for 0.03 s"), "{failure:?}");
}

#[tokio::test]
async fn a_stream_whose_answers_nobody_takes_ends() {
    let mut open = Open::new(Duration::from_millis(30)).await;
    open.send().await;
    open.send().await;
    let failure = open.run.await.unwrap().unwrap_err();
    assert!(failure.code == Code::DeadlineExceeded && failure.message.contains("no answer was taken for 0.03 s"), "{failure:?}");
}
