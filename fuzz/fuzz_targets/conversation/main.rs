//! Whole conversations into the core: three clients say what they like, in pieces, over time. The core never panics,
//! and when all have gone nothing but what was promised is left.
#![no_main]

use broker_core::{Broker, Credentials, Door, Event, Instant, LinkId, ListenerSettings, Outbox, Settings, StoreOp, Trust};
use libfuzzer_sys::fuzz_target;
use mqtt::{Packet, ProtocolVersion, next_frame};

/// Remembers who was closed, and who waits for a verdict.
#[derive(Default)]
struct Out {
    closed: Vec<LinkId>,
    asked: Vec<LinkId>,
    unique: u8,
}

impl Outbox for Out {
    fn send(&mut self, _: LinkId, packet: &[u8]) {
        assert!(matches!(next_frame(packet, 0), Ok(Some(frame)) if frame.len == packet.len()));
    }
    fn acknowledge(&mut self, link: LinkId, packet: &[u8], _: bool) {
        self.send(link, packet);
    }
    fn backlog_bytes(&self, _: LinkId) -> usize {
        0
    }
    fn tell_when_drained(&mut self, _: LinkId) {}
    fn store(&mut self, _: StoreOp) {}
    fn verify(&mut self, link: LinkId, _: Credentials<'_>) {
        self.asked.push(link);
    }
    fn close(&mut self, link: LinkId) {
        self.closed.push(link);
    }
    fn tell(&mut self, _: Event<'_>) {}
    fn unique(&mut self) -> [u8; 16] {
        self.unique = self.unique.wrapping_add(1);
        [self.unique; 16]
    }
}

fuzz_target!(|bytes: &[u8]| {
    let listener = ListenerSettings { allow_anonymous: true, checks_passwords: true, ..ListenerSettings::default() };
    let settings = Settings { listeners: vec![listener], max_queued_messages: 5, ..Settings::default() };
    let (mut broker, mut out) = (Broker::new(settings, acl::Acl::open(), 1), Out::default());
    let mut versions = [ProtocolVersion::V311; 3];
    let (mut now, mut rest) = (0, bytes);
    let door = Door { listener: 0, trust: Trust::Stranger };
    for link in 0..3 {
        broker.open(Instant::from_millis(now), LinkId(link), door);
    }
    while let Some((&choice, after)) = rest.split_first() {
        let link = LinkId(u32::from(choice % 3));
        now += u64::from(choice >> 2) * 250;
        let at = Instant::from_millis(now);
        let used = match next_frame(after, 65_536) {
            Ok(Some(frame)) => {
                match Packet::decode(versions[link.0 as usize], frame) {
                    Ok(packet) => {
                        if let Packet::Connect(connect) = &packet {
                            versions[link.0 as usize] = connect.version;
                        }
                        broker.handle(at, link, packet, &mut out);
                    }
                    Err(fault) => {
                        broker.broken(at, link, fault, &mut out);
                        out.closed.push(link);
                    }
                }
                frame.len
            }
            _ => {
                broker.closed(at, link, &mut out);
                out.closed.push(link);
                1.min(after.len())
            }
        };
        rest = &after[used..];
        for link in std::mem::take(&mut out.asked) {
            broker.verdict(at, link, Ok(()), &mut out);
        }
        broker.handle_timeout(at, &mut out);
        for link in std::mem::take(&mut out.closed) {
            broker.open(at, link, door);
        }
    }
    broker.shut_down(Instant::from_millis(now), &mut out);
    assert_eq!(broker.clients().count(), 0);
});
