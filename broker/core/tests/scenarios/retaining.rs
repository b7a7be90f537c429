//! Retained messages.

use broker_core::Settings;
use mqtt::{PropertiesBuf, Property, RetainHandling, SubscriptionOptions};

use crate::world::*;

fn subscribed(world: &mut World, filter: &str, options: SubscriptionOptions) -> Vec<String> {
    let link = world.connect(hello(V5, "subscriber"));
    world.subscribe(link, filter, options);
    let heard = world.heard(link);
    assert!(heard[0].starts_with("SUBACK"), "the SUBACK comes first: {heard:?}");
    world.disconnect(link);
    heard[1..].to_vec()
}

#[test]
fn the_last_retained_message_of_each_topic_comes_to_a_new_subscriber() {
    // [3.1.1 MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-8; 5.0 MQTT-3.3.1-5, MQTT-3.3.1-9]
    let mut world = World::new();
    let a = world.connect(hello(V311, "a"));
    world.retain(a, 0, 0, "t/b", "old");
    world.retain(a, 2, 9, "t/b", "new");
    world.retain(a, 1, 9, "t", "parent");
    world.publish(a, 1, 9, "t", "not retained");
    world.retain(a, 0, 0, "$hidden", "x");
    assert_eq!(subscribed(&mut world, "#", at(1)), ["PUBLISH t parent q1 id1 retain", "PUBLISH t/b new q1 id2 retain"]);
    assert_eq!(subscribed(&mut world, "+/b", at(0)), ["PUBLISH t/b new retain"]);
    assert_eq!(subscribed(&mut world, "$hidden", at(0)), ["PUBLISH $hidden x retain"]);
    assert_eq!(world.broker.retained_count(), 3);
}

#[test]
fn an_empty_payload_clears_and_is_delivered_as_any_message() {
    // [3.1.1 MQTT-3.3.1-10, MQTT-3.3.1-11; 5.0 MQTT-3.3.1-6, MQTT-3.3.1-7]
    let mut world = World::new();
    let a = world.connect(hello(V311, "a"));
    world.wants(a, "t", 0);
    world.retain(a, 0, 0, "t", "x");
    world.retain(a, 0, 0, "t", "");
    assert_eq!(world.heard(a), ["PUBLISH t x", "PUBLISH t "]);
    assert_eq!(subscribed(&mut world, "t", at(0)), [""; 0]);
    assert_eq!(world.broker.retained_count(), 0);
    assert_eq!(world.desk.store.retained().count(), 0);
}

#[test]
fn retain_handling_says_when_retained_messages_come() {
    // [5.0 MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11]
    for (retain_handling, first, again) in
        [(RetainHandling::Send, 1, 1), (RetainHandling::SendIfNew, 1, 0), (RetainHandling::DoNotSend, 0, 0)]
    {
        let mut world = World::new();
        let a = world.connect(hello(V5, "a"));
        world.retain(a, 0, 0, "t", "x");
        let options = SubscriptionOptions { retain_handling, ..at(0) };
        for wanted in [first, again] {
            world.subscribe(a, "t", options);
            assert_eq!(world.heard(a).len(), 1 + wanted, "{retain_handling:?}");
        }
        world.unsubscribe(a, "t");
        world.heard(a);
        world.subscribe(a, "t", options);
        assert_eq!(world.heard(a).len(), 1 + first, "{retain_handling:?} after UNSUBSCRIBE");
    }
}

#[test]
fn a_retained_message_expires() {
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(10));
    world.publishes(a, 0, 0, "t", "x", true, &properties);
    world.pass_s(3);
    assert_eq!(subscribed(&mut world, "t", at(0)), ["PUBLISH t x retain expiry=7"]);
    world.pass_s(7);
    assert_eq!(subscribed(&mut world, "t", at(0)), [""; 0]);
}

#[test]
fn a_retained_message_comes_at_the_subscriptions_qos_where_upgrades_are_wanted() {
    let mut world = World::with(Settings { upgrade_outgoing_qos: true, ..open_settings() });
    let a = world.connect(hello(V5, "a"));
    world.retain(a, 0, 0, "t", "x");
    assert_eq!(subscribed(&mut world, "t", at(2)), ["PUBLISH t x q2 id1 retain"]);
}

