//! The loads, as bench/README.md has them, smaller: each plays itself on a broker of its own, what comes before the
//! measured part included, and answers how many messages were delivered (`connect`: how many connections there were), and
//! how often memory was asked for.

use broker_core::LinkId;
use mqtt::ProtocolVersion::{V5, V311};
use mqtt::{Properties, PropertiesBuf, Property, ProtocolVersion, QoS};

use crate::clients::{Hello, Saying, connect, disconnect, publishes, subscribe};
use crate::world::{Happens, World};

/// Messages that were delivered, and allocations of the measured part.
pub(crate) type Played = (usize, u64);

/// A load's name, and what plays it.
pub(crate) type Load = (&'static str, fn() -> Played);

/// All of them.
pub(crate) const ALL: &[Load] = &[
    ("gateways 200→1, QoS 0", || gateways(1, QoS::AtMostOnce, V311)),
    ("gateways 200→4, QoS 1", || gateways(4, QoS::AtLeastOnce, V311)),
    ("gateways 200→1, QoS 0, MQTT 5 with properties", || gateways(1, QoS::AtMostOnce, V5)),
    ("fanin 200→1, QoS 1", || fan_in(QoS::AtLeastOnce)),
    ("fanin 200→1, QoS 2", || fan_in(QoS::ExactlyOnce)),
    ("fanout 1→500, QoS 0", fan_out),
    ("pairs 100, QoS 1", pairs),
    ("connect", connections),
    ("retained, to a new #", retained),
    ("offline queue, QoS 1, stored and drained", offline),
];

/// How many connections speak before it is the subscribers' turn.
const SPEAKERS_PER_TURN: usize = 4;

/// What a router of a client's factory reports of one tag, some 300 bytes.
const REPORT: &[u8] = br#"[{"bdaddr":"C4:30:18:2A:7F:11","bdaddrType":"public","rssi":-67,"evtType":3,"adData":"0201061AFF4C000215FDA50693A4E24FB1AFCFC6EB0764782527114CB9C5","name":"(unknown)","chipId":0,"timestamp":1718035200123},{"bdaddr":"D8:A0:1D:4C:30:6E","bdaddrType":"random","rssi":-81,"evtType":0,"adData":"02011A0BFF4C","chipId":1}]"#;

fn hello(client_id: &str, version: ProtocolVersion) -> Hello<'_> {
    Hello { version, client_id, is_clean: true }
}

/// Publishers, and what each says in one turn, each time with other Packet Identifiers.
struct Publisher<'a> {
    link: LinkId,
    saying: Saying<'a>,
    issue: u64,
}

/// Everybody publishes `burst` messages at once, `rounds` times, and everything is heard and answered. One round more
/// comes first and is not measured: after it routes are remembered, and buffers are as large as they get.
fn publish(world: &mut World, publishers: &mut [Publisher<'_>], burst: usize, rounds: usize) -> usize {
    let mut heard = 0;
    for round in 0..=rounds {
        world.is_measured = round > 0;
        let mut heard_now = 0;
        for speakers in publishers.chunks_mut(SPEAKERS_PER_TURN) {
            for Publisher { link, saying, issue } in speakers {
                world.happens(Happens::Read(*link, &publishes(*saying, issue, burst)));
            }
            heard_now += world.exchange();
        }
        heard = if round > 0 { heard + heard_now } else { 0 };
    }
    heard
}

/// `count` clients with a topic each, below `prefix`.
fn publishers<'a>(
    world: &mut World,
    topics: &'a [String],
    saying: impl Fn(&'a str) -> Saying<'a>,
) -> Vec<Publisher<'a>> {
    let publisher = |topic: &'a String| {
        let saying = saying(topic);
        Publisher { link: world.client(hello(topic, saying.version)), saying, issue: 0 }
    };
    topics.iter().map(publisher).collect()
}

fn topics(count: usize, name: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(name).collect()
}

fn subscriber(world: &mut World, client_id: &str, version: ProtocolVersion, filter: &str, qos: QoS) -> LinkId {
    let link = world.client(hello(client_id, version));
    world.happens(Happens::Read(link, &subscribe(version, filter, qos)));
    link
}

