//! SUBSCRIBE and UNSUBSCRIBE.

use broker_core::Settings;
use mqtt::{FiltersWithOptionsBuf, Packet, Properties, Subscribe, TopicFilter};

use crate::world::*;

#[test]
fn each_filter_is_granted_in_its_place() {
    // [3.1.1 MQTT-3.8.4-5, 5.0 MQTT-3.8.4-6]
    for version in [V31, V311, V5] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        let mut filters = FiltersWithOptionsBuf::new();
        for (filter, level) in [("a", 0), ("b/+", 1), ("#", 2), ("$share/g/a", 1)] {
            filters.push(TopicFilter::new(filter).unwrap(), at(level));
        }
        let filters = filters.as_filters();
        world.says(a, Packet::Subscribe(Subscribe { packet_id: id(1), properties: Properties::EMPTY, filters }));
        assert_eq!(world.heard(a), ["SUBACK 1 [00 01 02 01]"]);
        assert_eq!((world.broker.subscription_count(), world.broker.shared_subscription_count()), (3, 1));
    }
}

#[test]
fn no_more_than_max_qos_is_granted() {
    let mut settings = open_settings();
    settings.listeners[0].max_qos = qos(1);
    let mut world = World::with(settings);
    let a = world.connect(hello(V5, "a"));
    world.subscribe(a, "t", at(2));
    assert_eq!(world.heard(a), ["SUBACK 1 [01]"]);
}

#[test]
fn an_unsubscribe_is_answered_whether_or_not_there_was_a_subscription() {
    // [3.1.1 MQTT-3.10.4-4, MQTT-3.10.4-5; 5.0 MQTT-3.10.4-4, MQTT-3.10.4-5]
    for (version, had, had_not) in [(V31, "[]", "[]"), (V311, "[]", "[]"), (V5, "[00]", "[11]")] {
        let mut world = World::new();
        let a = world.connect(hello(version, "a"));
        world.wants(a, "t/#", 0);
        world.unsubscribe(a, "t/+");
        world.unsubscribe(a, "t/#");
        world.unsubscribe(a, "t/#");
        let wanted = [had_not, had, had_not].map(|codes| format!("UNSUBACK 2 {codes}"));
        assert_eq!(world.heard(a), wanted);
        assert_eq!(world.broker.subscription_count(), 0);
    }
}

#[test]
fn a_filter_of_more_than_200_separators_ends_the_connection() {
    for (version, wanted) in [(V311, &["CLOSED"][..]), (V5, &["DISCONNECT 0x81", "CLOSED"])] {
        for subscribes in [true, false] {
            let mut world = World::new();
            let a = world.connect(hello(version, "a"));
            world.subscribe(a, &"/".repeat(200), at(0));
            assert!(world.heard(a)[0].starts_with("SUBACK"));
            let deep = "/".repeat(201);
            if subscribes {
                world.subscribe(a, &deep, at(0));
            } else {
                world.unsubscribe(a, &deep);
            }
            assert_eq!(world.heard(a), wanted);
        }
    }
}

#[test]
fn filters_reach_as_deep_as_topics_and_wildcards_miss_dollar_topics() {
    let deep = format!("{}x", "d/".repeat(200));
    let pluses = format!("{}+", "+/".repeat(200));
    let rows: &[(&str, &str, bool)] = &[
        (&deep, &deep, true),
        (&pluses, &deep, true),
        ("d/#", &deep, true),
        ("#", "$x", false),
        ("+", "$x", false),
        ("$x/#", "$x", true),
        ("+/y", "$x/y", false),
    ];
    for (filter, topic, wanted) in rows {
        let mut world = World::new();
        let a = world.connect(hello(V311, "a"));
        world.wants(a, filter, 0);
        world.retain(a, 0, 0, topic, "x");
        assert_eq!(world.heard(a).len(), usize::from(*wanted), "{filter} {topic}");
        let b = world.connect(hello(V311, "b"));
        world.subscribe(b, filter, at(0));
        assert_eq!(world.heard(b).len(), 1 + usize::from(*wanted), "retained: {filter} {topic}");
    }
}

#[test]
fn a_client_with_very_many_subscriptions_leaves_as_easily_as_it_came() {
    // Quadratic work would take half a minute here.
    const MANY: u32 = 30_000;
    let mut world = World::with(Settings::default());
    world.broker.set_settings(world.now, open_settings(), &mut world.desk);
    let a = world.connect(hello(V311, "a"));
    let mut wanted = FiltersWithOptionsBuf::new();
    let mut unwanted = mqtt::FiltersBuf::new();
    for n in 0..MANY {
        wanted.push(TopicFilter::new(&n.to_string()).unwrap(), at(0));
        unwanted.push(TopicFilter::new(&(MANY - 1 - n).to_string()).unwrap());
    }
    let properties = Properties::EMPTY;
    world.says(a, Packet::Subscribe(Subscribe { packet_id: id(1), properties, filters: wanted.as_filters() }));
    assert_eq!(world.broker.subscription_count(), MANY as usize);
    let filters = unwanted.as_filters();
    world.says(a, Packet::Unsubscribe(mqtt::Unsubscribe { packet_id: id(2), properties, filters }));
    assert_eq!(world.broker.subscription_count(), 0);
    world.says(a, Packet::Subscribe(Subscribe { packet_id: id(1), properties, filters: wanted.as_filters() }));
    world.lose(a);
    world.assert_empty();
}

#[test]
fn so_much_memory_is_for_the_subscriptions_of_a_session_and_no_more() {
    let mut world = World::with(Settings { subscribed_bytes_per_session_max: 1_200, ..open_settings() });
    let a = world.connect(hello(V5, "a"));
    for filter in ["1", "$share/g/1", "2", "1"] {
        world.subscribe(a, filter, at(0));
    }
    assert_eq!(world.heard(a), ["SUBACK 1 [00]", "SUBACK 1 [00]", "SUBACK 1 [97]", "SUBACK 1 [00]"]);
    assert_eq!(world.told(), ["a has 2 subscriptions"]);
    world.unsubscribe(a, "1");
    world.subscribe(a, "2", at(0));
    assert_eq!(world.heard(a), ["UNSUBACK 2 [00]", "SUBACK 1 [00]"]);
}

#[test]
fn a_bridge_is_sent_retain_as_it_was_said_and_nothing_that_it_brought_itself() {
    // As mosquitto 2.0.11 treats a client that says so; two brokers would bring each other the same for ever.
    for version in [V31, V311] {
        let mut world = World::new();
        let bridge = world.connect(Hello { is_bridge: true, ..hello(version, "bridge") });
        let client = world.connect(hello(version, "client"));
        for link in [bridge, client] {
            world.wants(link, "#", 1);
        }
        world.retain(bridge, 0, 0, "t", "from there");
        world.retain(client, 0, 0, "t", "from here");
        assert_eq!(world.heard(bridge), ["PUBLISH t from here retain"], "{version:?}");
        assert_eq!(world.heard(client), ["PUBLISH t from there", "PUBLISH t from here"], "{version:?}");
    }
}
