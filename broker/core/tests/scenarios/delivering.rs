//! From the publisher to the queue or the socket of each subscriber: QoS, expiry, limits, backlog.

use broker_core::{BACKLOG_BYTES_MAX, LinkId, Settings};
use mqtt::{PropertiesBuf, Property, SubscriptionOptions};

use crate::world::*;

fn expiring(seconds: u32) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(seconds));
    properties
}

fn pair(settings: Settings, b: Hello<'_>, level: u8) -> (World, LinkId, LinkId) {
    let mut world = World::with(settings);
    let link = world.connect(b);
    world.wants(link, "t/#", level);
    let a = world.connect(hello(V5, "publisher"));
    (world, a, link)
}

#[test]
fn a_message_is_delivered_at_the_lower_of_two_qos_unless_upgrades_are_wanted() {
    // [3.1.1 MQTT-3.8.4-6, 5.0 MQTT-3.8.4-8]
    for published in 0..=2u8 {
        for subscribed in 0..=2u8 {
            for (upgrade_outgoing_qos, version) in [(false, V311), (false, V5), (true, V311), (true, V5)] {
                let settings = Settings { upgrade_outgoing_qos, ..open_settings() };
                let (mut world, a, b) = pair(settings, hello(version, "b"), subscribed);
                world.publish(a, published, 9, "t", "x");
                let qos = if upgrade_outgoing_qos { subscribed } else { subscribed.min(published) };
                let tail = if qos == 0 { String::new() } else { format!(" q{qos} id1") };
                assert_eq!(world.heard(b), [format!("PUBLISH t x{tail}")], "{published} {subscribed}");
            }
        }
    }
}

#[test]
fn a_session_that_is_away_misses_no_qos1_and_qos2_message_and_qos0_only_if_asked() {
    for queue_qos0_messages in [false, true] {
        let settings = Settings { queue_qos0_messages, ..open_settings() };
        let (mut world, a, b) = pair(settings, durable(V311, "b"), 2);
        world.lose(b);
        for level in 0..=2 {
            world.publish(a, level, 9, "t", &level.to_string());
        }
        let b = world.connect_again(durable(V311, "b"));
        let heard = world.heard(b);
        let wanted = ["PUBLISH t 0", "PUBLISH t 1 q1 id1", "PUBLISH t 2 q2 id2"];
        assert_eq!(heard, wanted[usize::from(!queue_qos0_messages)..], "3.1.1 MQTT-3.1.2-5");
    }
}

#[test]
fn qos0_messages_that_wait_are_not_overtaken_by_later_ones() {
    // [3.1.1 MQTT-4.6.0-6, 5.0 MQTT-4.6.0-5]: the order holds for each topic and QoS.
    let settings = Settings { queue_qos0_messages: true, max_inflight_messages: 1, ..open_settings() };
    let (mut world, a, b) = pair(settings, durable(V311, "b"), 2);
    world.lose(b);
    world.publish(a, 1, 9, "t", "q1 first");
    world.publish(a, 1, 9, "t", "q1 second");
    world.publish(a, 0, 0, "t", "old");
    let b = world.connect_again(durable(V311, "b"));
    world.publish(a, 0, 0, "t", "new");
    world.puback(b, 1);
    world.puback(b, 2);
    let heard: Vec<_> = world.heard(b).into_iter().filter(|heard| !heard.contains(" id")).collect();
    assert_eq!(heard, ["PUBLISH t old", "PUBLISH t new"]);
}

#[test]
fn a_queue_takes_so_many_messages_and_then_drops_the_new_ones() {
    for (away, limit, kept) in [(true, 3, 3), (false, 3, 3), (true, 0, 2000), (true, 1000, 1000)] {
        let settings = Settings { max_queued_messages: limit, max_inflight_messages: 1, ..open_settings() };
        let (mut world, a, b) = pair(settings, durable(V311, "b"), 1);
        let in_flight = usize::from(!away);
        if away {
            world.lose(b);
        }
        world.told();
        for n in 1..=2000 {
            world.publish(a, 1, 9, "t", &n.to_string());
        }
        let dropped = 2000 - kept - in_flight.min(2000 - kept);
        assert_eq!(world.broker.stats().publishes_dropped, dropped as u64, "{away} {limit}");
        let told: &[&str] = if dropped > 0 { &["b full"] } else { &[] };
        assert_eq!(world.told(), told, "told once");
    }
}

