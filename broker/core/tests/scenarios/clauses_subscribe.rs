//! SUBSCRIBE and UNSUBSCRIBE, statement by statement: what `subscribing` does not ask.

use broker_core::LinkId;
use mqtt::{
    FiltersBuf, FiltersWithOptionsBuf, Packet, Properties, Subscribe, SubscriptionOptions, TopicFilter, Unsubscribe,
};

use crate::world::*;

fn subscribe_to(world: &mut World, link: LinkId, packet_id: u16, wanted: &[(&str, SubscriptionOptions)]) {
    let mut filters = FiltersWithOptionsBuf::new();
    for (filter, options) in wanted {
        filters.push(TopicFilter::new(filter).unwrap(), *options);
    }
    let (packet_id, filters) = (id(packet_id), filters.as_filters());
    world.says(link, Packet::Subscribe(Subscribe { packet_id, properties: Properties::EMPTY, filters }));
}

fn unsubscribe_from(world: &mut World, link: LinkId, packet_id: u16, unwanted: &[&str]) {
    let mut filters = FiltersBuf::new();
    for filter in unwanted {
        filters.push(TopicFilter::new(filter).unwrap());
    }
    let (packet_id, filters) = (id(packet_id), filters.as_filters());
    world.says(link, Packet::Unsubscribe(Unsubscribe { packet_id, properties: Properties::EMPTY, filters }));
}

#[test]
fn every_subscribe_and_unsubscribe_is_answered_under_its_packet_identifier() {
    // [3.1.1 MQTT-2.3.1-7, MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.10.4-4, MQTT-3.10.4-5]
    // [5.0 MQTT-2.2.1-6, MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.10.4-4, MQTT-3.10.4-5]
    for (version, had, had_not) in [(V311, "[]", "[]"), (V5, "[00]", "[11]")] {
        let mut world = World::new();
        let link = world.connect(hello(version, "c"));
        for packet_id in [1, 2, 255, 256, 65_535] {
            subscribe_to(&mut world, link, packet_id, &[("t", at(1))]);
            unsubscribe_from(&mut world, link, packet_id, &["t"]);
            unsubscribe_from(&mut world, link, packet_id, &["t"]);
            let wanted = [
                format!("SUBACK {packet_id} [01]"),
                format!("UNSUBACK {packet_id} {had}"),
                format!("UNSUBACK {packet_id} {had_not}"),
            ];
            assert_eq!(world.heard(link), wanted);
        }
    }
}

#[test]
fn many_filters_in_one_subscribe_are_as_many_subscriptions_with_one_answer_in_their_order() {
    // [3.1.1 MQTT-3.8.4-4, MQTT-3.8.4-5, MQTT-3.9.3-1]
    // [5.0 MQTT-3.8.4-5, MQTT-3.8.4-6, MQTT-3.8.4-7, MQTT-3.9.3-1]
    for version in [V311, V5] {
        let rules = b"user u\ntopic readwrite #\nuser v\ntopic read ok/#\n";
        let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
        let publisher = world.connect(Hello { username: Some("u"), ..hello(V5, "publisher") });
        for topic in ["ok/1", "ok/2"] {
            world.retain(publisher, 2, 9, topic, "kept");
            world.pubrel(publisher, 9);
        }
        let link = world.connect(Hello { username: Some("v"), ..hello(version, "c") });
        let filters = [("ok/2", at(2)), ("no", at(0)), ("ok/1", at(0)), ("no", at(2)), ("ok/1", at(1))];
        subscribe_to(&mut world, link, 7, &filters);
        let heard = world.heard(link);
        // As mosquitto, the rules refuse no subscription; they keep back what it would bring.
        assert_eq!(heard[0], "SUBACK 7 [02 00 00 02 01]");
        let kept: Vec<_> = heard[1..].iter().map(|packet| packet.split(" id").next().unwrap_or_default()).collect();
        let retained = ["PUBLISH ok/2 kept q2", "PUBLISH ok/1 kept retain", "PUBLISH ok/1 kept q1"];
        assert_eq!(kept, retained, "for each of them, as if it had come alone");
        for topic in ["ok/1", "ok/2", "no"] {
            world.publish(publisher, 2, 9, topic, "new");
            world.pubrel(publisher, 9);
        }
        let heard = world.heard(link);
        let heard: Vec<_> = heard.iter().map(|packet| packet.split(" id").next().unwrap_or_default()).collect();
        assert_eq!(heard, ["PUBLISH ok/1 new q1", "PUBLISH ok/2 new q2"], "the second ok/1 replaced the first");
    }
}

