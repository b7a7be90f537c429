//! The answers of the broker to a 5.0 client: their Reason Codes, and what they are too small to leave out.

use broker_core::LinkId;
use mqtt::{
    FiltersBuf, FiltersWithOptionsBuf, Packet, Properties, Property, ReasonCode, Subscribe, TopicFilter, Unsubscribe,
    next_frame,
};

use crate::clauses_connect::connect_with;
use crate::world::*;

/// Every kind of answer that a client can be given, good and bad, the last words included; each as it was sent.
fn answers(of_connect: &[Property<'_>]) -> Vec<Vec<u8>> {
    let mut settings = open_settings();
    settings.message_size_limit = 4;
    let rules = b"topic readwrite ok/#\n";
    let mut world = World::ruled(settings, acl::Acl::parse(rules).unwrap());
    let link = connect_with(&mut world, "c", of_connect, &[]);
    let mut filters = FiltersWithOptionsBuf::new();
    for (filter, level) in [("ok/#", 2), ("no", 0), ("$share/g/ok/s", 1)] {
        filters.push(TopicFilter::new(filter).unwrap(), at(level));
    }
    let subscribe = Subscribe { packet_id: id(1), properties: Properties::EMPTY, filters: filters.as_filters() };
    world.says(link, Packet::Subscribe(subscribe));
    for (n, (topic, payload)) in [("ok/1", "x"), ("no", "x"), ("ok/2", "large")].into_iter().enumerate() {
        let n = n as u16;
        world.publish(link, 1, n + 1, topic, payload);
        world.publish(link, 2, n + 10, topic, payload);
        world.pubrel(link, n + 10);
    }
    world.pubrel(link, 99);
    world.pubrec(link, 2);
    world.pubrec(link, 99);
    world.unsubscribe(link, "ok/#");
    world.unsubscribe(link, "nothing");
    world.publish(link, 1, 20, "ok/1", "x");
    world.publish(link, 2, 21, "ok/1", "x");
    world.says(link, Packet::PingResp);
    let mut sent = std::mem::take(&mut world.desk.lines.get_mut(&link).unwrap().left);
    let refused = world.knock(Hello { id: "", method: Some("none"), ..hello(V5, "") });
    sent.append(&mut world.desk.lines.get_mut(&refused).unwrap().left);
    sent
}

/// Name, Reason Codes and properties of an answer.
fn parts(bytes: &[u8]) -> (&'static str, Vec<ReasonCode>, Properties<'_>) {
    let frame = next_frame(bytes, u32::MAX).unwrap().unwrap();
    match Packet::decode(V5, frame).unwrap() {
        Packet::ConnAck(p) => ("CONNACK", vec![p.reason], p.properties),
        Packet::PubAck(p) => ("PUBACK", vec![p.reason], p.properties),
        Packet::PubRec(p) => ("PUBREC", vec![p.reason], p.properties),
        Packet::PubRel(p) => ("PUBREL", vec![p.reason], p.properties),
        Packet::PubComp(p) => ("PUBCOMP", vec![p.reason], p.properties),
        Packet::SubAck(p) => ("SUBACK", p.reasons.iter().collect(), p.properties),
        Packet::UnsubAck(p) => ("UNSUBACK", p.reasons.iter().collect(), p.properties),
        Packet::Disconnect(p) => ("DISCONNECT", vec![p.reason], p.properties),
        Packet::Publish(p) => ("PUBLISH", Vec::new(), p.properties),
        other => panic!("not a server's answer: {other:?}"),
    }
}

#[test]
fn each_answer_has_a_reason_code_of_its_own_kind() {
    // [5.0 MQTT-3.2.2-8, MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1]
    // [5.0 MQTT-3.9.3-2, MQTT-3.11.3-2, MQTT-3.14.2-1]: the lists are §3.2.2.2, §3.4.2.1 and so on.
    let listed: &[(&str, &[u8])] = &[
        ("CONNACK", &[0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97]),
        ("PUBACK", &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
        ("PUBREC", &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
        ("PUBREL", &[0, 0x92]),
        ("PUBCOMP", &[0, 0x92]),
        ("SUBACK", &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]),
        ("UNSUBACK", &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]),
        ("DISCONNECT", &[0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96]),
    ];
    let sent = answers(&[]);
    for (name, codes) in listed {
        let mut given: Vec<u8> = Vec::new();
        for bytes in &sent {
            let (kind, reasons, _) = parts(bytes);
            given.extend(reasons.iter().filter(|_| kind == *name).map(|reason| reason.as_u8()));
        }
        assert!(!given.is_empty(), "{name} was never sent");
        assert!(given.iter().all(|code| codes.contains(code)), "{name}: {given:02x?}");
    }
    let failures = sent.iter().flat_map(|bytes| parts(bytes).1).filter(|reason| reason.is_failure()).count();
    assert!(failures >= 6, "the answers should be bad ones too");
}

#[test]
fn no_answer_has_a_reason_string_or_a_user_property() {
    // So none is there against the client's will [5.0 MQTT-3.1.2-29], and none makes a packet too large:
    // [5.0 MQTT-3.2.2-19, MQTT-3.2.2-20, MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3]
    // [5.0 MQTT-3.6.2-2, MQTT-3.6.2-3, MQTT-3.7.2-2, MQTT-3.7.2-3, MQTT-3.9.2-1, MQTT-3.9.2-2]
    // [5.0 MQTT-3.11.2-1, MQTT-3.11.2-2, MQTT-3.14.2-3, MQTT-3.14.2-4]
    let asked: [&[Property<'_>]; 3] = [
        &[],
        &[Property::RequestProblemInformation(true)],
        &[Property::RequestProblemInformation(false), Property::MaximumPacketSize(30)],
    ];
    for of_connect in asked {
        for bytes in answers(of_connect) {
            let (name, _, properties) = parts(&bytes);
            let words = properties
                .iter()
                .find(|property| matches!(property, Property::ReasonString(_) | Property::UserProperty { .. }));
            assert_eq!(words, None, "{name}");
        }
    }
}

/// SUBSCRIBE or UNSUBSCRIBE for so many filters.
fn ask_for(world: &mut World, link: LinkId, count: usize, subscribes: bool) {
    let properties = Properties::EMPTY;
    let (mut wanted, mut unwanted) = (FiltersWithOptionsBuf::new(), FiltersBuf::new());
    for n in 0..count {
        let name = n.to_string();
        let filter = TopicFilter::new(&name).unwrap();
        wanted.push(filter, at(0));
        unwanted.push(filter);
    }
    if subscribes {
        world.says(link, Packet::Subscribe(Subscribe { packet_id: id(1), properties, filters: wanted.as_filters() }));
    } else {
        let filters = unwanted.as_filters();
        world.says(link, Packet::Unsubscribe(Unsubscribe { packet_id: id(1), properties, filters }));
    }
}

#[test]
fn no_answer_is_larger_than_its_client_takes() {
    // [5.0 MQTT-3.1.2-24]: 5 bytes and one for each filter, and another byte of length from 125 filters on.
    for (most, fits) in [(20, 15), (129, 124), (130, 124), (131, 125)] {
        for subscribes in [true, false] {
            let mut world = World::new();
            let hello = Hello { packet_bytes_max: Some(most), ..hello(V5, "c") };
            let link = world.connect(hello);
            ask_for(&mut world, link, fits, subscribes);
            let answer = world.desk.lines.get_mut(&link).unwrap().left.remove(0);
            assert!(answer.len() <= most as usize, "{} bytes", answer.len());
            ask_for(&mut world, link, fits + 1, subscribes);
            assert_eq!(world.heard(link), ["DISCONNECT 0x95", "CLOSED"], "{most} {subscribes}");
        }
    }
}

#[test]
fn a_client_that_takes_no_connack_is_closed_without_one_and_changes_nothing() {
    // [5.0 MQTT-3.1.2-24], as mosquitto.
    let mut world = World::new();
    let before = world.connect(durable(V5, "c"));
    let size = {
        let link = world.knock(Hello { packet_bytes_max: Some(100), ..hello(V5, "other") });
        world.desk.lines[&link].left[0].len() as u32
    };
    let link = world.knock(Hello { packet_bytes_max: Some(size - 1), ..durable(V5, "c") });
    assert_eq!(world.heard(link), ["CLOSED"]);
    assert!(!world.is_closed(before), "the session is not taken over by that");
    let link = world.knock(Hello { packet_bytes_max: Some(size), ..durable(V5, "c") });
    assert_eq!(world.heard(link), ["CONNACK 0x00 present"]);
}
