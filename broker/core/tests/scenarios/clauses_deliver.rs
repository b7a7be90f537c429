//! Messages on their way to subscribers, statement by statement: what `delivering`, `retaining` and `publishing` do
//! not ask.

use broker_core::Settings;
use mqtt::{Packet, PropertiesBuf, Property, TopicName};

use crate::world::*;

#[test]
fn a_message_is_added_to_every_session_that_wants_it() {
    // [3.1.1 and 5.0 MQTT-4.5.0-1], and its topic matches what was asked for [3.1.1 and 5.0 MQTT-3.3.2-3].
    let filters = ["#", "a/#", "a/b", "a/+", "+/b", "+", "A/b", "a/b/c", "a/b/"];
    let wanted: &[(&str, &[&str])] = &[
        ("a/b", &["#", "a/#", "a/b", "a/+", "+/b"]),
        ("a", &["#", "a/#", "+"]),
        ("a/b/", &["#", "a/#", "a/b/"]),
        ("/b", &["#", "+/b"]),
    ];
    for version in [V311, V5] {
        let mut world = World::new();
        for filter in filters {
            for state in ["here", "away"] {
                let link = world.connect(durable(version, &format!("{filter} {state}")));
                world.wants(link, filter, 1);
                if state == "away" {
                    world.lose(link);
                }
            }
        }
        let publisher = world.connect(hello(version, "publisher"));
        for (topic, _) in wanted {
            world.publish(publisher, 1, 9, topic, "x");
        }
        for filter in filters {
            let topics = wanted.iter().filter(|(_, filters)| filters.contains(&filter)).map(|(topic, _)| *topic);
            for state in ["here", "away"] {
                let link = world.connect_again(durable(version, &format!("{filter} {state}")));
                let mut number = 0;
                let dup = if state == "here" { " dup" } else { "" };
                let lines = topics.clone().map(|topic| {
                    number += 1;
                    format!("PUBLISH {topic} x q1 id{number}{dup}")
                });
                assert_eq!(world.heard(link), lines.collect::<Vec<_>>(), "{filter} {state}");
            }
        }
    }
}

#[test]
fn messages_of_one_client_come_in_their_order_for_each_topic_and_qos() {
    // [3.1.1 MQTT-4.6.0-5, MQTT-4.6.0-6; 5.0 MQTT-4.6.0-5, MQTT-4.6.0-6]
    for version in [V311, V5] {
        let mut world = World::with(Settings { max_inflight_messages: 3, ..open_settings() });
        let link = world.connect(hello(version, "c"));
        world.wants(link, "#", 2);
        let publisher = world.connect(hello(version, "publisher"));
        let mut got: Vec<(String, u8, u32)> = Vec::new();
        for n in 0..300_u32 {
            let (level, topic) = ((n % 3) as u8, if n % 2 == 0 { "even" } else { "odd" });
            world.publish(publisher, level, 9, topic, &n.to_string());
            world.pubrel(publisher, 9);
            // The subscriber is slow, and acknowledges the last first.
            if n % 10 == 9 || n == 299 {
                loop {
                    let heard = world.heard(link);
                    if heard.is_empty() {
                        break;
                    }
                    for packet in heard.iter().rev() {
                        let words: Vec<_> = packet.split(' ').collect();
                        let id = |word: &str| word.trim_start_matches("id").parse().unwrap();
                        match words[..] {
                            ["PUBREL", id] => world.pubcomp(link, id.parse().unwrap()),
                            ["PUBLISH", _, _, "q1", word] => world.puback(link, id(word)),
                            ["PUBLISH", _, _, "q2", word] => world.pubrec(link, id(word)),
                            _ => {}
                        }
                    }
                    got.extend(heard.iter().filter_map(|packet| {
                        let words: Vec<_> = packet.strip_prefix("PUBLISH ")?.split(' ').collect();
                        let level = words.get(2).map_or(0, |word| word[1..].parse().unwrap());
                        Some((words[0].to_owned(), level, words[1].parse().unwrap()))
                    }));
                }
            }
        }
        assert_eq!(got.len(), 300);
        for topic in ["even", "odd"] {
            for level in 0..=2 {
                let of: Vec<_> = got.iter().filter(|(t, l, _)| t == topic && *l == level).map(|(_, _, n)| *n).collect();
                assert_eq!(of.len(), 50);
                assert!(of.is_sorted(), "{topic} {level}: {of:?}");
            }
        }
    }
}

