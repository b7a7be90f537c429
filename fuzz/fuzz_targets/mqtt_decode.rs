//! A stream of bytes in every version: decoding never panics, and what decodes is written and decoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt::{Packet, ProtocolVersion, filter_matches, next_frame};

fuzz_target!(|bytes: &[u8]| {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let mut rest = bytes;
        while let Ok(Some(frame)) = next_frame(rest, 0) {
            rest = &rest[frame.len..];
            if let Ok(packet) = Packet::decode(version, frame) {
                comes_back(version, &packet);
                walk(&packet);
            }
        }
    }
});

fn comes_back(version: ProtocolVersion, packet: &Packet) {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("what was decoded can be written");
    let frame = next_frame(&out, 0).expect("a frame").expect("a whole frame");
    assert_eq!(frame.len, out.len());
    assert_eq!(Packet::decode(version, frame), Ok(*packet));
}

/// Goes through what is read only when it is asked for.
fn walk(packet: &Packet) {
    match packet {
        Packet::Subscribe(subscribe) => {
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
            assert!(!subscribe.filters.is_empty());
        }
        Packet::Unsubscribe(unsubscribe) => assert!(unsubscribe.filters.len() > 0),
        Packet::SubAck(suback) => assert_eq!(suback.reasons.iter().count(), suback.reasons.len()),
        Packet::Publish(publish) => {
            let _ = publish.properties.user_properties().count();
            if let Some(topic) = publish.topic {
                assert!(
                    mqtt::TopicFilter::new(topic.as_str()).is_err() || {
                        let filter = mqtt::TopicFilter::new(topic.as_str()).expect("just checked");
                        filter_matches(filter, topic)
                    }
                );
            }
        }
        _ => {}
    }
}