#[test]
fn a_queue_takes_messages_until_so_many_bytes_wait_and_room_that_is_made_is_used() {
    let settings = Settings { max_queued_bytes: 10, ..open_settings() };
    let (mut world, a, b) = pair(settings, durable(V311, "b"), 1);
    world.lose(b);
    for payload in ["12345", "123456", "1234", "1"] {
        world.publish(a, 1, 9, "t", payload);
    }
    let b = world.connect_again(durable(V311, "b"));
    let wanted = ["PUBLISH t 12345 q1 id1", "PUBLISH t 123456 q1 id2"];
    assert_eq!(world.heard(b), wanted);
    assert_eq!(world.broker.stats().publishes_dropped, 2);
    world.lose(b);
    world.told();
    for _ in 0..3 {
        world.publish(a, 1, 9, "t", "12345");
    }
    assert_eq!(world.broker.stats().publishes_dropped, 3);
    assert_eq!(world.told(), ["b full"], "told again after it was empty");
}

#[test]
fn so_many_bytes_are_in_flight_and_the_message_that_reaches_the_limit_may_go_past_it() {
    let settings = Settings { max_inflight_bytes: 10, ..open_settings() };
    let (mut world, a, b) = pair(settings, hello(V311, "b"), 1);
    for payload in ["123456", "abcdefgh", "third", "fourth"] {
        world.publish(a, 1, 9, "t", payload);
    }
    assert_eq!(world.heard(b), ["PUBLISH t 123456 q1 id1", "PUBLISH t abcdefgh q1 id2"]);
    world.puback(b, 2);
    assert_eq!(world.heard(b), ["PUBLISH t third q1 id3"]);
    world.puback(b, 1);
    assert_eq!(world.heard(b), ["PUBLISH t fourth q1 id4"]);
}

#[test]
fn an_expiry_is_counted_down_and_an_expired_message_is_not_delivered() {
    // [5.0 MQTT-3.3.2-5, MQTT-3.3.2-6]
    let (mut world, a, b) = pair(open_settings(), durable(V5, "b"), 1);
    world.publishes(a, 0, 0, "t", "now", false, &expiring(10));
    assert_eq!(world.heard(b), ["PUBLISH t now expiry=10"]);
    world.lose(b);
    world.publishes(a, 1, 9, "t", "short", false, &expiring(4));
    world.publishes(a, 1, 9, "t", "long", false, &expiring(10));
    world.publishes(a, 1, 9, "t", "at once", false, &expiring(0));
    world.pass_s(4);
    let b = world.connect_again(durable(V5, "b"));
    assert_eq!(world.heard(b), ["PUBLISH t long q1 id1 expiry=6"]);
    assert_eq!(world.broker.stats().publishes_expired, 2);
    let old = world.connect(hello(V311, "old"));
    world.wants(old, "t", 0);
    world.publishes(a, 0, 0, "t", "now", false, &expiring(10));
    assert_eq!(world.heard(old), ["PUBLISH t now"], "3.1.1 has no word for it");
}

#[test]
fn expired_messages_do_not_keep_a_queue_full() {
    let settings = Settings { max_queued_messages: 2, ..open_settings() };
    let (mut world, a, b) = pair(settings, durable(V5, "b"), 1);
    world.lose(b);
    for payload in ["1", "2"] {
        world.publishes(a, 1, 9, "t", payload, false, &expiring(5));
    }
    world.pass_s(5);
    for payload in ["3", "4"] {
        world.publish(a, 1, 9, "t", payload);
    }
    let b = world.connect_again(durable(V5, "b"));
    assert_eq!(world.heard(b), ["PUBLISH t 3 q1 id1", "PUBLISH t 4 q1 id2"]);
    let stats = world.broker.stats();
    assert_eq!((stats.publishes_expired, stats.publishes_dropped), (2, 0));
}

