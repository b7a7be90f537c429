//! Single exchanges, word for word. Whole histories are in `histories`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt::{PropertiesBuf, Property, next_frame};

use super::*;
use crate::{SpoolLimits, Transport};

mod histories;
mod inbound;

pub(super) fn settings(version: ProtocolVersion, clean_session: bool) -> LinkSettings {
    let transport = Transport::Tcp { host: "broker.test".to_owned(), port: 1883 };
    LinkSettings { protocol: version, clean_session, ..LinkSettings::new(transport, "c1") }
}

/// A session, its spool and its outbox, at a time of our own.
struct Desk {
    session: Session,
    spool: Spool,
    out: Outbox,
    now: Instant,
    version: ProtocolVersion,
}

impl Desk {
    fn new(settings: LinkSettings) -> Self {
        let (now, version) = (Instant::now(), settings.protocol);
        let session = Session::new(Arc::new(settings), now);
        Self { session, spool: Spool::new(SpoolLimits::default()), out: Outbox::default(), now, version }
    }

    /// Connected, with what CONNECT said out of the way.
    fn up(settings: LinkSettings, session_present: bool, properties: &[Property]) -> Self {
        let mut desk = Self::new(settings);
        desk.reconnect(session_present, properties);
        desk
    }

    fn reconnect(&mut self, session_present: bool, properties: &[Property]) -> Vec<String> {
        self.session.lost();
        self.session.open(self.now, &mut self.out).unwrap();
        self.said();
        let mut said = PropertiesBuf::default();
        for property in properties {
            said.push(*property);
        }
        let connack = ConnAck { session_present, reason: ReasonCode::Success, properties: said.as_properties() };
        self.hears(&Packet::ConnAck(connack)).unwrap();
        self.fill()
    }

