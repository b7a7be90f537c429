//! What is promised is kept: acknowledgements that wait for the store, and brokers made from it.

use std::time::Duration;

use broker_core::LinkId;
use mqtt::{PropertiesBuf, Property, SubscriptionOptions};

use crate::world::*;

/// A durable subscriber that is away, and a publisher.
fn kept() -> (World, LinkId) {
    let mut world = World::new();
    let b = world.connect(durable(V311, "b"));
    world.wants(b, "t", 2);
    world.lose(b);
    let a = world.connect(durable(V5, "a"));
    (world, a)
}

#[test]
fn an_acknowledgement_that_promises_waits_for_the_commit_and_is_not_overtaken() {
    // [3.1.1 MQTT-4.3.2-2, MQTT-4.3.3-2; 5.0 MQTT-4.3.2-4, MQTT-4.3.3-8]: the message is our own before we say so.
    let (mut world, a) = kept();
    world.desk.commits_wait = true;
    world.publish(a, 1, 1, "nobody", "x");
    assert_eq!(world.heard(a), ["PUBACK 1 0x10"], "promises nothing");
    world.publish(a, 1, 2, "t", "x");
    world.publish(a, 1, 3, "nobody", "x");
    world.hand_over(a, 4, "nobody", "x");
    assert_eq!(world.heard(a), [""; 0]);
    world.commit();
    assert_eq!(world.heard(a), ["PUBACK 2", "PUBACK 3 0x10", "PUBREC 4"]);
    world.pubrel(a, 4);
    world.retain(a, 1, 5, "nobody", "x");
    world.wants_later(a);
    assert_eq!(world.heard(a), [""; 0]);
    world.commit();
    assert_eq!(world.heard(a), ["PUBCOMP 4", "PUBACK 5 0x10", "SUBACK 1 [01]"]);
    let c = world.knock(durable(V5, "c"));
    assert_eq!(world.heard(c), [""; 0], "a new durable session is promised too");
    world.commit();
    assert_eq!(world.heard(c), ["CONNACK 0x00"]);
}

#[test]
fn a_session_that_need_not_last_promises_nothing() {
    let mut world = World::new();
    world.desk.commits_wait = true;
    let a = world.connect(hello(V5, "a"));
    world.wants(a, "t", 2);
    world.publish(a, 2, 1, "t", "x");
    assert_eq!(world.heard(a), ["PUBREC 1", "PUBLISH t x q2 id1", "PUBCOMP 1"]);
    assert_eq!(world.desk.store.sessions().count(), 0);
}

#[test]
fn a_broker_made_from_the_store_goes_on_where_the_other_stopped() {
    let mut world = World::new();
    let b = world.connect(durable(V5, "b"));
    world.subscribe_as(b, "t/#", at(2), 7);
    world.subscribe(b, "gone", at(0));
    world.unsubscribe(b, "gone");
    world.heard(b);
    let a = world.connect(durable(V5, "a"));
    world.retain(a, 0, 0, "kept", "retained");
    world.retain(a, 0, 0, "cleared", "x");
    world.retain(a, 0, 0, "cleared", "");
    world.publish(a, 1, 1, "t/1", "done");
    world.publish(a, 2, 2, "t/1", "released");
    world.publish(a, 1, 3, "t/2", "in flight");
    world.puback(b, 1);
    world.pubrec(b, 2);
    world.lose(b);
    world.publish(a, 1, 4, "t/3", "waits");
    world.hand_over(a, 5, "t/3", "waits too");
    let mut world = world.restart(open_settings(), acl::Acl::open());
    assert_eq!(world.broker.session_count(), 2);
    assert_eq!(world.broker.subscription_count(), 1);
    assert_eq!(world.broker.retained_count(), 1);

    let a = world.connect_again(durable(V5, "a"));
    world.publish(a, 2, 5, "t/3", "is a repeat");
    assert_eq!(world.heard(a), ["PUBREC 5", "PUBCOMP 5"], "known as a repeat");
    let b = world.connect_again(durable(V5, "b"));
    let wanted = [
        "PUBREL 2",
        "PUBLISH t/2 in flight q1 id3 dup sub=7",
        "PUBLISH t/3 waits q1 id4 sub=7",
        "PUBLISH t/3 waits too q2 id5 sub=7",
    ];
    assert_eq!(world.heard(b), wanted);
    for (end, id) in [(1, 3), (1, 4), (2, 5), (3, 2)] {
        match end {
            1 => world.puback(b, id),
            2 => {
                world.pubrec(b, id);
                world.pubcomp(b, id);
            }
            _ => world.pubcomp(b, id),
        }
    }
    world.publish(a, 1, 6, "t/4", "new");
    assert_eq!(world.heard(b), ["PUBREL 5", "PUBLISH t/4 new q1 id6 sub=7"]);
    world.puback(b, 6);
    let left: usize =
        world.desk.store.sessions().map(|(_, session)| session.messages.len() + session.taken.len()).sum();
    assert_eq!(left, 0);
    world.subscribe(b, "kept", at(0));
    // The SUBACK promises and waits for its commit; retained messages may come before it [5.0 §3.8.4].
    assert_eq!(world.heard(b), ["PUBLISH kept retained retain", "SUBACK 1 [00]"]);
    for (link, id) in [(a, "a"), (b, "b")] {
        world.lose(link);
        let link = world.connect(hello(V5, id));
        world.lose(link);
    }
    world.assert_empty();
}

