//! What was subscribed to, and what comes by it.

use mqtt::{ReasonCodesBuf, SubAck, TopicFilter};

use super::*;
use crate::Subscription;

fn subscribing(version: ProtocolVersion, clean_session: bool) -> LinkSettings {
    let filter = |filter| TopicFilter::new(filter).unwrap().into();
    let subscription = |text, qos| Subscription { filter: filter(text), qos };
    let subscriptions = vec![subscription("down/+/api", QoS::ExactlyOnce), subscription("$share/g/x", QoS::AtMostOnce)];
    LinkSettings { subscriptions, ..settings(version, clean_session) }
}

impl Desk {
    fn comes(&mut self, topic: &str, qos: u8, id: u16, dup: bool) -> Vec<String> {
        let qos = QoS::from_u8(qos).unwrap();
        let publish = Publish {
            dup,
            qos,
            retain: false,
            topic: Some(TopicName::new(topic).unwrap()),
            packet_id: (qos > QoS::AtMostOnce).then(|| PacketId::new(id).unwrap()),
            properties: Properties::EMPTY,
            payload: topic.as_bytes(),
        };
        self.hears(&Packet::Publish(publish)).unwrap();
        self.said()
    }

    fn arrived(&mut self) -> usize {
        self.session.take_arrived().len()
    }
}

#[test]
fn every_connack_is_followed_by_a_subscribe() {
    for (version, clean) in [(V311, true), (V311, false), (V5, false)] {
        let mut desk = Desk::new(subscribing(version, clean));
        for session_present in [false, true, true] {
            assert_eq!(desk.reconnect(session_present && !clean, &[]), ["SUBSCRIBE"], "{version:?}");
        }
    }
    assert!(Desk::new(settings(V311, true)).reconnect(false, &[]).is_empty());
}

#[test]
fn the_identifier_of_a_subscribe_is_free_again_when_it_is_answered_or_the_connection_lost() {
    let mut desk = Desk::up(subscribing(V311, false), false, &[]);
    desk.publish("a", 1);
    assert_eq!(desk.fill(), ["PUBLISH #2 QoS 1 a"], "1 is that of the SUBSCRIBE");
    for _ in 0..70_000 {
        desk.reconnect(true, &[]);
    }
    assert_eq!(desk.session.in_flight(), 1);
}

#[test]
fn a_subscription_that_is_refused_is_told() {
    let mut desk = Desk::up(subscribing(V5, true), false, &[]);
    let mut reasons = ReasonCodesBuf::new();
    reasons.push(ReasonCode::GrantedQoS1);
    reasons.push(ReasonCode::NotAuthorized);
    let packet_id = PacketId::new(1).unwrap();
    let suback = SubAck { packet_id, properties: Properties::EMPTY, reasons: reasons.as_codes() };
    desk.hears(&Packet::SubAck(suback)).unwrap();
    match &desk.session.take_events()[..] {
        [Event::NotSubscribed { filter, reason: ReasonCode::NotAuthorized }] => assert_eq!(filter, "$share/g/x"),
        other => panic!("{other:?}"),
    }
    // Another's: nothing of ours.
    let packet_id = PacketId::new(9).unwrap();
    desk.hears(&Packet::SubAck(SubAck { packet_id, ..suback })).unwrap();
    assert!(desk.session.take_events().is_empty());
}

#[test]
fn what_was_asked_for_arrives_and_the_rest_is_only_acknowledged() {
    let mut desk = Desk::up(subscribing(V311, true), false, &[]);
    let rows = [("down/a/api", 1), ("x", 1), ("down/a/b/api", 0), ("y", 0)];
    for (topic, arrives) in rows {
        assert_eq!(desk.comes(topic, 1, 7, false), ["PUBACK #7"]);
        assert_eq!(desk.arrived(), arrives, "{topic}");
    }
    assert!(desk.comes("x", 0, 0, false).is_empty());
    assert_eq!((desk.arrived(), desk.session.tally().received, desk.session.tally().unasked), (1, 3, 2));
}

/// 3.1.1 MQTT-4.3.3-2; 5.0 MQTT-4.3.3-8 to 4.3.3-12.
#[test]
fn a_qos_2_message_arrives_once_however_often_it_is_repeated() {
    for version in [V311, V5] {
        let mut desk = Desk::up(subscribing(version, false), false, &[]);
        assert_eq!(desk.comes("x", 2, 7, false), ["PUBREC #7"]);
        assert_eq!(desk.comes("x", 2, 7, true), ["PUBREC #7"]);
        desk.reconnect(true, &[]);
        assert_eq!(desk.comes("x", 2, 7, true), ["PUBREC #7"]);
        assert_eq!(desk.arrived(), 1);
        assert_eq!(desk.acked(Packet::PubRel, 7), ["PUBCOMP #7"]);
        assert_eq!(desk.comes("x", 2, 7, false), ["PUBREC #7"]);
        assert_eq!(desk.arrived(), 1, "another message under the same identifier");
        // The far session is gone: what it numbers 7 now is new.
        desk.reconnect(false, &[]);
        desk.comes("x", 2, 7, false);
        assert_eq!(desk.arrived(), 1);
    }
}

#[test]
fn of_a_message_that_is_too_large_so_much_is_read_that_it_can_be_answered_and_passed() {
    let publish = |qos: u8, payload: usize| {
        let mut bytes = Vec::new();
        let qos = QoS::from_u8(qos).unwrap();
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic: Some(TopicName::new("down/a/api").unwrap()),
            packet_id: (qos > QoS::AtMostOnce).then(|| PacketId::new(7).unwrap()),
            properties: Properties::EMPTY,
            payload: &vec![0; payload],
        };
        Packet::Publish(publish).encode(V311, &mut bytes).unwrap();
        bytes
    };
    for (qos, head, wanted) in [(0, 16, None), (1, 18, Some("PUBACK #7")), (2, 18, Some("PUBREC #7"))] {
        let bytes = publish(qos, 300_000);
        for cut in 0..head {
            assert_eq!(Overlong::read(&bytes[..cut]), None, "{qos} {cut}");
        }
        let overlong = Overlong::read(&bytes[..head]).unwrap();
        assert_eq!(overlong.bytes, bytes.len());
        let mut desk = Desk::up(subscribing(V311, true), false, &[]);
        desk.session.handle_overlong(desk.now, overlong, &mut desk.out);
        assert_eq!(desk.said(), Vec::from_iter(wanted));
        assert_eq!((desk.arrived(), desk.session.tally().inbound_too_large), (0, 1));
    }
    assert_eq!(Overlong::read(&[0x40, 0xFF, 0xFF, 0x7F, 0, 1, b'x', 0, 7]), None, "no PUBLISH");
    assert_eq!(Overlong::read(&[0x32, 0xFF, 0xFF, 0x7F, 0, 1, b'x', 0, 0]), None, "identifier 0");
    assert_eq!(Overlong::read(&[0x36, 0xFF, 0xFF, 0x7F, 0, 1, b'x', 0, 7]), None, "QoS 3");
}
