//! Messages in flight to a client: identifiers, the window, what comes again after a reconnect.

use broker_core::Settings;
use mqtt::{Packet, ReasonCode};

use crate::world::*;

/// A subscriber `b` to `t` at QoS 2 and a publisher `a`.
fn pair(settings: Settings, b: Hello<'_>) -> (World, broker_core::LinkId, broker_core::LinkId) {
    let mut world = World::with(settings);
    let link = world.connect(b);
    world.wants(link, "t", 2);
    let a = world.connect(hello(V5, "publisher"));
    (world, a, link)
}

fn send(world: &mut World, a: broker_core::LinkId, level: u8, payloads: std::ops::RangeInclusive<u32>) {
    for n in payloads {
        world.publish(a, level, 9, "t", &n.to_string());
        if level == 2 {
            world.pubrel(a, 9);
        }
    }
}

#[test]
fn qos1_and_qos2_messages_run_to_their_end() {
    // [3.1.1 MQTT-2.3.1-6; 5.0 MQTT-2.2.1-5, MQTT-4.3.3-4]
    for version in [V31, V311, V5] {
        let (mut world, a, b) = pair(open_settings(), hello(version, "b"));
        send(&mut world, a, 1, 1..=1);
        send(&mut world, a, 2, 2..=2);
        assert_eq!(world.heard(b), ["PUBLISH t 1 q1 id1", "PUBLISH t 2 q2 id2"]);
        world.puback(b, 1);
        world.pubrec(b, 2);
        world.pubrec(b, 2);
        world.pubcomp(b, 2);
        assert_eq!(world.heard(b), ["PUBREL 2", "PUBREL 2"]);
        world.lose(b);
        world.lose(a);
        world.assert_empty();
    }
}

#[test]
fn acknowledgements_of_nothing_are_answered_where_a_repeat_may_want_it() {
    // As mosquitto: PUBACK and PUBCOMP are passed over; PUBREC and PUBREL may be repeats [3.1.1 §4.4, 5.0 §4.4].
    for version in [V31, V311, V5] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        world.puback(a, 9);
        world.pubcomp(a, 9);
        world.pubrec(a, 9);
        world.pubrel(a, 9);
        assert_eq!(world.heard(a), ["PUBREL 9", "PUBCOMP 9"]);
        if version.is_v5() {
            world.says(a, Packet::PubRec(ack(9, ReasonCode::UnspecifiedError)));
            assert_eq!(world.heard(a), [""; 0], "a refusal wants no PUBREL [5.0 §4.3.3]");
        }
    }
}

#[test]
fn an_acknowledgement_that_does_not_fit_its_message_ends_the_connection() {
    type Wrong = fn(&mut World, broker_core::LinkId);
    let rows: &[(&str, u8, Wrong)] = &[
        ("PUBACK for QoS 2", 2, |w, b| w.puback(b, 1)),
        ("PUBREC for QoS 1", 1, |w, b| w.pubrec(b, 1)),
        ("PUBCOMP for QoS 1", 1, |w, b| w.pubcomp(b, 1)),
        ("PUBCOMP before PUBREC", 2, |w, b| w.pubcomp(b, 1)),
    ];
    for version in [V31, V311, V5] {
        let words: &[&str] = if version.is_v5() { &["DISCONNECT 0x82", "CLOSED"] } else { &["CLOSED"] };
        for (wrong, level, says) in rows {
            let (mut world, a, b) = pair(open_settings(), durable(version, "b"));
            send(&mut world, a, *level, 1..=1);
            world.heard(b);
            says(&mut world, b);
            assert_eq!(world.heard(b), words, "{version:?}: {wrong}");
            let b = world.connect_again(durable(version, "b"));
            assert_eq!(world.heard(b), [format!("PUBLISH t 1 q{level} id1 dup")], "{wrong}: it is not lost by that");
        }
    }
}

#[test]
fn a_refused_qos2_message_is_over() {
    let (mut world, a, b) = pair(open_settings(), durable(V5, "b"));
    send(&mut world, a, 2, 1..=1);
    world.says(b, Packet::PubRec(ack(1, ReasonCode::QuotaExceeded)));
    world.lose(b);
    let b = world.connect_again(durable(V5, "b"));
    assert_eq!(world.heard(b), [""; 0]);
}