fn gateways(subscribers: usize, qos: QoS, version: ProtocolVersion) -> Played {
    let mut world = World::new();
    for n in 0..subscribers {
        subscriber(&mut world, &format!("application-{n}"), version, "cassia/#", qos);
    }
    let mut properties = PropertiesBuf::new();
    if version.is_v5() {
        properties.push(Property::MessageExpiryInterval(60));
        properties.push(Property::ContentType("application/json"));
        properties.push(Property::UserProperty { name: "site", value: "hall 4" });
    }
    let topics = topics(200, |n| format!("cassia/CC:1B:E0:E0:{:02X}:{:02X}", n >> 4, (n * 37) & 0xFF));
    let properties = properties.as_properties();
    let saying = |topic| Saying { version, qos, retain: false, topic, payload: REPORT, properties };
    let mut publishers = publishers(&mut world, &topics, saying);
    (publish(&mut world, &mut publishers, 10, 2), world.allocations)
}

fn small(topic: &str, qos: QoS) -> Saying<'_> {
    Saying { version: V311, qos, retain: false, topic, payload: &[b'x'; 100], properties: Properties::EMPTY }
}

fn fan_in(qos: QoS) -> Played {
    let mut world = World::new();
    subscriber(&mut world, "subscriber", V311, "fanin/#", qos);
    let topics = topics(200, |n| format!("fanin/{n}/data"));
    let mut publishers = publishers(&mut world, &topics, |topic| small(topic, qos));
    (publish(&mut world, &mut publishers, 10, 1), world.allocations)
}

fn fan_out() -> Played {
    let mut world = World::new();
    for n in 0..500 {
        subscriber(&mut world, &format!("subscriber-{n}"), V311, "fanout/data", QoS::AtMostOnce);
    }
    let topics = topics(1, |_| "fanout/data".to_owned());
    let mut publishers = publishers(&mut world, &topics, |topic| small(topic, QoS::AtMostOnce));
    (publish(&mut world, &mut publishers, 10, 4), world.allocations)
}

fn pairs() -> Played {
    let mut world = World::new();
    let topics = topics(100, |n| format!("pairs/{n}/data"));
    for topic in &topics {
        subscriber(&mut world, &format!("{topic}-subscriber"), V311, topic, QoS::AtLeastOnce);
    }
    let mut publishers = publishers(&mut world, &topics, |topic| small(topic, QoS::AtLeastOnce));
    (publish(&mut world, &mut publishers, 1, 20), world.allocations)
}

/// CONNECT, CONNACK, DISCONNECT; a hundred others stay.
fn connections() -> Played {
    const COUNT: usize = 1_000;
    let mut world = World::new();
    for n in 0..100 {
        world.client(hello(&format!("other-{n}"), V311));
    }
    let link = world.client(hello("first", V311));
    world.happens(Happens::Closed(link));
    world.is_measured = true;
    for n in 0..COUNT {
        world.happens(Happens::Opened(link));
        world.happens(Happens::Read(link, &connect(hello(&format!("router-{n}"), V311))));
        world.happens(Happens::Read(link, &disconnect(V311)));
        world.exchange();
    }
    (COUNT, world.allocations)
}

/// Each of two new clients is sent all that is retained.
fn retained() -> Played {
    let mut world = World::new();
    let publisher = world.client(hello("publisher", V311));
    for n in 0..2_000 {
        let topic = format!("retained/{n}/state");
        let saying = Saying { retain: true, ..small(&topic, QoS::AtMostOnce) };
        world.happens(Happens::Read(publisher, &publishes(saying, &mut 0, 1)));
    }
    let mut heard = 0;
    for client_id in ["warm", "one", "other"] {
        world.is_measured = false;
        let link = world.client(hello(client_id, V311));
        world.exchange();
        world.is_measured = client_id != "warm";
        world.happens(Happens::Read(link, &subscribe(V311, "#", QoS::AtMostOnce)));
        let heard_now = world.exchange();
        heard += if world.is_measured { heard_now } else { 0 };
    }
    (heard, world.allocations)
}

/// Messages are kept for a client that is away, and it comes back for them.
fn offline() -> Played {
    let mut world = World::new();
    let publisher = world.client(hello("publisher", V311));
    let away = Hello { version: V311, client_id: "away", is_clean: false };
    let link = world.client(away);
    world.happens(Happens::Read(link, &subscribe(V311, "offline/data", QoS::AtLeastOnce)));
    let (mut issue, mut heard) = (0, 0);
    for is_measured in [false, true] {
        world.is_measured = is_measured;
        world.happens(Happens::Closed(link));
        for _ in 0..200 {
            let burst = publishes(small("offline/data", QoS::AtLeastOnce), &mut issue, 10);
            world.happens(Happens::Read(publisher, &burst));
            world.exchange();
        }
        world.connect_at(link, away);
        heard = world.exchange();
    }
    (heard, world.allocations)
}