#[test]
fn what_a_publisher_says_of_its_message_comes_unaltered_and_in_order() {
    // [5.0 MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20]
    let pair = |name, value| Property::UserProperty { name, value };
    let said = [
        pair("z", "1"),
        Property::PayloadFormatIndicator(true),
        Property::ContentType("text/plain; charset=\u{FEFF}"),
        pair("a", "2"),
        Property::ResponseTopic(TopicName::new("answers/é/$x").unwrap()),
        Property::CorrelationData(&[0, 255, 0]),
        pair("z", "1"),
        pair("", ""),
    ];
    let mut properties = PropertiesBuf::new();
    for &property in &said {
        properties.push(property);
    }
    let words = said.iter().map(|property| format!("{property:?}")).collect::<Vec<_>>().join(" ");
    let mut world = World::new();
    let away = world.connect(durable(V5, "away"));
    world.wants(away, "t", 1);
    world.lose(away);
    let links = ["b", "c"].map(|id| {
        let link = world.connect(hello(V5, id));
        world.wants(link, "t", 0);
        link
    });
    let publisher = world.connect(hello(V5, "publisher"));
    world.publishes(publisher, 1, 9, "t", "x", true, &properties);
    for link in links {
        assert_eq!(world.heard(link), [format!("PUBLISH t x {words}")]);
    }
    let mut world = world.restart(open_settings(), acl::Acl::open());
    let away = world.connect_again(durable(V5, "away"));
    assert_eq!(world.heard(away), [format!("PUBLISH t x q1 id1 {words}")], "waited, and was stored");
    world.subscribe(away, "t", at(0));
    let heard = world.heard(away);
    assert!(heard.contains(&format!("PUBLISH t x retain {words}")), "retained, and was stored: {heard:?}");
}

#[test]
fn every_topic_alias_up_to_the_maximum_is_taken() {
    // [5.0 MQTT-3.3.2-12]
    for most in [1, 10, 65_535] {
        let mut settings = open_settings();
        settings.listeners[0].max_topic_alias = most;
        let mut world = World::with(settings);
        let link = world.connect(hello(V5, "c"));
        world.wants(link, "#", 0);
        for alias in (1..=most.min(10)).chain([most]) {
            let mut properties = PropertiesBuf::new();
            properties.push(Property::TopicAlias(alias));
            world.publishes(link, 0, 0, &format!("t/{alias}"), "1", false, &properties);
            world.publishes(link, 0, 0, "", "2", false, &properties);
            assert_eq!(world.heard(link), [format!("PUBLISH t/{alias} 1"), format!("PUBLISH t/{alias} 2")]);
        }
    }
}

#[test]
fn a_full_window_holds_back_messages_above_qos_0_and_nothing_else() {
    // [5.0 MQTT-3.3.4-10, MQTT-4.9.0-1, MQTT-4.9.0-2, MQTT-4.9.0-3]
    let mut world = World::new();
    let link = world.connect(Hello { window: Some(2), ..hello(V5, "c") });
    world.wants(link, "t", 2);
    let publisher = world.connect(hello(V5, "publisher"));
    for n in 1..=4 {
        world.publish(publisher, 2, n, "t", &n.to_string());
    }
    assert_eq!(world.heard(link), ["PUBLISH t 1 q2 id1", "PUBLISH t 2 q2 id2"]);
    world.publish(publisher, 0, 0, "t", "QoS 0");
    world.says(link, Packet::PingReq);
    world.publish(link, 1, 7, "other", "x");
    world.publish(link, 2, 8, "other", "x");
    world.subscribe(link, "more", at(1));
    world.unsubscribe(link, "more");
    world.pubrec(link, 1);
    let answers = [
        "PUBLISH t QoS 0",
        "PINGRESP",
        "PUBACK 7 0x10",
        "PUBREC 8",
        "PUBCOMP 8",
        "SUBACK 1 [01]",
        "UNSUBACK 2 [00]",
        "PUBREL 1",
    ];
    assert_eq!(world.heard(link), answers);
    world.pubcomp(link, 1);
    assert_eq!(world.heard(link), ["PUBLISH t 3 q2 id3"]);
}

#[test]
fn only_a_message_with_retain_changes_what_is_retained_and_the_last_one_counts() {
    // [3.1.1 MQTT-3.3.1-7, MQTT-3.3.1-9, MQTT-3.3.1-12; 5.0 MQTT-3.3.1-5, MQTT-3.3.1-8]
    for version in [V311, V5] {
        let mut world = World::new();
        let watcher = world.connect(hello(version, "watcher"));
        world.wants(watcher, "#", 2);
        let publisher = world.connect(hello(version, "publisher"));
        world.retain(publisher, 2, 1, "t", "old");
        world.pubrel(publisher, 1);
        world.retain(publisher, 0, 0, "t", "new");
        world.publish(publisher, 1, 2, "t", "not kept");
        world.publish(publisher, 1, 3, "t", "");
        world.publish(publisher, 1, 4, "u", "not kept");
        let heard = world.heard(watcher);
        assert_eq!(heard.len(), 5);
        assert!(heard.iter().all(|packet| !packet.contains("retain")), "{heard:?}");
        let reader = world.connect(hello(version, "reader"));
        world.subscribe(reader, "#", at(2));
        assert_eq!(world.heard(reader), ["SUBACK 1 [02]", "PUBLISH t new retain"]);
    }
}
