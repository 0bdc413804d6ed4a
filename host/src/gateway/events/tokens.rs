//! The tokens of one gateway: one counter for every request of every conversation, from 1 and below 2^31.
//! Gives single ones to calls and small blocks to conversations. Never gives what somebody still holds, not even when it begins anew.
//!
//! Components use them as JSON-RPC ids. Peers keep ids in 32 bits, or as floats that lose digits from 10^7 on: a large id comes back as another one, after the tool ran.

use std::{collections::BTreeMap, sync::Arc};

use crate::runtime::types;
use crate::sync::Mutex;

const FIRST: u32 = 1;
/// The largest number of 32 bits with a sign.
const LAST: u32 = i32::MAX.unsigned_abs();
/// What a conversation needs: its handshake, the pages of one listing, the further rounds of some calls.
const BLOCK: u32 = 1_024;

/// Where ids come from. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub(in crate::gateway) struct Tokens {
    state: Arc<Mutex<State>>,
}

struct State {
    next: u32,
    /// By their first id: how many.
    held: BTreeMap<u32, u32>,
}

impl Default for State {
    fn default() -> Self {
        Self { next: FIRST, held: BTreeMap::new() }
    }
}

impl State {
    /// The next place for this many that nobody holds. There always is one: what is held together is far less than all.
    fn free(&self, number: u32) -> u32 {
        let mut first = self.next;
        loop {
            if first + number - 1 > LAST {
                first = FIRST;
            }
            match self.held.range(..first + number).next_back() {
                Some((start, count)) if start + count > first => first = start + count,
                _ => return first,
            }
        }
    }
}

impl Tokens {
    /// For one call.
    pub(in crate::gateway) fn one(&self) -> Held {
        self.take(1)
    }

    /// For one conversation.
    pub(in crate::gateway) fn block(&self) -> Held {
        self.take(BLOCK)
    }

    fn take(&self, number: u32) -> Held {
        let mut state = self.state.lock();
        let first = state.free(number);
        state.next = first + number;
        state.held.insert(first, number);
        Held { state: Arc::clone(&self.state), first, count: number }
    }
}

/// Tokens that are in use until this is dropped.
pub(in crate::gateway) struct Held {
    state: Arc<Mutex<State>>,
    first: u32,
    count: u32,
}

impl Held {
    /// The first one, or the only one.
    pub(in crate::gateway) fn first(&self) -> u32 {
        self.first
    }

    /// All of them, as the contract has it.
    pub(in crate::gateway) fn range(&self) -> types::TokenRange {
        types::TokenRange { first: self.first, count: self.count }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.state.lock().held.remove(&self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_count_from_one_and_no_two_are_the_same() {
        let ids = Tokens::default();
        let (block, call, other) = (ids.block(), ids.clone().one(), ids.block());
        assert_eq!([block.first(), call.first(), other.first()], [1, 1 + BLOCK, 2 + BLOCK]);
        // What is given back is not used again at once: an answer to it may still come.
        drop(call);
        assert_eq!(ids.one().first(), 2 + 2 * BLOCK);
    }

    #[test]
    fn below_2_to_the_31_they_begin_anew_and_leave_out_what_is_held() {
        let ids = Tokens::default();
        let (held, call) = (ids.block(), ids.one());
        ids.state.lock().next = LAST - BLOCK;
        let last = ids.block();
        assert!(last.first() + BLOCK - 1 <= LAST, "{}", last.first());
        let (next, after) = (ids.block(), ids.one());
        assert_eq!(next.first(), call.first() + 1, "behind what is held");
        assert_eq!(after.first(), next.first() + BLOCK);
        drop((held, call, last));
        ids.state.lock().next = LAST + 1;
        assert_eq!(ids.block().first(), FIRST);
    }
}
