//! The null positions of a stretch of an array, a word at a time.

use arrow_array::Array;
use arrow_buffer::NullBuffer;

use super::Span;

/// The validity of the span, or nothing if all of it is valid.
pub(super) fn within(array: &dyn Array, span: Span) -> Option<NullBuffer> {
    let nulls = array.nulls()?;
    if nulls.null_count() == 0 {
        return None;
    }
    Some(nulls.slice(span.offset, span.count)).filter(|nulls| nulls.null_count() > 0)
}

/// Calls `at` with every null's position, in order.
#[inline(always)]
pub(super) fn each(nulls: &NullBuffer, mut at: impl FnMut(usize)) {
    let chunks = nulls.inner().bit_chunks();
    let tail = chunks.remainder_len();
    let tail_bits = if tail == 0 { u64::MAX } else { chunks.remainder_bits() | (u64::MAX << tail) };
    for (word, valid) in chunks.iter().chain([tail_bits]).enumerate() {
        let mut missing = !valid;
        while missing != 0 {
            at(word * 64 + missing.trailing_zeros() as usize);
            missing &= missing - 1;
        }
    }
}
