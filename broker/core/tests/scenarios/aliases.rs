//! Topic Aliases that the broker uses, and Subscription Identifiers: what makes one client's PUBLISH differ from
//! another's.

use broker_core::Settings;

use crate::world::*;

#[test]
fn the_first_topics_are_introduced_with_an_alias_and_then_said_by_it_alone() {
    // [5.0 §3.3.2.3.4, MQTT-3.1.2-26, MQTT-3.1.2-27, MQTT-3.3.2-11], and mosquitto's order: first come, first served.
    let mut world = World::new();
    let a = world.connect(Hello { aliases_max: Some(2), ..hello(V5, "a") });
    let without = world.connect(hello(V5, "without"));
    let old = world.connect(hello(V311, "old"));
    for link in [a, without, old] {
        world.wants(link, "#", 1);
    }
    for (level, topic) in [(0, "x"), (1, "y"), (0, "z"), (1, "x"), (0, "y"), (0, "x")] {
        world.publish(old, level, u16::from(level) * 5, topic, "m");
    }
    let wanted = [
        "PUBLISH x m alias=1",
        "PUBLISH y m q1 id1 alias=2",
        "PUBLISH z m",
        "PUBLISH  m q1 id2 alias=1",
        "PUBLISH  m alias=2",
        "PUBLISH  m alias=1",
    ];
    assert_eq!(world.heard(a), wanted);
    assert!(world.heard(without).iter().all(|packet| !packet.contains("alias")));
}

#[test]
fn no_more_aliases_are_used_than_the_listener_allows() {
    for (limit, wanted) in [(0, ["PUBLISH x m", "PUBLISH y m"]), (1, ["PUBLISH x m alias=1", "PUBLISH y m"])] {
        let mut settings = open_settings();
        settings.listeners[0].max_topic_alias_broker = limit;
        let mut world = World::with(settings);
        let a = world.connect(Hello { aliases_max: Some(100), ..hello(V5, "a") });
        world.wants(a, "#", 0);
        for topic in ["x", "y"] {
            world.publish(a, 0, 0, topic, "m");
        }
        assert_eq!(world.heard(a), wanted);
    }
}

#[test]
fn aliases_end_with_their_connection_and_a_repeat_says_its_topic() {
    // [5.0 MQTT-3.3.2-7]
    let mut world = World::new();
    let hello_a = Hello { aliases_max: Some(9), ..durable(V5, "a") };
    let a = world.connect(hello_a);
    world.wants(a, "#", 1);
    let b = world.connect(hello(V5, "b"));
    for payload in ["1", "2"] {
        world.publish(b, 1, 9, "x", payload);
    }
    assert_eq!(world.heard(a), ["PUBLISH x 1 q1 id1 alias=1", "PUBLISH  2 q1 id2 alias=1"]);
    world.lose(a);
    let a = world.connect_again(hello_a);
    assert_eq!(world.heard(a), ["PUBLISH x 1 q1 id1 dup", "PUBLISH x 2 q1 id2 dup"]);
    world.publish(b, 0, 0, "x", "3");
    assert_eq!(world.heard(a), ["PUBLISH x 3 alias=1"]);
}

#[test]
fn an_alias_is_not_introduced_by_a_packet_that_others_may_overtake() {
    // A QoS 2 message of a durable session waits for the store; the QoS 0 message behind it does not.
    let mut world = World::new();
    let a = world.connect(Hello { aliases_max: Some(9), ..durable(V5, "a") });
    world.wants(a, "#", 2);
    let b = world.connect(hello(V5, "b"));
    world.desk.commits_wait = true;
    world.publish(b, 2, 1, "x", "first");
    world.publish(b, 0, 0, "x", "second");
    world.publish(b, 2, 2, "x", "third");
    world.commit();
    assert_eq!(world.heard(a), ["PUBLISH x second alias=1", "PUBLISH x first q2 id1", "PUBLISH  third q2 id2 alias=1"]);
}

#[test]
fn what_is_too_large_for_the_client_introduces_nothing() {
    let mut world = World::new();
    let a = world.connect(Hello { aliases_max: Some(9), packet_bytes_max: Some(30), ..hello(V5, "a") });
    world.wants(a, "#", 0);
    world.publish(a, 0, 0, "x", &"m".repeat(40));
    world.publish(a, 0, 0, "x", "m");
    assert_eq!(world.heard(a), ["PUBLISH x m alias=1"]);
    assert_eq!(world.broker.stats().publishes_dropped, 1);
}

#[test]
fn overlapping_subscriptions_give_a_copy_each_with_its_identifier_or_one_copy_with_all() {
    // [5.0 MQTT-3.3.4-3, MQTT-3.3.4-4, MQTT-3.3.4-5]
    let each = ["PUBLISH t/x m sub=1", "PUBLISH t/x m sub=2", "PUBLISH t/x m q1 id1"];
    let rows = [(true, &each[..]), (false, &["PUBLISH t/x m q1 id1 sub=1 sub=2"][..])];
    for (allow_duplicate_messages, wanted) in rows {
        let mut world = World::with(Settings { allow_duplicate_messages, ..open_settings() });
        let a = world.connect(hello(V5, "a"));
        world.subscribe_as(a, "t/#", at(0), 1);
        world.subscribe_as(a, "t/+", at(0), 2);
        world.subscribe(a, "t/x", at(1));
        assert_eq!(world.heard(a).len(), 3);
        world.publish(a, 1, 7, "t/x", "m");
        let mut heard = world.heard(a);
        assert_eq!(heard.pop().as_deref(), Some("PUBACK 7"));
        heard.sort_by_key(|packet| (packet.contains("q1"), packet.contains("sub=2")));
        assert_eq!(heard, wanted);
    }
}

#[test]
fn one_copy_leaves_out_a_subscription_that_does_not_want_the_clients_own() {
    // [5.0 MQTT-3.8.3-3]
    let mut world = World::with(Settings { allow_duplicate_messages: false, ..open_settings() });
    let a = world.connect(hello(V5, "a"));
    let no_local = mqtt::SubscriptionOptions { no_local: true, ..at(2) };
    world.subscribe_as(a, "t/#", no_local, 1);
    world.subscribe_as(a, "t/x", at(0), 2);
    world.heard(a);
    world.publish(a, 1, 7, "t/x", "m");
    assert_eq!(world.heard(a), ["PUBLISH t/x m sub=2", "PUBACK 7"]);
    world.unsubscribe(a, "t/x");
    world.publish(a, 0, 0, "t/x", "m");
    assert_eq!(world.heard(a), ["UNSUBACK 2 [00]"]);
}
