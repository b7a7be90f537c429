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
    /// Messages that a queue or a socket had no room for, or that were too large for a client.
    pub publishes_dropped: u64,
    /// Messages whose expiry came before their delivery.
    pub publishes_expired: u64,
    /// Durable sessions that came to their end while their client was away.
    pub sessions_expired: u64,
    /// Clients let in.
    pub connects: u64,
    /// Clients refused.
    pub refusals: u64,
}

impl Stats {
    /// A PUBLISH packet went to a client.
    pub(crate) const fn sent_publish(&mut self, payload: &[u8]) {
        self.packets_sent += 1;
        self.publishes_sent += 1;
        self.publish_bytes_sent += payload.len() as u64;
    }
}
