//! Records as bytes, and back.
//!
//! The first byte is the kind. Numbers are written as [`put_number`] does, times as milliseconds of the wall clock.
//! [`VERSION`] stands in every file; [`decode`] knows all versions there ever were.

use std::sync::Arc;

use broker_core::{
    Identifiers, Instant, Message, Publisher, SessionNumber, StoredAway, StoredSubscription, StoredTaken, StoredWill,
};
use mqtt::{PacketId, PropertiesBuf, QoS, SubscriptionOptions, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf};

use crate::bytes::{Reader, put_bytes, put_number};
use crate::record::{Body, Clock, Record, Waiting};

/// How records are written today.
pub(crate) const VERSION: u16 = 1;

const SESSION: u8 = 1;
const SESSION_GONE: u8 = 2;
const SUBSCRIBED: u8 = 3;
const UNSUBSCRIBED: u8 = 4;
const QUEUED: u8 = 5;
const SENT: u8 = 6;
const DONE: u8 = 7;
const TAKEN: u8 = 8;
const RELEASED: u8 = 9;
const RETAINED: u8 = 10;
const RETAINED_GONE: u8 = 11;
const BODY: u8 = 12;
const TOLD: u8 = 13;
const AWAY: u8 = 14;

/// Of a waiting message, beside its QoS in the lower two bits.
const RETAIN: u8 = 1 << 2;
const WAS_SENT: u8 = 1 << 3;
const WAS_RELEASED: u8 = 1 << 4;
const HAS_IDENTIFIERS: u8 = 1 << 5;
const HAS_SHARE: u8 = 1 << 6;
const IS_SHARED: u8 = 1 << 7;

/// Of what the rules for a client depend on.
const HAS_USERNAME: u8 = 1;
const HAS_LISTENER: u8 = 1 << 1;

/// Of a session whose client is away.
const ENDS: u8 = 1;
const HAS_WILL: u8 = 1 << 1;
const WILL_RETAIN: u8 = 1 << 2;
const WILL_EXPIRES: u8 = 1 << 3;

/// Of a message, beside its QoS.
const EXPIRES: u8 = 1 << 2;
const HAS_PROPERTIES: u8 = 1 << 3;

pub(crate) fn encode(record: &Record, clock: Clock, to: &mut Vec<u8>) {
    match record {
        Record::Session { number, client_id, username, listener, expiry_s } => {
            begin(to, SESSION, *number);
            put_bytes(to, client_id.as_bytes());
            put_rights(to, username.as_deref(), listener.as_deref());
            put_number(to, (*expiry_s).into());
        }
        Record::SessionGone(number) => begin(to, SESSION_GONE, *number),
        Record::Away(number, away) => {
            begin(to, AWAY, *number);
            put_away(to, away, clock);
        }
        Record::Subscribed(number, subscription) => {
            begin(to, SUBSCRIBED, *number);
            to.push(subscription.options.as_u8());
            put_number(to, subscription.identifier.into());
            to.extend_from_slice(subscription.filter.as_str().as_bytes());
        }
        Record::Unsubscribed(number, filter) => {
            begin(to, UNSUBSCRIBED, *number);
            to.extend_from_slice(filter.as_str().as_bytes());
        }
        Record::Queued(number, waiting) => {
            begin(to, QUEUED, *number);
            put_waiting(to, waiting, clock);
        }
        Record::Sent { session, entry, id, released } => {
            begin(to, SENT, *session);
            put_number(to, *entry);
            put_number(to, id.get().into());
            to.push((*released).into());
        }
        Record::Done(number, entry) => {
            begin(to, DONE, *number);
            put_number(to, *entry);
        }
        Record::Taken(number, id, taken) => {
            begin(to, TAKEN, *number);
            put_number(to, id.get().into());
            to.push(taken.retain.into());
            put_message(to, &taken.message, clock);
        }
        Record::Released(number, id) => {
            begin(to, RELEASED, *number);
            put_number(to, id.get().into());
        }
        Record::Retained(message, publisher) => {
            to.push(RETAINED);
            put_bytes(to, publisher.client_id.as_bytes());
            put_rights(to, publisher.username.as_deref(), publisher.listener.as_deref());
            put_message(to, message, clock);
        }
        Record::RetainedGone(topic) => {
            to.push(RETAINED_GONE);
            to.extend_from_slice(topic.as_str().as_bytes());
        }
        Record::Body(number, message) => {
            to.push(BODY);
            put_number(to, *number);
            put_message(to, message, clock);
        }
        Record::Told { file, sum } => {
            to.push(TOLD);
            put_number(to, *file);
            put_number(to, (*sum).into());
        }
    }
}

