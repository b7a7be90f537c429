//! Will messages: when they are published, and when not.

use broker_core::Settings;
use mqtt::ReasonCode;

use crate::world::*;

/// A world with somebody who watches every will.
fn watched() -> (World, broker_core::LinkId) {
    let mut world = World::new();
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "#", 2);
    (world, watcher)
}

fn mortal(version: mqtt::ProtocolVersion) -> Hello<'static> {
    Hello { will: Some(will("w")), keep_alive_s: 10, ..hello(version, "mortal") }
}

#[test]
fn a_will_is_published_when_the_client_is_lost_and_not_after_a_farewell() {
    // [3.1.1 MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.14.4-3; 5.0 MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.14.4-3]
    type Way = fn(&mut World, broker_core::LinkId);
    let ways: &[(&str, Way, bool)] = &[
        ("socket gone", |w, l| w.lose(l), true),
        ("silent", |w, _| w.pass_s(15), true),
        ("broke the protocol", |w, l| w.broken(l, mqtt::DecodeFault::InvalidUtf8), true),
        ("dismissed", |w, l| w.broker.dismiss(w.now, l, &mut w.desk), true),
        ("DISCONNECT", |w, l| w.disconnect(l), false),
    ];
    for version in [V31, V311, V5] {
        for (way, end, wanted) in ways {
            let (mut world, watcher) = watched();
            let link = world.connect(mortal(version));
            end(&mut world, link);
            let wanted: &[&str] = if *wanted { &["PUBLISH w will"] } else { &[] };
            assert_eq!(world.heard(watcher), wanted, "{version:?} {way}");
        }
    }
}

#[test]
fn only_a_normal_disconnection_takes_the_will_away() {
    // [5.0 MQTT-3.1.2-8]: any reason but 0x00 leaves it to be published.
    for (reason, wanted) in [
        (ReasonCode::Success, &[][..]),
        (ReasonCode::DisconnectWithWill, &["PUBLISH w will"]),
        (ReasonCode::UnspecifiedError, &["PUBLISH w will"]),
    ] {
        let (mut world, watcher) = watched();
        let link = world.connect(mortal(V5));
        world.farewell(link, reason, None);
        assert_eq!(world.heard(watcher), wanted, "{reason:?}");
    }
}

#[test]
fn a_will_is_retained_and_sent_as_it_asked() {
    let (mut world, watcher) = watched();
    let link = world
        .connect(Hello { will: Some(Testament { qos: qos(2), retain: true, ..will("w") }), ..hello(V311, "mortal") });
    world.lose(link);
    assert_eq!(world.heard(watcher), ["PUBLISH w will q2 id1"]);
    assert_eq!(world.broker.retained_count(), 1);
}

fn delayed(delay_s: u32, expiry_s: u32) -> Hello<'static> {
    Hello {
        will: Some(Testament { delay_s, ..will("w") }),
        expiry_s: Some(expiry_s),
        clean: false,
        ..hello(V5, "mortal")
    }
}

#[test]
fn a_delayed_will_comes_after_its_delay_or_with_the_end_of_the_session() {
    // [5.0 §3.1.3.2.2, MQTT-3.1.2-7, MQTT-3.1.2-8]
    for (delay_s, expiry_s, comes_after_s) in [(5, 60, 5), (60, 5, 5), (5, 5, 5), (5, 0, 0), (0, 60, 0)] {
        let (mut world, watcher) = watched();
        let link = world.connect(delayed(delay_s, expiry_s));
        world.lose(link);
        if comes_after_s > 0 {
            world.pass_s(comes_after_s - 1);
            assert_eq!(world.heard(watcher), [""; 0], "{delay_s} {expiry_s}: too early");
            world.pass_s(1);
        }
        assert_eq!(world.heard(watcher), ["PUBLISH w will"], "{delay_s} {expiry_s}");
        world.pass_s(100);
        assert_eq!(world.heard(watcher), [""; 0], "{delay_s} {expiry_s}: once only");
    }
}

#[test]
fn a_client_that_comes_back_in_time_cancels_its_delayed_will() {
    // [5.0 MQTT-3.1.3-9]
    let (mut world, watcher) = watched();
    let link = world.connect(delayed(5, 60));
    world.lose(link);
    world.pass_s(4);
    let link = world.knock(Hello { will: None, ..delayed(5, 60) });
    assert_eq!(world.heard(link), ["CONNACK 0x00 present"]);
    world.lose(link);
    world.pass_s(100);
    assert_eq!(world.heard(watcher), [""; 0]);
}

