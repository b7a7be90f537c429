//! A connection as the edge sees it: its transport, the packet that is not whole yet, the bytes that wait for it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use broker_core::BACKLOG_BYTES_MAX;
use mqtt::ProtocolVersion;

use crate::REPLY_BYTES_MAX;
use crate::handshakes::Queued;
use crate::lag::Lag;
use crate::out_queue::{OutQueue, Spares};
use crate::peer::Peer;
use crate::transport::Transport;
use crate::websocket::may_be_a_proxy;

/// One connection.
pub(crate) struct Connection {
    pub transport: Transport,
    pub peer: Peer,
    pub listener: u16,
    pub version: ProtocolVersion,
    pub stage: Stage,
    /// Tells this connection from an earlier one with the same number.
    pub generation: u32,
    /// The beginning of a packet that is not whole yet.
    pub unfinished: Vec<u8>,
    pub out: OutQueue,
    /// Acknowledgements that wait for the store.
    pub held: Vec<u8>,
    /// How many bytes of them wait for the commit that is under way; the rest waits for the next one.
    pub held_now: u32,
    /// CONNACK is held: everything waits behind it, and leaves with it but for what promises something itself.
    pub holds_messages: bool,
    /// Stands in the list of connections with something to write.
    pub is_dirty: bool,
    /// Its password is being verified: nothing more may be handled until then.
    pub is_paused: bool,
    /// Too many replies wait for it: it is not read from until it has taken them.
    pub is_unheard: bool,
    /// It is not read from until the disk has caught up.
    pub is_slowed: bool,
    /// Whole packets of it wait in `unfinished`: it has said more than its turn has room for.
    pub is_cut: bool,
    /// Its place in the queue of handshakes.
    pub queued: Queued,
    /// Steps that its last turns took beyond their measure; they are taken from its next ones.
    pub debt: u32,
    /// What is remembered of it while it does not keep up.
    pub lag: Option<Box<Lag>>,
    /// The core wants to know when everything has left.
    pub tell_when_drained: bool,
}

impl Connection {
    /// One that begins: nothing has been said.
    pub(crate) fn new(transport: Transport, peer: Peer, listener: u16, stage: Stage, generation: u32) -> Self {
        Self {
            transport,
            peer,
            listener,
            version: ProtocolVersion::V311,
            stage,
            generation,
            unfinished: Vec::new(),
            out: OutQueue::default(),
            held: Vec::new(),
            held_now: 0,
            holds_messages: false,
            is_dirty: false,
            is_paused: false,
            is_unheard: false,
            is_slowed: false,
            is_cut: false,
            queued: None,
            debt: 0,
            lag: None,
            tell_when_drained: false,
        }
    }

    /// A proxy says for whom it speaks. Whoever may not be a proxy is not believed.
    pub(crate) fn comes_from(&mut self, address: IpAddr) {
        match &mut self.peer {
            Peer::Network(peer) if may_be_a_proxy(peer.ip()) => peer.set_ip(address),
            // A program of this machine.
            Peer::Unix(_) => self.peer = Peer::Network(SocketAddr::new(address, 0)),
            Peer::Network(_) | Peer::Within => {}
        }
    }

    /// Whether the socket has taken everything.
    pub(crate) fn has_sent_all(&self) -> bool {
        self.out.waiting().is_empty() && self.held.is_empty() && !self.transport.holds_bytes()
    }

    /// Whether its socket is with a worker.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Remote(_))
    }

    /// Whether something tells when the socket has taken everything. `false`: it has, just now.
    pub(crate) fn awaits_word(&self) -> bool {
        match &self.transport {
            Transport::Remote(remote) => {
                !self.out.waiting().is_empty() || !self.held.is_empty() || remote.ask_for_word()
            }
            _ => true,
        }
    }

    /// Looks at what a worker's socket has taken since this was done last; so many bytes.
    pub(crate) fn settle(&mut self, now: Instant, spares: &mut Spares) -> usize {
        let Transport::Remote(remote) = &mut self.transport else { return 0 };
        let count = remote.news();
        if count > 0 {
            self.out.came_back(count, spares);
            self.takes(now, self.out.is_empty());
        }
        count
    }

    /// Bytes in front of its socket.
    pub(crate) fn backlog_bytes(&self) -> usize {
        match &self.transport {
            // What was handed over may have left since: it is asked only when it matters, for this runs for each message.
            Transport::Remote(remote) if self.out.len() >= BACKLOG_BYTES_MAX / 2 => {
                self.out.waiting().len() + remote.away() + self.held.len()
            }
            _ => self.out.len() + self.held.len(),
        }
    }

    /// Packets that have not left whole.
    pub(crate) fn packets(&self) -> usize {
        match &self.transport {
            Transport::Remote(remote) => self.out.packets() + remote.packets(),
            _ => self.out.packets(),
        }
    }

    /// Whether it comes from outside and is not let in yet.
    pub(crate) fn is_stranger(&self) -> bool {
        self.peer.is_outside() && matches!(self.stage, Stage::Knocking | Stage::Announced | Stage::Stranger)
    }

    /// Whether it has a TLS handshake before it, or has not said who it is since.
    pub(crate) fn is_shaking_hands(&self) -> bool {
        self.is_stranger() && (self.stage.is_knocking() || self.transport.has_tls())
    }

    /// Whether more answers wait for it than may, those that are held for the store among them.
    pub(crate) fn has_too_many_replies(&self) -> bool {
        self.out.reply_bytes() + self.held.len() > REPLY_BYTES_MAX
    }
}

impl Stage {
    /// Whether its door is not open yet.
    pub(crate) const fn is_knocking(self) -> bool {
        matches!(self, Self::Knocking | Self::Announced)
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// What it speaks is not known yet, and it stands at a door with TLS.
    Knocking,
    /// The same, and its proxy has said whom it speaks for.
    Announced,
    /// It has not been let in.
    Stranger,
    /// It is a client.
    Client,
    /// It is over for the core: what waits for it leaves, then it is closed.
    Leaving,
}
