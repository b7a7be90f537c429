//! Shared subscriptions: who gets a message, and who gets it when that one is lost.

use broker_core::{BACKLOG_BYTES_MAX, LinkId};
use mqtt::{Packet, PropertiesBuf, Property, ReasonCode, SubscriptionOptions};

use crate::world::*;

const SHARED: &str = "$share/g/t/#";

/// The payloads of the messages that a client has heard, in order.
fn got(world: &mut World, link: LinkId) -> String {
    let heard = world.heard(link);
    let payloads = heard.iter().filter_map(|packet| packet.strip_prefix("PUBLISH t/")?.split(' ').nth(1));
    payloads.collect::<Vec<_>>().join(" ")
}

/// Members of one group, all clean, and a publisher.
fn group<const N: usize>(world: &mut World, level: u8) -> ([LinkId; N], LinkId) {
    let mut number = 0;
    let members = [(); N].map(|()| {
        number += 1;
        let link = world.connect(hello(V5, &format!("m{number}")));
        world.wants(link, SHARED, level);
        link
    });
    (members, world.connect(hello(V5, "publisher")))
}

fn publish_many(world: &mut World, publisher: LinkId, level: u8, payloads: std::ops::Range<u16>) {
    for n in payloads {
        world.publish(publisher, level, if level == 0 { 0 } else { n + 1 }, "t/x", &n.to_string());
    }
}

#[test]
fn a_message_goes_to_one_member_and_messages_go_round() {
    // [5.0 §4.8.2]
    for version in [V31, V311, V5] {
        let mut world = World::new();
        let ([a, b, c], publisher) = group(&mut world, 0);
        let other = world.connect(hello(version, "other"));
        world.wants(other, "$share/other/t/#", 0);
        let plain = world.connect(hello(version, "plain"));
        world.wants(plain, "t/#", 0);
        publish_many(&mut world, publisher, 0, 0..6);
        assert_eq!([a, b, c].map(|link| got(&mut world, link)), ["0 3", "1 4", "2 5"]);
        assert_eq!(
            [other, plain].map(|link| got(&mut world, link)),
            ["0 1 2 3 4 5"; 2],
            "a group of its own, and no group"
        );
    }
}

