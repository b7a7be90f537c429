//! What the chunks of a file say, in words that are the same for all versions.

use crate::cursor::Cursor;
use crate::{fixed, running};

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// 1: about the file.
    Config {
        /// Written when mosquitto ended, not while it ran.
        at_shutdown: bool,
        /// Bytes of the number by which messages are known: 8, or the file is another machine's.
        id_bytes: u8,
    },
    /// 2: a message, once for all who wait for it.
    Message(Message<'a>),
    /// 3: that a client waits for a message, or sent one.
    ClientMessage(ClientMessage<'a>),
    /// 4: the message is its topic's retained one.
    Retain(u64),
    /// 5: a subscription.
    Subscription(Subscription<'a>),
    /// 6: a client whose session outlives its connection.
    Client(Client<'a>),
}

/// A message without those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// By which others refer to it.
    pub id: u64,
    /// Who published it; empty for the broker itself.
    pub source_id: &'a str,
    /// The publisher's User Name. Before version 4 it was not kept.
    pub source_username: Option<&'a str>,
    /// The port of the listener by which it came in; 0: not known. Before version 4 it was not kept.
    pub source_port: u16,
    /// Not checked.
    pub topic: &'a str,
    /// What was published.
    pub payload: &'a [u8],
    /// Without their length; not checked.
    pub properties: &'a [u8],
    /// Seconds since 1970.
    pub expires_at_s: Option<u64>,
    /// Not checked.
    pub qos: u8,
    /// As it was published.
    pub retain: bool,
}

/// A message of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage<'a> {
    /// Whose.
    pub client_id: &'a str,
    /// Which message.
    pub message: u64,
    /// Its Packet Identifier; 0 for none.
    pub packet_id: u16,
    /// Not checked.
    pub qos: u8,
    /// RETAIN as it is delivered; of one that the client published, as it published it.
    pub retain: bool,
    /// It was sent before.
    pub dup: bool,
    /// To the client or from it.
    pub direction: Direction,
    /// How far it has come.
    pub state: State,
    /// Subscription Identifier; 0 for none.
    pub identifier: u32,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// 0: the client published it.
    In,
    /// 1: it is delivered to the client.
    Out,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// 11: not sent. Of one that the client published: not answered.
    Queued,
    /// 1, 2, 4: to be sent, or to be sent again.
    Publish,
    /// 3, 5: sent; PUBACK or PUBREC is awaited.
    Sent,
    /// 6, 9: PUBREC came; PUBREL is to be sent, or PUBCOMP is awaited.
    Released,
    /// 7, 10: the client published it; it has PUBREC or is to be sent it, and has not released it.
    Taken,
    /// 8: the client released it; PUBCOMP is to be sent.
    Done,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Whose.
    pub client_id: &'a str,
    /// Not checked.
    pub filter: &'a str,
    /// QoS and options as in SUBSCRIBE; not checked.
    pub options: u8,
    /// Subscription Identifier; 0 for none.
    pub identifier: u32,
}

/// A client whose session outlives its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// Client Identifier.
    pub client_id: &'a str,
    /// Whose rights count. Before version 6 it was not kept.
    pub username: Option<&'a str>,
    /// Where the User Name should be is what was left over from the client before.
    ///
    /// mosquitto 2.0.11 does not take it away if a client has none. What it writes is the name with its length in the
    /// wrong order of bytes, so there is more behind the name; and if the next has none either, the length is right
    /// again and the name seems to be its own.
    pub has_left_over_username: bool,
    /// The port of the listener by which it came in last; 0: not known. Before version 6 it was not kept.
    pub port: u16,
    /// The Packet Identifier that was given last.
    pub last_packet_id: u16,
    /// Seconds that the session outlives its connection; `u32::MAX`: for ever, as it was before version 5.
    pub expiry_s: u32,
    /// Seconds since 1970 at which the session ends if the client does not come back.
    pub ends_at_s: Option<u64>,
}

pub(crate) const CONFIG: u32 = 1;
pub(crate) const MESSAGE: u32 = 2;
pub(crate) const CLIENT_MESSAGE: u32 = 3;
pub(crate) const RETAIN: u32 = 4;
pub(crate) const SUBSCRIPTION: u32 = 5;
pub(crate) const CLIENT: u32 = 6;

/// The name of a kind, for messages.
pub(crate) fn name_of(kind: u32) -> &'static str {
    match kind {
        CONFIG => "configuration",
        MESSAGE => "message",
        CLIENT_MESSAGE => "message of a client",
        RETAIN => "retained message",
        SUBSCRIPTION => "subscription",
        CLIENT => "client",
        _ => "unknown chunk",
    }
}

/// `None` if these are not exactly the bytes of such a chunk.
pub(crate) fn decode(version: u32, kind: u32, bytes: &[u8]) -> Option<Chunk<'_>> {
    let mut cursor = Cursor(bytes);
    let chunk = match version {
        5 | 6 => fixed::decode(version, kind, &mut cursor),
        _ => running::decode(version, kind, &mut cursor),
    }?;
    cursor.0.is_empty().then_some(chunk)
}

impl State {
    pub(crate) fn from_u8(state: u8) -> Option<Self> {
        Some(match state {
            1 | 2 | 4 => Self::Publish,
            3 | 5 => Self::Sent,
            6 | 9 => Self::Released,
            7 | 10 => Self::Taken,
            8 => Self::Done,
            11 => Self::Queued,
            _ => return None,
        })
    }
}

impl Direction {
    pub(crate) fn from_u8(direction: u8) -> Option<Self> {
        match direction {
            0 => Some(Self::In),
            1 => Some(Self::Out),
            _ => None,
        }
    }
}

/// A client's name; none is empty.
pub(crate) fn client_id(id: &str) -> Option<&str> {
    (!id.is_empty()).then_some(id)
}

/// A User Name that is one: not empty, and without a zero, which MQTT does not allow in it.
pub(crate) fn username(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

/// A time, if there is one.
pub(crate) fn time(seconds: u64) -> Option<u64> {
    (seconds > 0).then_some(seconds)
}
