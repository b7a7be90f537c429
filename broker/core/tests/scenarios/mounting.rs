//! Listeners with a `mount_point`: their clients see a part of the topics, without its beginning.

use acl::Acl;
use broker_core::{LinkId, ListenerSettings, Settings, Trust};
use mqtt::{PropertiesBuf, Property};

use crate::world::*;

/// Numbers of listeners.
const ALL: u16 = 0;
const MINE: u16 = 1;
const YOURS: u16 = 2;
const BARE: u16 = 3;

fn named(id: &str, listener: u16) -> Hello<'_> {
    Hello { listener, ..hello(V5, id) }
}

fn lasting(id: &str, listener: u16) -> Hello<'_> {
    Hello { listener, ..durable(V5, id) }
}

/// Subscribes to everything, which brings these retained messages.
fn assert_retained(world: &mut World, link: LinkId, wanted: &[&str]) {
    world.subscribe(link, "#", at(0));
    assert_eq!(world.heard(link)[1..], *wanted);
}

/// One listener that sees everything, one with `m/`, one with `y/`, one with `bare`.
fn settings() -> Settings {
    let listener = |mount: Option<&str>| ListenerSettings {
        allow_anonymous: true,
        mount_point: mount.map(str::to_owned),
        ..ListenerSettings::default()
    };
    Settings { listeners: [None, Some("m/"), Some("y/"), Some("bare")].map(listener).into(), ..Settings::default() }
}

fn world() -> World {
    World::with(settings())
}

#[test]
fn what_is_published_here_has_the_beginning_there_and_not_for_those_who_are_here_too() {
    for version in [V31, V311, V5] {
        for level in 0..=2 {
            let mut world = world();
            let all = world.connect(named("all", ALL));
            let mine = world.connect(named("mine", MINE));
            let yours = world.connect(named("yours", YOURS));
            for link in [all, mine, yours] {
                world.wants(link, "#", 0);
            }
            let publisher = world.connect(Hello { version, ..named("publisher", MINE) });
            world.publish(publisher, level, u16::from(level > 0), "a/b", "x");
            assert_eq!(world.heard(all), ["PUBLISH m/a/b x"], "{version:?} {level}");
            assert_eq!(world.heard(mine), ["PUBLISH a/b x"], "{version:?} {level}");
            assert_eq!(world.heard(yours), [""; 0], "{version:?} {level}");
            world.publish(all, 0, 0, "m/c", "x");
            assert_eq!(world.heard(mine), ["PUBLISH c x"]);
        }
    }
}

#[test]
fn each_gets_a_packet_of_his_own_in_whatever_order_they_have_subscribed() {
    for order in [[ALL, MINE, ALL, MINE], [MINE, ALL, MINE, ALL]] {
        let mut world = world();
        let mut links = Vec::new();
        for (id, at) in ["1", "2", "3", "4"].into_iter().zip(order) {
            let link = world.connect(named(id, at));
            world.wants(link, "#", 1);
            links.push((link, at));
        }
        let publisher = world.connect(named("publisher", MINE));
        world.publish(publisher, 1, 1, "t", "x");
        for (link, listener) in links {
            let topic = if listener == ALL { "m/t" } else { "t" };
            assert_eq!(world.heard(link), [format!("PUBLISH {topic} x q1 id1")]);
        }
    }
}

#[test]
fn what_a_client_does_not_see_does_not_reach_it_and_others_of_its_group_get_it() {
    let mut world = world();
    let mine = world.connect(named("mine", MINE));
    world.wants(mine, "#", 1);
    let all = world.connect(named("all", ALL));
    // `m/#` is wanted of `m` too, and `m/` has no name without its beginning.
    for topic in ["m", "m/", "m//", "y/a", "other"] {
        world.publish(all, 1, 1, topic, "x");
    }
    world.heard(all);
    assert_eq!(world.heard(mine), ["PUBLISH / x q1 id1"]);
    world.puback(mine, 1);

    let shared = world.connect(named("shared", MINE));
    world.wants(shared, "$share/g/#", 1);
    let too = world.connect(named("too", ALL));
    world.wants(too, "$share/g/m/#", 1);
    for _ in 0..2 {
        world.publish(all, 1, 1, "m", "x");
    }
    assert_eq!(world.heard(shared), [""; 0]);
    assert_eq!(world.heard(too), ["PUBLISH m x q1 id1", "PUBLISH m x q1 id2"]);
    assert_eq!(world.desk.dropped, [""; 0], "nobody was to have them");
}