#[test]
fn many_filters_in_one_unsubscribe_have_one_answer_in_their_order() {
    // [3.1.1 MQTT-3.10.4-6; 5.0 MQTT-3.10.4-6, MQTT-3.11.3-1]
    for (version, codes) in [(V311, "[]"), (V5, "[00 11 00 11 11]")] {
        let mut world = World::new();
        let link = world.connect(hello(version, "c"));
        subscribe_to(&mut world, link, 1, &[("a", at(0)), ("b", at(0)), ("c/#", at(0))]);
        world.heard(link);
        unsubscribe_from(&mut world, link, 7, &["a", "x", "c/#", "a", "c"]);
        assert_eq!(world.heard(link), [format!("UNSUBACK 7 {codes}")]);
        for topic in ["a", "b", "c"] {
            world.publish(link, 0, 0, topic, "x");
        }
        assert_eq!(world.heard(link), ["PUBLISH b x"]);
    }
}

#[test]
fn only_the_same_filter_is_unsubscribed_from() {
    // [3.1.1 and 5.0 MQTT-3.10.4-1]; nothing is normalised [3.1.1 and 5.0 MQTT-4.7.3-4].
    for version in [V311, V5] {
        let mut world = World::new();
        let link = world.connect(hello(version, "c"));
        world.wants(link, "a/+", 0);
        unsubscribe_from(&mut world, link, 7, &["a/b", "a/#", "+/+", "#", "A/+", "a/+/", "/a/+"]);
        world.heard(link);
        world.publish(link, 0, 0, "a/b", "x");
        assert_eq!(world.heard(link), ["PUBLISH a/b x"]);
        unsubscribe_from(&mut world, link, 7, &["a/+"]);
        world.heard(link);
        world.publish(link, 0, 0, "a/b", "x");
        assert_eq!(world.heard(link), [""; 0]);
    }
}

#[test]
fn after_unsubscribe_nothing_new_is_added_and_what_was_begun_is_finished() {
    // [3.1.1 and 5.0 MQTT-3.10.4-2], [3.1.1 and 5.0 MQTT-3.10.4-3]
    for version in [V311, V5] {
        let mut world = World::new();
        let link = world.connect(durable(version, "c"));
        world.wants(link, "t", 2);
        let publisher = world.connect(hello(V5, "publisher"));
        for level in [1, 2, 2] {
            world.publish(publisher, level, 9, "t", "begun");
            world.pubrel(publisher, 9);
        }
        world.pubrec(link, 3);
        world.heard(link);
        unsubscribe_from(&mut world, link, 7, &["t"]);
        assert!(world.heard(link)[0].starts_with("UNSUBACK 7"));
        for level in 0..=2 {
            world.publish(publisher, level, 9, "t", "new");
            world.pubrel(publisher, 9);
        }
        assert_eq!(world.heard(link), [""; 0]);
        world.lose(link);
        let link = world.connect_again(durable(version, "c"));
        assert_eq!(world.heard(link), ["PUBLISH t begun q1 id1 dup", "PUBLISH t begun q2 id2 dup", "PUBREL 3"]);
        world.puback(link, 1);
        world.pubrec(link, 2);
        world.pubcomp(link, 2);
        world.pubcomp(link, 3);
        assert_eq!(world.heard(link), ["PUBREL 2"]);
    }
}

#[test]
fn a_subscription_that_is_replaced_is_sent_retained_messages_again_and_loses_none() {
    // [3.1.1 MQTT-3.8.4-3; 5.0 MQTT-3.8.4-3, MQTT-3.8.4-4]
    for version in [V311, V5] {
        let mut world = World::new();
        let publisher = world.connect(hello(V5, "publisher"));
        world.retain(publisher, 1, 9, "t", "kept");
        let link = world.connect(Hello { window: Some(2), ..hello(version, "c") });
        let mut heard = Vec::new();
        for n in 0..6_u16 {
            subscribe_to(&mut world, link, n + 1, &[("t", at((n % 2) as u8 + 1))]);
            world.publish(publisher, 1, 9, "t", &n.to_string());
            let new = world.heard(link);
            for packet in &new {
                if let Some((_, id)) = packet.split_once(" id") {
                    world.puback(link, id.split(' ').next().unwrap().parse().unwrap());
                }
            }
            heard.extend(new);
        }
        heard.extend(world.heard(link));
        let payloads = heard.iter().filter_map(|packet| packet.strip_prefix("PUBLISH t ")?.split(' ').next());
        let payloads: Vec<_> = payloads.collect();
        assert_eq!(payloads.iter().filter(|payload| **payload == "kept").count(), 6, "{payloads:?}");
        let new: Vec<_> = payloads.into_iter().filter(|payload| *payload != "kept").collect();
        assert_eq!(new, ["0", "1", "2", "3", "4", "5"], "each once, whatever was replaced");
        assert_eq!(world.broker.subscription_count(), 1);
    }
}
