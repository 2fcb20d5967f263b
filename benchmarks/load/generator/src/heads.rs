//! Header blocks of requests, encoded once, and of replies, decoded as they come.

use loona_hpack::Decoder;

use crate::options::Call;

/// What a reply's header block says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// `:status`.
    pub http: Option<u16>,
    /// `grpc-status`.
    pub grpc: Option<u16>,
    /// `grpc-retry-pushback-ms`.
    pub pushback: Option<i64>,
}

/// Reads a connection's header blocks in order.
pub struct Heads {
    decoder: Decoder<'static>,
    // Blocks that only name entries of the table mean the same until the table changes; nearly all blocks are of this kind.
    known: Vec<(Vec<u8>, Head)>,
}

impl Heads {
    pub fn new() -> Self {
        Self { decoder: Decoder::new(), known: Vec::new() }
    }

    /// What a complete block says.
    pub fn read(&mut self, block: &[u8]) -> Result<Head, String> {
        let names_only = block.iter().all(|byte| (0x80..0xff).contains(byte));
        if names_only && let Some((_, head)) = self.known.iter().find(|(known, _)| known == block) {
            return Ok(*head);
        }
        let mut head = Head::default();
        let number = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        let read = self.decoder.decode_with_cb(block, |name, value| match &*name {
            b":status" => head.http = number(&value).map(|number| number as u16),
            b"grpc-status" => head.grpc = number(&value).map(|number| number as u16),
            b"grpc-retry-pushback-ms" => head.pushback = number(&value),
            _ => {}
        });
        read.map_err(|error| format!("the server's headers cannot be read: {error:?}"))?;
        if !names_only {
            self.known.clear();
        } else if self.known.len() < 8 {
            self.known.push((block.to_vec(), head));
        }
        Ok(head)
    }
}

/// The first request's header block, which fills the server's table, and that of all others, which only names its entries.
pub fn requests(call: Call, deadline_ms: Option<u32>) -> (Vec<u8>, Vec<u8>) {
    // Static entries: `:method: POST` 3, `:scheme: http` 6. A new entry becomes number 62 and moves the older ones up.
    let mut first = vec![0x83, 0x86];
    let mut added = 0;
    let mut add = |name: Result<u8, &str>, value: &str| {
        match name {
            Ok(known) => first.push(0x40 | known),
            Err(name) => {
                first.extend_from_slice(&[0x40, name.len() as u8]);
                first.extend_from_slice(name.as_bytes());
            }
        }
        first.push(value.len() as u8);
        first.extend_from_slice(value.as_bytes());
        added += 1;
    };
    add(Ok(4), call.path());
    add(Ok(1), "127.0.0.1");
    add(Err("te"), "trailers");
    add(Ok(31), "application/grpc");
    add(Ok(58), "sternpost-load");
    if let Some(milliseconds) = deadline_ms {
        add(Err("grpc-timeout"), &format!("{milliseconds}m"));
    }
    let next = [0x83, 0x86].into_iter().chain((0..added).rev().map(|place| 0x80 | (62 + place))).collect();
    (first, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_request_blocks_say_the_same() {
        for deadline in [None, Some(20)] {
            let (first, next) = requests(Call::Score, deadline);
            let mut decoder = Decoder::new();
            let once = decoder.decode(&first).unwrap();
            assert_eq!(once, decoder.decode(&next).unwrap());
            assert!(once.contains(&(b":path".to_vec(), b"/sternpost.v1.Scoring/Score".to_vec())));
            assert_eq!(once.contains(&(b"grpc-timeout".to_vec(), b"20m".to_vec())), deadline.is_some());
        }
    }

    #[test]
    fn what_was_known_of_a_block_is_forgotten_when_the_table_changes() {
        let mut heads = Heads::new();
        let ok = Head { grpc: Some(0), ..Head::default() };
        let status = |code: &[u8]| [b"\x40\x0bgrpc-status\x01", code].concat();
        assert_eq!(heads.read(&status(b"0")), Ok(ok));
        assert_eq!(heads.read(&[0xbe]), Ok(ok));
        assert_eq!(heads.read(&[0xbe]), Ok(ok));
        assert_eq!(heads.read(&status(b"8")), Ok(Head { grpc: Some(8), ..ok }));
        assert_eq!(heads.read(&[0xbe]), Ok(Head { grpc: Some(8), ..ok }));
        assert_eq!(heads.read(&[0xbf]), Ok(ok));
        assert_eq!(heads.read(&[0x88]), Ok(Head { http: Some(200), ..Head::default() }));
    }
}
