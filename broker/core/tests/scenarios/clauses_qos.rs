//! The exchanges of QoS 0, 1 and 2, both ways, statement by statement: what `publishing` and `acknowledging` do not ask.

use broker_core::LinkId;
use mqtt::{Packet, PacketId, Properties, PropertiesBuf, Property, Publish, ReasonCode, TopicName};

use crate::world::*;

/// PUBLISH with DUP set.
fn publish_dup(world: &mut World, link: LinkId, level: u8, packet_id: u16, payload: &str) {
    let publish = Publish {
        dup: true,
        qos: qos(level),
        retain: false,
        topic: TopicName::new("t").ok(),
        packet_id: PacketId::new(packet_id),
        properties: Properties::EMPTY,
        payload: payload.as_bytes(),
    };
    world.says(link, Packet::Publish(publish));
}

#[test]
fn dup_says_only_whether_this_packet_was_sent_before() {
    // [3.1.1 MQTT-3.3.1-1, MQTT-3.3.1-2, MQTT-3.3.1-3, MQTT-4.3.1-1]
    // [5.0 MQTT-3.3.1-1, MQTT-3.3.1-2, MQTT-3.3.1-3, MQTT-4.3.1-1, MQTT-4.3.2-2, MQTT-4.3.3-2]
    for version in [V311, V5] {
        let mut world = World::new();
        let publisher = world.connect(hello(version, "publisher"));
        let links = [0, 1, 2].map(|level| {
            let link = world.connect(durable(version, &level.to_string()));
            world.wants(link, "t", level);
            link
        });
        publish_dup(&mut world, publisher, 2, 9, "x");
        world.pubrel(publisher, 9);
        let heard = links.map(|link| world.heard(link));
        assert_eq!(heard, [["PUBLISH t x"], ["PUBLISH t x q1 id1"], ["PUBLISH t x q2 id1"]]);
        let heard = [1, 2].map(|level| {
            world.lose(links[level]);
            let link = world.connect_again(durable(version, &level.to_string()));
            world.heard(link)
        });
        assert_eq!(heard, [["PUBLISH t x q1 id1 dup"], ["PUBLISH t x q2 id1 dup"]]);
    }
}

#[test]
fn after_puback_its_identifier_stands_for_a_new_message() {
    // [3.1.1 MQTT-4.3.2-2; 5.0 MQTT-4.3.2-4, MQTT-4.3.2-5]
    for version in [V311, V5] {
        let mut world = World::new();
        let link = world.connect(hello(version, "c"));
        world.wants(link, "t", 0);
        world.publish(link, 1, 65_535, "t", "first");
        publish_dup(&mut world, link, 1, 65_535, "second");
        assert_eq!(world.heard(link), ["PUBLISH t first", "PUBACK 65535", "PUBLISH t second", "PUBACK 65535"]);
    }
}

#[test]
fn a_qos2_message_is_routed_once_for_each_round_of_its_identifier() {
    // [3.1.1 MQTT-4.3.3-2; 5.0 MQTT-4.3.3-8, MQTT-4.3.3-10, MQTT-4.3.3-11, MQTT-4.3.3-12]
    for version in [V311, V5] {
        let mut world = World::new();
        let watcher = world.connect(hello(version, "watcher"));
        world.wants(watcher, "t", 0);
        let link = world.connect(hello(version, "c"));
        for payload in ["first", "second"] {
            world.hand_over(link, 8, "t", payload);
            publish_dup(&mut world, link, 2, 8, payload);
            world.hand_over(link, 8, "t", "anything");
            assert_eq!(world.heard(link), ["PUBREC 8"; 3]);
            assert_eq!(world.heard(watcher), [""; 0]);
            world.pubrel(link, 8);
            world.pubrel(link, 8);
            assert_eq!(world.heard(link), ["PUBCOMP 8"; 2]);
            assert_eq!(world.heard(watcher), [format!("PUBLISH t {payload}")]);
        }
    }
}

#[test]
fn after_a_pubrec_that_refuses_its_identifier_stands_for_a_new_message() {
    // [5.0 MQTT-4.3.3-9]
    let mut world = World::ruled(open_settings(), acl::Acl::parse(b"topic readwrite ok\n").unwrap());
    let link = world.connect(hello(V5, "c"));
    world.wants(link, "ok", 0);
    world.hand_over(link, 8, "no", "refused");
    world.publish(link, 2, 8, "ok", "new");
    assert_eq!(world.heard(link), ["PUBREC 8 0x87", "PUBREC 8", "PUBLISH ok new", "PUBCOMP 8"]);
}