#[test]
fn retained_messages_are_for_those_who_may_read_them() {
    let rules = b"user u\ntopic readwrite #\nuser v\ntopic read ok/#\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
    let a = world.connect(Hello { username: Some("u"), ..hello(V311, "a") });
    world.retain(a, 0, 0, "ok/1", "x");
    world.retain(a, 0, 0, "no/1", "x");
    let b = world.connect(Hello { username: Some("v"), ..hello(V311, "b") });
    world.subscribe(b, "#", at(0));
    assert_eq!(world.heard(b), ["SUBACK 1 [00]", "PUBLISH ok/1 x retain"]);
}

#[test]
fn many_retained_messages_come_as_window_and_socket_have_room() {
    let mut world = World::with(Settings { max_queued_messages: 10, ..open_settings() });
    let a = world.connect(hello(V311, "a"));
    for n in 0..100 {
        world.retain(a, 1, 9, &format!("t/{n:03}"), "x");
    }
    let b = world.connect(hello(V311, "b"));
    world.subscribe(b, "#", at(1));
    assert_eq!(world.heard(b).len(), 1 + 20);
    for n in 1..=100 {
        world.puback(b, n);
    }
    let heard = world.heard(b);
    assert_eq!(heard.len(), 80, "max_queued_messages is for what is published, not for what is asked for");
    assert_eq!(heard[79], "PUBLISH t/099 x q1 id100 retain");
}

#[test]
fn with_check_retain_source_a_message_goes_with_its_publishers_right_also_after_a_restart() {
    let (both, reader) = ("user u\ntopic readwrite #\nuser v\ntopic read #\n", "user v\ntopic read #\n");
    for (check_retain_source, wanted) in [(true, 0), (false, 1)] {
        let settings = Settings { check_retain_source, ..open_settings() };
        let acl = |rules: &str| acl::Acl::parse(rules.as_bytes()).unwrap();
        let mut world = World::ruled(settings.clone(), acl(both));
        let a = world.connect(Hello { username: Some("u"), ..hello(V311, "a") });
        world.retain(a, 0, 0, "t", "x");
        let hello_b = Hello { username: Some("v"), ..hello(V311, "b") };
        let b = world.connect(hello_b);
        assert_eq!(subscribed_as(&mut world, b), 1);
        world.set_acl(reader);
        assert_eq!(subscribed_as(&mut world, b), wanted);
        let mut world = world.restart(settings, acl(reader));
        let b = world.connect(hello_b);
        assert_eq!(subscribed_as(&mut world, b), wanted, "after a restart");
    }
}

/// How many retained messages come.
fn subscribed_as(world: &mut World, link: broker_core::LinkId) -> usize {
    world.subscribe(link, "#", at(0));
    world.heard(link).len() - 1
}

#[test]
fn so_much_memory_is_for_retained_messages_and_one_for_another_topic_is_refused() {
    let mut world = World::with(Settings { retained_bytes_max: 700, ..open_settings() });
    let (a, b) = (world.connect(hello(V5, "a")), world.connect(hello(V311, "b")));
    world.wants(b, "3", 0);
    for (n, topic) in ["1", "2", "3", "2"].iter().enumerate() {
        world.retain(a, 1, n as u16 + 1, topic, "x");
    }
    assert_eq!(world.heard(a), ["PUBACK 1 0x10", "PUBACK 2 0x10", "PUBACK 3 0x97", "PUBACK 4 0x10"]);
    assert_eq!(world.heard(b), [] as [&str; 0], "what is refused is not delivered");
    assert_eq!(world.told(), ["700 bytes retained"]);
    world.retain(b, 2, 1, "3", "x");
    assert_eq!(world.heard(b), ["PUBREC 1", "PUBCOMP 1"], "3.1.1 has no word for it");
    let c = world.connect(Hello { will: Some(Testament { retain: true, ..will("3") }), ..hello(V5, "c") });
    world.lose(c);
    assert_eq!(world.heard(b), ["PUBLISH 3 will"], "a will is delivered, if not retained");
    world.retain(a, 0, 0, "1", "");
    world.retain(a, 1, 5, "3", "x");
    assert_eq!(world.heard(a), ["PUBACK 5"]);
    assert_eq!(world.broker.retained_count(), 2);
}
