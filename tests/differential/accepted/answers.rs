//! Answers and messages that differ and yet say the same, or what 2.1.2 says.

use mqtt::{Properties, Property};

use super::editing::{edit_publish, identifiers_first, pairs, publish_properties, replace, without};
use super::reading::{has, is_answer, said_connect, says};
use super::{Accepted, Judge};
use crate::bytes::{CONNECT, PUBACK, PUBLISH, PUBREC, split};
use crate::keeper::assigned;
use crate::wire::End;

pub(super) const LIST: &[Accepted] = &[
    Accepted {
        name: "keep-alive beyond max_keepalive, before 5.0",
        reason: "2.1.2 refuses with return code 2, 2.0.11 lets in",
        judge: Judge::Apart(|scene| {
            scene.is_first
                && !scene.version.is_v5()
                && scene.configuration == "limits"
                && scene.ours.packets == [[0x20, 2, 0, 2]]
                && scene.theirs.packets.first().is_none_or(|packet| packet[..2] == [0x20, 2])
        }),
    },
    Accepted {
        name: "empty client identifier refused",
        reason: "2.0.11 says 0x80 where the standard has 0x85 for it [5.0 MQTT-3.1.3-8]",
        judge: Judge::Alike(|_, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                if matches!(ours[..], [0x20, 5, 0, 0x85, 2, 0x24, 1]) && theirs[..] == [0x20, 5, 0, 0x80, 2, 0x24, 1] {
                    ours.clone_from(theirs);
                }
            }
        }),
    },
    Accepted {
        name: "a client that is taken over is told so",
        reason: "as 2.1.2 does and the standard demands [5.0 MQTT-3.1.4-3]; 2.0.11 closes without a word",
        judge: Judge::Alike(|scene, ours, theirs| {
            let told = ours.packets.last().is_some_and(|packet| packet[..] == [0xE0, 1, 0x8E]);
            if told && ours.end == theirs.end && says(scene, CONNECT) && !scene.is_speaker {
                ours.packets.pop();
            }
        }),
    },
    Accepted {
        name: "what the client that goes is still told",
        reason: "2.0.11 publishes the will of a client that is taken over while it can still hear it; nothing asks for that",
        judge: Judge::Alike(|scene, ours, theirs| {
            if !scene.is_speaker && ours.end == End::Closed && theirs.end == End::Closed {
                theirs.packets.truncate(ours.packets.len());
            }
        }),
    },
    Accepted {
        name: "which QoS of a message comes first",
        reason: "copies for overlapping subscriptions, and retained messages, have their order QoS by QoS [3.1.1 and 5.0 §4.6]",
        judge: Judge::Alike(|_, ours, theirs| {
            for heard in [ours, theirs] {
                let are_messages =
                    |one: &Vec<u8>, other: &Vec<u8>| [one, other].iter().all(|it| it[0] & 0xF0 == PUBLISH);
                heard.packets.chunk_by_mut(are_messages).for_each(|run| run.sort_by_key(|packet| packet[0] >> 1 & 3));
            }
        }),
    },
    Accepted {
        name: "room that 2.0.11 does not give back",
        reason: "a QoS 2 message that is not released counts against what 2.0.11 takes of QoS 1 as well, and a later one is \
                 told 0x97; 5.0 §4.9 gives the client a quota, which it has kept",
        judge: Judge::ApartSeldom(|scene| {
            let is_full = |packet: &Vec<u8>| matches!(packet[..], [PUBACK | PUBREC, 3, _, _, 0x97]);
            scene.configuration == "window"
                && scene.theirs.packets.iter().any(is_full)
                && !scene.ours.packets.iter().any(is_full)
        }),
    },
    Accepted {
        name: "nobody who may read it has subscribed",
        reason: "0x10 as where nobody has subscribed [5.0 §3.4.2.1]; 2.0.11 counts those who may not read it too",
        judge: Judge::Alike(|scene, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                let has_rules = matches!(scene.configuration, "users" | "window");
                if has_rules && ours[0] == PUBACK && is_answer(ours, theirs, 0x10) {
                    ours.clone_from(theirs);
                }
            }
        }),
    },
    Accepted {
        name: "`$CONTROL` without anybody who is controlled",
        reason: "ours refuses, so that nobody believes that something was done; 2.0.11 says yes and does nothing",
        judge: Judge::Alike(|scene, ours, theirs| {
            let by_alias = split(scene.said)
                .0
                .iter()
                .any(|packet| packet[0] & 0xF0 == PUBLISH && packet.get(2..4) == Some(&[0, 0]));
            for (ours, theirs) in pairs(ours, theirs) {
                if (has(scene.said, b"$CONTROL/") || by_alias) && is_answer(ours, theirs, 0x87) {
                    ours.clone_from(theirs);
                }
            }
        }),
    },
    Accepted {
        name: "a message above message_size_limit",
        reason: "0x95 may not stand in PUBACK or PUBREC [5.0 §3.4.2.1]; 2.1.2 says 0x83 as ours does",
        judge: Judge::Alike(|_, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                let is_ours = matches!(ours[..], [PUBACK | PUBREC, 3, _, _, 0x83 | 0x87]);
                if is_ours && theirs.get(4) == Some(&0x95) {
                    ours[4] = 0x95;
                }
            }
        }),
    },
    Accepted {
        name: "the broker's own topic aliases",
        reason: "2.1.2 gives them to a client that takes some [5.0 §3.1.2.11.5]; 2.0.11 does not",
        judge: Judge::Alike(|scene, ours, _| {
            let most = said_connect(scene.hello, |connect| connect.properties.topic_alias_maximum()).unwrap_or(0);
            for packet in &mut ours.packets {
                edit_publish(packet, |property| !matches!(property, Property::TopicAlias(alias) if *alias <= most));
            }
        }),
    },
    Accepted {
        name: "a second more or less until a message expires",
        reason: "the two count from different moments",
        judge: Judge::AlikeByChance(|_, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                let left = |packet: &[u8]| publish_properties(packet).and_then(Properties::message_expiry_interval);
                if let (Some(our_left), Some(their_left)) = (left(ours), left(theirs))
                    && our_left.abs_diff(their_left) == 1
                {
                    let (from, to) = (our_left.to_be_bytes(), their_left.to_be_bytes());
                    replace(ours, &[&[0x02], &from[..]].concat(), &[&[0x02], &to[..]].concat());
                }
            }
        }),
    },
    Accepted {
        name: "where the Subscription Identifier stands",
        reason: "the order of different properties says nothing [5.0 §2.2.2.2]; mosquitto's is the first, ours the last",
        judge: Judge::Alike(|scene, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                if scene.version.is_v5()
                    && ours[0] & 0xF0 == PUBLISH
                    && identifiers_first(ours) == identifiers_first(theirs)
                {
                    ours.clone_from(theirs);
                }
            }
        }),
    },
    Accepted {
        name: "assigned client identifiers",
        reason: "each broker makes its own, and no two are the same [5.0 §3.1.3.1]",
        judge: Judge::Alike(|_, ours, theirs| {
            for (ours, theirs) in pairs(ours, theirs) {
                if let (Some(our_id), Some(their_id)) = (assigned(ours), assigned(theirs))
                    && our_id.len() == their_id.len()
                {
                    replace(ours, &our_id, &their_id);
                }
            }
        }),
    },
    Accepted {
        name: "Maximum Packet Size in CONNACK",
        reason: "2.1.2 has a limit of 2,000,000 bytes where none is set, and says so; 2.0.11 has none",
        judge: Judge::Alike(|_, ours, _| without(ours, Property::MaximumPacketSize(2_000_000))),
    },
    Accepted {
        name: "Server Keep Alive where the client asked for none",
        reason: "2.0.11 puts 65535 seconds in the place of no limit; 2.1.2 has no limit where none is set",
        judge: Judge::Alike(|_, _, theirs| without(theirs, Property::ServerKeepAlive(65535))),
    },
];
