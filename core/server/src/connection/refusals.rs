//! Refusals as whole frames: each is encoded once and then sent under the number of whatever stream it is for.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::head;
use super::http2::{self, END_HEADERS, END_STREAM, HEADERS, Head};
use crate::lane::Refused;

/// Different refusals that are kept.
const KEPT: usize = 256;

/// The refusals that were sent before.
#[derive(Debug, Default)]
pub struct Refusals {
    blocks: HashMap<Refused, Bytes>,
}

impl Refusals {
    /// Writes a refusal of a stream.
    pub fn write(&mut self, refused: Refused, stream: u32, out: &mut BytesMut) {
        if self.blocks.len() >= KEPT && !self.blocks.contains_key(&refused) {
            self.blocks.clear();
        }
        let encode = || http2::block(head::refusal(refused.into()).headers()).freeze();
        let block = self.blocks.entry(refused).or_insert_with(encode);
        Head { len: block.len(), kind: HEADERS, flags: END_HEADERS | END_STREAM, stream }.write(out);
        out.extend_from_slice(block);
    }
}
