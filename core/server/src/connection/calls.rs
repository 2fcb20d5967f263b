//! A connection's calls to the lane, each in a numbered slot, so that answers find the call that asked and no other.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use super::stream_call::StreamCall;
use super::unary_call::UnaryCall;
use crate::lane::{Answer, Inbox};
use crate::site::Site;

/// A call to the lane.
pub enum Call {
    /// One row.
    Unary(UnaryCall),
    /// Rows as they come.
    Stream(StreamCall),
}

/// What is left of a call after it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for data or room.
    Open,
    /// It waits for answers alone.
    Asked,
    /// Nothing more comes of it.
    Done,
}

#[derive(Default)]
struct Slot {
    /// Calls that had this slot before: an answer to one of them is not for the present one.
    generation: u16,
    call: Option<Call>,
}

/// All calls.
#[derive(Default)]
pub struct Calls {
    slots: Vec<Slot>,
    free: Vec<u16>,
    /// Slots that wait for data or room.
    open: Vec<u16>,
    leaving: bool,
}

/// A ticket names slot, generation and number within the call.
fn ticket(slot: u16, generation: u16, number: u32) -> u64 {
    u64::from(slot) << 48 | u64::from(generation) << 32 | u64::from(number)
}

impl Calls {
    /// A new call. It is read when the calls are next advanced.
    pub fn add(&mut self, call: Call) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // Bounded by the connection's concurrent streams.
            (self.slots.len() - 1) as u16
        });
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            place.call = Some(call);
            self.open.push(slot);
        }
    }

    /// No further rows: streams end as soon as what they asked is answered.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// Reads what has come for every call that waits for it; true if anything was there.
    pub fn advance(&mut self, site: &Site, inbox: &Rc<Inbox>, now: Instant, cx: &mut Context<'_>) -> bool {
        let moved = !self.open.is_empty();
        let mut place = 0;
        while let Some(slot) = self.open.get(place).copied() {
            let Some(Slot { generation, call: Some(call) }) = self.slots.get_mut(usize::from(slot)) else {
                self.open.swap_remove(place);
                continue;
            };
            let generation = *generation;
            let ask = |number: u32| ticket(slot, generation, number);
            let state = match call {
                Call::Unary(call) => call.advance(site, inbox, ask(0), now, cx),
                Call::Stream(call) => call.advance(site, inbox, &ask, self.leaving, now, cx),
            };
            match state {
                State::Open => place += 1,
                State::Asked => {
                    self.open.swap_remove(place);
                }
                State::Done => {
                    self.open.swap_remove(place);
                    self.remove(slot);
                }
            }
        }
        moved
    }

    /// Hands an answer to its call, if that is still there.
    pub fn deliver(&mut self, ticket: u64, answer: Answer) {
        let (slot, generation, number) = ((ticket >> 48) as u16, (ticket >> 32) as u16, ticket as u32);
        let Some(place) = self.slots.get_mut(usize::from(slot)).filter(|place| place.generation == generation) else { return };
        match &mut place.call {
            Some(Call::Unary(call)) => {
                call.answer(answer);
                self.remove(slot);
            }
            Some(Call::Stream(call)) => call.answer(number, answer),
            None => {}
        }
    }

    fn remove(&mut self, slot: u16) {
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            place.call = None;
            place.generation = place.generation.wrapping_add(1);
            self.free.push(slot);
        }
    }
}