#[test]
fn a_group_keeps_its_messages_from_a_member_that_comes_back_to_where_it_does_not_see_them() {
    let mut world = world();
    let [moves, stays] = ["moves", "stays"].map(|id| world.connect(lasting(id, ALL)));
    for link in [moves, stays] {
        world.wants(link, "$share/g/m/#", 1);
    }
    let publisher = world.connect(named("publisher", ALL));
    world.publish(publisher, 1, 1, "m", "0");
    let (first, second) = (world.heard(moves), world.heard(stays));
    assert_eq!((first.len(), second.len()), (1, 0));
    world.puback(moves, 1);
    let moves = world.connect(lasting("moves", MINE));
    for n in 1..=4 {
        world.publish(publisher, 1, 1, "m", &n.to_string());
    }
    assert_eq!((world.heard(moves).len(), world.heard(stays).len()), (0, 4));

    // And what one who is lost had not acknowledged.
    let other = world.connect(named("other", ALL));
    world.wants(other, "$share/g/m/#", 1);
    (1..=4).for_each(|id| world.puback(stays, id));
    for n in 5..=8 {
        world.publish(publisher, 1, 1, "m", &n.to_string());
    }
    assert_eq!((world.heard(other).len(), world.heard(stays).len()), (2, 2));
    world.disconnect(other);
    assert_eq!((world.heard(moves).len(), world.heard(stays).len()), (0, 2));
}

#[test]
fn a_group_is_not_a_part_of_the_topic() {
    // [5.0 MQTT-4.8.2-1]
    let mut world = world();
    let members = ["a", "b"].map(|id| {
        let link = world.connect(named(id, MINE));
        world.wants(link, "$share/g/t/+", 0);
        link
    });
    let publisher = world.connect(named("publisher", MINE));
    for n in 0..2 {
        world.publish(publisher, 0, 0, "t/x", &n.to_string());
    }
    assert_eq!(members.map(|link| world.heard(link)), [["PUBLISH t/x 0"], ["PUBLISH t/x 1"]]);
    world.unsubscribe(members[0], "$share/g/t/+");
    assert_eq!(world.heard(members[0]), ["UNSUBACK 2 [00]"]);
}

#[test]
fn retained_messages_wills_and_aliases_are_of_the_same_part() {
    let mut world = world();
    let all = world.connect(named("all", ALL));
    let doomed = world.connect(Hello { will: Some(Testament { retain: true, ..will("w") }), ..named("doomed", MINE) });
    world.retain(doomed, 1, 1, "r", "kept");
    world.lose(doomed);
    assert_retained(&mut world, all, &["PUBLISH m/r kept retain", "PUBLISH m/w will retain"]);

    let mine = world.connect(Hello { aliases_max: Some(2), ..named("mine", MINE) });
    assert_retained(&mut world, mine, &["PUBLISH r kept retain alias=1", "PUBLISH w will retain alias=2"]);

    // Topic Aliases in both directions.
    let mut properties = PropertiesBuf::new();
    properties.push(Property::TopicAlias(1));
    world.publishes(mine, 0, 0, "a", "1", false, &properties);
    world.publishes(mine, 0, 0, "", "2", false, &properties);
    assert_eq!(world.heard(all), ["PUBLISH m/a 1", "PUBLISH m/a 2"]);
    world.heard(mine);
    world.publish(all, 0, 0, "m/r", "again");
    assert_eq!(world.heard(mine), ["PUBLISH  again alias=1"]);

    world.retain(mine, 0, 0, "r", "");
    world.unsubscribe(mine, "#");
    assert_eq!(world.heard(mine).last().map(String::as_str), Some("UNSUBACK 2 [00]"));
    assert_eq!(world.broker.retained_count(), 1);
}

#[test]
fn the_rules_are_for_whole_topics() {
    let mut world = World::ruled(settings(), Acl::parse(b"topic readwrite m/free\n").unwrap());
    let mine = world.connect(named("mine", MINE));
    for topic in ["free", "m/free", "other"] {
        world.publish(mine, 1, 1, topic, "x");
        let wanted = if topic == "free" { "PUBACK 1 0x10" } else { "PUBACK 1 0x87" };
        assert_eq!(world.heard(mine), [wanted], "{topic}");
    }
    assert_eq!(world.desk.told, ["mine may not publish to m/m/free", "mine may not publish to m/other"]);
}

#[test]
fn commands_and_the_brokers_own_topics_are_not_there() {
    let mut settings = settings();
    (settings.sys_interval_s, settings.control_api) = (10, Some(Vec::new()));
    let mut world = World::with(settings);
    world.broker.restored(&mut world.desk);
    let mine = world.connect(named("mine", MINE));
    world.wants(mine, "$SYS/#", 0);
    world.publish(mine, 1, 1, "$CONTROL/broker/v1", "{\"commands\":[{\"command\":\"listListeners\"}]}");
    world.pass_s(30);
    assert_eq!(world.heard(mine), ["PUBACK 1 0x10"], "a topic like any other, which nobody has subscribed to");
    assert_eq!(world.desk.told, [""; 0]);
}

