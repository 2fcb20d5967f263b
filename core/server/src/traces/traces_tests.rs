use std::sync::mpsc::sync_channel;

use super::*;

fn traces(share: f64, ring: usize) -> (Traces, std::sync::mpsc::Receiver<Span>) {
    let (ring, spans) = sync_channel(ring);
    (Traces { ring, counts: Arc::default(), share }, spans)
}

#[test]
fn the_callers_word_counts_and_without_one_chance() {
    let parent = |sampled| Parent { trace: 7, span: 9, sampled };
    for (share, expected) in [(0.0, 0), (1.0, 1000)] {
        let (traces, spans) = traces(share, 4096);
        let tracer = traces.tracer();
        let begun = |parent: Option<Parent>| (0..1000).filter_map(|_| tracer.begin(Path::Score, parent.as_ref())).count();
        assert_eq!(begun(Some(parent(true))), 1000);
        assert_eq!(begun(Some(parent(false))), 0);
        assert_eq!(begun(None), expected);
        let spans: Vec<_> = spans.try_iter().collect();
        assert!(spans.iter().take(1000).all(|span| (span.trace, span.parent) == (7, Some(9))));
        assert!(spans.iter().skip(1000).all(|span| span.trace != 7 && span.parent.is_none()));
        let mut ids: Vec<_> = spans.iter().map(|span| span.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), spans.len(), "no two spans have one name");
    }
    let (traces, _spans) = traces(0.25, 4096);
    let tracer = traces.tracer();
    let begun = (0..10_000).filter_map(|_| tracer.begin(Path::Score, None)).count();
    // Twelve standard deviations of a binomial.
    assert!((2_000..3_000).contains(&begun), "{begun} of 10000");
}

#[test]
fn a_full_ring_drops_and_counts() {
    let (traces, spans) = traces(1.0, 10);
    let tracer = traces.tracer();
    for _ in 0..25 {
        tracer.begin(Path::Score, None).unwrap().ended(Code::Ok);
    }
    assert_eq!(spans.try_iter().count(), 10);
    assert_eq!(traces.counts().dropped.load(Ordering::Relaxed), 15);
}

#[test]
fn a_span_has_one_end() {
    let (traces, spans) = traces(1.0, 10);
    let tracer = traces.tracer();
    tracer.begin(Path::Score, None).unwrap().replied(b"frame");
    drop(tracer.begin(Path::ScoreStream, None));
    let ends: Vec<_> = spans.try_iter().map(|span| span.outcome).collect();
    assert_eq!(ends, [Outcome::Replied(Bytes::from_static(b"frame")), Outcome::Failed(Code::Cancelled)]);
}

#[test]
fn addresses_of_collectors() {
    let path = |url: &str| Endpoint::parse(url).map(|endpoint| format!("{endpoint:?}"));
    assert!(path("http://127.0.0.1:4318").unwrap().contains(r#"address: "127.0.0.1:4318", path: "/v1/traces""#));
    assert!(path("http://collector/elsewhere").unwrap().contains(r#"address: "collector:80", path: "/elsewhere""#));
    assert!(path("https://collector:4318").unwrap_err().contains("beside the server"));
    for wrong in ["", "collector", "collector:4318", "ftp://collector", "http://", "http://:1"] {
        assert!(path(wrong).unwrap_err().contains("http://127.0.0.1:4318"), "{wrong}");
    }
}
