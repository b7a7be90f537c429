//! Frames: what is taken, what is refused and with which status, whatever pieces it comes in.

use super::*;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
/// A masked frame with 16 bits of length.
const MASKED_126: u8 = 0xFE;
/// And with 64.
const MASKED_127: u8 = 0xFF;

/// Where it is from, the frames, and their payload.
type Row<'a> = (&'a str, Vec<Vec<u8>>, &'a [u8]);

/// A client's frame, first byte as given, its length written in the shortest way.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(MASKED | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(MASKED_126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(MASKED_127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

/// Reads it in pieces of `size` bytes: payload, the last Pong, and the end.
fn read(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, Option<End>) {
    let (mut reader, mut payload, mut pong, mut end) = (FrameReader::default(), Vec::new(), Vec::new(), None);
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let taken = reader.take(&mut piece, &mut pong);
        payload.extend_from_slice(&piece[..taken.payload]);
        end = taken.end;
    }
    (payload, pong, end)
}

#[test]
fn payload_is_the_same_whatever_frames_and_pieces_it_comes_in() {
    // 5.0 MQTT-6.0.0-2 and 3.1.1 MQTT-6.0.0-2: where frames begin and end means nothing.
    let long: Vec<u8> = (0..70_000_u32).map(|n| (n % 251) as u8).collect();
    let rows: &[Row] = &[
        ("RFC 6455 §5.7, one frame", vec![frame(0x82, b"Hello")], b"Hello"),
        ("RFC 6455 §5.4, fragments", vec![frame(0x02, b"Hel"), frame(0x00, b""), frame(0x80, b"lo")], b"Hello"),
        (
            "RFC 6455 §5.4, control frames between fragments",
            vec![frame(0x02, b"Hel"), frame(0x89, b"x"), frame(0x8A, b"y"), frame(0x80, b"lo")],
            b"Hello",
        ),
        ("an empty frame", vec![frame(0x82, b""), frame(0x82, b"Hello")], b"Hello"),
        ("16 bits of length", vec![frame(0x82, &long[..300])], &long[..300]),
        ("64 bits of length", vec![frame(0x82, &long), frame(0x82, b"")], &long),
    ];
    for (source, frames, wanted) in rows {
        let bytes = frames.concat();
        for size in [1, 2, 3, 5, 7, 13, 64, 1_000, bytes.len()] {
            let (payload, _, end) = read(&bytes, size);
            assert_eq!(end, None, "{source}, in pieces of {size}");
            assert!(payload == *wanted, "{source}, in pieces of {size}");
        }
    }
}

#[test]
fn what_breaks_the_rules_is_refused_with_its_status() {
    let unmasked = [0x82, 0x01, 0x00];
    let long_control = [&[0x89, MASKED_126, 0, 126][..], &MASK].concat();
    let rows: &[(&str, Vec<u8>, FrameFault, u16)] = &[
        ("RFC 6455 §5.1", unmasked.to_vec(), FrameFault::Unmasked, 1002),
        ("RFC 6455 §5.2", frame(0xC2, b""), FrameFault::Reserved, 1002),
        ("RFC 6455 §5.2", frame(0xA2, b""), FrameFault::Reserved, 1002),
        ("RFC 6455 §5.2", frame(0x92, b""), FrameFault::Reserved, 1002),
        ("RFC 6455 §5.2", frame(0x83, b""), FrameFault::Opcode(3), 1002),
        ("RFC 6455 §5.2", frame(0x87, b""), FrameFault::Opcode(7), 1002),
        ("RFC 6455 §5.2", frame(0x8B, b""), FrameFault::Opcode(11), 1002),
        ("RFC 6455 §5.2", frame(0x8F, b""), FrameFault::Opcode(15), 1002),
        ("3.1.1 and 5.0 MQTT-6.0.0-1", frame(0x81, b"Hello"), FrameFault::Text, 1003),
        ("3.1.1 and 5.0 MQTT-6.0.0-1", frame(0x01, b"Hello"), FrameFault::Text, 1003),
        ("RFC 6455 §5.4", frame(0x80, b"lo"), FrameFault::NothingToContinue, 1002),
        ("RFC 6455 §5.4", [frame(0x02, b"a"), frame(0x82, b"b")].concat(), FrameFault::NotContinued, 1002),
        ("RFC 6455 §5.5", frame(0x09, b""), FrameFault::Control, 1002),
        ("RFC 6455 §5.5", frame(0x08, b""), FrameFault::Control, 1002),
        ("RFC 6455 §5.5", long_control, FrameFault::Control, 1002),
        ("RFC 6455 §5.5.1", frame(0x88, b"x"), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §7.4.1", frame(0x88, &999_u16.to_be_bytes()), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §7.4.1", frame(0x88, &1004_u16.to_be_bytes()), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §7.4.1", frame(0x88, &1005_u16.to_be_bytes()), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §7.4.1", frame(0x88, &1006_u16.to_be_bytes()), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §7.4.2", frame(0x88, &5000_u16.to_be_bytes()), FrameFault::CloseStatus, 1002),
        ("RFC 6455 §8.1", frame(0x88, &[0x03, 0xE8, 0xFF]), FrameFault::CloseReason, 1007),
        (
            "RFC 6455 §5.2, a length in more bytes than it needs",
            [&[0x82, 0xFE, 0, 125][..], &MASK].concat(),
            FrameFault::Length,
            1002,
        ),
        (
            "RFC 6455 §5.2, a length in more bytes than it needs",
            [&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF][..], &MASK].concat(),
            FrameFault::Length,
            1002,
        ),
        (
            "RFC 6455 §5.2, the highest bit of a length",
            [&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &MASK].concat(),
            FrameFault::Length,
            1002,
        ),
    ];
    for (source, bytes, fault, status) in rows {
        for size in [1, 3, bytes.len()] {
            let (_, _, end) = read(bytes, size);
            assert_eq!(end, Some(End::Fault(*fault)), "{source}, in pieces of {size}: {bytes:02x?}");
            assert_eq!(end.and_then(End::status), Some(*status), "{source}");
        }
    }
}