#[test]
fn what_is_no_topic_or_filter_with_its_beginning_is_refused() {
    let mut world = world();
    let bare = world.connect(named("bare", BARE));
    let all = world.connect(named("all", ALL));
    world.wants(all, "#", 0);
    for (filter, wanted) in [("#", "SUBACK 1 [8f]"), ("+/x", "SUBACK 1 [8f]"), ("x/#", "SUBACK 1 [00]")] {
        world.subscribe(bare, filter, at(0));
        assert_eq!(world.heard(bare), [wanted], "{filter}");
    }
    world.unsubscribe(bare, "#");
    assert_eq!(world.heard(bare), ["UNSUBACK 2 [8f]"]);
    world.publish(bare, 0, 0, "x/y", "1");
    assert_eq!(
        (world.heard(all), world.heard(bare)),
        (vec!["PUBLISH barex/y 1".to_owned()], vec!["PUBLISH x/y 1".to_owned()])
    );
    let old = world.connect(Hello { version: V311, ..named("old", BARE) });
    world.subscribe(old, "#", at(0));
    assert_eq!(world.heard(old), ["SUBACK 1 [80]"]);

    // [3.1.1 and 5.0 MQTT-4.7.3-3]
    let longest = "a".repeat(65_535 - "m/".len());
    let mine = world.connect(named("mine", MINE));
    world.publish(mine, 0, 0, &longest, "x");
    assert!(!world.is_closed(mine));
    world.publish(mine, 0, 0, &format!("{longest}a"), "x");
    assert_eq!(world.heard(mine), ["DISCONNECT 0x81", "CLOSED"]);
    let too_long = format!("{longest}a");
    let link = world.knock(Hello { will: Some(will(&too_long)), ..named("doomed", MINE) });
    assert!(world.is_closed(link));
}

#[test]
fn a_session_waits_and_comes_back_to_the_same_part() {
    let mut world = world();
    let mine = world.connect(lasting("mine", MINE));
    world.wants(mine, "t", 1);
    let all = world.connect(named("all", ALL));
    world.publish(all, 1, 1, "m/t", "in flight");
    assert_eq!(world.heard(mine), ["PUBLISH t in flight q1 id1"]);
    world.lose(mine);
    world.publish(all, 1, 1, "m/t", "waited");
    let mut world = world.restart(settings(), Acl::open());
    let mine = world.knock(lasting("mine", MINE));
    let wanted = ["CONNACK 0x00 present", "PUBLISH t in flight q1 id1 dup", "PUBLISH t waited q1 id2"];
    assert_eq!(world.heard(mine), wanted);
}

#[test]
fn a_session_goes_along_to_where_all_of_it_is_seen_and_begins_anew_where_it_is_not() {
    let rows = [
        (MINE, ALL, Some("PUBLISH m/t x q1 id1")),
        (MINE, YOURS, None),
        (MINE, BARE, None),
        (ALL, MINE, None),
        (MINE, MINE, Some("PUBLISH t x q1 id1")),
    ];
    for (before, after, wanted) in rows {
        for is_connected in [false, true] {
            let mut world = world();
            let first = world.connect(lasting("c", before));
            world.wants(first, "t", 1);
            let all = world.connect(named("all", ALL));
            if !is_connected {
                world.lose(first);
                world.publish(all, 1, 1, if before == ALL { "t" } else { "m/t" }, "x");
            }
            let again = world.knock(lasting("c", after));
            let heard = world.heard(again);
            let place = (before, after, is_connected);
            let present = if wanted.is_some() { "CONNACK 0x00 present" } else { "CONNACK 0x00" };
            assert_eq!(heard[0], present, "{place:?}");
            assert_eq!(heard.get(1).map(String::as_str), wanted.filter(|_| !is_connected), "{place:?}");
            assert_eq!(world.broker.subscription_count(), usize::from(wanted.is_some()), "{place:?}");
        }
    }
}

#[test]
fn who_sees_another_part_since_a_reload_goes_and_the_others_stay() {
    let mut world = world();
    let [mine, yours] = [("mine", MINE), ("yours", YOURS)].map(|(id, at)| world.connect(named(id, at)));
    let mut changed = settings();
    changed.listeners[1].mount_point = None;
    world.broker.set_settings(world.now, changed, &mut world.desk);
    assert_eq!(world.heard(mine), ["DISCONNECT 0x87", "CLOSED"]);
    assert!(!world.is_closed(yours));
}

#[test]
fn parts_of_the_process_see_topics_whole() {
    let mut world = world();
    let all = world.connect(named("all", ALL));
    world.wants(all, "#", 0);
    let ours = world.connect(Hello { trust: Trust::Ours, ..named("ours", MINE) });
    world.publish(ours, 0, 0, "cassia/x", "x");
    assert_eq!(world.heard(all), ["PUBLISH cassia/x x"]);
}
