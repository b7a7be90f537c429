//! The broker's work, as changes: queued messages that are acknowledged soon after, retained messages overwritten.

use std::collections::VecDeque;

use crate::engine::{BODY, Engine, Op, QUEUED, RETAINED, SESSION, SUBSCRIPTION};

pub const PAYLOAD_BYTES: usize = 300;
pub const SESSIONS: u64 = 100_000;
const RETAINED_TOPICS: u64 = 10_000;
/// Messages between being queued and being acknowledged.
const LAG: usize = 2_000;

/// xorshift64*: the same seed, the same work.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }
}

/// A value of so many bytes, the last four of which are a checksum over key and value: wrong data shows.
pub fn value(key: &[u8], bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut value: Vec<u8> =
        (0..bytes.div_ceil(4)).flat_map(|_| (random.below(1 << 32) as u32).to_le_bytes()).collect();
    value.truncate(bytes);
    let crc = checksum(key, &value);
    value.extend_from_slice(&crc.to_le_bytes());
    value
}

pub fn is_right(key: &[u8], value: &[u8]) -> bool {
    value.split_last_chunk::<4>().is_some_and(|(value, crc)| checksum(key, value).to_le_bytes() == *crc)
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(value);
    crc.finalize()
}

pub fn key(kind: u8, one: u64, two: Option<u64>) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&one.to_be_bytes());
    key.extend(two.iter().flat_map(|two| two.to_be_bytes()));
    key
}

fn put(key: Vec<u8>, bytes: usize, random: &mut Random) -> Op {
    let value = value(&key, bytes, random);
    Op::Put(key, value)
}

fn retained_key(topic: u64) -> Vec<u8> {
    let mut key = vec![RETAINED];
    key.extend_from_slice(format!("site/{:04}/router/{:012}/status", topic % 97, topic).as_bytes());
    key
}

/// Sessions with a subscription each, retained messages, and `queued` messages that wait for a tenth of the sessions.
pub fn fill(store: &mut dyn Engine, sessions: u64, retained: u64, queued: u64) -> Result<(), String> {
    let mut random = Random(7);
    let sessions_ops = (0..sessions).flat_map(|n| [(key(SESSION, n, None), 60), (key(SUBSCRIPTION, n, Some(1)), 40)]);
    let retained_ops = (0..retained).map(|n| (retained_key(n), PAYLOAD_BYTES + 20));
    let queued_ops = (0..queued).map(|n| (key(QUEUED, n % (sessions / 10).max(1), Some(n)), PAYLOAD_BYTES + 50));
    let mut batch = Vec::new();
    for (key, bytes) in sessions_ops.chain(retained_ops).chain(queued_ops) {
        batch.push(put(key, bytes, &mut random));
        if batch.len() == 2_000 {
            store.commit(&batch, false)?;
            batch.clear();
        }
    }
    store.commit(&batch, true)
}

/// What every run begins with.
pub fn base(store: &mut dyn Engine) -> Result<(), String> {
    fill(store, SESSIONS, RETAINED_TOPICS, 0)
}

/// Publishes one after another: ten that are queued, each for `fanout` sessions, then one retained.
pub struct Churn {
    random: Random,
    sessions: u64,
    fanout: u64,
    /// Bodies that more than one session waits for are stored once.
    is_shared: bool,
    next: u64,
    waiting: VecDeque<Vec<Vec<u8>>>,
}

impl Churn {
    pub fn new(sessions: u64, fanout: u64, is_shared: bool) -> Self {
        Self { random: Random(11), sessions, fanout, is_shared, next: 1 << 40, waiting: VecDeque::new() }
    }

    /// The changes that one publish makes, and those of an acknowledgement that came meanwhile.
    pub fn publish(&mut self, ops: &mut Vec<Op>) {
        self.next += 1;
        let n = self.next;
        if n.is_multiple_of(11) {
            let topic = self.random.below(RETAINED_TOPICS);
            ops.push(put(retained_key(topic), PAYLOAD_BYTES + 20, &mut self.random));
            return;
        }
        let mut keys = Vec::with_capacity(self.fanout as usize + 1);
        let mut entry_bytes = PAYLOAD_BYTES + 50;
        if self.is_shared {
            let body = key(BODY, n, None);
            ops.push(put(body.clone(), PAYLOAD_BYTES + 40, &mut self.random));
            keys.push(body);
            entry_bytes = 16;
        }
        let first = self.random.below(self.sessions);
        for session in first..first + self.fanout {
            let entry = key(QUEUED, session % self.sessions, Some(n));
            ops.push(put(entry.clone(), entry_bytes, &mut self.random));
            keys.push(entry);
        }
        self.waiting.push_back(keys);
        if self.waiting.len() > LAG {
            ops.extend(self.waiting.pop_front().into_iter().flatten().map(Op::Del));
        }
    }
}
