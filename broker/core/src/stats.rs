//! What was counted. Whoever shows it (`$SYS`, metrics, the log) reads it from here.

/// Counters since the start; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets of any kind from clients.
    pub packets_received: u64,
    /// Packets of any kind to clients.
    pub packets_sent: u64,
    /// CONNECT packets.
    pub connect_packets: u64,
    /// PUBLISH packets from clients.
    pub publishes_received: u64,
    /// Bytes of their payloads.
    pub publish_bytes_received: u64,
    /// Bytes of the payloads of PUBLISH packets to clients.
    pub publish_bytes_sent: u64,
    /// PUBLISH packets to clients, repeats included.
    pub publishes_sent: u64,
    /// Messages that did not reach somebody, or were not taken, for any of the reasons of [`DropCause`].
    pub publishes_dropped: u64,
    /// The same, by [`DropCause`]: their sum is `publishes_dropped`.
    pub dropped: [u64; DropCause::COUNT],
    /// Messages whose expiry came before their delivery.
    pub publishes_expired: u64,
    /// Durable sessions that came to their end while their client was away.
    pub sessions_expired: u64,
    /// Clients let in.
    pub connects: u64,
    /// Clients refused.
    pub refusals: u64,
}

/// Why a message did not reach a client, or was not taken from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// QoS 0, and as much waits in front of the client's socket as may.
    Socket,
    /// As many messages wait in the session as may.
    Queue,
    /// The client takes no packets of this size.
    Size,
    /// It was refused when it was published: too large, or no room to keep it.
    Refused,
    /// It waited, and the rules no longer let its client read it.
    Rules,
}

impl DropCause {
    /// How many there are.
    pub const COUNT: usize = 5;
}

impl Stats {
    /// A message was dropped.
    pub(crate) const fn dropped(&mut self, why: DropCause) {
        self.publishes_dropped += 1;
        self.dropped[why as usize] += 1;
    }

    /// How many were dropped for this reason.
    pub const fn dropped_for(&self, why: DropCause) -> u64 {
        self.dropped[why as usize]
    }

    /// A PUBLISH packet went to a client.
    pub(crate) const fn sent_publish(&mut self, payload: &[u8]) {
        self.packets_sent += 1;
        self.publishes_sent += 1;
        self.publish_bytes_sent += payload.len() as u64;
    }
}
