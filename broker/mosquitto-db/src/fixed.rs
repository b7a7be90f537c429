//! Chunks of the versions 5 and 6: first what has a fixed length, as the C compiler laid it out, then texts, payload
//! and properties.
//!
//! Numbers that are kept in network order are; times and the numbers of messages are in the order of the machine.
//! Behind the fields a compiler may leave room; how much, the length of the chunk says.

use crate::chunk::{
    CLIENT, CLIENT_MESSAGE, CONFIG, Chunk, Client, ClientMessage, Direction, MESSAGE, Message, RETAIN, SUBSCRIPTION,
    State, Subscription, client_id, time, username,
};
use crate::cursor::Cursor;

/// Kind and length, in four bytes each.
pub(crate) fn header(cursor: &mut Cursor<'_>) -> Option<(u32, u32)> {
    Some((cursor.u32()?, cursor.u32()?))
}

pub(crate) fn decode<'a>(version: u32, kind: u32, cursor: &mut Cursor<'a>) -> Option<Chunk<'a>> {
    Some(match kind {
        CONFIG => {
            let _last_id = cursor.take(8)?;
            let (shutdown, id_bytes) = (cursor.u8()?, cursor.u8()?);
            room(cursor, 0, &[2, 6])?;
            Chunk::Config { at_shutdown: shutdown != 0, id_bytes }
        }
        MESSAGE => Chunk::Message(message(cursor)?),
        CLIENT_MESSAGE => Chunk::ClientMessage(client_message(cursor)?),
        RETAIN => Chunk::Retain(cursor.id()?),
        SUBSCRIPTION => {
            let (identifier, id_len, filter_len) = (cursor.u32()?, cursor.u16()?, cursor.u16()?);
            let (qos, options) = (cursor.u8()?, cursor.u8()?);
            room(cursor, usize::from(id_len) + usize::from(filter_len), &[2])?;
            let (id, filter) = (cursor.text_of(id_len.into())?, cursor.text_of(filter_len.into())?);
            Chunk::Subscription(Subscription { client_id: client_id(id)?, filter, options: qos | options, identifier })
        }
        CLIENT => Chunk::Client(client(version, cursor)?),
        _ => return None,
    })
}

/// What the compiler left between the fields and `rest` bytes that follow; one of `sizes`.
fn room(cursor: &mut Cursor<'_>, rest: usize, sizes: &[usize]) -> Option<()> {
    let room = cursor.0.len().checked_sub(rest)?;
    if !sizes.contains(&room) {
        return None;
    }
    cursor.take(room).map(drop)
}

fn client<'a>(version: u32, cursor: &mut Cursor<'a>) -> Option<Client<'a>> {
    let (ends_at, expiry_s) = (cursor.seconds()?, cursor.u32()?);
    let (last_packet_id, id_len) = (cursor.u16()?, cursor.u16()?);
    let (mut port, mut username_len) = (0, 0);
    if version >= 6 {
        port = cursor.u16()?;
        username_len = cursor.u16()?;
        // None where eight bytes may begin at any fourth.
        room(cursor, usize::from(id_len) + usize::from(username_len), &[0, 4])?;
    }
    let client_id = client_id(cursor.text_of(id_len.into())?)?;
    let name = cursor.take(username_len.into())?;
    let username = username(name);
    let has_left_over_username = username.is_none() && !name.is_empty();
    let ends_at_s = time(ends_at);
    Some(Client { client_id, username, has_left_over_username, port, last_packet_id, expiry_s, ends_at_s })
}

fn client_message<'a>(cursor: &mut Cursor<'a>) -> Option<ClientMessage<'a>> {
    let (message, packet_id, id_len, qos) = (cursor.id()?, cursor.u16()?, cursor.u16()?, cursor.u8()?);
    let state = State::from_u8(cursor.u8()?)?;
    let flags = cursor.u8()?;
    let direction = Direction::from_u8(cursor.u8()?)?;
    let client_id = client_id(cursor.text_of(id_len.into())?)?;
    let identifier = identifier(properties(cursor)?)?;
    let (retain, dup) = (flags & 0xf0 != 0, flags & 0x0f != 0);
    Some(ClientMessage { client_id, message, packet_id, qos, retain, dup, direction, state, identifier })
}

fn message<'a>(cursor: &mut Cursor<'a>) -> Option<Message<'a>> {
    let (id, expires_at) = (cursor.id()?, cursor.seconds()?);
    let payload_len = usize::try_from(cursor.u32()?).ok()?;
    let _publishers_packet_id = cursor.u16()?;
    let (id_len, username_len, topic_len) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    let source_port = cursor.u16()?;
    let (qos, retain) = (cursor.u8()?, cursor.u8()? != 0);
    let source_id = cursor.text_of(id_len.into())?;
    let source_username = username(cursor.take(username_len.into())?);
    let topic = cursor.text_of(topic_len.into())?;
    let payload = cursor.take(payload_len)?;
    let properties = properties(cursor)?;
    let expires_at_s = time(expires_at);
    Some(Message { id, source_id, source_username, source_port, topic, payload, properties, expires_at_s, qos, retain })
}

/// To the end: nothing, or their length and they.
fn properties<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if cursor.0.is_empty() {
        return Some(&[]);
    }
    let len = cursor.variable()?;
    cursor.take(usize::try_from(len).ok()?)
}

/// The Subscription Identifier, which is all that a client's message has of its own; 0 for none.
fn identifier(properties: &[u8]) -> Option<u32> {
    let properties = mqtt::PropertiesBuf::of_publish(properties).ok()?;
    Some(properties.as_properties().subscription_identifier().unwrap_or(0))
}
