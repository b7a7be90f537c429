//! Bytes that wait for one socket. Nothing is kept for a connection to which nothing is to be said.

use crate::{SPARE_BUFFER_BYTES_MAX, SPARE_BUFFERS_MAX};

/// Whole packets in their order, less what the socket has taken.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    bytes: Vec<u8>,
    taken: usize,
    /// Bytes in front of these that a worker has and the socket has not taken, as far as is known.
    away: usize,
    replies: Replies,
}

/// How many of the waiting bytes are replies. Where each of them stands is not remembered: they are counted in two
/// lots, and a lot is gone when all that waited at its beginning is gone. So the count is never too low, and
/// right again when the queue has been emptied.
#[derive(Debug, Default)]
struct Replies {
    older: u32,
    newer: u32,
    /// Bytes to be taken until the older lot is gone; 0: there is none.
    older_ends: usize,
}

impl Replies {
    fn add(&mut self, bytes: usize, waiting: usize) {
        self.newer = self.newer.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.older_ends == 0 {
            self.begin_lot(waiting);
        }
    }

    fn took(&mut self, count: usize, waiting: usize) {
        if waiting == 0 {
            *self = Self::default();
        } else if self.older_ends > 0 {
            self.older_ends = self.older_ends.saturating_sub(count);
            if self.older_ends == 0 {
                self.begin_lot(waiting);
            }
        }
    }

    fn begin_lot(&mut self, waiting: usize) {
        self.older = std::mem::take(&mut self.newer);
        self.older_ends = if self.older > 0 { waiting } else { 0 };
    }
}

impl OutQueue {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.taken + self.away
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, packet: &[u8], spares: &mut Spares) {
        if self.bytes.capacity() == 0 {
            self.bytes = spares.take();
        }
        // What was taken is given back before the buffer would have to grow, once it is at least half: moving the
        // rest for less would cost more than it gains where much waits and little is taken at a time.
        if self.taken >= self.len() && self.bytes.len() + packet.len() > self.bytes.capacity() {
            let whole = self.packet_at();
            self.bytes.drain(..whole);
            self.taken -= whole;
        }
        self.bytes.extend_from_slice(packet);
        spares.waiting_bytes += packet.len();
    }

    /// As [`push`](Self::push), for what answers the client: nothing but its own reading bounds how much that is.
    pub(crate) fn push_reply(&mut self, packet: &[u8], spares: &mut Spares) {
        self.push(packet, spares);
        self.replies.add(packet.len(), self.len());
    }

    /// Bytes of waiting replies, or a few more.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.replies.older as usize + self.replies.newer as usize
    }

    /// Where the packet that is leaving begins. The buffer is cut there and nowhere else, so its first byte always
    /// begins a packet.
    fn packet_at(&self) -> usize {
        let mut at = 0;
        while at < self.taken {
            match packet_len(&self.bytes[at..]) {
                Some(len) if at + len <= self.taken => at += len,
                Some(_) => break,
                None => return self.taken, // does not come up: only whole packets are pushed
            }
        }
        at
    }

    /// Packets here that have not left whole. Of a long queue it is reckoned from the first of them: thousands of clients with a
    /// megabyte of tiny packets each would take longer to count than anyone should wait.
    pub(crate) fn packets(&self) -> usize {
        if self.bytes.len() > COUNTED_BYTES_MAX {
            let (mut at, mut count) = (0, 0);
            while at < COUNTED_BYTES_MAX
                && let Some(len) = packet_len(&self.bytes[at..])
            {
                at += len;
                count += 1;
            }
            return (self.waiting().len() * count / at.max(1)).max(1);
        }
        let (mut at, mut count) = (self.packet_at(), 0);
        while let Some(len) = packet_len(&self.bytes[at..]) {
            at += len;
            count += 1;
        }
        count
    }

    /// What waits will never leave: the connection is gone.
    pub(crate) fn forget(&mut self, spares: &mut Spares) {
        spares.waiting_bytes -= self.len();
        *self = Self::default();
    }

    /// What is here.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The socket took `count` bytes; an empty buffer goes back to the spares.
    pub(crate) fn took(&mut self, count: usize, spares: &mut Spares) {
        self.taken += count;
        spares.waiting_bytes -= count;
        self.replies.took(count, self.len());
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            spares.give_back(std::mem::take(&mut self.bytes));
        }
    }

    /// A worker has what was here.
    pub(crate) fn hand_over(&mut self, spares: &mut Spares) {
        self.away += self.waiting().len();
        self.taken = 0;
        spares.give_back(std::mem::take(&mut self.bytes));
    }

    /// The socket took `count` bytes of what a worker has.
    pub(crate) fn came_back(&mut self, count: usize, spares: &mut Spares) {
        self.away -= count;
        spares.waiting_bytes -= count;
        self.replies.took(count, self.len());
    }
}

/// A longer buffer is not counted packet by packet.
const COUNTED_BYTES_MAX: usize = 16 * 1024;

/// Length of the packet at the front of `bytes`.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    mqtt::next_frame(bytes, 0).ok().flatten().map(|frame| frame.len)
}

/// Buffers between two uses, and how much waits in those that are in use.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    buffers: Vec<Vec<u8>>,
    waiting_bytes: usize,
}