#[test]
fn what_was_not_committed_was_not_promised_and_is_gone() {
    let (mut world, a) = kept();
    world.desk.commits_wait = true;
    world.publish(a, 1, 2, "t", "x");
    assert_eq!(world.heard(a), [""; 0]);
    let mut world = world.restart(open_settings(), acl::Acl::open());
    let b = world.connect_again(durable(V311, "b"));
    assert_eq!(world.heard(b), [""; 0]);
}

#[test]
fn a_restored_session_still_has_the_rights_of_its_user() {
    let rules = b"user u\ntopic readwrite #\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
    let u = Hello { username: Some("u"), ..durable(V311, "b") };
    let b = world.connect(u);
    world.wants(b, "t", 1);
    let mut world = world.restart(open_settings(), acl::Acl::parse(rules).unwrap());
    let a = world.connect(Hello { username: Some("u"), ..hello(V5, "a") });
    world.publish(a, 1, 9, "t", "while away");
    assert_eq!(world.heard(a), ["PUBACK 9"]);
    let b = world.connect_again(u);
    assert_eq!(world.heard(b), ["PUBLISH t while away q1 id1"]);
}

#[test]
fn a_user_who_takes_a_session_over_is_the_one_that_is_kept() {
    let rules = b"user u\ntopic readwrite #\nuser v\n";
    let mut world = World::ruled(open_settings(), acl::Acl::parse(rules).unwrap());
    let b = world.connect(Hello { username: Some("u"), ..durable(V311, "b") });
    world.wants(b, "t", 1);
    world.connect_again(Hello { username: Some("v"), ..durable(V311, "b") });
    let mut world = world.restart(open_settings(), acl::Acl::parse(rules).unwrap());
    let a = world.connect(Hello { username: Some("u"), ..hello(V5, "a") });
    world.publish(a, 1, 9, "t", "x");
    assert_eq!(world.heard(a), ["PUBACK 9 0x10"], "v may not read it");
}

#[test]
fn messages_of_a_restored_session_keep_the_order_in_which_they_were_sent() {
    // A retained message waits in memory only, until it is sent; what is published behind it is stored before it.
    let mut world = World::new();
    let b = world.connect(Hello { window: Some(1), ..durable(V5, "b") });
    let a = world.connect(hello(V5, "a"));
    for topic in ["t/1", "t/2"] {
        world.retain(a, 1, 9, topic, "old");
    }
    world.subscribe(b, "t/#", at(1));
    world.publish(a, 1, 9, "t/2", "new");
    assert_eq!(world.heard(b), ["PUBLISH t/1 old q1 id1 retain", "SUBACK 1 [01]"]);
    world.lose(b);
    let b = world.connect_again(durable(V5, "b"));
    let wanted = ["PUBLISH t/1 old q1 id1 dup retain", "PUBLISH t/2 old q1 id2 retain", "PUBLISH t/2 new q1 id3"];
    assert_eq!(world.heard(b), wanted);
    let mut world = world.restart(open_settings(), acl::Acl::open());
    let b = world.connect_again(durable(V5, "b"));
    let wanted =
        ["PUBLISH t/1 old q1 id1 dup retain", "PUBLISH t/2 old q1 id2 dup retain", "PUBLISH t/2 new q1 id3 dup"];
    assert_eq!(world.heard(b), wanted);
}

#[test]
fn a_clean_session_is_promised_where_an_older_one_ends_for_it() {
    // [3.1.1 MQTT-3.1.2-6, 5.0 MQTT-3.1.2-4]: what was discarded must not be there again after a restart.
    for version in [V311, V5] {
        let mut world = World::new();
        let b = world.connect(durable(version, "b"));
        world.lose(b);
        world.desk.commits_wait = true;
        let b = world.knock(hello(version, "b"));
        assert_eq!(world.heard(b), [""; 0]);
        world.commit();
        assert_eq!(world.heard(b), ["CONNACK 0x00"]);
        assert_eq!(world.desk.store.sessions().count(), 0);
    }
}

#[test]
fn a_right_that_was_taken_away_while_no_broker_ran_counts_for_what_was_queued() {
    let (mut world, a) = kept();
    world.publish(a, 1, 1, "t", "x");
    let rules = acl::Acl::parse(b"topic deny t\ntopic readwrite #\n").unwrap();
    let mut world = world.restart(open_settings(), rules);
    let b = world.connect_again(durable(V311, "b"));
    assert_eq!(world.heard(b), [""; 0]);
    assert_eq!(world.desk.store.sessions().map(|(_, session)| session.messages.len()).sum::<usize>(), 0);
}

