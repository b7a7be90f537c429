//! A core to which things are said, whose answers are thrown away; and what one more of something costs there.

use acl::Acl;
use broker_core::{
    AuthStep, Broker, Credentials, Door, EdgeCounts, Event, Instant, LinkId, Outbox, Settings, StoreOp, Trust,
};
use mqtt::{
    Connect, FiltersWithOptionsBuf, Packet, PacketId, Properties, ProtocolVersion, Publish, QoS, Subscribe,
    SubscriptionOptions, TopicFilter, TopicName, Will,
};

use crate::counting::in_use;

/// So many are there before counting begins, and so many come while it is counted. Lists that double when they are full
/// are full then, so that one more costs neither nothing nor twice what it takes.
const COUNT: usize = 512;

/// Bytes that one more costs: `add` is given the number of each.
pub(crate) fn each(count: usize, mut add: impl FnMut(usize)) -> usize {
    (0..count).for_each(&mut add);
    let before = in_use();
    (count..2 * count).for_each(&mut add);
    usize::try_from(in_use() - before).expect("it costs something") / count
}

/// The name of the `n`-th thing, of so many bytes.
pub(crate) fn name(n: usize, len: usize) -> String {
    format!("{n:0>len$}")
}

/// A core that lets anyone in.
struct Core {
    broker: Broker,
    sessions: u32,
}

struct Nothing;

impl Core {
    fn new() -> Self {
        let mut settings = Settings { max_inflight_messages: 0, max_queued_messages: 0, ..Settings::default() };
        settings.listeners[0].allow_anonymous = true;
        Self { broker: Broker::new(settings, Acl::open(), 1), sessions: 0 }
    }

    fn says(&mut self, link: LinkId, packet: Packet<'_>) {
        self.broker.handle(Instant::default(), link, packet, &mut Nothing);
    }

    /// A client with a session that outlives its connection.
    fn connect(&mut self, client_id: &str, will: Option<Will<'_>>) -> LinkId {
        let link = LinkId(self.sessions);
        self.sessions += 1;
        self.connect_at(link, client_id, will);
        link
    }

    fn connect_at(&mut self, link: LinkId, client_id: &str, will: Option<Will<'_>>) {
        self.broker.open(Instant::default(), link, Door { listener: 0, trust: Trust::Stranger });
        let connect = Connect {
            version: ProtocolVersion::V311,
            is_bridge: false,
            clean_start: false,
            keep_alive_s: 60,
            client_id,
            will,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        };
        self.says(link, Packet::Connect(connect));
        assert!(self.broker.clients().any(|(on, ..)| on == link), "it is let in");
    }

    fn lose(&mut self, link: LinkId) {
        self.broker.closed(Instant::default(), link, &mut Nothing);
    }

    fn subscribe(&mut self, link: LinkId, filter: &str) {
        let mut filters = FiltersWithOptionsBuf::new();
        let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
        filters.push(TopicFilter::new(filter).expect("a filter"), options);
        let (packet_id, properties) = (id(0), Properties::EMPTY);
        self.says(link, Packet::Subscribe(Subscribe { packet_id, properties, filters: filters.as_filters() }));
    }

    fn publish(&mut self, link: LinkId, qos: QoS, n: usize, topic: &str, payload: &[u8], retain: bool) {
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic: Some(TopicName::new(topic).expect("a topic")),
            packet_id: (qos != QoS::AtMostOnce).then_some(id(n)),
            properties: Properties::EMPTY,
            payload,
        };
        self.says(link, Packet::Publish(publish));
    }
}

fn id(n: usize) -> PacketId {
    PacketId::of_issue(n as u64)
}

