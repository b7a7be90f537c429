//! Whole histories: the real session against an invented server, network and clock. A seed is a history.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Histories per test. `SEED=n` plays one again.
const HISTORIES: u64 = 1_000;

#[test]
fn whatever_the_network_does_a_kept_session_delivers_qos_2_exactly_once_and_loses_no_qos_1() {
    for seed in seeds() {
        let world = World::new(seed, Far::KeepsItsSession).live();
        assert_eq!(world.delivered(2), world.published(2), "QoS 2, exactly once, in order; replay: SEED={seed}");
        assert_eq!(world.first_delivered(1), world.published(1), "QoS 1, in order; replay: SEED={seed}");
        world.assert_qos_0_at_most_once(seed);
    }
}

#[test]
fn whatever_the_network_does_nothing_is_lost_when_the_far_session_is_gone() {
    for seed in seeds() {
        let world = World::new(seed, Far::MayForget).live();
        for qos in [1, 2] {
            assert_eq!(world.first_delivered(qos), world.published(qos), "QoS {qos}, in order; replay: SEED={seed}");
        }
        world.assert_qos_0_at_most_once(seed);
    }
}

#[test]
fn the_histories_are_not_dull() {
    let mut sums = (0, 0, 0, 0);
    for seed in 0..50 {
        let world = World::new(seed, Far::MayForget).live();
        sums.0 += world.breaks;
        sums.1 += world.resumed;
        sums.2 += world.forgotten;
        sums.3 += world.delivered(1).len() - world.first_delivered(1).len();
    }
    assert!(sums.0 > 100 && sums.1 > 50 && sums.2 > 50 && sums.3 > 50, "breaks, resumed, forgotten, repeats: {sums:?}");
}

