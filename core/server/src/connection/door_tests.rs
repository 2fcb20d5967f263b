use std::cell::Cell;

use bytes::BufMut;

use super::*;

/// Turns everything away, or nothing.
#[derive(Default)]
struct Fixed {
    refuses: Cell<bool>,
    asked: Cell<usize>,
    since: Cell<Option<Instant>>,
}

impl Judge for Fixed {
    fn is_pressed(&self) -> bool {
        true
    }

    fn came_after(&self, empty: Instant) -> Instant {
        empty
    }

    fn turns_away(&self, asked: &Asked<'_>, stream: u32, out: &mut BytesMut) -> bool {
        self.since.set(Some(asked.since));
        self.asked.set(self.asked.get() + 1);
        if self.refuses.get() {
            Head { len: 1, kind: HEADERS, flags: END_HEADERS | END_STREAM, stream }.write(out);
            out.put_u8(0x88);
        }
        self.refuses.get()
    }
}

const NOTHING: &[u8] = &[];
/// Headers that enter the table, and headers that name what is there.
const FIRST: &[u8] = b"\x83\x40\x01a\x01b";
const NEXT: &[u8] = b"\x83\xbe";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    Head { len: payload.len(), kind, flags, stream }.write(&mut out);
    [&out, payload].concat()
}

fn call(stream: u32, block: &[u8]) -> Vec<u8> {
    let message = [&[0, 0, 0, 0, 3], b"row".as_slice()].concat();
    [frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, &message)].concat()
}

/// A door behind which two calls have gone to the lane.
fn door() -> (Door, Rc<Fixed>) {
    let judge = Rc::new(Fixed::default());
    let mut door = Door::new(judge.clone());
    let before = [vec![b'P'; PREFACE], call(1, FIRST), call(3, NEXT)].concat();
    assert_eq!(passed(&mut door, &before, before.len()), before);
    door.learn(1, None);
    door.learn(3, None);
    judge.refuses.set(true);
    (door, judge)
}

/// What passes of bytes that come in pieces.
fn passed(door: &mut Door, bytes: &[u8], step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = [door.held(), piece].concat();
        door.held().clear();
        let kept = door.sift(&mut piece, Instant::now());
        all.extend_from_slice(&piece[..kept]);
    }
    all
}

/// Streams of the frames of a kind.
fn streams(mut bytes: &[u8], of: u8) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some((head, rest)) = Head::read(bytes) {
        found.extend((head.kind == of).then_some(head.stream));
        bytes = &rest[head.len..];
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:x?}");
    found
}

#[test]
fn a_call_like_one_before_is_refused_and_leaves_no_trace() {
    let (mut door, judge) = door();
    let bytes = [call(5, NEXT), call(7, NEXT)].concat();
    assert_eq!(passed(&mut door, &bytes, bytes.len()), NOTHING);
    assert_eq!((streams(door.unsent(), HEADERS), judge.asked.get()), (vec![5, 7], 2));
    // What its caller says of it later is not for HTTP/2 either, as long as that has not seen a later call.
    let last_words = [frame(http2::RESET, 0, 5, &[0; 4]), frame(http2::WINDOW, 0, 7, &[0, 0, 0, 1])].concat();
    assert_eq!(passed(&mut door, &last_words, 4), NOTHING);
    judge.refuses.set(false);
    let later = [call(9, NEXT), last_words].concat();
    assert_eq!(passed(&mut door, &later, later.len()), later);
}

#[test]
fn whatever_the_pieces_every_call_is_refused_or_passes_and_never_half() {
    let calls: Vec<u32> = (0..40).map(|number| 5 + 2 * number).collect();
    let bytes = calls.iter().flat_map(|stream| call(*stream, NEXT)).collect::<Vec<_>>();
    for step in 1..=bytes.len() {
        let (mut door, _) = door();
        let through = passed(&mut door, &bytes, step);
        let mut all = [streams(&through, HEADERS), streams(door.unsent(), HEADERS)].concat();
        assert_eq!(streams(&through, HEADERS), streams(&through, DATA), "in pieces of {step}");
        all.sort_unstable();
        assert_eq!(all, calls, "in pieces of {step}");
    }
}

#[test]
fn what_was_not_seen_before_passes() {
    let message = [&[1, 0, 0, 0, 3], b"row".as_slice()].concat();
    let with = |flags, message: &[u8]| [frame(HEADERS, END_HEADERS, 5, NEXT), frame(DATA, flags, 5, message)].concat();
    let padded = [frame(HEADERS, END_HEADERS | 8, 5, NEXT), frame(DATA, END_STREAM, 5, &message)].concat();
    let cases = [
        ("other headers", call(5, b"\x83\x84")),
        ("compressed", with(END_STREAM, &message)),
        ("more to come", with(0, &[0, 0, 0, 0, 0])),
        ("shorter than it says", with(END_STREAM, &[0, 0, 0, 0, 3, 1])),
        ("longer than it says", with(END_STREAM, &[0, 0, 0, 0, 0, 1])),
        ("no head", with(END_STREAM, &[0, 0])),
        ("padded", padded),
        ("an old stream", call(3, NEXT)),
        ("a ping", frame(6, 0, 0, &[0; 8])),
    ];
    for (what, bytes) in cases {
        let (mut door, judge) = door();
        assert_eq!(passed(&mut door, &bytes, bytes.len()), bytes, "{what}");
        assert_eq!((door.unsent().len(), judge.asked.get()), (0, 0), "{what}");
    }
}

#[test]
fn bytes_mean_nothing_any_more_when_the_table_has_changed() {
    let changes =
        [frame(HEADERS, END_HEADERS, 5, FIRST), [frame(HEADERS, 0, 5, NEXT), frame(http2::CONTINUATION, END_HEADERS, 5, &[])].concat()];
    for change in changes {
        let (mut door, _) = door();
        let bytes = [change, call(7, NEXT)].concat();
        assert_eq!(passed(&mut door, &bytes, bytes.len()), bytes);
        // And again when a call has shown what they mean now.
        door.learn(7, None);
        assert_eq!(passed(&mut door, &call(9, NEXT), 1000), NOTHING);
    }
}

#[test]
fn an_open_door_refuses_nothing() {
    let (mut door, _) = door();
    door.stand_open();
    assert_eq!(passed(&mut door, &call(5, NEXT), 1000), call(5, NEXT));
}

#[test]
fn room_for_what_was_refused_is_given_back() {
    let (mut door, _) = door();
    let payload = [&[0, 0, 0, 0x20, 0], [7u8; 0x2000].as_slice()].concat();
    for stream in (5..25).step_by(2) {
        let bytes = [frame(HEADERS, END_HEADERS, stream, NEXT), frame(DATA, END_STREAM, stream, &payload)].concat();
        assert_eq!(passed(&mut door, &bytes, bytes.len()), NOTHING);
    }
    let sent = door.unsent().split();
    assert_eq!(streams(&sent, http2::WINDOW), [0]);
    let given = sent.windows(4).filter(|four| **four == (8 * payload.len() as u32).to_be_bytes()).count();
    assert_eq!(given, 1);
}

/// What lies in a full socket is as old as its oldest byte may be; the clock starts anew when the socket is empty.
#[test]
fn time_runs_while_nobody_reads() {
    let (mut door, judge) = door();
    let (before, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
    door.found_empty(before);
    for stream in [5, 7] {
        door.sift(&mut call(stream, NEXT), later);
        assert_eq!(judge.since.get(), Some(before));
    }
    door.found_empty(later);
    door.sift(&mut call(9, NEXT), later);
    assert_eq!(judge.since.get(), Some(later));
}