#[test]
fn a_message_that_was_sent_does_not_expire_and_an_exchange_outlives_its_message() {
    // [5.0 MQTT-4.3.3-7, MQTT-4.3.3-13]
    let mut world = World::new();
    let link = world.connect(durable(V5, "c"));
    world.wants(link, "t", 2);
    let publisher = world.connect(durable(V5, "publisher"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(5));
    world.publishes(publisher, 2, 8, "t", "late", false, &properties);
    world.publishes(publisher, 2, 9, "t", "x", false, &properties);
    assert_eq!(world.heard(publisher), ["PUBREC 8", "PUBREC 9"]);
    world.pass_s(2);
    world.pubrel(publisher, 9);
    assert_eq!(world.heard(link), ["PUBLISH t x q2 id1 expiry=3"]);
    world.pass_s(100);
    world.pubrel(publisher, 8);
    assert_eq!(world.heard(publisher), ["PUBCOMP 9", "PUBCOMP 8"]);
    assert_eq!(world.heard(link), [""; 0], "what was released too late has expired");
    world.lose(link);
    let link = world.connect_again(durable(V5, "c"));
    let heard = world.heard(link);
    assert!(heard.len() == 1 && heard[0].starts_with("PUBLISH t x q2 id1 dup"), "{heard:?}");
    world.pubrec(link, 1);
    assert_eq!(world.heard(link), ["PUBREL 1"]);
}

#[test]
fn nothing_is_sent_again_before_a_reconnect() {
    // [5.0 MQTT-4.4.0-1]
    for version in [V311, V5] {
        let mut world = World::new();
        let link = world.connect(durable(version, "c"));
        world.wants(link, "t", 2);
        let publisher = world.connect(hello(V5, "publisher"));
        for level in [1, 2, 2] {
            world.publish(publisher, level, 9 + u16::from(level), "t", "x");
            world.pubrel(publisher, 9 + u16::from(level));
        }
        world.pubrec(link, 3);
        assert_eq!(world.heard(link).len(), 4);
        for _ in 0..3 {
            world.pass_s(100_000);
            world.says(link, Packet::PingReq);
            assert_eq!(world.heard(link), ["PINGRESP"]);
        }
        world.lose(link);
        let link = world.connect_again(durable(version, "c"));
        assert_eq!(world.heard(link), ["PUBLISH t x q1 id1 dup", "PUBLISH t x q2 id2 dup", "PUBREL 3"]);
    }
}

#[test]
fn a_message_that_was_refused_is_not_sent_again() {
    // [5.0 MQTT-4.4.0-2]
    let mut world = World::new();
    let link = world.connect(durable(V5, "c"));
    world.wants(link, "t", 2);
    let publisher = world.connect(hello(V5, "publisher"));
    world.publish(publisher, 1, 9, "t", "x");
    world.publish(publisher, 2, 10, "t", "x");
    world.says(link, Packet::PubAck(ack(1, ReasonCode::QuotaExceeded)));
    world.says(link, Packet::PubRec(ack(2, ReasonCode::UnspecifiedError)));
    world.lose(link);
    let link = world.connect_again(durable(V5, "c"));
    assert_eq!(world.heard(link), [""; 0]);
}

#[test]
fn acknowledgements_come_in_the_order_of_what_they_acknowledge() {
    // [3.1.1 MQTT-4.6.0-2, MQTT-4.6.0-3, MQTT-4.6.0-4]
    let mut world = World::new();
    let away = world.connect(durable(V311, "away"));
    world.wants(away, "kept", 2);
    world.lose(away);
    // Some must wait for the store, and some need not.
    let link = world.connect(durable(V311, "c"));
    world.wants(link, "own", 2);
    world.desk.commits_wait = true;
    for (id, topic) in [(1, "nobody"), (2, "kept"), (3, "nobody"), (4, "kept")] {
        world.publish(link, 1, id, topic, "x");
        world.publish(link, 2, id + 10, topic, "x");
    }
    world.commit();
    let heard = world.heard(link);
    let of = |kind: &str| heard.iter().filter(|packet| packet.starts_with(kind)).cloned().collect::<Vec<_>>();
    assert_eq!(of("PUBACK"), ["PUBACK 1", "PUBACK 2", "PUBACK 3", "PUBACK 4"]);
    assert_eq!(of("PUBREC"), ["PUBREC 11", "PUBREC 12", "PUBREC 13", "PUBREC 14"]);
    let publisher = world.connect_again(hello(V311, "publisher"));
    for id in 1..=3 {
        world.publish(publisher, 2, id, "own", "x");
    }
    world.commit();
    world.heard(link);
    for id in [2, 1, 3] {
        world.pubrec(link, id);
    }
    world.commit();
    assert_eq!(world.heard(link), ["PUBREL 2", "PUBREL 1", "PUBREL 3"]);
}
