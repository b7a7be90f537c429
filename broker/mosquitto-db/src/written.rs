//! Files written by hand, byte for byte as mosquitto's releases lay them out on a 64-bit little-endian machine, for the
//! tests here. What they hold is the same in every version, as far as the version has it.

use crate::chunk::{Chunk, Client, ClientMessage, Direction, Message, State, Subscription};

/// One chunk, and what it says.
pub(crate) struct Row {
    pub bytes: &'static [u8],
    pub wanted: Chunk<'static>,
}

/// 2 to 6.
pub(crate) const VERSIONS: [u32; 5] = [2, 3, 4, 5, 6];

/// A file of these chunks.
pub(crate) fn file<'a>(version: u32, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = b"\x00\xb5\x00mosquitto db\0\0\0\0".to_vec();
    bytes.extend_from_slice(&version.to_be_bytes());
    chunks.into_iter().for_each(|chunk| bytes.extend_from_slice(chunk));
    bytes
}

/// A message for `c` in flight, retained; a QoS 2 message that `c` published; a subscription.
pub(crate) fn rows(version: u32) -> Vec<Row> {
    match version {
        2..=4 => running(version),
        _ => fixed(version),
    }
}

fn running(version: u32) -> Vec<Row> {
    let with_user = version == 4;
    vec![
        Row {
            bytes: b"\x00\x01\x00\x00\x00\x0a\x01\x08\x09\0\0\0\0\0\0\0",
            wanted: Chunk::Config { at_shutdown: true, id_bytes: 8 },
        },
        Row {
            bytes: if with_user {
                b"\x00\x02\x00\x00\x00\x23\x07\0\0\0\0\0\0\0\x00\x01p\x00\x01u\x07\x5b\x00\x05\x00\x00\x00\x03a/b\x01\x01\x00\x00\x00\x04\x00\xff{}"
            } else {
                b"\x00\x02\x00\x00\x00\x1e\x07\0\0\0\0\0\0\0\x00\x01p\x00\x05\x00\x00\x00\x03a/b\x01\x01\x00\x00\x00\x04\x00\xff{}"
            },
            wanted: message(with_user.then_some("u"), &[], None),
        },
        Row {
            bytes: match version {
                2 => b"\x00\x06\x00\x00\x00\x05\x00\x01c\x00\x09",
                _ => b"\x00\x06\x00\x00\x00\x0d\x00\x01c\x00\x09\xef\xcd\xab\x68\0\0\0\0",
            },
            wanted: client(None, u32::MAX, None),
        },
        Row {
            bytes: b"\x00\x03\x00\x00\x00\x12\x00\x01c\x07\0\0\0\0\0\0\0\x00\x09\x01\x00\x01\x03\x01",
            wanted: client_message(9, 1, false, true, Direction::Out, State::Sent, 0),
        },
        Row {
            bytes: b"\x00\x03\x00\x00\x00\x12\x00\x01c\x07\0\0\0\0\0\0\0\x01\x02\x02\x01\x00\x07\x00",
            wanted: client_message(258, 2, true, false, Direction::In, State::Taken, 0),
        },
        Row { bytes: b"\x00\x05\x00\x00\x00\x09\x00\x01c\x00\x03a/#\x02", wanted: subscription(2, 0) },
        Row { bytes: b"\x00\x04\x00\x00\x00\x08\x07\0\0\0\0\0\0\0", wanted: Chunk::Retain(7) },
    ]
}

fn fixed(version: u32) -> Vec<Row> {
    let with_user = version == 6;
    vec![
        Row {
            bytes: b"\0\0\0\x01\0\0\0\x10\x09\0\0\0\0\0\0\0\x01\x08\0\0\0\0\0\0",
            wanted: Chunk::Config { at_shutdown: true, id_bytes: 8 },
        },
        Row {
            bytes: b"\0\0\0\x02\0\0\0\x2f\x07\0\0\0\0\0\0\0\x00\xca\x9a\x3b\0\0\0\0\0\0\0\x04\x00\x05\x00\x01\x00\x01\x00\x03\x07\x5b\x01\x01pua/b\x00\xff{}\x05\x03\x00\x02te",
            wanted: message(Some("u"), b"\x03\x00\x02te", Some(1_000_000_000)),
        },
        Row {
            bytes: if with_user {
                b"\0\0\0\x06\0\0\0\x1a\x00\x94\x35\x77\0\0\0\0\0\0\x0e\x10\x00\x09\x00\x01\x07\x5b\x00\x01\0\0\0\0cv"
            } else {
                b"\0\0\0\x06\0\0\0\x11\x00\x94\x35\x77\0\0\0\0\0\0\x0e\x10\x00\x09\x00\x01c"
            },
            wanted: client(with_user.then_some("v"), 3600, Some(2_000_000_000)),
        },
        Row {
            bytes: b"\0\0\0\x03\0\0\0\x15\x07\0\0\0\0\0\0\0\x00\x09\x00\x01\x01\x03\x01\x01c\x03\x0b\x80\x02",
            wanted: client_message(9, 1, false, true, Direction::Out, State::Sent, 256),
        },
        Row {
            bytes: b"\0\0\0\x03\0\0\0\x11\x07\0\0\0\0\0\0\0\x01\x02\x00\x01\x02\x07\x10\x00c",
            wanted: client_message(258, 2, true, false, Direction::In, State::Taken, 0),
        },
        Row {
            bytes: b"\0\0\0\x05\0\0\0\x10\0\0\x01\0\x00\x01\x00\x03\x02\x0c\0\0ca/#",
            wanted: subscription(0x0e, 256),
        },
        Row { bytes: b"\0\0\0\x04\0\0\0\x08\x07\0\0\0\0\0\0\0", wanted: Chunk::Retain(7) },
    ]
}

fn message(source_username: Option<&'static str>, properties: &'static [u8], expires: Option<u64>) -> Chunk<'static> {
    Chunk::Message(Message {
        id: 7,
        source_id: "p",
        source_username,
        source_port: if source_username.is_some() { 1883 } else { 0 },
        topic: "a/b",
        payload: b"\x00\xff{}",
        properties,
        expires_at_s: expires,
        qos: 1,
        retain: true,
    })
}

fn client(username: Option<&'static str>, expiry_s: u32, ends_at_s: Option<u64>) -> Chunk<'static> {
    Chunk::Client(Client {
        client_id: "c",
        username,
        has_left_over_username: false,
        port: if username.is_some() { 1883 } else { 0 },
        last_packet_id: 9,
        expiry_s,
        ends_at_s,
    })
}

fn client_message(
    packet_id: u16,
    qos: u8,
    retain: bool,
    dup: bool,
    direction: Direction,
    state: State,
    identifier: u32,
) -> Chunk<'static> {
    let (client_id, message) = ("c", 7);
    Chunk::ClientMessage(ClientMessage {
        client_id,
        message,
        packet_id,
        qos,
        retain,
        dup,
        direction,
        state,
        identifier,
    })
}

fn subscription(options: u8, identifier: u32) -> Chunk<'static> {
    Chunk::Subscription(Subscription { client_id: "c", filter: "a/#", options, identifier })
}
