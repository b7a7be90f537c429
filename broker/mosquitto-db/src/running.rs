//! Chunks of the versions 2, 3 and 4: fields one after the other, each text with its length before it.

use crate::chunk::{
    CLIENT, CLIENT_MESSAGE, CONFIG, Chunk, Client, ClientMessage, Direction, MESSAGE, Message, RETAIN, SUBSCRIPTION,
    State, Subscription, client_id, username,
};
use crate::cursor::Cursor;

/// The kind in two bytes, the length in four.
pub(crate) fn header(cursor: &mut Cursor<'_>) -> Option<(u32, u32)> {
    Some((cursor.u16()?.into(), cursor.u32()?))
}

pub(crate) fn decode<'a>(version: u32, kind: u32, cursor: &mut Cursor<'a>) -> Option<Chunk<'a>> {
    Some(match kind {
        CONFIG => {
            let at_shutdown = cursor.u8()? != 0;
            let id_bytes = cursor.u8()?;
            cursor.take(id_bytes.into())?;
            Chunk::Config { at_shutdown, id_bytes }
        }
        MESSAGE => Chunk::Message(message(version, cursor)?),
        CLIENT_MESSAGE => {
            let client_id = client_id(cursor.text()?)?;
            let (message, packet_id, qos) = (cursor.id()?, cursor.u16()?, cursor.u8()?);
            let retain = cursor.u8()? != 0;
            let (direction, state) = (Direction::from_u8(cursor.u8()?)?, State::from_u8(cursor.u8()?)?);
            let dup = cursor.u8()? != 0;
            let message =
                ClientMessage { client_id, message, packet_id, qos, retain, dup, direction, state, identifier: 0 };
            Chunk::ClientMessage(message)
        }
        RETAIN => Chunk::Retain(cursor.id()?),
        SUBSCRIPTION => {
            let (id, filter, options) = (cursor.text()?, cursor.text()?, cursor.u8()?);
            Chunk::Subscription(Subscription { client_id: client_id(id)?, filter, options, identifier: 0 })
        }
        CLIENT => {
            let (client_id, last_packet_id) = (client_id(cursor.text()?)?, cursor.u16()?);
            // When it was last seen: in as many bytes as the machine's time has.
            match (version, cursor.0.len()) {
                (2, 0) | (3.., 4 | 8) => cursor.0 = &[],
                _ => return None,
            }
            Chunk::Client(Client {
                client_id,
                username: None,
                has_left_over_username: false,
                port: 0,
                last_packet_id,
                expiry_s: u32::MAX,
                ends_at_s: None,
            })
        }
        _ => return None,
    })
}

fn message<'a>(version: u32, cursor: &mut Cursor<'a>) -> Option<Message<'a>> {
    let (id, source_id) = (cursor.id()?, cursor.text()?);
    let (mut source_username, mut source_port) = (None, 0);
    if version >= 4 {
        source_username = username(cursor.text()?.as_bytes());
        source_port = cursor.u16()?;
    }
    let _publishers_packet_id = cursor.u16()?;
    let _unused = cursor.u16()?;
    let (topic, qos, retain) = (cursor.text()?, cursor.u8()?, cursor.u8()? != 0);
    let len = cursor.u32()?;
    let payload = cursor.take(usize::try_from(len).ok()?)?;
    Some(Message {
        id,
        source_id,
        source_username,
        source_port,
        topic,
        payload,
        properties: &[],
        expires_at_s: None,
        qos,
        retain,
    })
}