#[test]
fn before_a_slow_socket_qos0_is_dropped_and_qos1_waits_until_it_is_drained() {
    let (mut world, a, b) = pair(open_settings(), hello(V311, "b"), 1);
    world.clog(b, BACKLOG_BYTES_MAX);
    world.publish(a, 0, 0, "t", "fits");
    world.clog(b, BACKLOG_BYTES_MAX + 1);
    world.publish(a, 0, 0, "t", "dropped");
    world.publish(a, 1, 9, "t", "1");
    world.publish(a, 1, 9, "t", "2");
    assert_eq!(world.heard(b), ["PUBLISH t fits"]);
    assert_eq!(world.broker.stats().publishes_dropped, 1);
    world.drain(b);
    assert_eq!(world.heard(b), ["PUBLISH t 1 q1 id1", "PUBLISH t 2 q1 id2"]);
    world.publish(a, 0, 0, "t", "again");
    assert_eq!(world.heard(b), ["PUBLISH t again"]);
}

#[test]
fn overlapping_subscriptions_give_a_copy_each_unless_one_is_enough() {
    // [3.1.1 MQTT-3.3.5-1, 5.0 MQTT-3.3.4-2]
    for (allow_duplicate_messages, version, wanted) in
        [(true, V311, 3), (false, V311, 1), (true, V5, 3), (false, V5, 1)]
    {
        let settings = Settings { allow_duplicate_messages, ..open_settings() };
        let (mut world, a, b) = pair(settings, hello(version, "b"), 0);
        world.wants(b, "t/x", 2);
        world.wants(b, "+/x", 1);
        world.publish(a, 2, 9, "t/x", "x");
        let heard = world.heard(b);
        assert_eq!(heard.len(), wanted);
        assert!(heard.iter().any(|heard| heard.starts_with("PUBLISH t/x x q2")), "{heard:?}");
    }
}

#[test]
fn the_same_filter_again_replaces_the_subscription() {
    // [3.1.1 MQTT-3.8.4-3, 5.0 MQTT-3.8.4-3]
    let (mut world, a, b) = pair(open_settings(), hello(V311, "b"), 2);
    world.wants(b, "t/#", 0);
    world.publish(a, 2, 9, "t", "x");
    assert_eq!(world.heard(b), ["PUBLISH t x"]);
    assert_eq!(world.broker.subscription_count(), 1);
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    // [5.0 MQTT-3.8.3-3]
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    let b = world.connect(hello(V5, "b"));
    for link in [a, b] {
        world.subscribe(link, "t", SubscriptionOptions { no_local: true, ..at(1) });
        world.heard(link);
    }
    world.publish(a, 1, 9, "t", "x");
    assert_eq!(world.heard(a), ["PUBACK 9"]);
    assert_eq!(world.heard(b), ["PUBLISH t x q1 id1"]);
    world.lose(b);
    world.publish(a, 1, 9, "t", "x");
    assert_eq!(world.heard(a), ["PUBACK 9"], "somebody did match: as mosquitto");
}

#[test]
fn a_subscription_identifier_comes_with_every_message_of_its_subscription() {
    // [5.0 MQTT-3.3.4-3, MQTT-3.3.4-5]
    let mut world = World::new();
    let b = world.connect(hello(V5, "b"));
    world.subscribe_as(b, "t/#", at(1), 1);
    world.subscribe_as(b, "t/+", at(0), 268_435_455);
    world.subscribe_as(b, "#", at(0), 0);
    world.heard(b);
    let a = world.connect(hello(V5, "a"));
    world.publish(a, 1, 9, "t/x", "x");
    let mut heard = world.heard(b);
    heard.sort();
    assert_eq!(heard, ["PUBLISH t/x x", "PUBLISH t/x x q1 id1 sub=1", "PUBLISH t/x x sub=268435455"]);
}

#[test]
fn the_retain_flag_is_kept_only_for_those_who_asked_for_it() {
    // [5.0 MQTT-3.3.1-12, MQTT-3.3.1-13]
    let mut world = World::new();
    let b = world.connect(hello(V5, "b"));
    let c = world.connect(hello(V5, "c"));
    world.subscribe(b, "t", SubscriptionOptions { retain_as_published: true, ..at(0) });
    world.subscribe(c, "t", at(0));
    let a = world.connect(hello(V5, "a"));
    world.heard(b);
    world.heard(c);
    world.retain(a, 0, 0, "t", "x");
    world.publish(a, 0, 0, "t", "y");
    assert_eq!(world.heard(b), ["PUBLISH t x retain", "PUBLISH t y"]);
    assert_eq!(world.heard(c), ["PUBLISH t x", "PUBLISH t y"]);
}