impl Outbox for Nothing {
    fn send(&mut self, _: LinkId, _: &[u8]) {}
    fn acknowledge(&mut self, _: LinkId, _: &[u8], _: bool) {}
    fn backlog_bytes(&self, _: LinkId) -> usize {
        0
    }
    fn tell_when_drained(&mut self, _: LinkId) {}
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

// ---- what is counted; each function is given the lengths of its texts

pub(crate) fn session_away([client_id]: [usize; 1]) -> usize {
    let mut core = Core::new();
    each(COUNT, |n| {
        core.connect_at(LinkId(0), &name(n, client_id), None);
        core.lose(LinkId(0));
    })
}

pub(crate) fn will([topic, payload]: [usize; 2]) -> usize {
    let (topic, payload) = (name(0, topic), name(0, payload));
    let connected = |will: Option<Will<'_>>| {
        let mut core = Core::new();
        each(COUNT, |n| {
            core.connect(&name(n, 16), will);
        })
    };
    let (topic, payload) = (TopicName::new(&topic).expect("a topic"), payload.as_bytes());
    let will = Will { topic, payload, qos: QoS::AtLeastOnce, retain: false, properties: Properties::EMPTY };
    connected(Some(will)) - connected(None)
}

/// Each client subscribes once, to the filter that `filter` makes of its number.
fn subscribed(filter: impl Fn(usize) -> String) -> usize {
    let mut core = Core::new();
    let links: Vec<_> = (0..2 * COUNT).map(|n| core.connect(&name(n, 16), None)).collect();
    each(COUNT, |n| core.subscribe(links[n], &filter(n)))
}

pub(crate) fn subscription([level]: [usize; 1]) -> usize {
    subscribed(|n| format!("/{}", name(n, level)))
}

pub(crate) fn further_level([level]: [usize; 1]) -> usize {
    subscribed(|n| format!("/{}/{}", name(n, 16), name(0, level - 1))) - subscribed(|n| format!("/{}", name(n, 16)))
}

pub(crate) fn subscription_of_many([filter]: [usize; 1]) -> usize {
    subscribed(|_| name(0, filter))
}

pub(crate) fn retained([level, payload]: [usize; 2]) -> usize {
    let mut core = Core::new();
    let link = core.connect("publisher", None);
    let payload = name(0, payload);
    each(COUNT, |n| {
        let topic = format!("/{}", name(n, level - 1));
        core.publish(link, QoS::AtMostOnce, n, &topic, payload.as_bytes(), true);
    }) - routed(0, level) // that nobody has subscribed is remembered, too: that is another row's
}

/// So many clients have subscribed to the one topic to which messages are published; those whose `is_here` is false
/// have gone.
fn published(subscribers: usize, is_here: bool, qos: QoS, [topic, payload]: [usize; 2]) -> usize {
    let mut core = Core::new();
    let publisher = core.connect("publisher", None);
    let (topic, payload) = (name(0, topic), name(0, payload));
    for n in 0..subscribers {
        let link = core.connect(&name(n, 16), None);
        core.subscribe(link, &topic);
        if !is_here {
            core.lose(link);
        }
    }
    each(COUNT, |n| core.publish(publisher, qos, n, &topic, payload.as_bytes(), false))
}

pub(crate) fn queued(texts: [usize; 2]) -> usize {
    published(1, false, QoS::AtLeastOnce, texts)
}

pub(crate) fn queued_for_one_more(_: [usize; 0]) -> usize {
    published(2, false, QoS::AtLeastOnce, [16; 2]) - published(1, false, QoS::AtLeastOnce, [16; 2])
}

pub(crate) fn in_flight(texts: [usize; 2]) -> usize {
    published(1, true, QoS::AtLeastOnce, texts)
}

pub(crate) fn unreleased(texts: [usize; 2]) -> usize {
    published(0, true, QoS::ExactlyOnce, texts)
}

/// As many topics as are counted, with so many subscribers each.
fn routed(subscribers: usize, topic: usize) -> usize {
    let mut core = Core::new();
    let publisher = core.connect("publisher", None);
    for n in 0..subscribers {
        let link = core.connect(&name(n, 16), None);
        core.subscribe(link, "#");
    }
    each(COUNT, |n| core.publish(publisher, QoS::AtMostOnce, n, &name(n, topic), b"", false))
}

pub(crate) fn route([topic]: [usize; 1]) -> usize {
    routed(1, topic)
}

pub(crate) fn routed_to_one_more(_: [usize; 0]) -> usize {
    routed(2, 16) - routed(1, 16)
}
