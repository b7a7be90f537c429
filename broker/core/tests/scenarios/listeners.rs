//! Rules of their own for each listener: whose count for a client, for one that is away, for what it left behind. Rows of
//! Debian's mosquitto are in `tests/differential/listeners.rs`.

use std::sync::Arc;

use acl::Acl;
use broker_core::{ListenerRules, ListenerSettings, RuleSets, Settings, Trust};
use mqtt::ProtocolVersion::{V5, V311};

use crate::world::*;

const GUARDED: &str = "topic read only/read\ntopic write only/write\ntopic readwrite both\n";
/// Every topic of these tests.
const TOPICS: [&str; 4] = ["only/read", "only/write", "both", "free"];

/// The first listener has `GUARDED`, the second no file.
fn two() -> RuleSets {
    named(&[("1883", GUARDED), ("1884", "")])
}

/// Listeners, each with a set of its own; an empty one is no file.
fn named(listeners: &[(&str, &str)]) -> RuleSets {
    let set = |(_, rules): &(&str, &str)| match *rules {
        "" => Arc::new(Acl::open()),
        rules => Arc::new(Acl::parse(rules.as_bytes()).unwrap()),
    };
    let listener = |(set, (name, _)): (usize, &(&str, &str))| ListenerRules { name: Arc::from(*name), set };
    RuleSets {
        sets: listeners.iter().map(set).collect(),
        listeners: listeners.iter().enumerate().map(listener).collect(),
    }
}

fn settings() -> Settings {
    let listener = ListenerSettings { allow_anonymous: true, ..ListenerSettings::default() };
    Settings { listeners: vec![listener; 3], ..open_settings() }
}

