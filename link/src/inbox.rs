//! What has come and was not taken by the owner of the link yet: messages, and that the connection came or went.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// Messages that wait for the owner of the link. Past this the oldest is dropped and counted.
pub(crate) const INBOUND_MESSAGES_MAX: usize = 64;

/// The same in bytes of topics and payloads: four of the largest messages that are taken.
pub(crate) const INBOUND_BYTES_MAX: usize = 1024 * 1024;

/// A message that came by a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// To which topic it was published.
    pub topic: Arc<str>,
    /// Any bytes.
    pub payload: Bytes,
    /// Whether the server had kept it.
    pub retain: bool,
}

/// What a link tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Connected; once for each connection. The subscriptions were sent before anything that is published from now on.
    Up,
    /// The connection is gone.
    Down,
    /// A message.
    Message(Received),
}

/// Bounded by [`INBOUND_MESSAGES_MAX`] and [`INBOUND_BYTES_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: VecDeque<Received>,
    bytes: usize,
    dropped: u64,
    /// Connections so far, and whether the last one is still there.
    connects: u64,
    is_up: bool,
    /// What of that the owner knows.
    told_connects: u64,
    told_up: bool,
    waker: Option<Waker>,
}

impl Inbox {
    pub(crate) fn connected(&mut self) {
        self.connects += 1;
        self.is_up = true;
        self.wake();
    }

    pub(crate) fn lost(&mut self) {
        self.is_up = false;
        self.wake();
    }

    pub(crate) fn push(&mut self, received: Received) {
        self.bytes += bytes(&received);
        self.queue.push_back(received);
        while self.queue.len() > INBOUND_MESSAGES_MAX || self.bytes > INBOUND_BYTES_MAX {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes -= bytes(&oldest);
            self.dropped += 1;
        }
        self.wake();
    }

    /// Messages dropped because nobody took them.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next thing to tell. Only the context of the last call is woken.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Inbound> {
        if self.is_up && self.told_connects != self.connects {
            (self.told_connects, self.told_up) = (self.connects, true);
            return Poll::Ready(Inbound::Up);
        }
        if !self.is_up && self.told_up {
            self.told_up = false;
            return Poll::Ready(Inbound::Down);
        }
        if let Some(oldest) = self.queue.pop_front() {
            self.bytes -= bytes(&oldest);
            return Poll::Ready(Inbound::Message(oldest));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn bytes(received: &Received) -> usize {
    received.topic.len() + received.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(inbox: &mut Inbox) -> Option<Inbound> {
        match inbox.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(inbound) => Some(inbound),
            Poll::Pending => None,
        }
    }

    fn received(payload_bytes: usize) -> Received {
        Received { topic: "t".into(), payload: Bytes::from(vec![0; payload_bytes]), retain: false }
    }

    #[test]
    fn past_its_limits_the_oldest_goes_and_is_counted() {
        let mut inbox = Inbox::default();
        for payload in 1..=INBOUND_MESSAGES_MAX + 2 {
            inbox.push(received(payload));
        }
        assert_eq!((next(&mut inbox), inbox.dropped()), (Some(Inbound::Message(received(3))), 2));
        inbox.push(received(INBOUND_BYTES_MAX - 1));
        assert_eq!(next(&mut inbox), Some(Inbound::Message(received(INBOUND_BYTES_MAX - 1))));
        assert_eq!((next(&mut inbox), inbox.bytes), (None, 0));
        assert_eq!(inbox.dropped(), 2 + INBOUND_MESSAGES_MAX as u64 - 1);
    }

    #[test]
    fn every_connection_is_told_and_a_loss_unless_another_came_after_it() {
        let mut inbox = Inbox::default();
        assert_eq!(next(&mut inbox), None);
        inbox.connected();
        assert_eq!((next(&mut inbox), next(&mut inbox)), (Some(Inbound::Up), None));
        inbox.lost();
        inbox.connected();
        assert_eq!((next(&mut inbox), next(&mut inbox)), (Some(Inbound::Up), None));
        inbox.lost();
        assert_eq!((next(&mut inbox), next(&mut inbox)), (Some(Inbound::Down), None));
        inbox.connected();
        inbox.lost();
        assert_eq!(next(&mut inbox), None);
    }
}
