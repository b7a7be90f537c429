//! What lies between the socket and the session: bytes that wait to be written, and bytes that wait to be read.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::outbox::Outbox;
use crate::spool::Queued;

/// Two batches: one that the socket is taking, which must not move or grow (OpenSSL insists on it), and the next.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) leaving: Outbox,
    /// Bytes of `leaving` that the socket has taken.
    taken: usize,
    pub(super) next: Outbox,
}

impl Outgoing {
    /// Writes some of `leaving`; flushes when all is written. Safe to cancel: `taken` says what went.
    ///
    /// Gives how many QoS 0 messages are sent by that.
    pub(super) async fn write(&mut self, writer: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<u64> {
        if let Some(rest) = self.leaving.bytes().get(self.taken..).filter(|rest| !rest.is_empty()) {
            let taken = writer.write(rest).await?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.taken += taken;
        }
        if self.taken < self.leaving.len() {
            return Ok(0);
        }
        // TLS keeps what the socket does not take; only flushed is sent.
        writer.flush().await?;
        self.taken = 0;
        Ok(self.leaving.finish())
    }

    pub(super) fn swap_when_taken(&mut self) {
        if self.leaving.is_empty() {
            std::mem::swap(&mut self.leaving, &mut self.next);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.next.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        self.leaving.oldest().or(self.next.oldest())
    }

    /// How many QoS 0 messages were sent, and those that were not, youngest first.
    pub(super) fn abandon(&mut self) -> (u64, Vec<Queued>) {
        let (_, mut unsent) = self.next.abandon(0);
        let (sent, rest) = self.leaving.abandon(self.taken);
        unsent.extend(rest);
        self.taken = 0;
        (sent, unsent)
    }
}

/// What the server has sent and nobody has read.
#[derive(Default)]
pub(super) struct Unread {
    pub(super) bytes: Vec<u8>,
    /// So many bytes are to come of a message that is passed over.
    pub(super) to_pass: usize,
}

impl Unread {
    /// How many of `bytes` are of what is passed over.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let passed = self.to_pass.min(bytes.len());
        self.to_pass -= passed;
        passed
    }
}
