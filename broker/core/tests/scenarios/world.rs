//! A world for the core: links that are lists, a store in memory, a clock that is moved by hand.
//!
//! What a client hears is written in words (`words.rs`), one line per packet, so that a scenario reads like a log.

use std::collections::BTreeMap;
use std::time::Duration;

use acl::Acl;
use broker_core::{
    AuthAnswer, AuthStep, Broker, Credentials, Door, EdgeCounts, Event, Instant, LinkId, MemoryStore, Outbox, Refusal,
    RuleSets, Settings, StoreOp, Trust,
};
use mqtt::{
    Ack, Connect, Disconnect, FiltersBuf, FiltersWithOptionsBuf, Packet, PacketId, Properties, PropertiesBuf, Property,
    ProtocolVersion, Publish, QoS, ReasonCode, Subscribe, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe,
    Will,
};

pub(crate) use crate::words::words;
pub(crate) use mqtt::ProtocolVersion::{V5, V31, V311};

/// A broker and all that is around it.
pub(crate) struct World {
    pub broker: Broker,
    pub now: Instant,
    pub desk: Desk,
    next_link: u32,
}

/// The edge's half of the world.
#[derive(Default)]
pub(crate) struct Desk {
    pub store: MemoryStore,
    pub lines: BTreeMap<LinkId, Line>,
    /// Commits wait until [`World::commit`] is called.
    pub commits_wait: bool,
    /// Verdicts wait until [`World::judge`] is called.
    pub verdicts_wait: bool,
    pub users: BTreeMap<String, Vec<u8>>,
    /// Who everybody is by the door.
    pub identity: Option<&'static str>,
    pub told: Vec<String>,
    /// Messages that did not reach somebody who is there: who, and why.
    pub dropped: Vec<String>,
    pub counts: EdgeCounts,
    /// Steps of enhanced authentication that were asked about, in words.
    pub asked: Vec<String>,
    batch: Vec<StoreOp>,
    verdicts: Vec<(LinkId, Result<(), Refusal>)>,
    made: u8,
}

/// What one connection was given.
#[derive(Default)]
pub(crate) struct Line {
    pub version: Option<ProtocolVersion>,
    /// Whole packets that have left.
    pub left: Vec<Vec<u8>>,
    /// Acknowledgements that wait for a commit; behind a CONNACK everything waits.
    held: Vec<Vec<u8>>,
    pub is_closed: bool,
    /// What the socket has not taken.
    pub backlog_bytes: usize,
    pub wants_drained: bool,
}

impl Outbox for Desk {
    fn send(&mut self, link: LinkId, packet: &[u8]) {
        let Some(line) = self.lines.get_mut(&link) else { panic!("{link:?} was never opened") };
        assert!(!line.is_closed, "{link:?} is given a packet after its end: {packet:?}");
        if line.held.first().is_some_and(|first| first[0] == 0x20) {
            line.held.push(packet.to_vec());
        } else {
            line.left.push(packet.to_vec());
        }
    }

    fn acknowledge(&mut self, link: LinkId, packet: &[u8], promises: bool) {
        let Some(line) = self.lines.get_mut(&link) else { panic!("{link:?} was never opened") };
        if promises || !line.held.is_empty() {
            line.held.push(packet.to_vec());
        } else {
            self.send(link, packet);
        }
    }

    fn backlog_bytes(&self, link: LinkId) -> usize {
        self.lines.get(&link).map_or(0, |line| line.backlog_bytes)
    }

    fn backlogs_bytes(&self) -> usize {
        self.lines.values().map(|line| line.backlog_bytes).sum()
    }

    fn tell_when_drained(&mut self, link: LinkId) {
        if let Some(line) = self.lines.get_mut(&link) {
            line.wants_drained = true;
        }
    }

    fn store(&mut self, op: StoreOp) {
        self.batch.push(op);
    }

    fn verify(&mut self, link: LinkId, credentials: Credentials<'_>) {
        let right = self.users.get(credentials.username).map(Vec::as_slice);
        let is_right = right.is_some() && right == credentials.password;
        self.verdicts.push((link, if is_right { Ok(()) } else { Err(Refusal::Password) }));
    }

