//! From a label to its code, by exact bytes, a few nanoseconds each.
//!
//! A label of up to 16 bytes is two zero-padded 64-bit words and a length; equal words and length mean equal bytes, so one probe of an
//! open-addressed table compares everything and no string comparison is called. The table keeps a load of at most one quarter, and its seed
//! is chosen from a fixed list to keep probes short, so equal contracts have equal tables. Longer labels take an ordinary hash map.

use std::collections::HashMap;

use crate::UNSEEN_CODE;

const SHORT: usize = 16;
const EMPTY: u32 = u32::MAX;
const SEEDS: u64 = 64;

/// Masks that keep the first `len` bytes of a 16-byte window.
const MASKS: [[u64; 2]; SHORT + 1] = {
    let mut masks = [[0u64; 2]; SHORT + 1];
    let mut len = 0;
    while len <= SHORT {
        masks[len][0] = if len >= 8 { u64::MAX } else { (1u64 << (8 * len)) - 1 };
        masks[len][1] = match len {
            0..=8 => 0,
            SHORT => u64::MAX,
            _ => (1u64 << (8 * (len - 8))) - 1,
        };
        len += 1;
    }
    masks
};

#[derive(Debug, Clone, Copy)]
struct Slot {
    low: u64,
    high: u64,
    len: u32,
    code: i32,
}

/// A contract column's labels; the code of a label is its position in the list.
#[derive(Debug)]
pub struct Dictionary {
    labels: Vec<String>,
    slots: Vec<Slot>,
    shift: u32,
    seed: u64,
    long: HashMap<Box<[u8]>, i32>,
}

impl Dictionary {
    /// Builds the table.
    ///
    /// # Errors
    /// The first label that is listed twice.
    pub fn new(labels: &[String]) -> Result<Self, String> {
        let mut seen = HashMap::with_capacity(labels.len());
        let mut short = Vec::new();
        let mut long = HashMap::new();
        for (position, label) in labels.iter().enumerate() {
            let code = i32::try_from(position).map_err(|_| label.clone())?;
            if seen.insert(label.as_bytes(), code).is_some() {
                return Err(label.clone());
            }
            if label.len() <= SHORT {
                let (low, high) = padded(label.as_bytes());
                short.push(Slot { low, high, len: label.len() as u32, code });
            } else {
                long.insert(label.as_bytes().into(), code);
            }
        }
        let bits = (short.len() * 4).next_power_of_two().max(2).trailing_zeros();
        let shift = 64 - bits;
        let seed =
            (0..SEEDS).map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).min_by_key(|seed| place(&short, shift, *seed).1).unwrap_or(0);
        let slots = place(&short, shift, seed).0;
        Ok(Self { labels: labels.to_vec(), slots, shift, seed, long })
    }

    /// The labels in code order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The code of a label, or [`UNSEEN_CODE`].
    pub fn code(&self, label: &[u8]) -> i32 {
        if label.len() <= SHORT {
            let (low, high) = padded(label);
            self.probe(low, high, label.len() as u32)
        } else {
            self.code_of_long(label)
        }
    }

    /// The code of `data[start..start + len]`: reads a 16-byte window where the buffer has one, which spares a copy per value.
    /// A place outside of `data` is unseen.
    #[inline(always)]
    pub fn code_at(&self, data: &[u8], start: usize, len: usize) -> i32 {
        if len <= SHORT
            && let Some(window) = data.get(start..start.wrapping_add(SHORT))
        {
            let (low, high) = words(window);
            let [mask_low, mask_high] = MASKS[len];
            return self.probe(low & mask_low, high & mask_high, len as u32);
        }
        data.get(start..start.wrapping_add(len)).map_or(UNSEEN_CODE, |label| self.code(label))
    }

    /// The code of a label of up to 12 bytes that is held in two words already, as Arrow views hold it. Bytes past `len` must be zero.
    #[inline(always)]
    pub fn code_of_words(&self, low: u64, high: u64, len: u32) -> i32 {
        self.probe(low, high, len)
    }

    #[inline(always)]
    fn probe(&self, low: u64, high: u64, len: u32) -> i32 {
        let mask = self.slots.len() - 1;
        let mut index = home(low, high, len, self.shift, self.seed);
        loop {
            let slot = &self.slots[index & mask];
            if slot.low == low && slot.high == high && slot.len == len {
                return slot.code;
            }
            if slot.len == EMPTY {
                return UNSEEN_CODE;
            }
            index += 1;
        }
    }

    #[cold]
    fn code_of_long(&self, label: &[u8]) -> i32 {
        self.long.get(label).copied().unwrap_or(UNSEEN_CODE)
    }
}

/// The table for one seed, and how far labels stand from their home in total.
fn place(short: &[Slot], shift: u32, seed: u64) -> (Vec<Slot>, usize) {
    let size = 1usize << (64 - shift);
    let mut slots = vec![Slot { low: 0, high: 0, len: EMPTY, code: UNSEEN_CODE }; size];
    let mut distance = 0;
    for slot in short {
        let mut index = home(slot.low, slot.high, slot.len, shift, seed) & (size - 1);
        while slots[index].len != EMPTY {
            index = (index + 1) & (size - 1);
            distance += 1;
        }
        slots[index] = *slot;
    }
    (slots, distance)
}

#[inline(always)]
fn home(low: u64, high: u64, len: u32, shift: u32, seed: u64) -> usize {
    let first = (low ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let second = (high ^ u64::from(len)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((first ^ second.rotate_left(32)).wrapping_mul(0xff51_afd7_ed55_8ccd) >> shift) as usize
}

#[inline(always)]
fn words(window: &[u8]) -> (u64, u64) {
    let mut low = [0; 8];
    let mut high = [0; 8];
    low.copy_from_slice(&window[..8]);
    high.copy_from_slice(&window[8..16]);
    (u64::from_le_bytes(low), u64::from_le_bytes(high))
}

fn padded(label: &[u8]) -> (u64, u64) {
    let mut window = [0; SHORT];
    window[..label.len()].copy_from_slice(label);
    words(&window)
}
