//! The core and an edge that only keeps bytes. What happens in [`measured_part`] is what is counted.

use acl::Acl;
use broker_core::{
    AuthStep, Broker, Credentials, Door, EdgeCounts, Event, Instant, LinkId, Outbox, Settings, StoreOp, Trust,
};
use mqtt::{Packet, ProtocolVersion, next_frame};

use crate::counting;

/// Packets up to this many bytes are read.
const PACKET_BYTES_MAX: u32 = 2_000_000;

/// A broker, what it has said, and which part of it is measured.
pub(crate) struct World {
    pub broker: Broker,
    pub desk: Desk,
    pub is_measured: bool,
    /// How often memory was asked for in that part.
    pub allocations: u64,
}

/// What was said to each connection and not heard yet.
#[derive(Default)]
pub(crate) struct Desk {
    pub lines: Vec<Line>,
    /// Connections with something to hear.
    pub dirty: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Line {
    pub version: Option<ProtocolVersion>,
    pub out: Vec<u8>,
    pub is_dirty: bool,
    pub wants_drained: bool,
}

/// Here counting is switched on: valgrind is given the name of this function.
#[inline(never)]
fn measured_part(world: &mut World, happens: Happens<'_>) {
    happen(world, happens);
}

/// What the edge tells the core.
#[derive(Clone, Copy)]
pub(crate) enum Happens<'a> {
    /// A connection begins.
    Opened(LinkId),
    /// Whole packets were read from it at once.
    Read(LinkId, &'a [u8]),
    /// What waited for it has left, as the core wanted to know.
    Drained(LinkId),
    /// It is gone.
    Closed(LinkId),
}

#[inline(never)]
fn happen(world: &mut World, happens: Happens<'_>) {
    let World { broker, desk, .. } = world;
    let now = Instant::default();
    match happens {
        Happens::Opened(link) => broker.open(now, link, Door { listener: 0, trust: Trust::Stranger }),
        Happens::Read(link, bytes) => read(broker, desk, now, link, bytes),
        Happens::Drained(link) => broker.drained(now, link, desk),
        Happens::Closed(link) => broker.closed(now, link, desk),
    }
}

/// As the reactor does it.
fn read(broker: &mut Broker, desk: &mut Desk, now: Instant, link: LinkId, bytes: &[u8]) {
    let mut used = 0;
    while used < bytes.len() {
        let line = &mut desk.lines[link.0 as usize];
        let version = line.version.unwrap_or(ProtocolVersion::V311);
        let frame = next_frame(&bytes[used..], PACKET_BYTES_MAX);
        let Ok(Some(frame)) = frame else { panic!("clients send whole packets: {frame:?}") };
        used += frame.len;
        match Packet::decode(version, frame) {
            Ok(packet) => {
                if let Packet::Connect(connect) = &packet {
                    line.version = Some(connect.version);
                }
                broker.handle(now, link, packet, desk);
            }
            Err(fault) => panic!("clients send what is right: {fault}"),
        }
    }
}

impl World {
    /// A broker for anyone, which drops nothing.
    pub(crate) fn new() -> Self {
        let mut settings = Settings { max_queued_messages: 0, ..Settings::default() };
        settings.listeners[0].allow_anonymous = true;
        Self {
            broker: Broker::new(settings, Acl::open(), 1),
            desk: Desk::default(),
            is_measured: false,
            allocations: 0,
        }
    }

    pub(crate) fn happens(&mut self, happens: Happens<'_>) {
        if self.is_measured {
            let before = counting::asked();
            measured_part(self, happens);
            self.allocations += counting::asked() - before;
        } else {
            happen(self, happens);
        }
    }
}

impl Outbox for Desk {
    fn send(&mut self, link: LinkId, packet: &[u8]) {
        let Some(line) = self.lines.get_mut(link.0 as usize) else { return };
        line.out.extend_from_slice(packet);
        if !std::mem::replace(&mut line.is_dirty, true) {
            self.dirty.push(link.0);
        }
    }

    fn acknowledge(&mut self, link: LinkId, packet: &[u8], _: bool) {
        self.send(link, packet);
    }

    fn backlog_bytes(&self, link: LinkId) -> usize {
        self.lines.get(link.0 as usize).map_or(0, |line| line.out.len())
    }

    fn tell_when_drained(&mut self, link: LinkId) {
        self.lines[link.0 as usize].wants_drained = true;
    }

    fn store(&mut self, _: StoreOp) {}
    fn verify(&mut self, _: LinkId, _: Credentials<'_>) {}
    fn authenticate(&mut self, _: LinkId, _: AuthStep<'_>) {}
    fn close(&mut self, _: LinkId) {}
    fn tell(&mut self, _: Event<'_>) {}

    fn counts(&self) -> EdgeCounts {
        EdgeCounts::default()
    }

    fn unique(&mut self) -> [u8; 16] {
        [0; 16]
    }
}