fn seeds() -> Vec<u64> {
    std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .map_or_else(|| (0..HISTORIES).collect(), |seed| vec![seed])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Far {
    KeepsItsSession,
    MayForget,
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

struct World {
    dice: Dice,
    far: Far,
    version: ProtocolVersion,
    session: Session,
    spool: Spool,
    out: Outbox,
    /// Bytes of `out` that the socket took.
    taken: usize,
    now: Instant,
    /// In transit; what is here when the connection breaks is lost.
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    connected: bool,
    broker: Broker,
    published: Vec<(u8, u32)>,
    breaks: usize,
    resumed: usize,
    forgotten: usize,
}

/// A server as the standard has it. What it remembers of the session is in `held`.
#[derive(Default)]
struct Broker {
    has_session: bool,
    receive_max: u16,
    /// QoS 2 messages between PUBLISH and PUBREL. By the standard's two methods a server may hand the message on
    /// at the one or at the other: `at_release` keeps it until PUBREL.
    held: BTreeMap<PacketId, Option<u32>>,
    at_release: bool,
    /// Identifiers whose PUBLISH this session has had and not acknowledged to the end: a repeat must have DUP.
    seen: BTreeSet<PacketId>,
    on_their_way: BTreeSet<PacketId>,
    delivered: Vec<(u8, u32)>,
}

impl World {
    fn new(seed: u64, far: Far) -> Self {
        let mut dice = Dice(seed);
        let version = if dice.percent(50) { V311 } else { V5 };
        let clean = far == Far::MayForget && dice.percent(30);
        let settings = LinkSettings { inflight_max: 1 + dice.below(8) as u16, ..settings(version, clean) };
        let now = Instant::now();
        Self {
            broker: Broker { at_release: dice.percent(50), ..Broker::default() },
            dice,
            far,
            version,
            session: Session::new(Arc::new(settings), now),
            spool: Spool::new(SpoolLimits::default()),
            out: Outbox::default(),
            taken: 0,
            now,
            to_server: Vec::new(),
            to_client: Vec::new(),
            connected: false,
            published: Vec::new(),
            breaks: 0,
            resumed: 0,
            forgotten: 0,
        }
    }

    /// Some hundred steps of bad weather, then fair weather until all is delivered.
    fn live(mut self) -> Self {
        for _ in 0..400 {
            self.step();
        }
        for _ in 0..10_000 {
            self.connect_if_away();
            self.fill();
            self.socket_takes(usize::MAX);
            self.server_reads(usize::MAX);
            self.client_reads(usize::MAX);
            if self.session.in_flight() == 0 && self.spool.len() == 0 && self.out.is_empty() {
                return self;
            }
        }
        panic!("not delivered in fair weather: {:?} {:?}", self.session, self.spool);
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.dice.below(2_000) as u64);
        match self.dice.below(100) {
            0..25 => self.publish(),
            25..45 => self.fill(),
            45..65 => {
                let bytes = self.dice.below(40);
                self.socket_takes(bytes);
            }
            65..80 => {
                let bytes = self.dice.below(60);
                self.server_reads(bytes);
            }
            80..92 => {
                let bytes = self.dice.below(20);
                self.client_reads(bytes);
            }
            92..97 => self.connect_if_away(),
            _ => self.break_off(),
        }
        if self.session.handle_timeout(self.now, &mut self.out).is_err() {
            self.break_off();
        }
    }

    fn publish(&mut self) {
        let qos = self.dice.below(3) as u8;
        let number = self.published.len() as u32;
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        let message = Message { topic: "t".into(), payload, qos: QoS::from_u8(qos).unwrap(), retain: false };
        self.spool.push(message).unwrap();
        self.published.push((qos, number));
    }

    fn fill(&mut self) {
        self.session.fill(self.now, &mut self.spool, &mut self.out);
    }

    fn connect_if_away(&mut self) {
        if !self.connected {
            self.connected = true;
            self.session.open(self.now, &mut self.out).unwrap();
        }
    }

    fn socket_takes(&mut self, bytes: usize) {
        if !self.connected {
            return;
        }
        let rest = &self.out.bytes()[self.taken..];
        let bytes = bytes.min(rest.len());
        self.to_server.extend_from_slice(&rest[..bytes]);
        self.taken += bytes;
        if self.taken == self.out.len() {
            self.out.finish();
            self.taken = 0;
        }
    }

    fn server_reads(&mut self, bytes: usize) {
        let bytes = bytes.min(self.to_server.len());
        let (mut at, mut told) = (0, false);
        // Whole packets within the first `bytes`; the rest stays in transit.
        while let Some(frame) = next_frame(&self.to_server[at..bytes], 0).unwrap() {
            let packet = Packet::decode(self.version, frame).unwrap();
            if let Packet::Connect(connect) = packet {
                // That a session was forgotten is told while the connection stands: where it is forgotten and the
                // CONNACK that says so is lost as well, no client of MQTT can find out (see the crate's page).
                let forget = self.far == Far::MayForget && self.connected && self.dice.percent(40);
                let present = self.broker.connect(connect.clean_start, forget, 1 + self.dice.below(10) as u16);
                self.resumed += usize::from(present);
                self.forgotten += usize::from(!present);
                self.broker.greet(present, self.version, &mut self.to_client);
                told = forget;
            } else {
                self.broker.handle(&packet, self.version, &mut self.to_client);
            }
            at += frame.len;
        }
        self.to_server.drain(..at);
        if told {
            self.client_reads(usize::MAX);
        }
    }

    fn client_reads(&mut self, bytes: usize) {
        let bytes = bytes.min(self.to_client.len());
        let mut at = 0;
        while let Some(frame) = next_frame(&self.to_client[at..bytes], 0).unwrap() {
            let packet = Packet::decode(self.version, frame).unwrap();
            self.session.handle(self.now, &packet, &mut self.out).unwrap();
            at += frame.len;
        }
        self.to_client.drain(..at);
    }

    fn break_off(&mut self) {
        if !self.connected {
            return;
        }
        self.connected = false;
        self.breaks += 1;
        self.session.lost();
        let (_, unsent) = self.out.abandon(self.taken);
        self.spool.put_back(unsent);
        self.taken = 0;
        self.to_client.clear();
        // Some of what was in transit may still arrive.
        let late = self.dice.below(self.to_server.len() + 1);
        self.server_reads(late);
        self.to_server.clear();
        self.to_client.clear();
    }

    fn published(&self, qos: u8) -> Vec<u32> {
        self.published.iter().filter(|(level, _)| *level == qos).map(|(_, number)| *number).collect()
    }

    fn delivered(&self, qos: u8) -> Vec<u32> {
        self.broker.delivered.iter().filter(|(level, _)| *level == qos).map(|(_, number)| *number).collect()
    }

    fn first_delivered(&self, qos: u8) -> Vec<u32> {
        let mut seen = BTreeSet::new();
        self.delivered(qos).into_iter().filter(|number| seen.insert(*number)).collect()
    }

    fn assert_qos_0_at_most_once(&self, seed: u64) {
        assert_eq!(self.delivered(0), self.first_delivered(0), "QoS 0 came twice; replay: SEED={seed}");
    }
}

impl Broker {
    /// Gives Session Present.
    fn connect(&mut self, clean: bool, forget: bool, receive_max: u16) -> bool {
        let present = self.has_session && !clean && !forget;
        if !present {
            self.held.clear();
            self.seen.clear();
        }
        self.on_their_way.clear();
        self.has_session = !clean;
        self.receive_max = receive_max;
        present
    }

    fn greet(&self, session_present: bool, version: ProtocolVersion, to_client: &mut Vec<u8>) {
        let mut properties = PropertiesBuf::default();
        if version == V5 {
            properties.push(Property::ReceiveMaximum(self.receive_max));
        }
        let reason = ReasonCode::Success;
        let connack = ConnAck { session_present, reason, properties: properties.as_properties() };
        Packet::ConnAck(connack).encode(version, to_client).unwrap();
    }

    fn handle(&mut self, packet: &Packet, version: ProtocolVersion, to_client: &mut Vec<u8>) {
        let answer = match packet {
            Packet::Publish(publish) => {
                let number = u32::from_be_bytes(publish.payload.try_into().unwrap());
                let Some(id) = publish.packet_id else { return self.delivered.push((0, number)) };
                assert!(self.on_their_way.insert(id), "{id} is on its way already");
                let most = if version == V5 { self.receive_max } else { u16::MAX };
                assert!(self.on_their_way.len() <= usize::from(most), "over the Receive Maximum of {most}");
                assert!(publish.dup || !self.seen.contains(&id), "{id} was repeated without DUP");
                self.seen.insert(id);
                self.publish(publish.qos, id, number)
            }
            Packet::PubRel(ack) => {
                if let Some(Some(number)) = self.held.remove(&ack.packet_id) {
                    self.delivered.push((2, number));
                }
                self.forget(ack.packet_id);
                Packet::PubComp(done(ack.packet_id))
            }
            Packet::PingReq => Packet::PingResp,
            other => panic!("{other:?}"),
        };
        answer.encode(version, to_client).unwrap();
    }

    fn publish(&mut self, qos: QoS, id: PacketId, number: u32) -> Packet<'static> {
        if qos == QoS::AtLeastOnce {
            self.delivered.push((1, number));
            self.forget(id);
            return Packet::PubAck(done(id));
        }
        if !self.held.contains_key(&id) {
            self.held.insert(id, self.at_release.then_some(number));
            if !self.at_release {
                self.delivered.push((2, number));
            }
        }
        Packet::PubRec(done(id))
    }

    fn forget(&mut self, id: PacketId) {
        self.on_their_way.remove(&id);
        self.seen.remove(&id);
    }
}
