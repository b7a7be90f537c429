//! A store that has no room: what would have to be kept is refused in the version's words, and all else goes on.

use broker_core::LinkId;
use mqtt::SubscriptionOptions;

use crate::world::*;

/// A durable subscriber that is away with one message waiting, and a store that is full.
fn full(version: mqtt::ProtocolVersion) -> (World, LinkId) {
    let mut world = World::new();
    let b = world.connect(durable(V5, "b"));
    world.wants(b, "kept", 2);
    world.lose(b);
    let a = world.connect(hello(version, "a"));
    world.publish(a, 1, 1, "kept", "first");
    assert_eq!(world.heard(a).len(), 1, "PUBACK");
    world.broker.set_store_full(true);
    (world, a)
}

#[test]
fn what_would_have_to_be_kept_is_refused() {
    // [5.0 §3.4.2.1, §3.5.2.1]: Quota exceeded.
    let (mut world, a) = full(V5);
    world.publish(a, 1, 2, "kept", "second");
    assert_eq!(world.heard(a), ["PUBACK 2 0x97"]);
    world.hand_over(a, 3, "kept", "third");
    assert_eq!(world.heard(a), ["PUBREC 3 0x97"]);
    world.publish(a, 1, 4, "nobody", "wants it");
    assert_eq!(world.heard(a), ["PUBACK 4 0x10"], "what nobody needs to keep is taken");
    world.publish(a, 0, 0, "kept", "QoS 0");
    assert_eq!(world.heard(a), [""; 0]);

    let b = world.knock(durable(V5, "b"));
    assert_eq!(world.heard(b), ["CONNACK 0x00 present", "PUBLISH kept first q1 id1"], "who makes room comes in");
    world.puback(b, 1);
    world.broker.set_store_full(false);
    world.publish(a, 1, 5, "kept", "fourth");
    assert_eq!(world.heard(a), ["PUBACK 5"]);
    assert_eq!(world.heard(b), ["PUBLISH kept fourth q1 id2"]);
}

#[test]
fn before_5_0_what_cannot_be_acknowledged_ends_the_connection() {
    for version in [V31, V311] {
        let (mut world, a) = full(version);
        world.publish(a, 1, 2, "nobody", "wants it");
        assert_eq!(world.heard(a), ["PUBACK 2"], "{version:?}");
        world.publish(a, 1, 3, "kept", "second");
        assert_eq!(world.heard(a), ["CLOSED"], "{version:?}");
    }
}

#[test]
fn new_retained_messages_subscriptions_and_sessions_wait_for_room() {
    let (mut world, a) = full(V5);
    world.retain(a, 1, 2, "r", "x");
    assert_eq!(world.heard(a), ["PUBACK 2 0x97"]);
    world.retain(a, 1, 3, "r", "");
    assert_eq!(world.heard(a), ["PUBACK 3 0x10"], "what takes one away makes room");
    world.subscribe(a, "t", SubscriptionOptions::default());
    assert_eq!(world.heard(a), ["SUBACK 1 [00]"], "of a session that need not last");
    let refused = world.knock(durable(V5, "new"));
    assert_eq!(world.heard(refused), ["CONNACK 0x97", "CLOSED"]);
    let refused = world.knock(durable(V311, "new"));
    assert_eq!(world.heard(refused), ["CONNACK 0x03", "CLOSED"]);
    let b = world.connect_again(durable(V5, "b"));
    world.heard(b);
    world.subscribe(b, "more", SubscriptionOptions::default());
    assert_eq!(world.heard(b), ["SUBACK 1 [97]"]);
    world.subscribe(b, "kept", SubscriptionOptions::default());
    assert_eq!(world.heard(b), ["SUBACK 1 [00]"], "what it has it may change");
}
