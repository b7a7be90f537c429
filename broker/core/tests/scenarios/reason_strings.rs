//! Reason Strings: only where the operator wants them, the client takes them, and they fit.

use broker_core::Settings;
use mqtt::{Packet, PropertiesBuf, Property};

use crate::world::*;

/// CONNECT with other properties than [`Hello`] has.
fn connect(world: &mut World, id: &str, properties: &[Property<'_>]) -> broker_core::LinkId {
    let link = world.open(hello(V5, id));
    let mut buf = PropertiesBuf::new();
    for property in properties {
        buf.push(*property);
    }
    let connect = mqtt::Connect {
        version: V5,
        is_bridge: false,
        clean_start: true,
        keep_alive_s: 0,
        client_id: id,
        will: None,
        username: None,
        password: None,
        properties: buf.as_properties(),
    };
    world.says(link, Packet::Connect(connect));
    assert_eq!(world.heard(link), ["CONNACK 0x00"]);
    link
}

fn world(reason_strings: bool) -> World {
    let settings = Settings { reason_strings, message_size_limit: 3, ..open_settings() };
    World::ruled(settings, acl::Acl::parse(b"topic read #\ntopic write ok\n").unwrap())
}

#[test]
fn an_answer_that_refuses_says_why_in_words_if_the_operator_wants_it() {
    let words = [
        "PUBACK 1 0x87 (the rules do not let this client publish to this topic)",
        "PUBACK 2 0x83 (the payload is larger than message_size_limit)",
        "PUBACK 3 0x10",
        "DISCONNECT 0x82 (protocol error: a second CONNECT)",
        "CLOSED",
    ];
    let codes = ["PUBACK 1 0x87", "PUBACK 2 0x83", "PUBACK 3 0x10", "DISCONNECT 0x82", "CLOSED"];
    for (reason_strings, wanted) in [(true, words), (false, codes)] {
        let mut world = world(reason_strings);
        let a = world.connect(hello(V5, "a"));
        world.publish(a, 1, 1, "no", "x");
        world.publish(a, 1, 2, "ok", "long");
        world.publish(a, 1, 3, "ok", "x");
        world.greet(a, hello(V5, "a"));
        assert_eq!(world.heard(a), wanted);
    }
}

#[test]
fn a_client_that_wants_no_problem_information_is_told_in_words_only_at_the_end() {
    // [5.0 MQTT-3.1.2-29]
    let mut world = world(true);
    let a = connect(&mut world, "a", &[Property::RequestProblemInformation(false)]);
    world.publish(a, 1, 1, "no", "x");
    world.greet(a, hello(V5, "a"));
    let wanted = ["PUBACK 1 0x87", "DISCONNECT 0x82 (protocol error: a second CONNECT)", "CLOSED"];
    assert_eq!(world.heard(a), wanted);
}

#[test]
fn words_that_would_make_a_packet_too_large_are_left_out() {
    // [5.0 MQTT-3.4.2-2, MQTT-3.14.2-3]
    let mut world = world(true);
    let a = connect(&mut world, "a", &[Property::MaximumPacketSize(30)]);
    world.publish(a, 1, 1, "no", "x");
    world.greet(a, hello(V5, "a"));
    assert_eq!(world.heard(a), ["PUBACK 1 0x87", "DISCONNECT 0x82", "CLOSED"]);
}

#[test]
fn a_refused_client_is_told_why_but_for_what_helps_a_guesser() {
    let mut settings = Settings { reason_strings: true, max_keepalive_s: 5, ..open_settings() };
    settings.listeners[0].checks_passwords = true;
    settings.listeners[0].max_qos = qos(1);
    let mut world = World::with(settings);
    let wrong = world.knock(Hello { username: Some("u"), password: Some("p"), ..hello(V5, "a") });
    assert_eq!(world.heard(wrong), ["CONNACK 0x87", "CLOSED"]);
    let greedy = world.knock(Hello { will: Some(Testament { qos: qos(2), ..will("t") }), ..hello(V5, "a") });
    assert_eq!(world.heard(greedy), ["CONNACK 0x9b (its will asks for a QoS that is not available)", "CLOSED"]);
}
