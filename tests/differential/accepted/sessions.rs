//! What becomes of messages, sessions and wills: who is in another state afterwards.

use super::editing::{identifiers_first, topic_and_payload};
use super::reading::{has, in_another_order, publishes, said_connect, same_deliveries, says, window};
use super::{Accepted, Judge};
use crate::bytes::{DISCONNECT, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, split};
use crate::wire::{End, Heard};

pub(super) const LIST: &[Accepted] = &[
    Accepted {
        name: "who of a group gets a message",
        reason: "the server's to choose [5.0 §4.8.2]",
        judge: Judge::Apart(|scene| scene.has_groups && !same_deliveries(scene)),
    },
    Accepted {
        name: "QoS 0 behind a full window",
        reason: "it needs no room in the window; 2.0.11 lets it wait for the messages before it",
        judge: Judge::ApartSeldom(|scene| {
            let acknowledged = |heard| -> Vec<Vec<u8>> {
                publishes(heard)
                    .into_iter()
                    .filter(|packet| packet[0] & 0x06 != 0)
                    .map(|packet| identifiers_first(&packet))
                    .collect()
            };
            scene.configuration == "window"
                && publishes(scene.ours).len() > publishes(scene.theirs).len()
                && acknowledged(scene.ours) == acknowledged(scene.theirs)
        }),
    },
    Accepted {
        name: "retained messages for a shared subscription",
        reason: "only other subscriptions are sent them [5.0 §3.3.1.3]; 2.0.11 sends them",
        judge: Judge::Apart(|scene| {
            scene.is_speaker
                && says(scene, SUBSCRIBE)
                && has(scene.said, b"$share/")
                && (publishes(scene.ours).len() < publishes(scene.theirs).len()
                    || window(scene) <= 2 && !publishes(scene.theirs).is_empty())
        }),
    },
    Accepted {
        name: "a will delay that is longer than its session",
        reason: "the will comes when the session ends [5.0 MQTT-3.1.2-8, §3.1.3.2.2]; 2.0.11 waits for the delay",
        judge: Judge::Apart(|scene| {
            let is_cut_short = said_connect(scene.hello, |connect| {
                let delay = connect.will?.properties.will_delay_interval()?;
                let lasts = connect.properties.session_expiry_interval().unwrap_or(0);
                Some(lasts < delay)
            });
            let is_ended = says(scene, DISCONNECT) && has(scene.said, &[0x11, 0, 0, 0, 0]);
            scene.ours.end == End::Closed && (is_cut_short == Some(true) || is_cut_short.is_some() && is_ended)
        }),
    },
    Accepted {
        name: "a clean start while a will waits for its delay",
        reason: "the session ends, and the will comes with its end [5.0 §3.1.3.2.2]; 2.0.11 drops it",
        judge: Judge::Apart(|scene| scene.meets_delayed_will),
    },
    Accepted {
        name: "the order of the copies of overlapping subscriptions",
        reason: "the standards leave it open [3.1.1 §3.3.5, 5.0 §3.3.4]",
        judge: Judge::Apart(|scene| !(scene.is_speaker && says(scene, SUBSCRIBE)) && in_another_order(scene)),
    },
    Accepted {
        name: "which message is the first, where only so many may be in flight",
        reason: "the order of retained messages, and of the copies for overlapping subscriptions, is left open",
        judge: Judge::Apart(|scene| {
            let (ours, theirs) = (publishes(scene.ours), publishes(scene.theirs));
            let all = || ours.iter().chain(&theirs);
            let message = |packet: &Vec<u8>| topic_and_payload(packet, scene.version);
            let are_copies = || all().next().is_some_and(|first| all().all(|packet| message(packet) == message(first)));
            let may_be = all().all(|packet| packet[0] & 1 == 1) || are_copies();
            window(scene) <= 2 && may_be && ours.len() == theirs.len() && !same_deliveries(scene)
        }),
    },
    Accepted {
        name: "more than may be in flight",
        reason: "the operator's limit holds for every client, and the client's own [5.0 MQTT-3.3.4-9]; 2.0.11 lets the second \
                 take the place of the first, counts an acknowledgement of nothing, and forgets to count what it sends again",
        judge: Judge::Apart(|scene| {
            let takes_room =
                |packet: &&Vec<u8>| packet[0] == PUBREL || packet[0] & 0xF0 == PUBLISH && packet[0] & 0x06 != 0;
            let in_flight = |heard: &Heard| scene.in_flight + heard.packets.iter().filter(takes_room).count();
            let most = usize::from(window(scene));
            in_flight(scene.theirs) > most && in_flight(scene.ours) <= most
        }),
    },
    Accepted {
        name: "how much waits for a client that is away",
        reason: "max_queued_messages counts what waits beyond what is in flight; for 2.0.11 that counts too while a client is away",
        judge: Judge::ApartSeldom(|scene| {
            let (ours, theirs) = (publishes(scene.ours), publishes(scene.theirs));
            scene.configuration == "limits"
                && scene.is_resumed
                && ours.len() > theirs.len()
                && ours.starts_with(&theirs)
        }),
    },
    Accepted {
        name: "QoS 0 before QoS 1 and 2 in a queue",
        reason: "queue_qos0_messages: 2.0.11 sends the first, and leaves those behind it until something else is sent",
        judge: Judge::ApartSeldom(|scene| {
            let (ours, theirs) = (publishes(scene.ours), publishes(scene.theirs));
            let is_qos0 = |packet: &Vec<u8>| packet[0] & 0x06 == 0;
            scene.configuration == "window"
                && scene.is_resumed
                && ours.len() > theirs.len()
                && theirs.iter().all(is_qos0)
                && is_part_of(&theirs, &ours)
        }),
    },
    Accepted {
        name: "options of a subscription that is made again",
        reason: "the new ones count [3.1.1 MQTT-3.8.4-3, 5.0 MQTT-3.8.4-3], and Retain As Published is not one of 3.1.1's; 2.0.11 \
                 keeps that of the 5.0 client that had the session before",
        judge: Judge::ApartSeldom(|scene| {
            let plain = |heard| -> Vec<Vec<u8>> {
                let mut messages = publishes(heard);
                for packet in &mut messages {
                    packet[0] &= !1;
                }
                messages
            };
            scene.is_resumed
                && !scene.version.is_v5()
                && !same_deliveries(scene)
                && plain(scene.ours) == plain(scene.theirs)
        }),
    },
    Accepted {
        name: "a message that is larger than the client takes",
        reason: "5.0 MQTT-3.1.2-24; 2.0.11 forgets to count the Subscription Identifier",
        judge: Judge::ApartSeldom(|scene| {
            let most =
                said_connect(scene.hello, |connect| connect.properties.maximum_packet_size()).unwrap_or(u32::MAX);
            scene.theirs.packets.iter().any(|packet| packet.len() > most as usize)
        }),
    },
    Accepted {
        name: "PUBREL for one who may not read the message any more",
        reason: "it comes again whatever the rules say [3.1.1 MQTT-4.4.0-1, 5.0 MQTT-4.4.0-1]: the client has the message; 2.0.11 \
                 leaves it out",
        judge: Judge::ApartSeldom(|scene| {
            let others: Vec<&Vec<u8>> = scene.ours.packets.iter().filter(|packet| packet[0] != PUBREL).collect();
            let is_less = scene.ours.packets.len() > scene.theirs.packets.len();
            scene.is_resumed && scene.configuration == "users" && is_less && others.len() == scene.theirs.packets.len()
        }),
    },
    Accepted {
        name: "what is too large for the client takes no room in the window",
        reason: "as if it had been delivered [5.0 MQTT-3.1.2-25]; in 2.0.11 it stays there for ever",
        judge: Judge::ApartSeldom(|scene| {
            let most = said_connect(scene.hello, |connect| connect.properties.maximum_packet_size());
            window(scene) <= 2 && most.is_some() && publishes(scene.ours).len() > publishes(scene.theirs).len()
        }),
    },
    Accepted {
        name: "a PUBREC that refuses ends the delivery",
        reason: "5.0 §4.3.3, §4.9; 2.0.11 keeps the message in the window",
        judge: Judge::Apart(|scene| {
            let refuses = |packet: &&[u8]| packet[0] == PUBREC && packet.get(4).is_some_and(|reason| *reason >= 0x80);
            scene.is_speaker && split(scene.said).0.iter().any(refuses)
        }),
    },
    Accepted {
        name: "a CONNACK that is larger than the client takes",
        reason: "both close; whom we did not let in has no will [5.0 MQTT-3.1.2-7], but 2.0.11 publishes it",
        judge: Judge::Apart(|scene| {
            let is_closed = |heard: &Heard| heard.packets.is_empty() && heard.end == End::Closed;
            let most = said_connect(scene.hello, |connect| connect.properties.maximum_packet_size());
            scene.is_first && most.is_some_and(|most| most < 70) && is_closed(scene.ours) && is_closed(scene.theirs)
        }),
    },
    Accepted {
        name: "DISCONNECT with a reason other than 0x00 and 0x04",
        reason: "only 0x00 takes the will back [5.0 MQTT-3.14.4-3]; for 2.0.11 all do but 0x04",
        judge: Judge::Apart(|scene| {
            let has_will = said_connect(scene.hello, |connect| connect.will.map(|_| ())).is_some();
            let reason =
                split(scene.said).0.iter().find(|packet| packet[0] == DISCONNECT).and_then(|packet| packet.get(2));
            scene.is_speaker && has_will && reason.is_some_and(|reason| !matches!(reason, 0 | 4))
        }),
    },
    Accepted {
        name: "the order of retained messages",
        reason: "the standards leave it open; ours is that of the topics, mosquitto's that in which they came to be",
        judge: Judge::Apart(|scene| scene.is_speaker && says(scene, SUBSCRIBE) && in_another_order(scene)),
    },
];

/// Whether all of `part` are in `whole`, in the same order.
fn is_part_of(part: &[Vec<u8>], whole: &[Vec<u8>]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|packet| whole.any(|other| other == packet))
}
