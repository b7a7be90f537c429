//! Bytes that wait for one socket. Nothing is kept for a connection to which nothing is to be said.

use crate::{SPARE_BUFFER_BYTES_MAX, SPARE_BUFFERS_MAX};

/// Whole packets in their order, less what the socket has taken.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    bytes: Vec<u8>,
    taken: usize,
}

impl OutQueue {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, packet: &[u8], spares: &mut Spares) {
        if self.bytes.capacity() == 0 {
            self.bytes = spares.take();
        }
        // What was taken is given back before the buffer would have to grow.
        if self.taken > 0 && self.bytes.len() + packet.len() > self.bytes.capacity() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(packet);
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The socket took `count` bytes; an empty buffer goes back to the spares.
    pub(crate) fn took(&mut self, count: usize, spares: &mut Spares) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            spares.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// Buffers between two uses.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Vec<u8>>);

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < SPARE_BUFFERS_MAX && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_their_order_whatever_the_socket_takes_at_a_time() {
        let (mut queue, mut spares) = (OutQueue::default(), Spares::default());
        let (mut sent, mut wanted) = (Vec::new(), Vec::new());
        for round in 0..200_u8 {
            let packet = vec![round; usize::from(round) % 37 + 1];
            queue.push(&packet, &mut spares);
            wanted.extend_from_slice(&packet);
            let count = (usize::from(round) * 7 % 29).min(queue.len());
            sent.extend_from_slice(&queue.waiting()[..count]);
            queue.took(count, &mut spares);
        }
        sent.extend_from_slice(queue.waiting());
        queue.took(queue.len(), &mut spares);
        assert_eq!(sent, wanted);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0, "an idle connection keeps no buffer");
    }
}
