//! CONNECT and CONNACK, statement by statement: what `connecting` does not ask.

use broker_core::{LinkId, Refusal, Settings};
use mqtt::{Connect, Packet, PropertiesBuf, Property, Will, next_frame};

use crate::world::*;

fn guarded() -> World {
    let mut settings = open_settings();
    settings.listeners[0].checks_passwords = true;
    let mut world = World::with(settings);
    world.desk.users.insert("u".to_owned(), b"p".to_vec());
    world
}

/// CONNECT of a clean 5.0 client with these properties, and those of its will to `w`.
pub(crate) fn connect_with(
    world: &mut World,
    id: &str,
    properties: &[Property<'_>],
    of_will: &[Property<'_>],
) -> LinkId {
    let link = world.open(hello(V5, id));
    let buf = |list: &[Property<'_>]| {
        let mut buf = PropertiesBuf::new();
        for &property in list {
            buf.push(property);
        }
        buf
    };
    let (properties, of_will) = (buf(properties), buf(of_will));
    let topic = mqtt::TopicName::new("w").unwrap();
    let will = Will { topic, payload: b"will", qos: qos(0), retain: false, properties: of_will.as_properties() };
    let connect = Connect {
        version: V5,
        is_bridge: false,
        clean_start: true,
        keep_alive_s: 0,
        client_id: id,
        will: (!of_will.is_empty()).then_some(will),
        username: None,
        password: None,
        properties: properties.as_properties(),
    };
    world.says(link, Packet::Connect(connect));
    link
}

/// What the CONNACK of `link` says of `wanted`; the CONNACK was not heard yet.
fn connack_says<T>(world: &World, link: LinkId, wanted: impl Fn(Property<'_>) -> Option<T>) -> Option<T> {
    let frame = next_frame(&world.desk.lines[&link].left[0], u32::MAX).unwrap().unwrap();
    let Ok(Packet::ConnAck(connack)) = Packet::decode(V5, frame) else { panic!("not a CONNACK: {frame:?}") };
    connack.properties.iter().find_map(wanted)
}

#[test]
fn what_connect_asks_of_its_session_is_done_and_told() {
    // [3.1.1 MQTT-3.1.2-4, MQTT-3.1.2-6, MQTT-3.1.4-3, MQTT-3.1.4-4, MQTT-3.2.2-1, MQTT-3.2.2-2, MQTT-3.2.2-3]
    // [5.0 MQTT-3.1.2-4, MQTT-3.1.2-5, MQTT-3.1.2-6, MQTT-3.1.2-23, MQTT-3.1.4-4, MQTT-3.1.4-5]
    // [5.0 MQTT-3.2.2-2, MQTT-3.2.2-3]
    for version in [V311, V5] {
        let mut world = World::new();
        let publisher = world.connect(hello(V5, "publisher"));
        let link = world.knock(durable(version, "c"));
        assert_eq!(world.heard(link), ["CONNACK 0x00"], "there was none");
        world.wants(link, "t", 1);
        world.lose(link);
        world.publish(publisher, 1, 9, "t", "kept");
        let link = world.knock(durable(version, "c"));
        assert_eq!(world.heard(link), ["CONNACK 0x00 present", "PUBLISH t kept q1 id1"]);
        world.lose(link);
        let link = world.knock(Hello { clean: true, ..durable(version, "c") });
        world.publish(publisher, 1, 9, "t", "not wanted");
        assert_eq!(world.heard(link), ["CONNACK 0x00"], "neither the message in flight nor the subscription is left");
        world.lose(link);
        // A clean session of 3.1.1 is over with its connection; Clean Start says nothing of the end of a session.
        let link = world.knock(durable(version, "c"));
        let wanted = if version == V311 { "CONNACK 0x00" } else { "CONNACK 0x00 present" };
        assert_eq!(world.heard(link), [wanted]);
    }
}

#[test]
fn a_session_is_known_by_its_client_identifier() {
    // [3.1.1 and 5.0 MQTT-3.1.3-2]
    for version in [V311, V5] {
        let mut world = World::new();
        for id in ["one", "One", "one "] {
            let link = world.connect(durable(version, id));
            world.wants(link, id, 1);
            world.lose(link);
        }
        let publisher = world.connect(hello(V5, "publisher"));
        for id in ["one", "One", "one "] {
            world.publish(publisher, 1, 9, id, "x");
        }
        for id in ["one ", "One", "one"] {
            let link = world.knock(durable(version, id));
            assert_eq!(world.heard(link), ["CONNACK 0x00 present".to_owned(), format!("PUBLISH {id} x q1 id1")]);
        }
    }
}

#[test]
fn client_identifiers_of_up_to_23_letters_and_digits_are_accepted() {
    // [3.1.1 and 5.0 MQTT-3.1.3-5]
    const ALPHABET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for version in [V31, V311, V5] {
        let mut world = World::new();
        for length in 1..=23 {
            for begin in (0..ALPHABET.len()).step_by(7) {
                let id: String = ALPHABET.chars().cycle().skip(begin).take(length).collect();
                let link = world.connect(hello(version, &id));
                world.lose(link);
            }
        }
    }
}

#[test]
fn a_client_without_an_identifier_is_given_one_that_no_other_has() {
    // [3.1.1 MQTT-3.1.3-6; 5.0 MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16]
    for hello in [hello(V311, ""), hello(V5, ""), durable(V5, "")] {
        let mut world = World::new();
        let links = [(); 3].map(|()| world.knock(hello));
        let ids: Vec<_> = world.broker.clients().map(|(link, id, _)| (link, id.to_owned())).collect();
        for (link, (named, id)) in links.into_iter().zip(&ids) {
            assert_eq!((link, id.is_empty()), (*named, false));
            assert_eq!(ids.iter().filter(|(_, other)| other == id).count(), 1, "{ids:?}");
            if hello.version == V5 {
                let told = connack_says(&world, link, |property| match property {
                    Property::AssignedClientIdentifier(id) => Some(id.to_owned()),
                    _ => None,
                });
                assert_eq!(told.as_deref(), Some(id.as_str()));
            }
        }
    }
    // It counts as if the client had sent it: its session is there for who comes back by this name.
    let mut world = World::new();
    let link = world.connect(durable(V5, ""));
    let id = world.broker.clients().next().map(|(_, id, _)| id.to_owned()).unwrap();
    world.lose(link);
    let link = world.knock(durable(V5, &id));
    assert_eq!(world.heard(link), ["CONNACK 0x00 present"]);
}

#[test]
fn a_refusal_has_session_present_0_and_ends_the_connection() {
    // [3.1.1 MQTT-3.2.2-4, MQTT-3.2.2-5; 5.0 MQTT-3.2.2-6, MQTT-3.2.2-7, MQTT-3.1.4-2]
    for (version, code) in [(V311, "0x05"), (V5, "0x87")] {
        let mut world = guarded();
        let hello = Hello { username: Some("u"), password: Some("p"), ..durable(version, "c") };
        let link = world.connect(hello);
        world.lose(link);
        let link = world.knock(Hello { password: Some("x"), ..hello });
        assert_eq!(world.heard(link), [format!("CONNACK {code}"), "CLOSED".to_owned()]);
        assert_eq!(world.broker.session_count(), 1, "the session is not touched by that");
    }
    // [3.1.1 MQTT-3.1.3-9, 5.0 MQTT-3.1.3-8]
    let long = "x".repeat(broker_core::CLIENT_ID_BYTES_MAX + 1);
    for (version, code) in [(V311, "0x02"), (V5, "0x85")] {
        let mut world = World::new();
        let link = world.knock(hello(version, &long));
        assert_eq!(world.heard(link), [format!("CONNACK {code}"), "CLOSED".to_owned()]);
    }
}

#[test]
fn where_no_return_code_fits_there_is_no_connack() {
    // [3.1.1 MQTT-3.2.2-6]
    let mut world = World::with(Settings { retain_available: false, ..open_settings() });
    let link = world.knock(Hello { will: Some(Testament { retain: true, ..will("w") }), ..hello(V311, "c") });
    assert_eq!(world.heard(link), ["CLOSED"]);
}

#[test]
fn of_a_client_that_was_refused_nothing_more_is_handled() {
    // [3.1.1 MQTT-3.1.4-5, 5.0 MQTT-3.1.4-6]
    for version in [V311, V5] {
        let mut world = guarded();
        let watcher = world.connect(hello(V5, "watcher"));
        world.wants(watcher, "#", 0);
        let link = world.knock(Hello { username: Some("u"), password: Some("x"), ..hello(version, "c") });
        world.heard(link);
        world.publish(link, 0, 0, "t", "x");
        world.retain(link, 1, 1, "t", "x");
        world.subscribe(link, "#", at(0));
        world.greet(link, Hello { username: Some("u"), password: Some("p"), ..hello(version, "c") });
        assert_eq!(world.heard(link), ["CLOSED"]);
        assert_eq!(world.heard(watcher), [""; 0]);
        assert_eq!((world.broker.session_count(), world.broker.retained_count()), (1, 0));
    }
}

#[test]
fn nothing_comes_before_connack_and_connack_comes_once() {
    // [3.1.1 MQTT-3.2.0-1; 5.0 MQTT-3.2.0-1, MQTT-3.2.0-2]
    for version in [V311, V5] {
        let mut world = World::new();
        let link = world.connect(durable(version, "c"));
        world.wants(link, "t", 1);
        let publisher = world.connect(hello(V5, "publisher"));
        world.publish(publisher, 1, 9, "t", "in flight");
        world.lose(link);
        world.publish(publisher, 1, 9, "t", "waiting");
        world.desk.commits_wait = true;
        let link = world.knock(durable(version, "c"));
        world.publish(publisher, 0, 0, "t", "new");
        assert_eq!(world.heard(link), [""; 0]);
        world.commit();
        world.greet(link, durable(version, "c"));
        let heard = world.heard(link);
        assert_eq!(heard[0], "CONNACK 0x00 present");
        assert_eq!(heard.iter().filter(|packet| packet.starts_with("CONNACK")).count(), 1, "{heard:?}");
        assert_eq!(heard.len(), 5 + usize::from(version == V5), "three messages and the end: {heard:?}");
    }
}

#[test]
fn a_broker_without_qos_2_says_so_and_grants_what_it_has() {
    // [5.0 MQTT-3.2.2-9, MQTT-3.2.2-10]
    for most in 0..=2 {
        let mut settings = open_settings();
        settings.listeners[0].max_qos = qos(most);
        let mut world = World::with(settings);
        let link = world.knock(hello(V5, "c"));
        let told = connack_says(&world, link, |property| match property {
            Property::MaximumQoS(qos) => Some(qos),
            _ => None,
        });
        assert_eq!(told, (most < 2).then_some(qos(most)));
        world.heard(link);
        for level in 0..=2 {
            world.subscribe(link, "t", at(level));
            assert_eq!(world.heard(link), [format!("SUBACK 1 [0{}]", level.min(most))]);
        }
    }
}

#[test]
fn connack_says_nothing_that_was_not_asked_for() {
    // [5.0 MQTT-3.1.2-28, MQTT-4.12.0-6]
    for asked in [&[][..], &[Property::RequestResponseInformation(false)]] {
        let mut world = World::new();
        let link = connect_with(&mut world, "c", asked, &[]);
        let extra = connack_says(&world, link, |property| match property {
            Property::ResponseInformation(_) | Property::AuthenticationMethod(_) => Some(format!("{property:?}")),
            _ => None,
        });
        assert_eq!(extra, None);
        assert_eq!(world.heard(link), ["CONNACK 0x00"], "and no AUTH");
    }
}

#[test]
fn an_authentication_method_that_the_broker_does_not_have_ends_the_connection() {
    // [5.0 MQTT-4.12.0-1]
    let mut world = World::new();
    let link = world.knock(Hello { method: Some("no such method"), ..hello(V5, "c") });
    assert_eq!(world.heard(link), ["CONNACK 0x8c", "CLOSED"]);
    world.assert_empty();
}

#[test]
fn a_passing_error_ends_the_connection() {
    // [3.1.1 MQTT-4.8.0-2]
    let mut world = guarded();
    world.desk.verdicts_wait = true;
    let link = world.knock(Hello { username: Some("u"), password: Some("p"), ..hello(V311, "c") });
    world.broker.verdict(world.now, link, Err(Refusal::Busy), &mut world.desk);
    assert_eq!(world.heard(link), ["CONNACK 0x03", "CLOSED"]);
    world.judge();
    world.assert_empty();
}

#[test]
fn before_connack_there_is_no_disconnect() {
    // [5.0 MQTT-3.14.0-1]
    type Way = fn(&mut World, LinkId);
    let ways: &[Way] = &[
        |world, link| world.says(link, Packet::PingReq),
        |world, link| world.broken(link, mqtt::DecodeFault::InvalidUtf8),
        |world, _| world.pass_s(60),
        |world, _| world.broker.shut_down(world.now, &mut world.desk),
        |world, link| world.broker.dismiss(world.now, link, &mut world.desk),
    ];
    for way in ways {
        let mut world = guarded();
        world.desk.verdicts_wait = true;
        let link = world.knock(Hello { username: Some("u"), password: Some("p"), ..hello(V5, "c") });
        way(&mut world, link);
        assert_eq!(world.heard(link), ["CLOSED"]);
    }
}