    fn authenticate(&mut self, link: LinkId, step: AuthStep<'_>) {
        let data = step.data.map_or("nothing".into(), String::from_utf8_lossy);
        let begins = if step.begins { " begins" } else { "" };
        self.asked.push(format!("{} {}{begins}: {data}", link.0, step.method));
    }

    fn identity(&mut self, _: LinkId) -> Option<String> {
        self.identity.map(str::to_owned)
    }

    fn close(&mut self, link: LinkId) {
        if let Some(line) = self.lines.get_mut(&link) {
            line.is_closed = true;
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        let words = match event {
            Event::Disconnected { client_id, why, .. } => format!("{client_id} gone: {why}"),
            Event::Refused { client_id, why, .. } => format!("{client_id} refused: {why}"),
            Event::QueueFull { client_id } => format!("{client_id} full"),
            Event::SessionExpired { client_id } => format!("{client_id} expired"),
            Event::PublishDenied { client_id, topic, .. } => format!("{client_id} may not publish to {topic}"),
            Event::RetainedFull { bytes_max } => format!("{bytes_max} bytes retained"),
            Event::SubscriptionsFull { client_id, count } => format!("{client_id} has {count} subscriptions"),
            Event::Command { client_id, command, .. } => format!("{client_id} asks {command}"),
            Event::TakenOver { client_id } => format!("{client_id} taken over"),
            Event::Dropped { client_id, why, .. } => {
                self.dropped.push(format!("{client_id} {why:?}"));
                return;
            }
            _ => return,
        };
        self.told.push(words);
    }

    fn counts(&self) -> EdgeCounts {
        self.counts
    }

    fn unique(&mut self) -> [u8; 16] {
        self.made += 1;
        [self.made; 16]
    }
}

impl Desk {
    fn commit(&mut self) {
        for op in self.batch.drain(..) {
            self.store.apply(op);
        }
        for line in self.lines.values_mut() {
            line.left.append(&mut line.held);
        }
    }
}

/// A CONNECT in the making.
#[derive(Clone, Copy)]
pub(crate) struct Hello<'a> {
    pub version: ProtocolVersion,
    pub id: &'a str,
    pub clean: bool,
    pub is_bridge: bool,
    pub keep_alive_s: u16,
    pub expiry_s: Option<u32>,
    pub username: Option<&'a str>,
    pub password: Option<&'a str>,
    pub window: Option<u16>,
    pub packet_bytes_max: Option<u32>,
    pub aliases_max: Option<u16>,
    pub method: Option<&'a str>,
    pub data: Option<&'a str>,
    pub will: Option<Testament<'a>>,
    pub trust: Trust,
    pub listener: u16,
}

/// A will in the making.
#[derive(Clone, Copy)]
pub(crate) struct Testament<'a> {
    pub topic: &'a str,
    pub payload: &'a str,
    pub qos: QoS,
    pub retain: bool,
    pub delay_s: u32,
}

pub(crate) fn will(topic: &str) -> Testament<'_> {
    Testament { topic, payload: "will", qos: QoS::AtMostOnce, retain: false, delay_s: 0 }
}

/// A clean client of `version`.
pub(crate) fn hello(version: ProtocolVersion, id: &str) -> Hello<'_> {
    Hello {
        version,
        id,
        clean: true,
        is_bridge: false,
        keep_alive_s: 0,
        expiry_s: None,
        username: None,
        password: None,
        window: None,
        packet_bytes_max: None,
        aliases_max: None,
        method: None,
        data: None,
        will: None,
        trust: Trust::Stranger,
        listener: 0,
    }
}

/// A client whose session outlives its connection.
pub(crate) fn durable(version: ProtocolVersion, id: &str) -> Hello<'_> {
    let expiry_s = version.is_v5().then_some(u32::MAX);
    Hello { clean: false, expiry_s, ..hello(version, id) }
}