    fn publish(&mut self, payload: &str, qos: u8) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let message = Message { topic: "t".into(), payload, qos: QoS::from_u8(qos).unwrap(), retain: false };
        self.spool.push(message).unwrap();
    }

    fn hears(&mut self, packet: &Packet) -> Result<(), Fault> {
        self.session.handle(self.now, packet, &mut self.out)
    }

    fn acked(&mut self, make: fn(Ack<'static>) -> Packet<'static>, id: u16) -> Vec<String> {
        self.failed(make, id, ReasonCode::Success)
    }

    fn failed(&mut self, make: fn(Ack<'static>) -> Packet<'static>, id: u16, reason: ReasonCode) -> Vec<String> {
        let packet_id = PacketId::new(id).unwrap();
        self.hears(&make(Ack { packet_id, reason, properties: Properties::EMPTY })).unwrap();
        self.fill()
    }

    fn fill(&mut self) -> Vec<String> {
        self.session.fill(self.now, &mut self.spool, &mut self.out);
        self.said()
    }

    /// The packets in the outbox, as words; the outbox is then empty.
    fn said(&mut self) -> Vec<String> {
        let mut rest = self.out.bytes();
        let mut said = Vec::new();
        while let Some(frame) = next_frame(rest, 0).unwrap() {
            said.push(words(&Packet::decode(self.version, frame).unwrap()));
            rest = &rest[frame.len..];
        }
        self.out.finish();
        said
    }
}

fn words(packet: &Packet) -> String {
    match packet {
        Packet::Publish(publish) => {
            let dup = if publish.dup { " DUP" } else { "" };
            let retain = if publish.retain { " RETAIN" } else { "" };
            let id = publish.packet_id.map_or_else(String::new, |id| format!(" #{id}"));
            let payload = String::from_utf8_lossy(publish.payload);
            format!("PUBLISH{id} QoS {}{dup}{retain} {payload}", publish.qos.as_u8())
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            let failure = if ack.reason.is_failure() { format!(" {:?}", ack.reason) } else { String::new() };
            format!("{} #{}{failure}", packet_name(packet), ack.packet_id)
        }
        Packet::Connect(connect) => {
            let clean = if connect.clean_start { " clean" } else { "" };
            format!("CONNECT {}{clean} {} s", connect.client_id, connect.keep_alive_s)
        }
        other => packet_name(other).to_owned(),
    }
}

const V311: ProtocolVersion = ProtocolVersion::V311;
const V5: ProtocolVersion = ProtocolVersion::V5;

#[test]
fn connect_says_what_the_settings_say() {
    for (version, clean, wanted) in
        [(V311, true, "CONNECT c1 clean 60 s"), (V311, false, "CONNECT c1 60 s"), (V5, false, "CONNECT c1 60 s")]
    {
        let mut desk = Desk::new(settings(version, clean));
        desk.session.open(desk.now, &mut desk.out).unwrap();
        assert_eq!(desk.said(), [wanted], "{version:?}, clean: {clean}");
    }
}

#[test]
fn settings_that_no_connect_can_say_are_a_fault_and_not_a_panic() {
    let mut desk = Desk::new(LinkSettings { username: Some("u".repeat(70_000)), ..settings(V311, true) });
    assert!(matches!(desk.session.open(desk.now, &mut desk.out), Err(Fault::Settings)));
}

#[test]
fn nothing_is_sent_before_connack() {
    let mut desk = Desk::new(settings(V311, true));
    desk.session.open(desk.now, &mut desk.out).unwrap();
    desk.said();
    desk.publish("a", 1);
    assert!(desk.fill().is_empty());
    assert!(desk.hears(&Packet::PingResp).is_err());
}

#[test]
fn a_refusal_gives_the_servers_reason() {
    let mut desk = Desk::new(settings(V5, true));
    desk.session.open(desk.now, &mut desk.out).unwrap();
    let mut properties = PropertiesBuf::default();
    properties.push(Property::ReasonString("not you"));
    let reason = ReasonCode::NotAuthorized;
    let connack = ConnAck { session_present: false, reason, properties: properties.as_properties() };
    match desk.hears(&Packet::ConnAck(connack)) {
        Err(Fault::Refused { reason: ReasonCode::NotAuthorized, text: Some(text) }) => assert_eq!(text, "not you"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_go_out_in_order_and_the_window_holds_back_what_comes_after() {
    let mut desk = Desk::up(LinkSettings { inflight_max: 2, ..settings(V311, true) }, false, &[]);
    for (payload, qos) in [("a", 1), ("b", 2), ("c", 1), ("d", 0)] {
        desk.publish(payload, qos);
    }
    assert_eq!(desk.fill(), ["PUBLISH #1 QoS 1 a", "PUBLISH #2 QoS 2 b"]);
    assert_eq!(desk.acked(Packet::PubRec, 2), ["PUBREL #2"]);
    assert_eq!(desk.acked(Packet::PubAck, 1), ["PUBLISH #3 QoS 1 c", "PUBLISH QoS 0 d"]);
    assert!(desk.acked(Packet::PubComp, 2).is_empty());
    assert_eq!((desk.session.tally().acknowledged, desk.session.in_flight()), (2, 1));
}

#[test]
fn the_receive_maximum_of_the_server_is_respected() {
    let mut desk = Desk::up(settings(V5, true), false, &[Property::ReceiveMaximum(1)]);
    desk.publish("a", 1);
    desk.publish("b", 1);
    assert_eq!(desk.fill(), ["PUBLISH #1 QoS 1 a"]);
    assert_eq!(desk.acked(Packet::PubAck, 1), ["PUBLISH #2 QoS 1 b"]);
}

/// 3.1.1 MQTT-4.4.0-1, MQTT-4.6.0-1; 5.0 MQTT-4.4.0-1.
#[test]
fn a_session_that_was_kept_goes_on_with_the_same_identifiers_in_the_old_order() {
    for version in [V311, V5] {
        let mut desk = Desk::up(settings(version, false), false, &[]);
        for (payload, qos) in [("a", 1), ("b", 2), ("c", 2), ("d", 1)] {
            desk.publish(payload, qos);
        }
        desk.fill();
        desk.acked(Packet::PubRec, 2);
        desk.publish("e", 1);
        let again = ["PUBREL #2", "PUBLISH #1 QoS 1 DUP a", "PUBLISH #3 QoS 2 DUP c", "PUBLISH #4 QoS 1 DUP d"];
        let said = desk.reconnect(true, &[]);
        assert_eq!(said[..4], again, "{version:?}");
        assert_eq!(said[4..], ["PUBLISH #5 QoS 1 e"], "{version:?}");
    }
}

#[test]
fn a_resumed_session_keeps_to_a_window_that_has_become_smaller() {
    let mut desk = Desk::up(settings(V5, false), false, &[]);
    for payload in ["a", "b", "c"] {
        desk.publish(payload, 1);
    }
    desk.fill();
    assert_eq!(
        desk.reconnect(true, &[Property::ReceiveMaximum(2)]),
        ["PUBLISH #1 QoS 1 DUP a", "PUBLISH #2 QoS 1 DUP b"]
    );
    assert_eq!(desk.acked(Packet::PubAck, 1), ["PUBLISH #3 QoS 1 DUP c"]);
}

#[test]
fn when_the_far_session_is_gone_all_is_sent_again_as_new_before_the_spool() {
    for clean in [true, false] {
        let mut desk = Desk::up(settings(V311, clean), false, &[]);
        for (payload, qos) in [("a", 1), ("b", 2), ("c", 1)] {
            desk.publish(payload, qos);
        }
        desk.fill();
        desk.acked(Packet::PubRec, 2);
        desk.publish("d", 1);
        let again = ["PUBLISH #4 QoS 1 a", "PUBLISH #5 QoS 2 b", "PUBLISH #6 QoS 1 c", "PUBLISH #7 QoS 1 d"];
        assert_eq!(desk.reconnect(false, &[]), again, "clean: {clean}");
    }
}

#[test]
fn a_far_session_that_we_did_not_ask_to_be_kept_is_not_gone_on_with() {
    let mut desk = Desk::up(settings(V311, true), false, &[]);
    desk.publish("a", 1);
    desk.fill();
    assert_eq!(desk.reconnect(true, &[]), ["PUBLISH #2 QoS 1 a"]);
}

#[test]
fn identifiers_of_a_session_older_than_this_process_are_released_before_they_are_used_for_qos_2() {
    let mut desk = Desk::up(settings(V311, false), true, &[]);
    desk.publish("a", 1);
    desk.publish("b", 2);
    assert_eq!(desk.fill(), ["PUBLISH #1 QoS 1 a", "PUBREL #2", "PUBLISH #2 QoS 2 b"]);
    assert!(desk.acked(Packet::PubComp, 2).is_empty(), "the PUBCOMP is for the old message");
    assert_eq!(desk.session.in_flight(), 2);
    assert_eq!(desk.acked(Packet::PubRec, 2), ["PUBREL #2"]);
    desk.acked(Packet::PubComp, 2);
    assert_eq!(desk.session.in_flight(), 1);
}

#[test]
fn a_packet_larger_than_the_server_takes_is_dropped_and_counted_and_the_next_goes() {
    let mut desk = Desk::up(settings(V5, true), false, &[Property::MaximumPacketSize(20)]);
    desk.publish(&"x".repeat(20), 1);
    desk.publish("b", 1);
    assert_eq!(desk.fill(), ["PUBLISH #2 QoS 1 b"]);
    assert_eq!((desk.session.tally().too_large, desk.session.in_flight()), (1, 1));
    assert!(matches!(desk.session.take_events()[..], [Event::TooLarge { bytes: 28, bytes_max: 20, .. }]));
}

#[test]
fn a_message_in_flight_that_has_become_too_large_does_not_hold_up_the_others() {
    let mut desk = Desk::up(settings(V5, false), false, &[]);
    desk.publish(&"x".repeat(20), 1);
    desk.publish("b", 1);
    desk.fill();
    assert_eq!(desk.reconnect(true, &[Property::MaximumPacketSize(20)]), ["PUBLISH #2 QoS 1 DUP b"]);
    assert_eq!((desk.session.tally().too_large, desk.session.in_flight()), (1, 1));
}

#[test]
fn a_server_that_takes_no_qos_2_and_no_retained_messages_gets_none() {
    let properties = [Property::MaximumQoS(QoS::AtLeastOnce), Property::RetainAvailable(false)];
    let mut desk = Desk::up(settings(V5, true), false, &properties);
    let payload = Bytes::from_static(b"a");
    desk.spool.push(Message { topic: "t".into(), payload, qos: QoS::ExactlyOnce, retain: true }).unwrap();
    assert_eq!(desk.fill(), ["PUBLISH #1 QoS 1 a"]);
}

#[test]
fn a_message_that_the_server_refuses_is_counted_and_not_sent_again() {
    let mut desk = Desk::up(settings(V5, false), false, &[]);
    desk.publish("a", 1);
    desk.publish("b", 2);
    desk.fill();
    desk.failed(Packet::PubAck, 1, ReasonCode::NotAuthorized);
    assert!(desk.failed(Packet::PubRec, 2, ReasonCode::QuotaExceeded).is_empty(), "no PUBREL after a failure");
    assert_eq!((desk.session.tally().refused, desk.session.tally().acknowledged), (2, 0));
    assert!(desk.reconnect(true, &[]).is_empty());
}

/// 5.0 §4.3.3, table 4.3: the sender answers every PUBREC.
#[test]
fn a_pubrec_for_what_we_do_not_know_is_answered() {
    for (version, wanted) in [(V311, "PUBREL #9"), (V5, "PUBREL #9 PacketIdentifierNotFound")] {
        let mut desk = Desk::up(settings(version, true), false, &[]);
        assert_eq!(desk.acked(Packet::PubRec, 9), [wanted]);
        assert!(desk.acked(Packet::PubAck, 9).is_empty());
        assert!(desk.acked(Packet::PubComp, 9).is_empty());
    }
}

#[test]
fn messages_that_nobody_asked_for_are_acknowledged_and_counted() {
    let mut desk = Desk::up(settings(V311, false), true, &[]);
    for (qos, wanted) in [(0, None), (1, Some("PUBACK #5")), (2, Some("PUBREC #5"))] {
        let qos = QoS::from_u8(qos).unwrap();
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic: Some(TopicName::new("t").unwrap()),
            packet_id: (qos > QoS::AtMostOnce).then(|| PacketId::new(5).unwrap()),
            properties: Properties::EMPTY,
            payload: b"x",
        };
        desk.hears(&Packet::Publish(publish)).unwrap();
        assert_eq!(desk.said(), Vec::from_iter(wanted), "{qos:?}");
    }
    assert_eq!(desk.acked(Packet::PubRel, 5), ["PUBCOMP #5"]);
    assert_eq!(desk.session.tally().unasked, 3);
}

#[test]
fn a_ping_goes_when_one_side_was_silent_and_an_answer_must_come_within_another_period() {
    let mut desk = Desk::up(settings(V311, true), false, &[]);
    let start = desk.now;
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(desk.session.next_deadline(), Some(at(60)));
    desk.now = at(59);
    desk.publish("a", 0);
    desk.fill();
    desk.session.handle_timeout(at(60), &mut desk.out).unwrap();
    assert_eq!(desk.said(), ["PINGREQ"], "we have spoken, but the server has not");
    assert_eq!(desk.session.next_deadline(), Some(at(120)));
    desk.now = at(61);
    desk.hears(&Packet::PingResp).unwrap();
    assert_eq!(desk.session.next_deadline(), Some(at(120)));
    desk.session.handle_timeout(at(120), &mut desk.out).unwrap();
    assert_eq!(desk.said(), ["PINGREQ"]);
    desk.session.handle_timeout(at(179), &mut desk.out).unwrap();
    assert!(matches!(desk.session.handle_timeout(at(180), &mut desk.out), Err(Fault::Silent { .. })));
}

#[test]
fn the_keep_alive_of_the_server_replaces_ours_and_zero_means_no_pings() {
    let desk = Desk::up(settings(V5, true), false, &[Property::ServerKeepAlive(7)]);
    assert_eq!(desk.session.next_deadline(), Some(desk.now + Duration::from_secs(7)));
    let desk = Desk::up(LinkSettings { keep_alive_s: 0, ..settings(V311, true) }, false, &[]);
    assert_eq!(desk.session.next_deadline(), None);
}

#[test]
fn a_short_connection_carries_one_message() {
    let short = LinkSettings { connection: ConnectionKind::Short, ..settings(V311, true) };
    let mut desk = Desk::up(short, false, &[]);
    desk.publish("a", 1);
    desk.publish("b", 0);
    assert_eq!(desk.fill(), ["PUBLISH #1 QoS 1 a"]);
    assert!(!desk.session.has_done_its_message(&desk.spool));
    assert!(desk.acked(Packet::PubAck, 1).is_empty());
    assert!(desk.session.has_done_its_message(&desk.spool));
    assert_eq!(desk.reconnect(false, &[]), ["PUBLISH QoS 0 b"]);
    assert!(desk.session.has_done_its_message(&desk.spool));
}

#[test]
fn messages_stay_in_the_spool_while_the_outbox_is_full() {
    let mut desk = Desk::up(settings(V311, true), false, &[]);
    for _ in 0..10 {
        desk.publish(&"x".repeat(OUTBOX_BYTES_MAX / 2), 0);
    }
    assert_eq!(desk.fill().len(), 2);
    assert_eq!(desk.spool.len(), 8);
}

#[test]
fn a_disconnect_from_the_server_ends_the_connection_with_its_reason() {
    let mut desk = Desk::up(settings(V5, true), false, &[]);
    let reason = ReasonCode::SessionTakenOver;
    let packet = Packet::Disconnect(mqtt::Disconnect { reason, properties: Properties::EMPTY });
    assert!(matches!(desk.hears(&packet), Err(Fault::Disconnected { reason: ReasonCode::SessionTakenOver, .. })));
    let mut desk = Desk::up(settings(V311, true), false, &[]);
    assert!(matches!(desk.hears(&packet), Err(Fault::Unexpected { packet: "DISCONNECT", .. })));
}