#[test]
fn who_gets_a_topic_is_asked_anew_after_every_change() {
    let rules = "user u\ntopic readwrite #\nuser v\ntopic readwrite other\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules.as_bytes()).unwrap());
    let u = |id| Hello { username: Some("u"), ..hello(V311, id) };
    let a = world.connect(u("a"));
    let round = |world: &mut World, b: LinkId, wanted: usize, why: &str| {
        world.publish(a, 0, 0, "t", "x");
        world.publish(a, 0, 0, "t", "x");
        assert_eq!(world.heard(b).len(), wanted * 2, "{why}");
    };
    let b = world.connect(u("b"));
    round(&mut world, b, 0, "nobody");
    world.wants(b, "t", 0);
    round(&mut world, b, 1, "subscribed");
    world.wants(b, "#", 0);
    round(&mut world, b, 2, "subscribed twice");
    world.unsubscribe(b, "#");
    world.heard(b);
    round(&mut world, b, 1, "unsubscribed");
    world.set_acl("user u\ntopic readwrite #\ntopic deny t\n");
    round(&mut world, b, 0, "rules without the right");
    world.set_acl(rules);
    round(&mut world, b, 1, "rules with the right");
    world.lose(b);
    let c = world.connect(u("c"));
    round(&mut world, c, 0, "the session of b ended, and c may have its place");
    let durable_b = Hello { username: Some("u"), ..durable(V311, "b") };
    let b = world.connect(durable_b);
    world.wants(b, "t", 0);
    round(&mut world, b, 1, "a session");
    let b = world.connect_again(Hello { username: Some("v"), ..durable_b });
    round(&mut world, b, 0, "of another user");
    let b = world.connect_again(durable_b);
    round(&mut world, b, 1, "and of the first again");
}

#[test]
fn more_topics_than_are_remembered_are_routed_all_the_same() {
    let (mut world, a, b) = pair(open_settings(), hello(V311, "b"), 0);
    for round in 0..2 {
        for n in 0..=broker_core::ROUTES_MAX {
            world.publish(a, 0, 0, &format!("t/{n}"), "");
        }
        let heard = world.heard(b);
        assert_eq!(heard.len(), broker_core::ROUTES_MAX + 1, "round {round}");
        assert_eq!(heard[broker_core::ROUTES_MAX], format!("PUBLISH t/{} ", broker_core::ROUTES_MAX));
    }
}

#[test]
fn rules_that_take_a_right_away_take_what_is_still_to_come_again_too() {
    let mut world = World::new();
    let b = world.connect(durable(V5, "b"));
    world.wants(b, "#", 1);
    let a = world.connect(hello(V311, "a"));
    for topic in ["x", "y", "x"] {
        world.publish(a, 1, 9, topic, topic);
    }
    world.lose(b);
    let b = world.connect_again(Hello { window: Some(1), ..durable(V5, "b") });
    assert_eq!(world.heard(b), ["PUBLISH x x q1 id1 dup"]);
    world.set_acl("topic deny y\ntopic readwrite #\n");
    world.puback(b, 1);
    assert_eq!(world.heard(b), ["PUBLISH x x q1 id3 dup"]);
    world.puback(b, 3);
    assert_eq!(world.desk.store.sessions().next().unwrap().1.messages.len(), 0);
}

#[test]
fn rules_that_take_a_right_away_take_the_waiting_messages_too() {
    let mut world = World::new();
    let b = world.connect(durable(V311, "b"));
    world.wants(b, "#", 1);
    world.lose(b);
    let a = world.connect(hello(V311, "a"));
    for topic in ["x", "y", "x", "y"] {
        world.publish(a, 1, 9, topic, topic);
    }
    world.set_acl("topic readwrite y\n");
    assert_eq!(world.desk.store.sessions().next().unwrap().1.messages.len(), 2, "the store is told");
    let b = world.connect_again(durable(V311, "b"));
    assert_eq!(world.heard(b), ["PUBLISH y y q1 id1", "PUBLISH y y q1 id2"]);
}