#[test]
fn what_can_be_refused_at_its_second_byte_is() {
    let mut reader = FrameReader::default();
    let taken = reader.take(&mut [0x81, 0xFF], &mut Vec::new());
    assert_eq!(taken.end, Some(End::Fault(FrameFault::Text)), "no length is waited for");
}

#[test]
fn nothing_is_taken_after_the_end_but_what_came_before_it_is() {
    let bytes = [frame(0x82, b"before"), frame(0x88, &1000_u16.to_be_bytes()), frame(0x82, b"after")].concat();
    for size in [1, 4, bytes.len()] {
        assert_eq!(read(&bytes, size), (b"before".to_vec(), Vec::new(), Some(End::Closed(Some(1000)))));
    }
    assert_eq!(read(&frame(0x88, b""), 9).2, Some(End::Closed(None)));
    assert_eq!(read(&frame(0x88, &[0x0F, 0xA0, b'o', b'k']), 9).2, Some(End::Closed(Some(4000))));
}

#[test]
fn the_latest_ping_has_its_pong_with_the_same_payload() {
    let full = [b'p'; CONTROL_BYTES_MAX];
    let bytes = [frame(0x89, b"first"), frame(0x89, &full)].concat();
    for size in [1, 50, bytes.len()] {
        assert_eq!(read(&bytes, size).1, [&[0x8A, 125][..], &full].concat(), "in pieces of {size}");
    }
    assert_eq!(read(&frame(0x89, b""), 1).1, [0x8A, 0]);
    assert_eq!(read(&frame(0x8A, b"unasked"), 4), (Vec::new(), Vec::new(), None));
}

#[test]
fn a_length_that_is_only_announced_costs_nothing() {
    let mut reader = FrameReader::default();
    let mut bytes = [&[0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0; 4], b"abc"].concat();
    let taken = reader.take(&mut bytes, &mut Vec::new());
    assert_eq!((&bytes[..taken.payload], taken.end), (&b"abc"[..], None));
    assert!(size_of::<FrameReader>() <= 192, "{} bytes, whatever was announced", size_of::<FrameReader>());
}

#[test]
fn a_header_is_as_short_as_it_may_be() {
    let rows: &[(usize, &[u8])] = &[
        (0, &[0x82, 0]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
        (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (payload, wanted) in rows {
        assert_eq!(FrameHeader::binary(*payload).as_bytes(), *wanted, "{payload} bytes");
    }
    assert_eq!(close_frame(None), [0x88, 0]);
    assert_eq!(close_frame(Some(1003)), [0x88, 2, 0x03, 0xEB]);
}
