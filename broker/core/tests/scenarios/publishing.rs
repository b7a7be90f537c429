//! PUBLISH from clients: what is answered, what is refused, topic aliases.

use broker_core::Settings;
use mqtt::{PropertiesBuf, Property};

use crate::world::*;

fn alias(alias: u16) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::TopicAlias(alias));
    properties
}

#[test]
fn a_publish_is_answered_as_its_qos_wants() {
    // [3.1.1 MQTT-2.3.1-6, MQTT-3.3.4-1; 5.0 MQTT-2.2.1-5, MQTT-3.3.4-1]
    for version in [V31, V311, V5] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        let b = world.connect(hello(version, "b"));
        world.wants(b, "t", 2);
        world.publish(a, 0, 0, "t", "x");
        world.publish(a, 1, 7, "t", "y");
        world.hand_over(a, 8, "t", "z");
        assert_eq!(world.heard(a), ["PUBACK 7", "PUBREC 8"]);
        assert_eq!(world.heard(b), ["PUBLISH t x", "PUBLISH t y q1 id1"], "it goes on when it is released");
        world.pubrel(a, 8);
        assert_eq!(world.heard(a), ["PUBCOMP 8"]);
        assert_eq!(world.heard(b), ["PUBLISH t z q2 id2"]);
    }
}

#[test]
fn a_5_0_client_is_told_that_nobody_wanted_it() {
    for (version, told) in [(V31, ""), (V311, ""), (V5, " 0x10")] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        world.publish(a, 1, 7, "t", "y");
        world.hand_over(a, 8, "t", "z");
        world.pubrel(a, 8);
        assert_eq!(world.heard(a), [format!("PUBACK 7{told}"), "PUBREC 8".to_owned(), "PUBCOMP 8".to_owned()]);
    }
}

#[test]
fn a_qos2_message_that_comes_again_is_acknowledged_and_not_routed() {
    // [3.1.1 §4.3.3, 5.0 MQTT-4.3.3-10]
    let mut world = World::new();
    let b = world.connect(hello(V311, "b"));
    world.wants(b, "t", 0);
    let a = world.connect(durable(V311, "a"));
    world.hand_over(a, 8, "t", "z");
    world.hand_over(a, 8, "t", "z");
    world.lose(a);
    let a = world.connect_again(durable(V311, "a"));
    world.hand_over(a, 8, "t", "z");
    assert_eq!(world.heard(a), ["PUBREC 8"]);
    world.pubrel(a, 8);
    world.pubrel(a, 8);
    assert_eq!(world.heard(a), ["PUBCOMP 8", "PUBCOMP 8"]);
    assert_eq!(world.heard(b), ["PUBLISH t z"]);
    world.publish(a, 2, 8, "t", "new");
    assert_eq!(world.heard(b), ["PUBLISH t new"], "the identifier is free again");
}

#[test]
fn a_denied_publish_is_acknowledged_and_5_0_clients_are_told() {
    // [3.1.1 MQTT-3.3.5-2]
    for (version, told) in [(V31, ""), (V311, ""), (V5, " 0x87")] {
        let mut world = World::ruled(open_settings(), acl::Acl::parse(b"topic readwrite ok\n").unwrap());
        let a = world.connect(hello(version, "a"));
        for topic in ["no", "$SYS/x", "$share/g/x", "$CONTROL/x"] {
            world.publish(a, 0, 0, topic, "x");
            world.publish(a, 1, 7, topic, "y");
            world.hand_over(a, 8, topic, "z");
            assert_eq!(world.heard(a), [format!("PUBACK 7{told}"), format!("PUBREC 8{told}")], "{topic}");
        }
        world.publish(a, 1, 7, "ok", "y");
        assert!(!world.heard(a)[0].contains("0x87"));
    }
}

#[test]
fn a_bridge_may_tell_its_state_and_nothing_else_of_sys() {
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    for (topic, wanted) in [
        ("$SYS/broker/connection/b/state", "PUBACK 7 0x10"),
        ("$SYS/broker/connection/b/c/state", "PUBACK 7 0x87"),
        ("$SYS/broker/connection/b", "PUBACK 7 0x87"),
        ("$SYS", "PUBACK 7 0x87"),
        ("$SYSTEM", "PUBACK 7 0x87"),
        ("$other", "PUBACK 7 0x10"),
    ] {
        world.publish(a, 1, 7, topic, "1");
        assert_eq!(world.heard(a), [wanted], "{topic}");
    }
}

