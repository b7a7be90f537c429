//! What goes to the server next: bytes, and which QoS 0 messages lie in them.

use std::collections::VecDeque;

use mqtt::{Packet, ProtocolVersion};

use crate::spool::Queued;

/// One batch of packets on its way into the socket.
///
/// QoS 0 messages are remembered until their frame was taken whole: what the socket did not take when the
/// connection broke can be sent again without ever arriving twice.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Each with the end of its frame in `bytes`; ends and ordinals rise.
    at_most_once: VecDeque<(usize, Queued)>,
}

/// A packet that is not in the outbox, because it is larger than the server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
}

impl Outbox {
    /// Appends `packet` unless its frame is longer than `bytes_max`.
    pub(crate) fn push(&mut self, packet: &Packet, version: ProtocolVersion, bytes_max: usize) -> Result<(), TooLarge> {
        let start = self.bytes.len();
        let encoded = packet.encode(version, &mut self.bytes);
        let bytes = self.bytes.len() - start;
        // What cannot be encoded at all was too long for a length field: publish() has checked the rest.
        if encoded.is_err() || bytes > bytes_max {
            self.bytes.truncate(start);
            return Err(TooLarge { bytes, bytes_max });
        }
        Ok(())
    }

    /// The packet pushed last was the QoS 0 PUBLISH of `queued`.
    pub(crate) fn remember(&mut self, queued: Queued) {
        self.at_most_once.push_back((self.bytes.len(), queued));
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The ordinal of the oldest QoS 0 message in here.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.at_most_once.front().map(|(_, queued)| queued.ordinal)
    }

    /// All bytes were taken: says how many QoS 0 messages are sent by that, and starts anew.
    pub(crate) fn finish(&mut self) -> u64 {
        let sent = self.at_most_once.len() as u64;
        self.at_most_once.clear();
        self.bytes.clear();
        self.bytes.shrink_to(CAPACITY_KEPT);
        sent
    }

    /// The connection broke after `taken` bytes: gives how many QoS 0 messages were sent, and those that were
    /// not, youngest first; starts anew.
    pub(crate) fn abandon(&mut self, taken: usize) -> (u64, Vec<Queued>) {
        let whole = self.at_most_once.partition_point(|(end, _)| *end <= taken);
        let unsent = self.at_most_once.drain(whole..).rev().map(|(_, queued)| queued).collect();
        *self = Self::default();
        (whole as u64, unsent)
    }
}

/// An outbox that once held a large message gives the memory back.
const CAPACITY_KEPT: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mqtt::QoS;

    use super::*;
    use crate::Message;

    fn outbox_of_three() -> Outbox {
        let mut out = Outbox::default();
        for ordinal in 0..3 {
            out.push(&Packet::PingReq, ProtocolVersion::V311, usize::MAX).unwrap();
            let message = Message { topic: "t".into(), payload: Bytes::new(), qos: QoS::AtMostOnce, retain: false };
            out.remember(Queued { ordinal, message });
        }
        out
    }

    #[test]
    fn what_the_socket_did_not_take_whole_comes_back_youngest_first() {
        for (taken, sent, unsent) in [(0, 0, vec![2, 1, 0]), (1, 0, vec![2, 1, 0]), (2, 1, vec![2, 1]), (6, 3, vec![])]
        {
            let (whole, back) = outbox_of_three().abandon(taken);
            let ordinals: Vec<u64> = back.iter().map(|queued| queued.ordinal).collect();
            assert_eq!((whole, ordinals), (sent, unsent), "{taken} bytes taken");
        }
    }

    #[test]
    fn a_packet_longer_than_the_server_takes_leaves_no_trace() {
        let mut out = Outbox::default();
        let refused = out.push(&Packet::PingReq, ProtocolVersion::V311, 1);
        assert_eq!(refused, Err(TooLarge { bytes: 2, bytes_max: 1 }));
        assert!(out.is_empty());
    }
}
