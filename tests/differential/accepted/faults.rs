//! What the standards forbid: mosquitto 2.0.11 lets some of it pass, and tells some of it in another way.

use mqtt::{DecodeFault as F, ProtocolVersion};

use super::editing::has_identifier;
use super::reading::{NARROW, fault, has, lasts, lets_pass, ours_alone_closes, says};
use super::{Accepted, Judge};
use crate::bytes::{CONNECT, DISCONNECT, SUBSCRIBE, UNSUBSCRIBE, split};
use crate::wire::{End, Heard};

pub(super) const LIST: &[Accepted] = &[
    Accepted {
        name: "a second CONNECT drops will and session",
        reason: "2.0.11 forgets will and session of a client that says CONNECT twice; the will of a connection that the \
                 server closes for an error is to be published [3.1.1 MQTT-3.1.2-8, 5.0 MQTT-3.1.2-8]",
        judge: Judge::Apart(|scene| {
            scene.is_speaker && !scene.is_first && says(scene, CONNECT) && scene.ours.end == scene.theirs.end
        }),
    },
    Accepted {
        name: "SUBACK, UNSUBACK and PINGRESP from a client",
        reason: "only servers send them: a protocol error [5.0 §4.13.1]; 2.0.11 passes over them, having been a bridge's end",
        judge: Judge::Apart(|scene| {
            ours_alone_closes(scene) && [0x90, 0xB0, 0xD0].iter().any(|first| says(scene, *first))
        }),
    },
    Accepted {
        name: "a filter that is `$share` and nothing else",
        reason: "an ordinary filter by the standard, which speaks of `$share/` [5.0 §4.8.2]; mosquitto closes",
        judge: Judge::Apart(|scene| {
            scene.is_speaker && scene.theirs.end == End::Closed && has(scene.said, b"\0\x06$share")
        }),
    },
    Accepted {
        name: "malformed shared filters",
        reason: "a group without a filter [5.0 MQTT-4.8.2-1], or with a wildcard in its name [5.0 MQTT-4.8.2-2]; 2.0.11 takes it",
        judge: Judge::Apart(|scene| {
            lets_pass(scene, |fault| fault == F::InvalidTopicFilter) && has(scene.said, b"$share/")
        }),
    },
    Accepted {
        name: "an empty filter",
        reason: "3.1.1 MQTT-4.7.3-1, 5.0 MQTT-4.7.3-1; 2.0.11 passes over it, and does not answer for it",
        judge: Judge::Apart(|scene| {
            lets_pass(scene, |fault| fault == F::InvalidTopicFilter) && has(scene.said, &[0, 0])
        }),
    },
    Accepted {
        name: "a Subscription Identifier from a client",
        reason: "5.0 MQTT-3.3.4-6; 2.0.11 takes it",
        judge: Judge::Apart(|scene| {
            ours_alone_closes(scene) && split(scene.said).0.iter().any(|packet| has_identifier(packet))
        }),
    },
    Accepted {
        name: "No Local on a shared subscription",
        reason: "5.0 MQTT-3.8.3-4; 2.0.11 takes it",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::NoLocalOnSharedSubscription)),
    },
    Accepted {
        name: "the bridge's bit in 5.0",
        reason: "0x85 is no version [5.0 §3.1.2.2]: bridges of 5.0 do not say what they are; 2.0.11 lets it in",
        judge: Judge::ApartSeldom(|scene| {
            scene.is_first && scene.theirs.end == End::Open && has(scene.said, b"\0\x04MQTT\x85")
        }),
    },
    Accepted {
        name: "flags of CONNECT in 3.1",
        reason: "3.1 gives the lower bits of the first byte no meaning there [3.1 §2.1]; ours takes it for no CONNECT at all, as in \
                 the other versions, for what says so is no client that we know",
        judge: Judge::Apart(|scene| {
            scene.is_first
                && scene.ours.packets.is_empty()
                && scene.version == ProtocolVersion::V31
                && scene.said.first().is_some_and(|first| *first != CONNECT && first & 0xF0 == CONNECT)
        }),
    },
    Accepted {
        name: "a QoS for a will that is not there, in 3.1",
        reason: "3.1 does not use these bits then [3.1 §3.1]; 2.0.11 closes",
        judge: Judge::Apart(|scene| {
            scene.is_first
                && scene.version == ProtocolVersion::V31
                && scene.theirs.end == End::Closed
                && scene.theirs.packets.is_empty()
                && scene.said.get(11).is_some_and(|flags| flags & 0x04 == 0 && flags & 0x38 != 0)
        }),
    },
    Accepted {
        name: "user names that are not text",
        reason: "3.1 §2.5, 3.1.1 MQTT-3.1.3-11; 2.0.11 does not look at them in every version",
        judge: Judge::Apart(|scene| {
            scene.is_first
                && lets_pass(scene, |fault| matches!(fault, F::InvalidUtf8 | F::NullCharacter | F::ForbiddenCharacter))
        }),
    },
    Accepted {
        name: "authentication data without a method",
        reason: "a protocol error [5.0 §3.1.2.11.10]; 2.0.11 lets in",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::AuthenticationDataWithoutMethod)),
    },
    Accepted {
        name: "bytes behind the last field",
        reason: "the length does not fit the packet [3.1.1 §2.2.3, 5.0 §2.1.4]; 2.0.11 passes over what is left",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::TrailingBytes)),
    },
    Accepted {
        name: "a length in more bytes than it needs",
        reason: "5.0 MQTT-1.5.5-1; 2.0.11 does not look",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::IntegerNotMinimal)),
    },
    Accepted {
        name: "flags that are reserved",
        reason: "3.1.1 MQTT-2.2.2-2, 5.0 MQTT-2.1.3-1; 2.0.11 does not look at them in every packet",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::ReservedFlags)),
    },
    Accepted {
        name: "DUP at QoS 0",
        reason: "3.1.1 MQTT-3.3.1-2, 5.0 MQTT-3.3.1-2; 2.0.11 takes it",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::DupWithQoS0)),
    },
    Accepted {
        name: "reason codes that the packet does not have",
        reason: "5.0 §2.4 and the packets' own lists; 2.0.11 does not look at them in every packet",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| matches!(fault, F::InvalidReasonCode(_)))),
    },
    Accepted {
        name: "values that a property may not have",
        reason: "5.0 §3.3.2.3; 2.0.11 does not look at all of them",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| matches!(fault, F::InvalidPropertyValue(_)))),
    },
    Accepted {
        name: "SUBSCRIBE for nothing",
        reason: "3.1.1 MQTT-3.8.3-3; 2.0.11 answers 3.1 with a SUBACK for nothing",
        judge: Judge::Apart(|scene| lets_pass(scene, |fault| fault == F::NoTopicFilter)),
    },
    Accepted {
        name: "our Receive Maximum exceeded",
        reason: "DISCONNECT with 0x93 [5.0 §3.3.4]; 2.0.11 answers 0x97 and goes on",
        judge: Judge::Apart(|scene| {
            ours_alone_closes(scene)
                && NARROW.contains(&scene.configuration)
                && scene.ours.packets.last().is_some_and(|packet| packet[..] == [DISCONNECT, 1, 0x93])
        }),
    },
    Accepted {
        name: "a packet with a fault in it does nothing",
        reason: "2.0.11 has subscribed to the filters that stand before the fault, or taken the Session Expiry Interval, which \
                 shows when the session goes on",
        judge: Judge::Apart(|scene| {
            scene.is_speaker
                && scene.ours.end == End::Closed
                && scene.theirs.end == End::Closed
                && [SUBSCRIBE, UNSUBSCRIBE, DISCONNECT].iter().any(|first| says(scene, *first))
                && fault(scene).is_some()
                && lasts(scene.hello)
        }),
    },
    Accepted {
        name: "which of several faults of a CONNECT is told, and how",
        reason: "the standards give no order, and let the server close without CONNACK [5.0 §3.1.4]; ours reads the whole packet first",
        judge: Judge::Alike(|scene, ours, theirs| {
            let is_refused = |heard: &Heard| {
                heard.end == End::Closed && heard.packets.iter().all(|packet| packet[0] == 0x20 && packet[3] != 0)
            };
            if !(scene.is_first && is_refused(ours) && is_refused(theirs)) {
                return;
            }
            let reason = |heard: &Heard| heard.packets.first().map(|packet| packet[3]);
            let told = (reason(ours), reason(theirs));
            let by_order = matches!(
                told,
                (Some(5), Some(2))
                    | (Some(0x85 | 0x87 | 0x8C), Some(0x9A | 0x9B))
                    | (Some(0x87 | 0x8C), Some(0x80 | 0x85))
            );
            let is_too_deep = has(scene.said, &[b'/'; 201]);
            if by_order || is_too_deep || fault(scene).is_some() {
                ours.clone_from(theirs);
            }
        }),
    },
    Accepted {
        name: "0x81 or 0x82",
        reason: "what cannot be parsed is malformed, the rest is a protocol error [5.0 §1.2]: `DecodeFault::reason_code` \
                 says which is which; 2.0.11 draws the line elsewhere",
        judge: Judge::Alike(|scene, ours, theirs| {
            let Some(fault) = fault(scene) else { return };
            let (Some(our_last), Some(their_last)) = (ours.packets.last_mut(), theirs.packets.last()) else { return };
            let elsewhere = match fault {
                F::ZeroPacketId
                | F::NoTopicFilter
                | F::DuplicateProperty(_)
                | F::InvalidPropertyValue(_)
                | F::InvalidSubscriptionQoS
                | F::InvalidRetainHandling => (0x82, 0x81),
                F::ZeroTopicAlias => (0x94, 0x81),
                F::InvalidTopicName | F::DupWithQoS0 | F::ReservedPacketType => (0x81, 0x82),
                _ => return,
            };
            if our_last[..] == [DISCONNECT, 1, elsewhere.0] && their_last[..] == [DISCONNECT, 1, elsewhere.1] {
                our_last.clone_from(their_last);
            }
        }),
    },
    Accepted {
        name: "which of several faults of a packet is told",
        reason: "the standards give no order; ours reads the whole packet before it asks whether it may be",
        judge: Judge::Alike(|scene, ours, theirs| {
            let (Some(our_last), Some(their_last)) = (ours.packets.last_mut(), theirs.packets.last()) else { return };
            let is_later = matches!(their_last[..], [DISCONNECT, 1, 0x94 | 0x9A | 0x9B]);
            let is_other =
                fault(scene) == Some(F::IntegerNotMinimal) && matches!(their_last[..], [DISCONNECT, 1, 0x82]);
            let has_fault = fault(scene).is_some() || split(scene.said).0.iter().any(|packet| has_identifier(packet));
            if (is_later || is_other) && our_last[0] == DISCONNECT && has_fault {
                our_last.clone_from(their_last);
            }
        }),
    },
    Accepted {
        name: "a fault is told before the connection closes",
        reason: "2.1.2's choice for 5.0 [5.0 §4.13.1]; 2.0.11 closes without a word for some",
        judge: Judge::Alike(|scene, ours, theirs| {
            let told = |packet: &Vec<u8>| matches!(packet[..], [DISCONNECT, 1, 0x81 | 0x82]);
            if scene.is_speaker
                && ours.end == theirs.end
                && ours.packets.last().is_some_and(told)
                && theirs.packets.last().is_none_or(|packet| packet[0] != DISCONNECT)
            {
                ours.packets.pop();
            }
        }),
    },
];