#[test]
fn what_comes_again_is_not_overtaken_where_a_session_no_longer_outlasts_its_connection() {
    // [5.0 MQTT-4.6.0-2]: what is new is not stored there and does not wait; so what was stored must not wait either.
    let mut world = World::new();
    let b = world.connect(durable(V5, "b"));
    world.wants(b, "t", 2);
    let a = world.connect(hello(V5, "a"));
    world.publish(a, 1, 1, "t", "first");
    world.publish(a, 2, 2, "t", "old");
    world.lose(b);
    let b = world.connect_again(Hello { clean: false, window: Some(1), ..hello(V5, "b") });
    assert_eq!(world.heard(b), ["PUBLISH t first q1 id1 dup"]);
    world.desk.commits_wait = true;
    world.puback(b, 1);
    assert_eq!(world.heard(b), ["PUBLISH t old q2 id2 dup"]);
}

#[test]
fn a_restored_session_ends_when_its_time_is_over() {
    let mut world = World::new();
    world.connect(Hello { expiry_s: Some(60), ..durable(V5, "b") });
    let mut world = world.restart(open_settings(), acl::Acl::open());
    world.pass_s(59);
    assert_eq!(world.broker.session_count(), 1);
    world.pass_s(1);
    world.assert_empty();
}

#[test]
fn options_and_expiry_of_what_is_kept_come_back() {
    let mut world = World::new();
    let b = world.connect(durable(V5, "b"));
    world.subscribe(b, "t", SubscriptionOptions { retain_as_published: true, no_local: true, ..at(1) });
    world.lose(b);
    let a = world.connect(hello(V5, "a"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(60));
    properties.push(Property::ContentType("c"));
    world.publishes(a, 1, 9, "t", "x", true, &properties);
    world.pass_s(10);
    let mut world = world.restart(open_settings(), acl::Acl::open());
    let b = world.connect_again(durable(V5, "b"));
    assert_eq!(world.heard(b), [r#"PUBLISH t x q1 id1 retain ContentType("c") expiry=50"#]);
    world.publish(b, 1, 9, "t", "own");
    assert_eq!(world.heard(b), ["PUBACK 9"], "no local");
}

#[test]
fn the_time_of_a_session_runs_on_while_no_broker_does() {
    let mut world = World::new();
    let b = world.connect(Hello { expiry_s: Some(60), ..durable(V5, "b") });
    world.lose(b);
    world.pass_s(20);
    for _ in 0..2 {
        // However often the process begins anew.
        world = world.restart(open_settings(), acl::Acl::open());
        world.now = world.now + Duration::from_secs(15);
    }
    world.pass_s(9);
    assert_eq!(world.broker.session_count(), 1);
    world.pass_s(1);
    world.assert_empty();
}

#[test]
fn the_time_of_a_session_whose_connection_the_process_took_along_runs_from_the_first_start() {
    let mut world = World::new();
    world.connect(Hello { expiry_s: Some(60), ..durable(V5, "b") });
    world.pass_s(1000);
    world = world.restart(open_settings(), acl::Acl::open());
    world.pass_s(30);
    world = world.restart(open_settings(), acl::Acl::open());
    world.pass_s(29);
    assert_eq!(world.broker.session_count(), 1);
    world.pass_s(1);
    world.assert_empty();
}

#[test]
fn who_is_back_in_time_is_not_forgotten_after_a_restart() {
    let mut world = World::new();
    let b = world.connect(Hello { expiry_s: Some(60), ..durable(V5, "b") });
    world.lose(b);
    world.pass_s(50);
    world.connect_again(Hello { expiry_s: Some(60), ..durable(V5, "b") });
    world = world.restart(open_settings(), acl::Acl::open());
    world.pass_s(59);
    assert_eq!(world.broker.session_count(), 1);
}

#[test]
fn a_will_that_waits_for_its_delay_comes_after_a_restart_too_and_once() {
    let mut world = World::new();
    let late = Hello { will: Some(Testament { delay_s: 30, ..will("w") }), ..durable(V5, "b") };
    let b = world.connect(late);
    world.lose(b);
    world.pass_s(10);
    world = world.restart(open_settings(), acl::Acl::open());
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "#", 2);
    world.pass_s(19);
    assert_eq!(world.heard(watcher), [""; 0]);
    world.pass_s(1);
    assert_eq!(world.heard(watcher), ["PUBLISH w will"]);
    world = world.restart(open_settings(), acl::Acl::open());
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "#", 2);
    world.pass_s(100);
    assert_eq!(world.heard(watcher), [""; 0]);
}

#[test]
fn a_will_that_was_waited_out_by_its_client_does_not_come_after_a_restart() {
    let mut world = World::new();
    let late = Hello { will: Some(Testament { delay_s: 30, ..will("w") }), ..durable(V5, "b") };
    let b = world.connect(late);
    world.lose(b);
    world.connect_again(durable(V5, "b"));
    world = world.restart(open_settings(), acl::Acl::open());
    let watcher = world.connect(hello(V5, "watcher"));
    world.wants(watcher, "#", 2);
    world.pass_s(100);
    assert_eq!(world.heard(watcher), [""; 0]);
}
