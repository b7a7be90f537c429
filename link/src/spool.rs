//! What waits to be sent: first in, first out, within limits.
//!
//! Past a limit the oldest message goes, and is counted. What has left the spool at QoS 1 or 2 is the
//! session's and is not dropped by anything here.

use std::collections::VecDeque;

use crate::Message;

/// What the spool may hold while the server is away or slow. Messages that are on their way come on top:
/// at most `inflight_max` at QoS 1 and 2, and 64 KiB or one message at QoS 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Messages. Default 100,000; at least 1.
    pub messages_max: usize,
    /// Bytes of topics and payloads together. Default 64 MiB. A message larger than this is refused.
    pub bytes_max: usize,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { messages_max: 100_000, bytes_max: 64 * 1024 * 1024 }
    }
}

/// A message and its place in the order in which messages were accepted.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) ordinal: u64,
    pub(crate) message: Message,
}

impl Queued {
    fn bytes(&self) -> usize {
        message_bytes(&self.message)
    }
}

/// What a message counts for: its topic and its payload.
pub(crate) fn message_bytes(message: &Message) -> usize {
    message.topic.len() + message.payload.len()
}

#[derive(Debug)]
pub(crate) struct Spool {
    limits: SpoolLimits,
    queue: VecDeque<Queued>,
    bytes: usize,
    next_ordinal: u64,
    dropped: u64,
}

impl Spool {
    pub(crate) fn new(limits: SpoolLimits) -> Self {
        let limits = SpoolLimits { messages_max: limits.messages_max.max(1), ..limits };
        Self { limits, queue: VecDeque::new(), bytes: 0, next_ordinal: 0, dropped: 0 }
    }

    /// Takes a message behind all others. The oldest ones make room for it.
    ///
    /// `Err` gives the limit that the message alone is larger than.
    pub(crate) fn push(&mut self, message: Message) -> Result<(), usize> {
        if message_bytes(&message) > self.limits.bytes_max {
            return Err(self.limits.bytes_max);
        }
        let queued = Queued { ordinal: self.next_ordinal, message };
        self.next_ordinal += 1;
        self.bytes += queued.bytes();
        self.queue.push_back(queued);
        self.drop_oldest_past_limits();
        Ok(())
    }

    /// Puts messages (given youngest first) back before all others. As the oldest, they are the first to go past a limit.
    pub(crate) fn put_back(&mut self, youngest_first: impl IntoIterator<Item = Queued>) {
        for queued in youngest_first {
            self.bytes += queued.bytes();
            self.queue.push_front(queued);
        }
        self.drop_oldest_past_limits();
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.queue.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.bytes -= queued.bytes();
        Some(queued)
    }

    /// Gives up everything; each message counts as dropped.
    pub(crate) fn clear(&mut self) -> usize {
        let gone = self.queue.len();
        self.dropped += gone as u64;
        self.queue = VecDeque::new();
        self.bytes = 0;
        gone
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that went because a limit was reached, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many messages were accepted, and so the ordinal of the next one.
    pub(crate) fn next_ordinal(&self) -> u64 {
        self.next_ordinal
    }

    fn drop_oldest_past_limits(&mut self) {
        while self.queue.len() > self.limits.messages_max || self.bytes > self.limits.bytes_max {
            if self.pop().is_none() {
                return;
            }
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mqtt::QoS;

    use super::*;

    fn message(payload_bytes: usize) -> Message {
        Message {
            topic: "t".into(),
            payload: Bytes::from(vec![0; payload_bytes]),
            qos: QoS::AtLeastOnce,
            retain: false,
        }
    }

    fn ordinals(spool: &Spool) -> Vec<u64> {
        spool.queue.iter().map(|queued| queued.ordinal).collect()
    }

    fn spool(messages_max: usize, bytes_max: usize) -> Spool {
        Spool::new(SpoolLimits { messages_max, bytes_max })
    }

    #[test]
    fn past_the_limit_in_messages_the_oldest_goes_and_is_counted() {
        let mut spool = spool(3, 1_000);
        for _ in 0..5 {
            spool.push(message(9)).unwrap();
        }
        assert_eq!(ordinals(&spool), [2, 3, 4]);
        assert_eq!((spool.dropped(), spool.bytes()), (2, 30));
    }

    #[test]
    fn past_the_limit_in_bytes_as_many_go_as_needed() {
        let mut spool = spool(100, 30);
        for _ in 0..3 {
            spool.push(message(9)).unwrap();
        }
        spool.push(message(14)).unwrap();
        assert_eq!(ordinals(&spool), [2, 3]);
        assert_eq!((spool.dropped(), spool.bytes()), (2, 25));
    }

    #[test]
    fn a_message_larger_than_the_whole_spool_is_refused_and_drops_nothing() {
        let mut spool = spool(100, 30);
        spool.push(message(9)).unwrap();
        assert_eq!(spool.push(message(30)), Err(30));
        assert_eq!((spool.len(), spool.dropped()), (1, 0));
    }

    #[test]
    fn what_is_put_back_goes_out_first_and_over_a_limit_is_dropped_first() {
        let mut spool = spool(3, 1_000);
        for _ in 0..3 {
            spool.push(message(9)).unwrap();
        }
        let (first, second) = (spool.pop().unwrap(), spool.pop().unwrap());
        spool.push(message(9)).unwrap();
        spool.put_back([second, first]);
        assert_eq!(ordinals(&spool), [1, 2, 3]);
        assert_eq!((spool.dropped(), spool.bytes()), (1, 30));
    }

    #[test]
    fn what_is_cleared_counts_as_dropped() {
        let mut spool = spool(3, 1_000);
        spool.push(message(1)).unwrap();
        assert_eq!(spool.clear(), 1);
        assert_eq!((spool.len(), spool.bytes(), spool.dropped()), (0, 0, 1));
    }
}
