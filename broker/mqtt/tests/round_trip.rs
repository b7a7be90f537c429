//! Whatever is written is read back as it was, and whatever is read can be written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod generator;

use generator::{Random, mutate, with_packet};
use mqtt::{DecodeFault, Packet, ProtocolVersion, next_frame};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5];

fn decoded(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeFault> {
    let frame = next_frame(bytes, 0)?.expect("a whole packet");
    assert_eq!(frame.len, bytes.len());
    Packet::decode(version, frame)
}

fn encoded(version: ProtocolVersion, packet: &Packet) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_written_is_read_back_as_it_was() {
    for seed in 0..30_000 {
        for version in VERSIONS {
            with_packet(&mut Random(seed), version, |packet| {
                let bytes = encoded(version, packet);
                assert_eq!(decoded(version, &bytes), Ok(*packet), "seed {seed}, {version:?}: {bytes:02x?}");
            });
        }
    }
}

#[test]
fn what_is_read_of_changed_bytes_can_be_written_and_read_again() {
    let mut taken = 0_u32;
    for seed in 0..100_000 {
        for version in VERSIONS {
            let mut random = Random(seed);
            let bytes = with_packet(&mut random, version, |packet| encoded(version, packet));
            let bytes = mutate(&mut random, &bytes);
            let Ok(packet) = decoded(version, &bytes) else { continue };
            taken += 1;
            let again = encoded(version, &packet);
            assert_eq!(decoded(version, &again), Ok(packet), "seed {seed}, {version:?}: {bytes:02x?}");
            assert!(again.len() <= bytes.len(), "seed {seed}, {version:?}: {bytes:02x?}");
        }
    }
    assert!(taken > 30_000, "only {taken} of the changed packets were still right: the changes are too hard");
}

#[test]
fn a_stream_gives_the_same_packets_however_it_is_cut() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let packets: Vec<_> = (0..20)
            .map(|_| with_packet(&mut random, ProtocolVersion::V5, |p| encoded(ProtocolVersion::V5, p)))
            .collect();
        let stream = packets.concat();
        let (mut start, mut end, mut came) = (0, 0, Vec::new());
        while start < stream.len() {
            match next_frame(&stream[start..end], 0).unwrap() {
                Some(frame) => {
                    came.push(stream[start..start + frame.len].to_vec());
                    start += frame.len;
                }
                None => end = stream.len().min(end + 1 + random.below(40)),
            }
        }
        assert_eq!(came, packets, "seed {seed}");
    }
}