#[test]
fn what_is_not_available_ends_the_connection() {
    let mut settings = Settings { retain_available: false, ..open_settings() };
    settings.listeners[0].max_qos = qos(1);
    for (version, for_qos, for_retain) in
        [(V311, &["CLOSED"][..], &["CLOSED"][..]), (V5, &["DISCONNECT 0x9b", "CLOSED"], &["DISCONNECT 0x9a", "CLOSED"])]
    {
        let mut world = World::with(settings.clone());
        let a = world.connect(hello(version, "a"));
        world.hand_over(a, 7, "t", "x"); // [5.0 MQTT-3.2.2-11]
        assert_eq!(world.heard(a), for_qos);
        let a = world.connect(hello(version, "a"));
        world.retain(a, 0, 0, "t", "x"); // [5.0 MQTT-3.2.2-14]
        assert_eq!(world.heard(a), for_retain);
    }
}

#[test]
fn a_payload_above_message_size_limit_is_dropped_and_the_flow_completed() {
    for (version, told) in [(V311, ""), (V5, " 0x83")] {
        let mut world = World::with(Settings { message_size_limit: 3, ..open_settings() });
        let a = world.connect(hello(version, "a"));
        world.wants(a, "t", 0);
        world.publish(a, 1, 7, "t", "four");
        world.hand_over(a, 8, "t", "four");
        world.publish(a, 0, 0, "t", "333");
        assert_eq!(world.heard(a), [format!("PUBACK 7{told}"), format!("PUBREC 8{told}"), "PUBLISH t 333".into()]);
    }
}

#[test]
fn a_topic_of_more_than_200_separators_ends_the_connection() {
    for (version, wanted) in [(V311, &["CLOSED"][..]), (V5, &["DISCONNECT 0x82", "CLOSED"])] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        world.publish(a, 1, 7, &"/".repeat(200), "x");
        assert!(world.heard(a)[0].starts_with("PUBACK 7"));
        world.publish(a, 1, 7, &"/".repeat(201), "x");
        assert_eq!(world.heard(a), wanted);
    }
}

#[test]
fn a_topic_alias_stands_for_the_topic_it_was_given_with() {
    // [5.0 §3.3.2.3.4]
    let mut world = World::new();
    let b = world.connect(hello(V5, "b"));
    world.wants(b, "#", 0);
    let a = world.connect(hello(V5, "a"));
    world.publishes(a, 0, 0, "t/1", "1", false, &alias(10));
    world.publishes(a, 0, 0, "", "2", false, &alias(10));
    world.publishes(a, 0, 0, "t/2", "3", false, &alias(10));
    world.publishes(a, 0, 0, "", "4", false, &alias(10));
    assert_eq!(world.heard(b), ["PUBLISH t/1 1", "PUBLISH t/1 2", "PUBLISH t/2 3", "PUBLISH t/2 4"]);
}

#[test]
fn a_topic_alias_that_may_not_be_ends_the_connection() {
    for (source, number, wanted) in
        [("5.0 §3.3.2.3.4, never introduced", 1, "DISCONNECT 0x82"), ("5.0 MQTT-3.3.2-9", 11, "DISCONNECT 0x94")]
    {
        let mut world = World::new();
        let a = world.connect(hello(V5, "a"));
        world.publishes(a, 0, 0, "", "x", false, &alias(number));
        assert_eq!(world.heard(a), [wanted, "CLOSED"], "{source}");
    }
    // An alias does not outlive its connection [5.0 MQTT-3.3.2-7].
    let mut world = World::new();
    let a = world.connect(durable(V5, "a"));
    world.publishes(a, 0, 0, "t", "x", false, &alias(1));
    world.lose(a);
    let a = world.connect_again(durable(V5, "a"));
    world.publishes(a, 0, 0, "", "x", false, &alias(1));
    assert_eq!(world.heard(a), ["DISCONNECT 0x82", "CLOSED"]);
}

#[test]
fn an_alias_that_comes_with_a_repeat_is_learnt() {
    let mut world = World::new();
    let b = world.connect(hello(V5, "b"));
    world.wants(b, "#", 0);
    let a = world.connect(durable(V5, "a"));
    world.hand_over(a, 8, "t", "z");
    world.lose(a);
    let a = world.connect_again(durable(V5, "a"));
    world.publishes(a, 2, 8, "t", "z", false, &alias(1));
    world.publishes(a, 0, 0, "", "next", false, &alias(1));
    assert_eq!(world.heard(a), ["PUBREC 8"]);
    assert_eq!(world.heard(b), ["PUBLISH t next"]);
}