#[test]
fn a_clean_start_ends_the_old_session_and_so_its_delayed_will_is_published() {
    // The session ends before the delay has passed [5.0 §3.1.3.2.2].
    let (mut world, watcher) = watched();
    let link = world.connect(delayed(5, 60));
    world.lose(link);
    world.connect(hello(V5, "mortal"));
    assert_eq!(world.heard(watcher), ["PUBLISH w will"], "away");

    let (mut world, watcher) = watched();
    world.connect(delayed(5, 60));
    world.connect(hello(V5, "mortal"));
    assert_eq!(world.heard(watcher), ["PUBLISH w will"], "taken over");
    world.pass_s(100);
    assert_eq!(world.heard(watcher), [""; 0], "once only");
}

#[test]
fn the_will_of_a_session_that_goes_on_is_not_published_at_a_takeover() {
    for (hello, wanted) in [
        (delayed(0, 60), &[][..]),
        (Hello { clean: false, expiry_s: None, ..mortal(V311) }, &[]),
        (mortal(V311), &["PUBLISH w will"]),
        (mortal(V5), &["PUBLISH w will"]),
    ] {
        let (mut world, watcher) = watched();
        world.connect(hello);
        let link = world.knock(Hello { will: None, clean: false, ..hello });
        assert!(world.heard(link)[0].starts_with("CONNACK 0x00"));
        assert_eq!(world.heard(watcher), wanted, "{:?} clean {}", hello.version, hello.clean);
    }
}

#[test]
fn a_will_is_published_only_where_the_rules_let_its_client() {
    let rules = b"user u\ntopic readwrite #\nuser v\ntopic read #\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
    let watcher = world.connect(Hello { username: Some("u"), ..hello(V5, "watcher") });
    world.wants(watcher, "#", 0);
    world.wants(watcher, "$SYS/#", 0);
    for (username, topic, wanted) in
        [("u", "w", &["PUBLISH w will"][..]), ("v", "w", &[]), ("u", "$SYS/broker/version", &[])]
    {
        let link = world.connect(Hello { username: Some(username), will: Some(will(topic)), ..hello(V311, "m") });
        world.lose(link);
        assert_eq!(world.heard(watcher), wanted, "{username} {topic}");
    }
    assert_eq!(world.told().iter().filter(|told| told.starts_with("m may not publish")).count(), 2);
}

#[test]
fn a_will_is_no_way_round_to_where_a_publish_may_not_go() {
    for topic in ["$CONTROL/broker/v1", "$SYS/broker/version", "$share/g/t"] {
        let mut world = World::new();
        let watcher = world.connect(hello(V5, "watcher"));
        for filter in ["$CONTROL/#", "$SYS/#", "$share/g/#", "#"] {
            world.wants(watcher, filter, 0);
        }
        let link = world.connect(Hello { will: Some(Testament { retain: true, ..will(topic) }), ..hello(V311, "m") });
        world.lose(link);
        assert_eq!(world.heard(watcher), Vec::<String>::new(), "{topic}");
        assert_eq!(world.broker.retained_count(), 0, "{topic}");
        assert!(world.told().contains(&format!("m may not publish to {topic}")), "{topic}");
    }
}

#[test]
fn a_will_topic_deeper_than_the_broker_goes_is_not_let_in() {
    // Trees are as deep as topics: whatever goes into one has its levels counted at the door.
    let deep = "/".repeat(65_000);
    let just = "/".repeat(200);
    for version in [V31, V311, V5] {
        let mut world = World::new();
        let link = world.knock(Hello { will: Some(Testament { retain: true, ..will(&deep) }), ..hello(version, "m") });
        assert_eq!(world.heard(link), ["CLOSED"], "as mosquitto: without a word");
        let link =
            world.connect(Hello { will: Some(Testament { retain: true, ..will(&just) }), ..hello(version, "m") });
        world.lose(link);
        assert_eq!(world.broker.retained_count(), 1);
    }
}

#[test]
fn no_will_is_left_when_its_session_is_gone() {
    let mut world = World::with(Settings { persistent_client_expiration_s: Some(5), ..open_settings() });
    let link = world.connect(delayed(60, 60));
    world.lose(link);
    world.pass_s(5);
    world.assert_empty();
}