fn by(listener: u16, hello: Hello<'_>) -> Hello<'_> {
    Hello { listener, ..hello }
}

#[test]
fn each_client_may_what_the_rules_of_its_listener_let_it() {
    // Whose message arrives with whom: by listener.
    for (from, to, wanted) in
        [(0, 0, &["both"][..]), (0, 1, &["only/write", "both"]), (1, 0, &["only/read", "both"]), (1, 1, &TOPICS)]
    {
        let mut world = World::ruled(settings(), two());
        let reader = world.connect(by(to, hello(V311, "reader")));
        world.wants(reader, "#", 0);
        let writer = world.connect(by(from, hello(V311, "writer")));
        for topic in TOPICS {
            world.publish(writer, 0, 0, topic, "x");
        }
        let wanted: Vec<_> = wanted.iter().map(|topic| format!("PUBLISH {topic} x")).collect();
        assert_eq!(world.heard(reader), wanted, "from {from} to {to}");
        world.publish(writer, 0, 0, "$SYS/broker/x", "x");
        let open = world.connect(by(1, hello(V5, "open")));
        for topic in TOPICS {
            world.retain(open, 0, 0, topic, "y");
        }
        let may_read = if to == 0 { 2 } else { 4 };
        assert_eq!(world.heard(reader).len(), may_read);
        world.subscribe(reader, "#", at(0));
        assert_eq!(world.heard(reader).len(), 1 + may_read, "so it is with retained messages");
        let shared = world.connect(by(to, hello(V5, "shared")));
        world.wants(shared, "$share/g/#", 0);
        for topic in TOPICS {
            world.publish(open, 0, 0, topic, "z");
        }
        assert_eq!(world.heard(shared).len(), may_read, "and for members of a group");
    }
}

#[test]
fn while_a_client_is_away_the_rules_of_the_listener_count_by_which_it_came_in_last() {
    let mut world = World::ruled(settings(), two());
    let writer = world.connect(by(1, hello(V311, "writer")));
    let b = world.connect(by(0, durable(V311, "b")));
    world.wants(b, "#", 1);
    world.lose(b);
    // What was for it by the listener that it came in by last, and is by that which it comes back by.
    for (back, wanted) in [(0, &["both"][..]), (1, &["both"]), (0, &["both"]), (1, &["both"]), (1, &["both", "free"])] {
        world.publish(writer, 1, 1, "both", "x");
        world.publish(writer, 1, 2, "free", "x");
        world.heard(writer);
        let b = world.connect_again(by(back, durable(V311, "b")));
        let heard = world.heard(b);
        let topics: Vec<_> = heard.iter().filter_map(|said| said.split(' ').nth(1)).collect();
        assert_eq!(topics, wanted, "back by {back}: {heard:?}");
        for said in &heard {
            let id = said.rsplit("id").next().unwrap().parse().unwrap();
            world.puback(b, id);
        }
        world.lose(b);
    }
}

#[test]
fn a_will_goes_where_the_rules_of_its_clients_listener_let_it_though_the_client_is_away() {
    for (listener, topic, wanted) in
        [(0, "free", &[][..]), (0, "both", &["PUBLISH both will"]), (1, "free", &["PUBLISH free will"])]
    {
        for delay_s in [0, 10] {
            let mut world = World::ruled(settings(), two());
            let watcher = world.connect(by(1, hello(V5, "watcher")));
            world.wants(watcher, "#", 0);
            let will = Some(Testament { delay_s, ..will(topic) });
            let link = world.connect(by(listener, Hello { will, ..durable(V5, "m") }));
            world.lose(link);
            let mut world = if delay_s == 0 { world } else { world.restart(settings(), two()) };
            let watcher = if delay_s == 0 { watcher } else { world.connect(by(1, hello(V5, "watcher"))) };
            if delay_s > 0 {
                world.wants(watcher, "#", 0);
                world.pass_s(11);
            }
            assert_eq!(world.heard(watcher), wanted, "{listener} {topic} after {delay_s} s");
        }
    }
}

#[test]
fn a_retained_message_goes_with_its_publishers_right_by_the_publishers_listener() {
    let settings = Settings { check_retain_source: true, ..settings() };
    let reads = |world: &mut World| {
        let b = world.connect(by(1, hello(V311, "b")));
        world.subscribe(b, "#", at(0));
        world.heard(b).len() - 1
    };
    let mut world = World::ruled(settings.clone(), two());
    let (guarded, open) = (world.connect(by(0, hello(V311, "g"))), world.connect(by(1, hello(V311, "o"))));
    world.retain(guarded, 0, 0, "both", "x");
    world.retain(open, 0, 0, "free", "x");
    assert_eq!(reads(&mut world), 2);
    // The rules of the first listener take the right away.
    let fewer = || named(&[("1883", "topic read #\n"), ("1884", "")]);
    world.set_rules(fewer());
    assert_eq!(reads(&mut world), 1);
    let mut world = world.restart(settings.clone(), fewer());
    assert_eq!(reads(&mut world), 1, "after a restart");
    let mut world = world.restart(settings, two());
    assert_eq!(reads(&mut world), 2);
}

#[test]
fn a_session_knows_its_listener_after_a_restart_whatever_its_number_is_then() {
    let mut world = World::ruled(settings(), two());
    for (listener, id) in [(0, "guarded"), (1, "open")] {
        let link = world.connect(by(listener, durable(V311, id)));
        world.wants(link, "#", 1);
    }
    let turned = named(&[("1885", "topic write #\n"), ("1884 127.0.0.1", ""), ("1883", GUARDED)]);
    let mut world = world.restart(settings(), turned);
    let writer = world.connect(by(0, hello(V311, "writer")));
    for topic in ["free", "both"] {
        world.publish(writer, 1, 1, topic, "x");
    }
    for (listener, id, wanted) in [(2, "guarded", 1), (1, "open", 2)] {
        let link = world.connect_again(by(listener, durable(V311, id)));
        assert_eq!(world.heard(link).len(), wanted, "{id}");
    }
}

#[test]
fn who_came_in_by_a_listener_that_is_closed_has_its_rules_until_nobody_knows_them_and_keeps_what_waits() {
    let mut world =
        World::ruled(settings(), named(&[("1883", GUARDED), ("1884", ""), ("1885", "topic readwrite t\n")]));
    let b = world.connect(by(2, durable(V311, "b")));
    world.wants(b, "#", 1);
    world.lose(b);
    let writer = world.connect(by(1, hello(V311, "writer")));
    world.wants(writer, "t", 0);
    let goes = world.connect(by(2, Hello { will: Some(will("t")), ..hello(V311, "goes") }));
    world.publish(writer, 1, 1, "t", "before");
    world.set_rules(two());
    world.lose(goes);
    assert_eq!(world.heard(writer), ["PUBLISH t before", "PUBACK 1", "PUBLISH t will"]);
    world.publish(writer, 1, 2, "t", "closed");
    world.publish(writer, 1, 2, "both", "not for it");
    let mut world = world.restart(settings(), two());
    let writer = world.connect(by(1, hello(V311, "writer")));
    world.publish(writer, 1, 3, "t", "unknown");
    world.set_rules(two());
    let b = world.connect_again(by(1, durable(V311, "b")));
    assert_eq!(world.heard(b), ["PUBLISH t before q1 id1", "PUBLISH t closed q1 id2"]);
}

#[test]
fn a_listener_that_is_closed_leaves_nobody_to_the_rules_of_the_one_that_is_left() {
    let settings = Settings { check_retain_source: true, ..settings() };
    let mut world = World::ruled(settings, two());
    let watcher = world.connect(by(1, hello(V5, "watcher")));
    world.wants(watcher, "#", 0);
    let goes = world.connect(by(0, Hello { will: Some(will("free")), ..durable(V5, "goes") }));
    world.retain(goes, 0, 0, "both", "x");
    world.heard(watcher);
    let left = || {
        let mut left = named(&[("1884", "")]);
        left.listeners.insert(0, ListenerRules { name: Arc::from(""), set: 0 });
        left
    };
    // As often as it is read again.
    world.set_rules(left());
    world.set_rules(left());
    world.lose(goes);
    assert_eq!(world.heard(watcher), [""; 0], "its will may not be there");
    world.subscribe(watcher, "#", at(0));
    assert_eq!(world.heard(watcher).len(), 2, "it might have retained this");
}

#[test]
fn other_rules_for_one_listener_change_nothing_for_the_clients_of_the_others() {
    let three = |one: &str, two: &str| named(&[("1883", one), ("1884", two), ("1885", "")]);
    let mut world = World::ruled(settings(), three(GUARDED, ""));
    let readers = [0, 1].map(|listener| world.connect(by(listener, hello(V5, &format!("r{listener}")))));
    for link in readers {
        world.wants(link, "free", 0);
    }
    let writer = world.connect(by(2, hello(V5, "writer")));
    for (one, two, wanted) in [
        (GUARDED, "", [0, 1]),
        (GUARDED, GUARDED, [0, 0]),
        ("", GUARDED, [1, 0]),
        ("", "", [1, 1]),
        (GUARDED, "", [0, 1]),
    ] {
        world.set_rules(three(one, two));
        world.publish(writer, 0, 0, "free", "x");
        assert_eq!(readers.map(|link| world.heard(link).len()), wanted, "{one:?} {two:?}");
    }
}

#[test]
fn what_is_ours_has_the_rules_of_the_first_listener_that_is_open() {
    let mut world = World::ruled(settings(), named(&[("1883", GUARDED), ("1884", "")]));
    let watcher = world.connect(by(1, hello(V5, "watcher")));
    world.wants(watcher, "#", 0);
    let ours = world.connect(Hello { trust: Trust::Ours, ..by(1, durable(V5, "ours")) });
    for (first, wanted) in [("1883", 1), ("", 2)] {
        world.set_rules(named(&[(first, GUARDED), ("1884", "")]));
        for topic in ["free", "both"] {
            world.publish(ours, 0, 0, topic, "x");
        }
        assert_eq!(world.heard(watcher).len(), wanted, "{first:?}");
    }
}