impl Spares {
    /// Bytes that wait in all queues that were given these.
    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < SPARE_BUFFERS_MAX && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX {
            buffer.clear();
            self.buffers.push(buffer);
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

    #[test]
    fn packets_that_have_not_left_whole_are_counted_wherever_the_buffer_was_cut() {
        let (mut queue, mut spares) = (OutQueue::default(), Spares::default());
        let (mut ends, mut pushed, mut taken) = (Vec::new(), 0, 0);
        for round in 0..500_usize {
            let payload = vec![b'x'; round * 7 % 300];
            let mut packet = vec![0x30];
            let remaining = payload.len() + 3;
            if remaining < 128 {
                packet.push(remaining as u8);
            } else {
                packet.extend_from_slice(&[remaining as u8 & 0x7F | 0x80, (remaining >> 7) as u8]);
            }
            packet.extend_from_slice(&[0, 1, b't']);
            packet.extend_from_slice(&payload);
            queue.push(&packet, &mut spares);
            pushed += packet.len();
            ends.push(pushed);
            let count = (round * 11 % 331).min(queue.len());
            queue.took(count, &mut spares);
            taken += count;
            let wanted = ends.iter().filter(|end| **end > taken).count();
            assert_eq!(queue.packets(), wanted, "in round {round}");
        }
    }

    #[test]
    fn packets_of_a_long_queue_are_reckoned_and_what_waits_in_all_queues_is_known() {
        let (mut one, mut other, mut spares) = (OutQueue::default(), OutQueue::default(), Spares::default());
        for _ in 0..10_000 {
            one.push(&[0x30, 5, 0, 1, b't', b'x', b'y'], &mut spares);
        }
        one.took(7 * 1_000 + 3, &mut spares);
        other.push(&[0xC0, 0], &mut spares);
        assert!((8_990..=9_010).contains(&one.packets()), "{}", one.packets());
        assert_eq!(spares.waiting_bytes(), 7 * 9_000 - 3 + 2);
        one.forget(&mut spares);
        assert_eq!(spares.waiting_bytes(), 2);
        other.took(2, &mut spares);
        assert_eq!(spares.waiting_bytes(), 0);
    }

    #[test]
    fn a_long_queue_that_leaves_slowly_is_not_moved_at_each_push() {
        let (mut queue, mut spares) = (OutQueue::default(), Spares::default());
        queue.push(&vec![0; 1 << 16], &mut spares);
        let mut moves = 0;
        for _ in 0..10_000 {
            queue.took(10, &mut spares);
            let before = queue.taken;
            queue.push(&[0; 10], &mut spares);
            moves += u32::from(queue.taken < before);
            assert!(queue.bytes.capacity() <= 4 << 16, "and its memory stays bounded");
        }
        assert!(moves <= 3, "{moves}");
    }

    #[test]
    fn waiting_replies_are_never_counted_too_low_and_are_forgotten_when_they_have_left() {
        let (mut queue, mut spares) = (OutQueue::default(), Spares::default());
        // Where each reply ends in the stream, to count them exactly.
        let (mut replies, mut pushed, mut taken) = (Vec::<(usize, usize)>::new(), 0, 0);
        for round in 0..2_000_usize {
            let size = round * 7 % 13 + 1;
            pushed += size;
            if round % 3 == 0 {
                queue.push_reply(&vec![0; size], &mut spares);
                replies.push((pushed, size));
            } else {
                queue.push(&vec![0; size], &mut spares);
            }
            let count = (round * 5 % 14).min(queue.len());
            queue.took(count, &mut spares);
            taken += count;
            let exactly: usize = replies.iter().map(|(end, size)| end.saturating_sub(taken).min(*size)).sum();
            assert!(queue.reply_bytes() >= exactly, "{} of {exactly} in round {round}", queue.reply_bytes());
            assert!(queue.reply_bytes() <= pushed - taken + 13 || queue.reply_bytes() < 200, "in round {round}");
        }
        queue.took(queue.len(), &mut spares);
        assert_eq!(queue.reply_bytes(), 0);
    }

    #[test]
    fn what_a_worker_has_counts_until_the_socket_has_taken_it_replies_among_it() {
        let (mut queue, mut spares) = (OutQueue::default(), Spares::default());
        queue.push(&[0; 70], &mut spares);
        queue.push_reply(&[0; 30], &mut spares);
        queue.hand_over(&mut spares);
        assert_eq!((queue.len(), queue.waiting().len(), queue.reply_bytes()), (100, 0, 30));
        assert_eq!(queue.bytes.capacity(), 0, "no buffer is kept for what is not here");
        queue.push_reply(&[0; 5], &mut spares);
        queue.came_back(99, &mut spares);
        assert_eq!((queue.len(), queue.waiting().len(), queue.reply_bytes()), (6, 5, 35));
        queue.came_back(1, &mut spares);
        assert_eq!((queue.len(), queue.reply_bytes()), (5, 5));
        queue.hand_over(&mut spares);
        queue.came_back(5, &mut spares);
        assert_eq!((queue.is_empty(), queue.reply_bytes(), spares.waiting_bytes()), (true, 0, 0));
    }
}