fn begin(to: &mut Vec<u8>, kind: u8, session: SessionNumber) {
    to.push(kind);
    put_number(to, session.0);
}

/// On which the rules for a client depend, besides its Client Identifier.
fn put_rights(to: &mut Vec<u8>, username: Option<&str>, listener: Option<&str>) {
    to.push(set(QoS::AtMostOnce, &[(HAS_USERNAME, username.is_some()), (HAS_LISTENER, listener.is_some())]));
    for text in [username, listener].into_iter().flatten() {
        put_bytes(to, text.as_bytes());
    }
}

fn put_away(to: &mut Vec<u8>, away: &StoredAway, clock: Clock) {
    let will = away.will.as_ref();
    let flags = [
        (ENDS, away.ends_at.is_some()),
        (HAS_WILL, will.is_some()),
        (WILL_RETAIN, will.is_some_and(|will| will.retain)),
        (WILL_EXPIRES, will.is_some_and(|will| will.expiry_s.is_some())),
    ];
    to.push(set(QoS::AtMostOnce, &flags));
    if let Some(at) = away.ends_at {
        put_number(to, clock.to_wall(at));
    }
    if let Some(will) = will {
        put_number(to, clock.to_wall(will.at));
        if let Some(seconds) = will.expiry_s {
            put_number(to, seconds.into());
        }
        put_message(to, &will.message, clock);
    }
}

fn put_waiting(to: &mut Vec<u8>, waiting: &Waiting, clock: Clock) {
    let identifiers = waiting.identifiers.as_slice();
    let flags = [
        (RETAIN, waiting.retain),
        (WAS_SENT, waiting.sent_as.is_some()),
        (WAS_RELEASED, waiting.released),
        (HAS_IDENTIFIERS, !identifiers.is_empty()),
        (HAS_SHARE, waiting.share.is_some()),
        (IS_SHARED, matches!(waiting.body, Body::Shared(_))),
    ];
    put_number(to, waiting.entry);
    to.push(set(waiting.qos, &flags));
    if let Some(id) = waiting.sent_as {
        put_number(to, id.get().into());
    }
    if !identifiers.is_empty() {
        put_number(to, identifiers.len() as u64);
        for identifier in identifiers {
            put_number(to, (*identifier).into());
        }
    }
    if let Some(share) = &waiting.share {
        put_bytes(to, share.as_bytes());
    }
    match &waiting.body {
        Body::Here(message) => put_message(to, message, clock),
        Body::Shared(body) => put_number(to, *body),
    }
}

/// To the end of the record: the payload's length is what is left.
fn put_message(to: &mut Vec<u8>, message: &Message, clock: Clock) {
    let properties = message.properties();
    let flags = [(EXPIRES, message.expires_at().is_some()), (HAS_PROPERTIES, !properties.is_empty())];
    to.push(set(message.qos(), &flags));
    if let Some(at) = message.expires_at() {
        put_number(to, clock.to_wall(at));
    }
    if !properties.is_empty() {
        put_bytes(to, properties.as_bytes());
    }
    put_bytes(to, message.topic().as_str().as_bytes());
    to.extend_from_slice(message.payload());
}

fn set(qos: QoS, flags: &[(u8, bool)]) -> u8 {
    flags.iter().fold(qos.as_u8(), |byte, (flag, is_set)| if *is_set { byte | flag } else { byte })
}

/// `None` for bytes that are no record of this version.
pub(crate) fn decode(version: u16, bytes: &[u8], clock: Clock) -> Option<Record> {
    if version != VERSION {
        return None;
    }
    let mut reader = Reader(bytes);
    let from = &mut reader;
    let kind = from.byte()?;
    let record = match kind {
        RETAINED => {
            let client_id = from.text()?.into();
            let (username, listener) = rights(from)?;
            let publisher = Publisher { client_id, username, listener };
            Record::Retained(message(from, clock)?, Arc::new(publisher))
        }
        RETAINED_GONE => Record::RetainedGone(topic(std::str::from_utf8(from.rest()).ok()?)?),
        BODY => Record::Body(from.number()?, message(from, clock)?),
        TOLD => Record::Told { file: from.number()?, sum: from.small()? },
        SESSION..=RELEASED | AWAY => of_session(kind, SessionNumber(from.number()?), from, clock)?,
        _ => return None,
    };
    reader.end(record)
}