#[test]
fn a_subscription_identifier_from_a_client_ends_the_connection() {
    // [5.0 MQTT-3.3.4-6]
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SubscriptionIdentifier(1));
    world.publishes(a, 0, 0, "t", "x", false, &properties);
    assert_eq!(world.heard(a), ["DISCONNECT 0x82", "CLOSED"]);
}

#[test]
fn a_5_0_client_may_not_have_more_messages_open_than_it_was_told() {
    // [5.0 §3.3.4]
    let mut world = World::new();
    for (level, wanted) in [(0, &[][..]), (1, &["DISCONNECT 0x93", "CLOSED"]), (2, &["DISCONNECT 0x93", "CLOSED"])] {
        let a = world.connect(hello(V5, "a"));
        for id in 1..=20 {
            world.hand_over(a, id, "t", "x");
        }
        world.hand_over(a, 20, "t", "x");
        assert_eq!(world.heard(a).len(), 21, "a repeat is no more than before");
        // What is open are messages of QoS 2; one of QoS 1 would be beyond them.
        world.publish(a, level, 21, "t", "x");
        assert_eq!(world.heard(a), wanted, "QoS {level}");
        world.lose(a);
    }
    let b = world.connect(hello(V311, "b"));
    for id in 1..=100 {
        world.hand_over(b, id, "t", "x");
    }
    assert_eq!(world.heard(b).len(), 100, "3.1.1 has no such limit");
}

#[test]
fn messages_left_open_by_an_earlier_connection_do_not_count_against_this_one() {
    // The quota is not kept across connections [5.0 §4.9].
    let mut world = World::new();
    for connection in 0..5 {
        let a = world.connect_again(durable(V5, "a"));
        for id in 1..=20 {
            world.hand_over(a, connection * 20 + id, "t", "x");
        }
        assert_eq!(world.heard(a).len(), 20, "connection {connection}");
        world.lose(a);
    }
}

#[test]
fn properties_of_the_message_go_on_to_5_0_subscribers_and_to_no_others() {
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    let old = world.connect(hello(V311, "old"));
    for link in [a, old] {
        world.wants(link, "t", 0);
    }
    let mut properties = alias(3);
    properties.push(Property::ContentType("text"));
    properties.push(Property::UserProperty { name: "k", value: "v" });
    world.publishes(a, 0, 0, "t", "x", false, &properties);
    assert_eq!(world.heard(a), [r#"PUBLISH t x ContentType("text") UserProperty { name: "k", value: "v" }"#]);
    assert_eq!(world.heard(old), ["PUBLISH t x"]);
}

#[test]
fn a_right_that_is_given_or_taken_counts_for_the_next_message() {
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    world.publish(a, 1, 1, "t", "x");
    world.set_acl("topic read #\n");
    world.publish(a, 1, 2, "t", "x");
    world.set_acl("topic readwrite #\n");
    world.publish(a, 1, 3, "t", "x");
    assert_eq!(world.heard(a), ["PUBACK 1 0x10", "PUBACK 2 0x87", "PUBACK 3 0x10"]);
}

#[test]
fn a_message_of_qos2_that_is_never_released_ends_with_its_session() {
    // As mosquitto: its client was never told that the exchange is complete.
    let mut world = World::new();
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "t", 0);
    for (hello_a, wanted) in [(hello(V5, "a"), &[][..]), (durable(V5, "a"), &["PUBLISH t x"][..])] {
        let a = world.connect(hello_a);
        world.hand_over(a, 8, "t", "x");
        world.lose(a);
        let a = world.connect_again(hello_a);
        world.pubrel(a, 8);
        assert_eq!(world.heard(a), ["PUBCOMP 8"]);
        assert_eq!(world.heard(watcher), wanted);
        world.lose(a);
    }
    let a = world.connect_again(durable(V5, "a"));
    world.publishes(a, 2, 9, "t", "kept", true, &PropertiesBuf::new());
    assert_eq!(world.broker.retained_count(), 0, "nor is it retained before");
    let mut world = world.restart(open_settings(), acl::Acl::open());
    let a = world.connect_again(durable(V5, "a"));
    world.pubrel(a, 9);
    assert_eq!(world.broker.retained_count(), 1, "also where another process took it");
}