#[test]
fn what_was_in_flight_comes_again_in_order_under_its_old_identifier() {
    // [3.1.1 MQTT-3.3.1-1, MQTT-4.3.2-1, MQTT-4.3.3-1, MQTT-4.4.0-1, MQTT-4.6.0-1]
    // [5.0 MQTT-3.3.1-1, MQTT-4.3.2-3, MQTT-4.3.3-3, MQTT-4.3.3-4, MQTT-4.3.3-5, MQTT-4.3.3-6, MQTT-4.4.0-1]
    for version in [V31, V311, V5] {
        let (mut world, a, b) = pair(open_settings(), durable(version, "b"));
        send(&mut world, a, 1, 1..=1);
        send(&mut world, a, 2, 2..=3);
        send(&mut world, a, 1, 4..=5);
        world.pubrec(b, 2);
        world.puback(b, 4);
        world.lose(b);
        send(&mut world, a, 1, 6..=6);
        for _ in 0..2 {
            let b = world.connect_again(durable(version, "b"));
            let wanted = ["PUBLISH t 1 q1 id1 dup", "PUBREL 2", "PUBLISH t 3 q2 id3 dup", "PUBLISH t 5 q1 id5 dup"];
            let heard = world.heard(b);
            assert_eq!(heard[..4], wanted);
            assert!(heard[4] == "PUBLISH t 6 q1 id6" || heard[4] == "PUBLISH t 6 q1 id6 dup");
            world.lose(b);
        }
    }
}

#[test]
fn no_more_is_in_flight_than_client_and_broker_allow() {
    // [5.0 MQTT-3.3.4-9]
    for (ours, theirs, wanted) in [(20, None, 20), (3, None, 3), (20, Some(2), 2), (0, Some(7), 7), (0, None, 50)] {
        let settings = Settings { max_inflight_messages: ours, ..open_settings() };
        let (mut world, a, b) = pair(settings, Hello { window: theirs, ..hello(V5, "b") });
        send(&mut world, a, 1, 1..=50);
        assert_eq!(world.heard(b).len(), wanted, "{ours} {theirs:?}");
        for n in 1..=50 {
            world.puback(b, n);
        }
        let heard = world.heard(b);
        assert_eq!(heard.len(), 50 - wanted);
        assert!(heard.is_empty() || heard[49 - wanted] == "PUBLISH t 50 q1 id50", "{heard:?}");
    }
}

#[test]
fn a_client_that_comes_back_with_a_smaller_window_is_not_sent_more_than_it_takes() {
    // [5.0 MQTT-3.3.4-9]: repeats are PUBLISH packets too.
    let hello = |window| Hello { window: Some(window), ..durable(V5, "b") };
    let (mut world, a, b) = pair(open_settings(), hello(5));
    send(&mut world, a, 2, 1..=7);
    world.lose(b);
    let b = world.connect_again(hello(2));
    assert_eq!(world.heard(b), ["PUBLISH t 1 q2 id1 dup", "PUBLISH t 2 q2 id2 dup"]);
    for id in 1..=5 {
        world.pubrec(b, id);
        world.pubcomp(b, id);
    }
    let wanted = [
        "PUBREL 1",
        "PUBLISH t 3 q2 id3 dup",
        "PUBREL 2",
        "PUBLISH t 4 q2 id4 dup",
        "PUBREL 3",
        "PUBLISH t 5 q2 id5 dup",
        "PUBREL 4",
        "PUBLISH t 6 q2 id6",
        "PUBREL 5",
        "PUBLISH t 7 q2 id7",
    ];
    assert_eq!(world.heard(b), wanted);
}

#[test]
fn an_acknowledgement_for_a_message_not_yet_repeated_is_taken() {
    let hello = |window| Hello { window: Some(window), ..durable(V5, "b") };
    let (mut world, a, b) = pair(open_settings(), hello(3));
    send(&mut world, a, 1, 1..=3);
    world.lose(b);
    let b = world.connect_again(hello(1));
    world.puback(b, 3);
    world.puback(b, 1);
    world.puback(b, 2);
    assert_eq!(world.heard(b), ["PUBLISH t 1 q1 id1 dup", "PUBLISH t 2 q1 id2 dup"]);
    send(&mut world, a, 1, 4..=4);
    assert_eq!(world.heard(b), ["PUBLISH t 4 q1 id4"]);
}