fn of_session(kind: u8, number: SessionNumber, from: &mut Reader<'_>, clock: Clock) -> Option<Record> {
    Some(match kind {
        SESSION => {
            let client_id = from.text()?.into();
            let (username, listener) = rights(from)?;
            Record::Session { number, client_id, username, listener, expiry_s: from.small()? }
        }
        SESSION_GONE => Record::SessionGone(number),
        SUBSCRIBED => {
            let options = SubscriptionOptions::from_u8(from.byte()?).ok()?;
            let identifier = from.small()?;
            Record::Subscribed(number, StoredSubscription { filter: filter(from)?, options, identifier })
        }
        UNSUBSCRIBED => Record::Unsubscribed(number, filter(from)?),
        QUEUED => Record::Queued(number, waiting(from, clock)?),
        SENT => {
            let (entry, id) = (from.number()?, packet_id(from)?);
            Record::Sent { session: number, entry, id, released: flag(from)? }
        }
        DONE => Record::Done(number, from.number()?),
        TAKEN => {
            let (id, retain) = (packet_id(from)?, flag(from)?);
            Record::Taken(number, id, StoredTaken { message: message(from, clock)?, retain })
        }
        RELEASED => Record::Released(number, packet_id(from)?),
        AWAY => Record::Away(number, away(from, clock)?),
        _ => return None,
    })
}

fn away(from: &mut Reader<'_>, clock: Clock) -> Option<StoredAway> {
    let flags = from.byte()?;
    let has = |flag| flags & flag != 0;
    if flags >= WILL_EXPIRES << 1 || (flags & (WILL_RETAIN | WILL_EXPIRES) != 0 && !has(HAS_WILL)) {
        return None;
    }
    let ends_at = if has(ENDS) { Some(clock.at_wall(from.number()?)) } else { None };
    let mut will = None;
    if has(HAS_WILL) {
        let at: Instant = clock.at_wall(from.number()?);
        let expiry_s = if has(WILL_EXPIRES) { Some(from.small()?) } else { None };
        will = Some(StoredWill { message: message(from, clock)?, retain: has(WILL_RETAIN), expiry_s, at });
    }
    Some(StoredAway { ends_at, will })
}

fn flag(from: &mut Reader<'_>) -> Option<bool> {
    match from.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// User Name and listener.
type Rights = (Option<Box<str>>, Option<Arc<str>>);

fn rights(from: &mut Reader<'_>) -> Option<Rights> {
    let flags = from.byte()?;
    if flags & !(HAS_USERNAME | HAS_LISTENER) != 0 {
        return None;
    }
    let username = if flags & HAS_USERNAME != 0 { Some(from.text()?.into()) } else { None };
    let listener = if flags & HAS_LISTENER != 0 { Some(from.text()?.into()) } else { None };
    Some((username, listener))
}

fn packet_id(from: &mut Reader<'_>) -> Option<PacketId> {
    PacketId::new(from.number()?.try_into().ok()?)
}

fn topic(name: &str) -> Option<TopicNameBuf> {
    TopicName::new(name).ok().map(TopicNameBuf::from)
}

fn filter(from: &mut Reader<'_>) -> Option<TopicFilterBuf> {
    TopicFilter::new(std::str::from_utf8(from.rest()).ok()?).ok().map(TopicFilterBuf::from)
}

fn waiting(from: &mut Reader<'_>, clock: Clock) -> Option<Waiting> {
    let (entry, flags) = (from.number()?, from.byte()?);
    let has = |flag| flags & flag != 0;
    let sent_as = if has(WAS_SENT) { Some(packet_id(from)?) } else { None };
    let mut identifiers = Vec::new();
    if has(HAS_IDENTIFIERS) {
        for _ in 0..from.number()? {
            identifiers.push(from.small()?);
        }
    }
    Some(Waiting {
        entry,
        qos: QoS::from_u8(flags & 0b11)?,
        retain: has(RETAIN),
        identifiers: Identifiers::from(identifiers.as_slice()),
        share: if has(HAS_SHARE) { Some(from.text()?.into()) } else { None },
        sent_as,
        released: has(WAS_RELEASED),
        body: if has(IS_SHARED) { Body::Shared(from.number()?) } else { Body::Here(message(from, clock)?) },
    })
}

fn message(from: &mut Reader<'_>, clock: Clock) -> Option<Arc<Message>> {
    let flags = from.byte()?;
    if flags & !(0b11 | EXPIRES | HAS_PROPERTIES) != 0 {
        return None;
    }
    let expires_at = if flags & EXPIRES != 0 { Some(clock.at_wall(from.number()?)) } else { None };
    let properties = match flags & HAS_PROPERTIES {
        0 => PropertiesBuf::new(),
        _ => PropertiesBuf::of_publish(from.bytes()?).ok()?,
    };
    let topic = topic(from.text()?)?;
    Some(Message::restored(topic, from.rest().into(), properties, expires_at, QoS::from_u8(flags & 0b11)?))
}

#[cfg(test)]
mod tests;