pub(crate) fn qos(level: u8) -> QoS {
    QoS::from_u8(level).unwrap()
}

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// Settings by which anyone may come in.
pub(crate) fn open_settings() -> Settings {
    let mut settings = Settings::default();
    settings.listeners[0].allow_anonymous = true;
    settings
}

/// A subscription's options: QoS and nothing else.
pub(crate) fn at(level: u8) -> SubscriptionOptions {
    SubscriptionOptions { qos: qos(level), ..SubscriptionOptions::default() }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(open_settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::ruled(settings, Acl::open())
    }

    pub(crate) fn ruled(settings: Settings, rules: impl Into<RuleSets>) -> Self {
        let broker = Broker::new(settings, rules, 1);
        Self { broker, now: Instant::from_millis(1_000), desk: Desk::default(), next_link: 0 }
    }

    /// The process dies and another begins with what was committed.
    pub(crate) fn restart(self, settings: Settings, rules: impl Into<RuleSets>) -> Self {
        let mut world = Self::ruled(settings, rules);
        world.now = self.now;
        world.desk.store = self.desk.store;
        world.next_link = self.next_link;
        world.broker.restore(world.now, &world.desk.store);
        world.broker.restored(&mut world.desk);
        world.commit();
        world
    }

    // ---- what happens

    pub(crate) fn open(&mut self, hello: Hello<'_>) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.desk.lines.insert(link, Line { version: Some(hello.version), ..Line::default() });
        self.broker.open(self.now, link, Door { listener: hello.listener, trust: hello.trust });
        link
    }

    /// CONNECT; what is answered is not read yet.
    pub(crate) fn knock(&mut self, hello: Hello<'_>) -> LinkId {
        let link = self.open(hello);
        self.greet(link, hello);
        link
    }

    pub(crate) fn greet(&mut self, link: LinkId, hello: Hello<'_>) {
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if hello.version.is_v5() {
            hello.expiry_s.map(|s| properties.push(Property::SessionExpiryInterval(s)));
            hello.window.map(|n| properties.push(Property::ReceiveMaximum(n)));
            hello.packet_bytes_max.map(|n| properties.push(Property::MaximumPacketSize(n)));
            hello.aliases_max.map(|n| properties.push(Property::TopicAliasMaximum(n)));
            hello.method.map(|m| properties.push(Property::AuthenticationMethod(m)));
            hello.data.map(|d| properties.push(Property::AuthenticationData(d.as_bytes())));
            hello.will.map(|w| will_properties.push(Property::WillDelayInterval(w.delay_s)));
        }
        let will = hello.will.map(|will| Will {
            topic: TopicName::new(will.topic).unwrap(),
            payload: will.payload.as_bytes(),
            qos: will.qos,
            retain: will.retain,
            properties: will_properties.as_properties(),
        });
        self.says(
            link,
            Packet::Connect(Connect {
                version: hello.version,
                is_bridge: hello.is_bridge,
                clean_start: hello.clean,
                keep_alive_s: hello.keep_alive_s,
                client_id: hello.id,
                will,
                username: hello.username,
                password: hello.password.map(str::as_bytes),
                properties: properties.as_properties(),
            }),
        );
    }

    /// Lets a client in, which must be let in, and throws the CONNACK away.
    pub(crate) fn connect(&mut self, hello: Hello<'_>) -> LinkId {
        let link = self.knock(hello);
        let heard = self.heard(link);
        assert!(heard.first().is_some_and(|first| first.starts_with("CONNACK 0x00")), "{}: {heard:?}", hello.id);
        assert_eq!(heard.len(), 1, "{}: {heard:?}", hello.id);
        link
    }

    /// Like `connect`, where what was waiting may come after the CONNACK; that is left to be heard.
    pub(crate) fn connect_again(&mut self, hello: Hello<'_>) -> LinkId {
        let link = self.knock(hello);
        let connack = self.desk.lines.get_mut(&link).unwrap().left.remove(0);
        assert!(words(hello.version, &connack).starts_with("CONNACK 0x00"), "{}: {connack:?}", hello.id);
        link
    }

    pub(crate) fn says(&mut self, link: LinkId, packet: Packet<'_>) {
        self.broker.handle(self.now, link, packet, &mut self.desk);
        self.settle();
    }

    pub(crate) fn broken(&mut self, link: LinkId, fault: mqtt::DecodeFault) {
        self.broker.broken(self.now, link, fault, &mut self.desk);
        self.settle();
    }

    /// The socket is gone, without a DISCONNECT.
    pub(crate) fn lose(&mut self, link: LinkId) {
        self.broker.closed(self.now, link, &mut self.desk);
        self.settle();
    }

    /// The socket has taken all it was given.
    pub(crate) fn drain(&mut self, link: LinkId) {
        let line = self.desk.lines.get_mut(&link).unwrap();
        line.backlog_bytes = 0;
        if std::mem::take(&mut line.wants_drained) {
            self.broker.drained(self.now, link, &mut self.desk);
            self.settle();
        }
    }

    pub(crate) fn clog(&mut self, link: LinkId, bytes: usize) {
        self.desk.lines.get_mut(&link).unwrap().backlog_bytes = bytes;
    }

    /// Time goes by; what is due on the way is done when it is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.broker.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.broker.handle_timeout(self.now, &mut self.desk);
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn commit(&mut self) {
        self.desk.commit();
    }

    /// The verdicts that were asked for are given.
    pub(crate) fn judge(&mut self) {
        for (link, verdict) in std::mem::take(&mut self.desk.verdicts) {
            self.broker.verdict(self.now, link, verdict, &mut self.desk);
        }
        if !self.desk.commits_wait {
            self.desk.commit();
        }
    }

    /// The edge's answer to a step of enhanced authentication.
    pub(crate) fn answer(&mut self, link: LinkId, answer: AuthAnswer<'_>) {
        self.broker.authenticated(self.now, link, answer, &mut self.desk);
        self.settle();
    }

    pub(crate) fn set_acl(&mut self, rules: &str) {
        self.set_rules(Acl::parse(rules.as_bytes()).unwrap());
    }

    pub(crate) fn set_rules(&mut self, rules: impl Into<RuleSets>) {
        self.broker.set_acl(rules, &mut self.desk);
        self.settle();
    }

    pub(crate) fn settle(&mut self) {
        if !self.desk.verdicts_wait {
            self.judge();
        }
        if !self.desk.commits_wait {
            self.desk.commit();
        }
    }

    // ---- what clients say

    /// PUBLISH, and PUBREL for a message of QoS 2: it goes on then.
    pub(crate) fn publish(&mut self, link: LinkId, level: u8, packet_id: u16, topic: &str, payload: &str) {
        self.publishes(link, level, packet_id, topic, payload, false, &PropertiesBuf::new());
        if level == 2 && !self.is_closed(link) {
            self.pubrel(link, packet_id);
        }
    }

    /// As [`publish`](Self::publish), with RETAIN.
    pub(crate) fn retain(&mut self, link: LinkId, level: u8, packet_id: u16, topic: &str, payload: &str) {
        self.publishes(link, level, packet_id, topic, payload, true, &PropertiesBuf::new());
        if level == 2 && !self.is_closed(link) {
            self.pubrel(link, packet_id);
        }
    }

    /// PUBLISH of QoS 2 alone.
    pub(crate) fn hand_over(&mut self, link: LinkId, packet_id: u16, topic: &str, payload: &str) {
        self.publishes(link, 2, packet_id, topic, payload, false, &PropertiesBuf::new());
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn publishes(
        &mut self,
        link: LinkId,
        level: u8,
        packet_id: u16,
        topic: &str,
        payload: &str,
        retain: bool,
        properties: &PropertiesBuf,
    ) {
        self.says(
            link,
            Packet::Publish(Publish {
                dup: false,
                qos: qos(level),
                retain,
                topic: (!topic.is_empty()).then(|| TopicName::new(topic).unwrap()),
                packet_id: PacketId::new(packet_id),
                properties: properties.as_properties(),
                payload: payload.as_bytes(),
            }),
        );
    }

    /// SUBSCRIBE with Packet Identifier 1.
    pub(crate) fn subscribe(&mut self, link: LinkId, filter: &str, options: SubscriptionOptions) {
        self.subscribe_as(link, filter, options, 0);
    }

    pub(crate) fn subscribe_as(&mut self, link: LinkId, filter: &str, options: SubscriptionOptions, identifier: u32) {
        let mut filters = FiltersWithOptionsBuf::new();
        filters.push(TopicFilter::new(filter).unwrap(), options);
        let mut properties = PropertiesBuf::new();
        if identifier != 0 {
            properties.push(Property::SubscriptionIdentifier(identifier));
        }
        let properties = properties.as_properties();
        self.says(link, Packet::Subscribe(Subscribe { packet_id: id(1), properties, filters: filters.as_filters() }));
    }

    /// Subscribes, and throws away what is answered.
    pub(crate) fn wants(&mut self, link: LinkId, filter: &str, level: u8) {
        self.subscribe(link, filter, at(level));
        let heard = self.heard(link);
        assert!(heard[0].starts_with("SUBACK 1 [0"), "{filter}: {heard:?}");
    }

    /// Subscribes, and does not look at the answer.
    pub(crate) fn wants_later(&mut self, link: LinkId) {
        self.subscribe(link, "later", at(1));
    }

    /// UNSUBSCRIBE with Packet Identifier 2.
    pub(crate) fn unsubscribe(&mut self, link: LinkId, filter: &str) {
        let mut filters = FiltersBuf::new();
        filters.push(TopicFilter::new(filter).unwrap());
        let filters = filters.as_filters();
        self.says(link, Packet::Unsubscribe(Unsubscribe { packet_id: id(2), properties: Properties::EMPTY, filters }));
    }

    pub(crate) fn puback(&mut self, link: LinkId, packet_id: u16) {
        self.says(link, Packet::PubAck(ack(packet_id, ReasonCode::Success)));
    }

    pub(crate) fn pubrec(&mut self, link: LinkId, packet_id: u16) {
        self.says(link, Packet::PubRec(ack(packet_id, ReasonCode::Success)));
    }

    pub(crate) fn pubrel(&mut self, link: LinkId, packet_id: u16) {
        self.says(link, Packet::PubRel(ack(packet_id, ReasonCode::Success)));
    }

    pub(crate) fn pubcomp(&mut self, link: LinkId, packet_id: u16) {
        self.says(link, Packet::PubComp(ack(packet_id, ReasonCode::Success)));
    }

    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.farewell(link, ReasonCode::Success, None);
    }

    pub(crate) fn farewell(&mut self, link: LinkId, reason: ReasonCode, expiry_s: Option<u32>) {
        let mut properties = PropertiesBuf::new();
        expiry_s.map(|s| properties.push(Property::SessionExpiryInterval(s)));
        self.says(link, Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }));
    }

    // ---- what is seen

    /// What a client has heard since it was last asked, in words.
    pub(crate) fn heard(&mut self, link: LinkId) -> Vec<String> {
        let line = self.desk.lines.get_mut(&link).unwrap();
        let version = line.version.unwrap();
        let mut heard: Vec<_> = line.left.drain(..).map(|bytes| words(version, &bytes)).collect();
        if line.is_closed {
            heard.push("CLOSED".to_owned());
        }
        heard
    }

    pub(crate) fn is_closed(&self, link: LinkId) -> bool {
        self.desk.lines[&link].is_closed
    }

    /// What the operator was told since the last time.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.desk.told)
    }

    /// Nothing is left of what has happened.
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.broker.session_count(), 0, "sessions");
        assert_eq!(self.broker.subscription_count(), 0, "subscriptions");
        assert_eq!(self.broker.shared_subscription_count(), 0, "shared subscriptions");
        assert_eq!(self.broker.clients().count(), 0, "clients");
        assert_eq!(self.broker.next_deadline(), None, "timers");
        assert_eq!(self.desk.store.sessions().count(), 0, "stored sessions");
    }
}

pub(crate) fn ack(packet_id: u16, reason: ReasonCode) -> Ack<'static> {
    Ack { packet_id: id(packet_id), reason, properties: Properties::EMPTY }
}