#[test]
fn repeats_wait_for_the_socket_too() {
    let (mut world, a, b) = pair(open_settings(), durable(V311, "b"));
    send(&mut world, a, 1, 1..=3);
    world.lose(b);
    world.desk.commits_wait = true; // so that the link can be clogged before anything has left
    let b = world.open(durable(V311, "b"));
    world.clog(b, broker_core::BACKLOG_BYTES_MAX + 1);
    world.desk.commits_wait = false;
    world.greet(b, durable(V311, "b"));
    assert_eq!(world.heard(b), ["CONNACK 0x00 present"]);
    send(&mut world, a, 1, 4..=4);
    world.clog(b, 0);
    send(&mut world, a, 1, 5..=5);
    assert_eq!(world.heard(b), [""; 0], "nothing new before what is old");
    world.clog(b, 1);
    world.drain(b);
    let wanted = ["PUBLISH t 1 q1 id1 dup", "PUBLISH t 2 q1 id2 dup", "PUBLISH t 3 q1 id3 dup", "PUBLISH t 4 q1 id4"];
    assert_eq!(world.heard(b)[..4], wanted);
}

#[test]
fn an_identifier_in_use_is_not_given_again_when_they_come_round() {
    // [3.1.1 MQTT-2.3.1-4, MQTT-4.3.2-1, MQTT-4.3.3-1; 5.0 MQTT-2.2.1-4, MQTT-4.3.2-1, MQTT-4.3.3-1]
    for (version, level) in [(V311, 1), (V311, 2), (V5, 1), (V5, 2)] {
        let (mut world, a, b) = pair(open_settings(), hello(version, "b"));
        let finish = |world: &mut World, id: u16| {
            if level == 1 {
                world.puback(b, id);
            } else {
                world.pubrec(b, id);
                world.pubcomp(b, id);
            }
        };
        send(&mut world, a, level, 1..=3);
        assert_eq!(world.heard(b).len(), 3);
        finish(&mut world, 1);
        finish(&mut world, 3);
        // 2 is stuck; 65,532 more bring the identifiers to the end of their circle.
        for n in 4..=65_535 {
            send(&mut world, a, level, n..=n);
            finish(&mut world, u16::try_from(n).unwrap());
        }
        let heard = world.heard(b);
        assert!(heard.contains(&format!("PUBLISH t 65535 q{level} id65535")));
        send(&mut world, a, level, 1..=3);
        let wanted = [(1, 1), (2, 3), (3, 4)].map(|(n, id)| format!("PUBLISH t {n} q{level} id{id}"));
        assert_eq!(world.heard(b), wanted);
    }
}

#[test]
fn a_message_larger_than_the_client_takes_is_passed_over() {
    // [5.0 MQTT-3.1.2-24, MQTT-3.1.2-25]
    let b = Hello { packet_bytes_max: Some(20), ..durable(V5, "b") };
    let (mut world, a, b_link) = pair(open_settings(), b);
    let long = "x".repeat(30);
    for level in 0..=2 {
        world.publish(a, level, 9, "t", &long);
    }
    world.publish(a, 1, 9, "t", "short");
    assert_eq!(world.heard(b_link), ["PUBLISH t short q1 id3"]);
    assert_eq!(world.broker.stats().publishes_dropped, 3);
    world.puback(b_link, 3);

    // Sent, not acknowledged, and then too large for the next connection: it must not hold the window for ever.
    world.lose(b_link);
    let b_link = world.connect_again(Hello { packet_bytes_max: None, window: Some(1), ..b });
    world.publish(a, 1, 9, "t", &long);
    assert_eq!(world.heard(b_link).len(), 1);
    world.lose(b_link);
    let b_link = world.connect_again(Hello { window: Some(1), ..b });
    world.publish(a, 1, 9, "t", "next");
    assert_eq!(world.heard(b_link), ["PUBLISH t next q1 id5"]);
}

#[test]
fn a_client_that_comes_back_as_another_user_is_not_sent_what_that_user_may_not_read() {
    let rules = b"user u\ntopic readwrite #\nuser v\ntopic readwrite other\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
    let u = Hello { username: Some("u"), ..durable(V311, "b") };
    let v = Hello { username: Some("v"), ..durable(V311, "b") };
    let a = world.connect(Hello { username: Some("u"), ..hello(V5, "a") });
    let b = world.connect(u);
    world.wants(b, "#", 1);
    world.publish(a, 1, 9, "t", "in flight");
    world.lose(b);
    world.publish(a, 1, 9, "t", "waiting");
    world.publish(a, 1, 9, "other", "allowed");
    let b = world.connect_again(v);
    world.publish(a, 1, 9, "t", "new");
    assert_eq!(world.heard(b), ["PUBLISH other allowed q1 id2"]);
}
