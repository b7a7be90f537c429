//! `$SYS`: what is said at the start, what later, and that the numbers are right.

use std::collections::BTreeMap;

use broker_core::{EdgeCounts, LinkId, Settings};

use crate::world::*;

fn world() -> World {
    let mut world = World::with(Settings { sys_interval_s: 10, ..open_settings() });
    world.desk.counts = EdgeCounts { heap_bytes: 1000, heap_bytes_most: 2000, ..EdgeCounts::default() };
    world.broker.start(world.now, &mut world.desk);
    world
}

/// What has come from `$SYS` since the last time, by topic, without its root.
fn said(world: &mut World, link: LinkId) -> BTreeMap<String, String> {
    let heard = world.heard(link);
    let said = heard.iter().filter_map(|packet| packet.strip_prefix("PUBLISH $SYS/broker/"));
    // A topic may have a blank in it ("retained messages/count"), a payload too ("5 seconds").
    said.map(|said| {
        let said = said.trim_end_matches(" retain");
        let slash = said.rfind('/').unwrap_or(0);
        let end = slash + said[slash..].find(' ').unwrap();
        (said[..end].to_owned(), said[end + 1..].to_owned())
    })
    .collect()
}

#[test]
fn all_64_topics_are_there_from_the_start_and_each_is_retained() {
    let mut world = world();
    let a = world.connect(hello(V311, "a"));
    world.subscribe(a, "$SYS/#", at(0));
    assert!(world.heard(a).iter().skip(1).all(|packet| packet.ends_with(" retain")));
    world.subscribe(a, "$SYS/broker/#", at(0));
    let said = said(&mut world, a);
    assert_eq!(said.len(), 64, "{said:#?}");
    assert_eq!(said["version"], concat!("nightjar version ", env!("CARGO_PKG_VERSION")));
    assert_eq!(said["uptime"], "0 seconds");
    assert_eq!(said["load/bytes/sent/15min"], "0.00");
    assert_eq!((&*said["heap/current"], &*said["heap/maximum"]), ("1000", "2000"));
    assert!(!said.contains_key("clients/maximum"), "not before it is above 1");
    for (topic, text) in &said {
        let is_number = text.parse::<f64>().is_ok();
        assert!(is_number || ["version", "uptime"].contains(&&**topic), "{topic}: {text}");
    }
    assert_eq!(world.desk.store.retained().count(), 0, "it is not for the store");
}

#[test]
fn what_has_changed_is_said_each_interval_and_the_numbers_are_right() {
    let mut world = world();
    let watcher = world.connect(hello(V311, "watcher"));
    world.wants(watcher, "$SYS/#", 0);
    world.heard(watcher);
    let a = world.connect(durable(V5, "a"));
    world.wants(a, "t", 1);
    world.subscribe(a, "$share/g/t", at(0));
    world.unsubscribe(a, "$share/g/t");
    world.subscribe(a, "$share/g/u", at(0));
    world.lose(a);
    for payload in ["123", "4567"] {
        world.publish(watcher, 1, 5, "t", payload);
    }
    world.retain(watcher, 0, 0, "kept", "8");
    world.heard(watcher);
    world.pass_s(9);
    assert_eq!(world.heard(watcher), [] as [&str; 0]);
    world.desk.counts = EdgeCounts { bytes_received: 500, sockets_opened: 2, sockets: 1, ..EdgeCounts::default() };
    world.pass_s(1);
    let said = said(&mut world, watcher);
    let wanted = [
        ("uptime", "10 seconds"),
        ("clients/total", "2"),
        ("clients/maximum", "2"),
        ("clients/connected", "1"),
        ("clients/active", "1"),
        ("clients/disconnected", "1"),
        ("clients/inactive", "1"),
        // Two CONNECT, three SUBSCRIBE and one more, UNSUBSCRIBE, three PUBLISH.
        ("messages/received", "10"),
        ("publish/messages/received", "3"),
        ("publish/bytes/received", "8"),
        ("bytes/received", "500"),
        ("connections/socket/count", "1"),
        ("subscriptions/count", "2"),
        ("shared_subscriptions/count", "1"),
        // One is `kept`; the others are those of $SYS itself.
        ("retained messages/count", "65"),
        // 500 bytes in ten seconds are 3000 a minute: 3000 * (1 - e^(-10/60)).
        ("load/bytes/received/1min", "460.55"),
        ("load/sockets/1min", "1.84"),
        ("load/connections/1min", "1.84"),
        ("heap/current", "0"),
    ];
    for (topic, text) in wanted {
        assert_eq!(said.get(topic).map(String::as_str), Some(text), "{topic} in {said:#?}");
    }
    assert!(!said.contains_key("version") && !said.contains_key("clients/expired"), "what has not changed: {said:#?}");
}

#[test]
fn kept_messages_are_counted_once_however_many_sessions_wait_for_them() {
    let mut world = world();
    for id in ["a", "b"] {
        let link = world.connect(durable(V311, id));
        world.wants(link, "t", 1);
        world.lose(link);
    }
    let watcher = world.connect(hello(V311, "watcher"));
    world.wants(watcher, "$SYS/broker/store/#", 0);
    world.pass_s(20); // `clients/maximum` joins the others in the first round
    let before = said(&mut world, watcher);
    let kept: u64 = before["store/messages/count"].parse().unwrap();
    world.publish(watcher, 1, 5, "t", "1234567");
    world.heard(watcher);
    world.pass_s(10);
    let after = said(&mut world, watcher);
    assert_eq!(after["store/messages/count"], (kept + 1).to_string());
    for id in ["a", "b"] {
        let link = world.connect(hello(V311, id));
        world.lose(link);
    }
    world.pass_s(10);
    assert_eq!(said(&mut world, watcher)["store/messages/count"], kept.to_string());
}

#[test]
fn nothing_is_said_with_an_interval_of_0_and_a_new_interval_counts_at_once() {
    let mut world = World::with(open_settings());
    world.broker.start(world.now, &mut world.desk);
    assert_eq!((world.broker.retained_count(), world.broker.next_deadline()), (0, None));
    let watcher = world.connect(hello(V311, "watcher"));
    world.wants(watcher, "$SYS/#", 0);
    world.pass_s(5);
    let settings = Settings { sys_interval_s: 3, ..open_settings() };
    world.broker.set_settings(world.now, settings, &mut world.desk);
    world.pass_s(3);
    assert_eq!(said(&mut world, watcher)["uptime"], "8 seconds");
    world.broker.set_settings(world.now, open_settings(), &mut world.desk);
    assert_eq!(world.broker.next_deadline(), None);
}

#[test]
fn the_most_clients_there_were_are_not_said_before_there_were_two() {
    let mut world = world();
    let watcher = world.connect(hello(V311, "watcher"));
    world.wants(watcher, "$SYS/broker/clients/maximum", 0);
    world.pass_s(20);
    assert_eq!(world.heard(watcher), [] as [&str; 0]);
    let other = world.connect(hello(V311, "other"));
    world.pass_s(10);
    world.lose(other);
    world.pass_s(10);
    assert_eq!(world.heard(watcher), ["PUBLISH $SYS/broker/clients/maximum 2"]);
}

#[test]
fn clients_publish_nothing_there() {
    for topic in ["$SYS/broker/uptime", "$SYS/x", "$SYS"] {
        let mut world = world();
        let a = world.connect(hello(V5, "a"));
        world.publish(a, 1, 5, topic, "x");
        assert_eq!(world.heard(a), ["PUBACK 5 0x87"], "{topic}");
    }
}
