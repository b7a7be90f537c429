//! What the decoder of each version is held to; `decode_v31`, `decode_v311` and `decode_v5` share it.

use mqtt::{Frame, Packet, ProtocolVersion, Publish, TopicFilter, filter_matches, next_frame};

/// Reads `bytes` as what a peer of `version` says, packet after packet: nothing panics, what is not whole is waited
/// for, and what decodes is written and decoded to the same.
pub fn conversation(version: ProtocolVersion, bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(frame)) = next_frame(rest, 0) {
        is_the_first_whole_packet(frame, rest);
        if let Ok(packet) = Packet::decode(version, frame) {
            comes_back(version, &packet);
            if let Packet::Publish(publish) = packet {
                assert_eq!(Publish::decode(version, frame), Ok(publish));
            }
            walk(&packet);
        }
        rest = &rest[frame.len..];
    }
}

/// One byte less is not a packet yet, and a limit is one for the whole of it.
fn is_the_first_whole_packet(frame: Frame<'_>, bytes: &[u8]) {
    assert!(frame.len <= bytes.len() && bytes[..frame.len].ends_with(frame.body));
    assert_eq!(next_frame(&bytes[..frame.len - 1], 0), Ok(None));
    assert_eq!(next_frame(bytes, frame.len as u32), Ok(Some(frame)));
    assert!(next_frame(bytes, frame.len as u32 - 1).is_err());
}

fn comes_back(version: ProtocolVersion, packet: &Packet) {
    // CONNECT says its version itself.
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("what was decoded can be written");
    let frame = next_frame(&out, 0).expect("a frame").expect("a whole frame");
    assert_eq!(frame.len, out.len());
    assert_eq!(Packet::decode(version, frame), Ok(*packet));
}

/// Goes through what is read only when it is asked for.
fn walk(packet: &Packet) {
    let properties = match packet {
        Packet::Connect(connect) => {
            if let Some(will) = connect.will {
                assert!(!will.topic.as_str().is_empty());
                let _ = (will.properties.iter().count(), will.properties.will_delay_interval());
            }
            connect.properties
        }
        Packet::ConnAck(connack) => connack.properties,
        Packet::Publish(publish) => {
            assert_eq!(publish.packet_id.is_some(), publish.qos > mqtt::QoS::AtMostOnce);
            assert!(publish.topic.is_some() || publish.properties.topic_alias().is_some());
            if let Some(topic) = publish.topic {
                // A topic is a filter too, unless it looks like a shared subscription.
                assert!(
                    TopicFilter::new(topic.as_str()).is_ok_and(|filter| filter_matches(filter, topic))
                        || topic.as_str().starts_with("$share")
                );
            }
            publish.properties
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => ack.properties,
        Packet::Subscribe(subscribe) => {
            assert!(!subscribe.filters.is_empty());
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
            assert!(subscribe.filters.into_iter().all(|(filter, _)| TopicFilter::new(filter.as_str()).is_ok()));
            subscribe.properties
        }
        Packet::SubAck(suback) => {
            assert_eq!(suback.reasons.iter().count(), suback.reasons.len());
            suback.properties
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(unsubscribe.filters.len() > 0);
            assert!(unsubscribe.filters.into_iter().all(|filter| TopicFilter::new(filter.as_str()).is_ok()));
            unsubscribe.properties
        }
        Packet::UnsubAck(unsuback) => unsuback.properties,
        Packet::Disconnect(disconnect) => disconnect.properties,
        Packet::Auth(auth) => auth.properties,
        Packet::PingReq | Packet::PingResp => return,
    };
    assert_eq!(properties.is_empty(), properties.iter().count() == 0);
    assert!(properties.user_properties().count() <= properties.iter().count());
}