#[test]
fn a_message_that_has_expired_is_not_handed_on() {
    // [5.0 MQTT-3.3.2-5]
    let mut world = World::new();
    let a = world.connect(Hello { window: Some(1), ..durable(V5, "a") });
    world.wants(a, SHARED, 1);
    let publisher = world.connect(hello(V5, "publisher"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(10));
    world.publishes(publisher, 1, 1, "t/x", "lasts", false, &PropertiesBuf::new());
    world.publishes(publisher, 1, 2, "t/x", "expires", false, &properties);
    let b = world.connect(hello(V5, "b"));
    world.wants(b, SHARED, 1);
    world.pass_s(10);
    world.lose(a);
    assert_eq!(world.heard(b), [""; 0]);
    assert_eq!(world.broker.stats().publishes_expired, 1);
}

#[test]
fn each_member_gets_the_qos_that_it_was_granted() {
    // [5.0 MQTT-4.8.2-3]
    let mut world = World::new();
    let publisher = world.connect(hello(V5, "publisher"));
    let members = [0, 1, 2].map(|level| {
        let link = world.connect(hello(V5, &format!("m{level}")));
        world.wants(link, SHARED, level);
        link
    });
    publish_many(&mut world, publisher, 2, 0..3);
    let heard = members.map(|link| world.heard(link));
    assert_eq!(heard, [["PUBLISH t/x 0"], ["PUBLISH t/x 1 q1 id1"], ["PUBLISH t/x 2 q2 id1"]]);
}

#[test]
fn a_shared_subscription_is_sent_no_retained_messages() {
    // [5.0 §4.8.2]
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    world.retain(a, 0, 0, "t/x", "kept");
    world.subscribe(a, SHARED, at(1));
    assert_eq!(world.heard(a), ["SUBACK 1 [01]"]);
}

#[test]
fn no_local_cannot_be_asked_for_with_a_shared_subscription() {
    // [5.0 MQTT-3.8.3-4]
    let mut world = World::new();
    let a = world.connect(hello(V5, "a"));
    world.subscribe(a, SHARED, SubscriptionOptions { no_local: true, ..at(0) });
    assert_eq!(world.heard(a), ["DISCONNECT 0x82", "CLOSED"]);
}

#[test]
fn unsubscribing_leaves_the_group_and_nothing_behind() {
    for version in [V311, V5] {
        let mut world = World::new();
        let ([a, b], publisher) = group(&mut world, 0);
        let c = world.connect(hello(version, "c"));
        world.wants(c, SHARED, 0);
        world.unsubscribe(c, SHARED);
        world.unsubscribe(a, "$share/g/t");
        assert_eq!(world.heard(a), ["UNSUBACK 2 [11]"]);
        publish_many(&mut world, publisher, 0, 0..4);
        assert_eq!([a, b].map(|link| got(&mut world, link)), ["0 2", "1 3"]);
        for link in [a, b, c, publisher] {
            world.lose(link);
        }
        world.assert_empty();
    }
}

#[test]
fn whoever_is_away_or_behind_is_passed_over_while_another_is_ready() {
    let mut world = World::new();
    let ([a, b], publisher) = group(&mut world, 1);
    let away = world.connect(durable(V5, "away"));
    world.wants(away, SHARED, 1);
    world.lose(away);
    world.clog(b, BACKLOG_BYTES_MAX + 1);
    publish_many(&mut world, publisher, 1, 0..3);
    assert_eq!([a, b].map(|link| got(&mut world, link)), ["0 1 2", ""]);
    world.lose(a);
    // What `a` had not acknowledged comes to `b`, who is behind, but there.
    world.drain(b);
    assert_eq!(got(&mut world, b), "0 1 2");
    let away = world.connect_again(durable(V5, "away"));
    assert_eq!(world.heard(away), [] as [&str; 0]);
}

#[test]
fn messages_wait_for_a_durable_member_when_nobody_is_there() {
    let mut world = World::new();
    let publisher = world.connect(hello(V5, "publisher"));
    let links = ["a", "b"].map(|id| {
        let link = world.connect(durable(V5, id));
        world.wants(link, SHARED, 1);
        link
    });
    for link in links {
        world.lose(link);
    }
    publish_many(&mut world, publisher, 1, 0..4);
    world.publish(publisher, 0, 0, "t/x", "lost");
    let links = ["a", "b"].map(|id| world.connect_again(durable(V5, id)));
    assert_eq!(links.map(|link| got(&mut world, link)), ["0 2", "1 3"]);
}

#[test]
fn what_waits_for_a_member_that_goes_away_is_handed_on_and_what_was_sent_is_not() {
    let mut world = World::new();
    let publisher = world.connect(hello(V5, "publisher"));
    let hello_a = Hello { window: Some(1), ..durable(V5, "a") };
    let a = world.connect(hello_a);
    world.wants(a, SHARED, 2);
    publish_many(&mut world, publisher, 2, 0..3);
    assert_eq!(got(&mut world, a), "0", "a window of one");
    let b = world.connect(hello(V5, "b"));
    world.wants(b, SHARED, 2);
    world.lose(a);
    assert_eq!(got(&mut world, b), "1 2");
    let a = world.connect_again(hello_a);
    // Begun with `a`, ended with `a` [5.0 MQTT-4.8.2-4].
    assert_eq!(world.heard(a), ["PUBLISH t/x 0 q2 id1 dup"]);
    let stored: Vec<_> = world.desk.store.sessions().map(|(_, session)| session.messages.len()).collect();
    assert_eq!(stored, [1], "what was handed on is not stored any more");
}

#[test]
fn at_the_end_of_a_session_others_get_what_was_not_acknowledged_but_for_qos_2_that_was_begun() {
    // [5.0 §4.8.2, MQTT-4.8.2-5]
    for (level, wanted) in [(1, "0 1 2"), (2, "1 2")] {
        let mut world = World::new();
        let publisher = world.connect(hello(V5, "publisher"));
        let a = world.connect(Hello { window: Some(1), ..hello(V5, "a") });
        world.wants(a, SHARED, level);
        publish_many(&mut world, publisher, level, 0..3);
        let b = world.connect(hello(V5, "b"));
        world.wants(b, SHARED, level);
        world.lose(a);
        assert_eq!(got(&mut world, b), wanted, "QoS {level}");
    }
}

#[test]
fn a_message_that_a_member_refuses_goes_to_nobody_else() {
    // [5.0 MQTT-4.8.2-6]
    for level in [1, 2] {
        let mut world = World::new();
        let ([a, b], publisher) = group(&mut world, level);
        publish_many(&mut world, publisher, level, 0..1);
        assert_eq!(got(&mut world, a), "0");
        let refusal = ack(1, ReasonCode::QuotaExceeded);
        world.says(a, if level == 1 { Packet::PubAck(refusal) } else { Packet::PubRec(refusal) });
        world.lose(a);
        assert_eq!(got(&mut world, b), "");
    }
}

#[test]
fn a_member_without_the_right_is_not_chosen() {
    let mut world = World::ruled(open_settings(), acl::Acl::open());
    let ([a, b, c], publisher) = group(&mut world, 1);
    world.set_acl("topic readwrite t/#\npattern deny t/x\n");
    assert_eq!(world.broker.clients().count(), 4);
    let reader = world.connect(Hello { username: Some("reader"), ..hello(V5, "reader") });
    world.wants(reader, SHARED, 1);
    world.set_acl("topic write t/#\nuser reader\ntopic read t/#\n");
    publish_many(&mut world, publisher, 1, 0..3);
    assert_eq!([a, b, c, reader].map(|link| got(&mut world, link)), ["", "", "", "0 1 2"]);
}

#[test]
fn a_shared_subscription_outlives_a_restart_with_what_waits_for_it() {
    let mut world = World::new();
    let publisher = world.connect(hello(V5, "publisher"));
    let a = world.connect(durable(V5, "a"));
    world.subscribe_as(a, SHARED, at(1), 7);
    world.lose(a);
    publish_many(&mut world, publisher, 1, 0..1);
    let mut world = world.restart(open_settings(), acl::Acl::open());
    assert_eq!(world.broker.shared_subscription_count(), 1);
    let a = world.connect_again(durable(V5, "a"));
    assert_eq!(world.heard(a), ["PUBLISH t/x 0 q1 id1 sub=7"]);
    let b = world.connect(hello(V5, "b"));
    world.wants(b, SHARED, 1);
    // Its group is known still: at the end of the session the other member inherits.
    let again = world.connect_again(Hello { clean: true, ..durable(V5, "a") });
    assert_eq!((got(&mut world, again), got(&mut world, b)), (String::new(), "0".to_owned()));
}
