//! The life of a session, its will and its last word, statement by statement: what `wills` and `connecting` do not ask.

use broker_core::{LinkId, Settings};
use mqtt::{Packet, Property};

use crate::clauses_connect::connect_with;
use crate::world::*;

#[test]
fn a_will_is_published_with_the_qos_and_retain_flag_that_connect_gave() {
    // [3.1.1 MQTT-3.1.2-9, MQTT-3.1.2-16, MQTT-3.1.2-17; 5.0 MQTT-3.1.2-14, MQTT-3.1.2-15]
    for version in [V311, V5] {
        for (retain, level) in [(false, 0), (false, 2), (true, 0), (true, 1)] {
            let mut world = World::new();
            let watcher = world.connect(hello(V311, "watcher"));
            world.wants(watcher, "w", 2);
            let testament = Testament { qos: qos(level), retain, ..will("w") };
            let link = world.connect(Hello { will: Some(testament), ..hello(version, "mortal") });
            world.lose(link);
            let tail = if level == 0 { String::new() } else { format!(" q{level} id1") };
            assert_eq!(world.heard(watcher), [format!("PUBLISH w will{tail}")]);
            let late = world.connect(hello(V311, "late"));
            world.subscribe(late, "w", at(2));
            let kept = if retain { vec![format!("PUBLISH w will{tail} retain")] } else { Vec::new() };
            assert_eq!(world.heard(late)[1..], kept, "{version:?} {level}");
        }
    }
}

#[test]
fn a_client_without_a_will_leaves_none() {
    // [3.1.1 MQTT-3.1.2-12]; nor has it that of the connection before.
    for version in [V311, V5] {
        let mut world = World::new();
        let watcher = world.connect(hello(V5, "watcher"));
        world.wants(watcher, "#", 0);
        let with = Hello { will: Some(will("w")), ..durable(version, "mortal") };
        let link = world.connect(with);
        world.lose(link);
        assert_eq!(world.heard(watcher).len(), 1);
        let link = world.connect(Hello { will: None, ..with });
        world.lose(link);
        assert_eq!(world.heard(watcher), [""; 0]);
    }
}

#[test]
fn the_user_properties_of_a_will_keep_their_order() {
    // [5.0 MQTT-3.1.3-10]
    let mut world = World::new();
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "w", 0);
    let pair = |name, value| Property::UserProperty { name, value };
    let properties = [pair("b", "1"), pair("a", "2"), pair("b", "3"), pair("", "")];
    let link = connect_with(&mut world, "mortal", &[], &properties);
    world.lose(link);
    let words: Vec<_> = properties.iter().map(|property| format!("{property:?}")).collect();
    assert_eq!(world.heard(watcher), [format!("PUBLISH w will {}", words.join(" "))]);
}

#[test]
fn a_retained_message_outlives_the_session_of_its_publisher() {
    // [3.1.1 MQTT-3.1.2-7]
    for hello in [hello(V311, "a"), durable(V311, "a")] {
        let mut world = World::new();
        let link = world.connect(hello);
        world.retain(link, 1, 9, "t", "kept");
        world.disconnect(link);
        let link = world.connect(Hello { clean: true, ..hello });
        world.disconnect(link);
        assert_eq!(world.broker.session_count(), 0);
        let reader = world.connect(crate::world::hello(V311, "reader"));
        world.subscribe(reader, "t", at(0));
        assert_eq!(world.heard(reader), ["SUBACK 1 [00]", "PUBLISH t kept retain"]);
    }
}

#[test]
fn a_session_lasts_as_long_as_its_connection_and_then_as_long_as_it_was_promised() {
    // [3.1.1 MQTT-4.1.0-1, MQTT-4.1.0-2; 5.0 MQTT-4.1.0-1, MQTT-4.1.0-2]
    let expiring = Settings { persistent_client_expiration_s: Some(5), ..open_settings() };
    let five = Hello { expiry_s: Some(5), ..durable(V5, "c") };
    let rows = [
        (expiring, durable(V311, "c"), true),
        (open_settings(), durable(V311, "c"), false),
        (open_settings(), five, true),
    ];
    for (settings, hello, ends) in rows {
        let mut world = World::with(settings);
        let link = world.connect(hello);
        world.wants(link, "t", 1);
        let publisher = world.connect(crate::world::hello(V5, "publisher"));
        world.publish(publisher, 1, 9, "t", "first");
        world.pass_s(100_000);
        world.publish(publisher, 1, 9, "t", "second");
        assert_eq!(world.heard(link), ["PUBLISH t first q1 id1", "PUBLISH t second q1 id2"]);
        world.lose(link);
        world.pass_s(4);
        let link = world.connect_again(hello);
        assert_eq!(world.heard(link), ["PUBLISH t first q1 id1 dup", "PUBLISH t second q1 id2 dup"]);
        world.lose(link);
        world.pass_s(if ends { 5 } else { 100_000_000 });
        let link = world.knock(hello);
        let wanted = if ends { "CONNACK 0x00" } else { "CONNACK 0x00 present" };
        assert_eq!(world.heard(link)[0], wanted);
    }
}

#[test]
fn a_disconnect_of_the_broker_is_its_last_word_and_has_no_session_expiry() {
    // [5.0 MQTT-3.14.2-2, MQTT-3.14.4-1, MQTT-4.13.2-1]
    type Way = fn(&mut World, LinkId);
    let ways: &[(u8, Way)] = &[
        (0x81, |world, link| world.broken(link, mqtt::DecodeFault::InvalidUtf8)),
        (0x82, |world, link| world.says(link, Packet::PingResp)),
        (0x87, |world, link| world.broker.dismiss(world.now, link, &mut world.desk)),
        (0x8B, |world, _| world.broker.shut_down(world.now, &mut world.desk)),
        (0x8D, |world, _| world.pass_s(15)),
        (0x8E, |world, _| assert_ne!(world.knock(durable(V5, "c")), LinkId(0))),
    ];
    for (code, way) in ways {
        let mut world = World::new();
        let publisher = world.connect(hello(V311, "publisher"));
        let link = world.connect(Hello { keep_alive_s: 10, window: Some(1), ..durable(V5, "c") });
        world.wants(link, "t", 1);
        for payload in ["in flight", "waiting"] {
            world.publish(publisher, 1, 9, "t", payload);
        }
        world.heard(link);
        way(&mut world, link);
        world.puback(link, 1);
        world.publish(publisher, 0, 0, "t", "new");
        assert_eq!(world.desk.lines[&link].left, [vec![0xE0, 1, *code]]);
        assert!(world.is_closed(link), "{code:#04x}");
    }
}
