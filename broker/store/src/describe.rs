//! A record in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use broker_core::{Message, SessionNumber, StoredAway};

use crate::record::{Body, Record};
use crate::recovered::About;

/// Its kind and what it says, in one line. `names` are the sessions that are known, `time` writes milliseconds since
/// 1970; the record's own times are such ones.
pub(crate) fn describe(
    record: &Record,
    names: &BTreeMap<SessionNumber, About>,
    time: &dyn Fn(u64) -> String,
) -> String {
    let of = |number: &SessionNumber| match names.get(number) {
        Some(about) => format!("session {} ({:?})", number.0, about.client_id),
        None => format!("session {}", number.0),
    };
    match record {
        Record::Session { number, client_id, username, listener, expiry_s } => {
            let user = username.as_ref().map_or_else(String::new, |username| format!(" of {username:?}"));
            let lasts = match *expiry_s {
                u32::MAX => "for ever".to_owned(),
                seconds => format!("{seconds} s"),
            };
            let door = listener.as_ref().map_or_else(String::new, |listener| format!(" by listener {listener:?}"));
            format!("session: {} is client {client_id:?}{user}{door}, lasts {lasts}", number.0)
        }
        Record::Away(number, StoredAway { ends_at, will }) => {
            let mut text = format!("away: {}", of(number));
            match ends_at {
                Some(at) => drop(write!(text, " ends {}", time(at.as_millis()))),
                None => text.push_str(" does not end"),
            }
            if let Some(will) = will {
                let (topic, at) = (will.message.topic(), time(will.at.as_millis()));
                let _ = write!(text, "; its will goes to {:?} at {at}", topic.as_str());
            }
            text
        }
        Record::SessionGone(number) => format!("session gone: {}", of(number)),
        Record::Subscribed(number, subscription) => {
            let qos = subscription.options.qos.as_u8();
            format!("subscribed: {} to {:?} at QoS {qos}", of(number), subscription.filter.as_str())
        }
        Record::Unsubscribed(number, filter) => {
            format!("unsubscribed: {} from {:?}", of(number), filter.as_str())
        }
        Record::Queued(number, waiting) => {
            let state = match (waiting.sent_as, waiting.released) {
                (None, _) => String::new(),
                (Some(id), false) => format!(", sent as {}", id.get()),
                (Some(id), true) => format!(", received as {}", id.get()),
            };
            let body = match &waiting.body {
                Body::Here(message) => describe_message(message, time),
                Body::Shared(body) => format!("body {body}"),
            };
            let qos = waiting.qos.as_u8();
            format!("message: {} for {} at QoS {qos}{state}: {body}", waiting.entry, of(number))
        }
        Record::Sent { session, entry, id, released } => {
            let what = if *released { "received" } else { "sent" };
            format!("{what}: message {entry} of {} as {}", of(session), id.get())
        }
        Record::Done(number, entry) => format!("done: message {entry} of {}", of(number)),
        Record::Taken(number, id, taken) => {
            let retain = if taken.retain { ", to be retained" } else { "" };
            let message = describe_message(&taken.message, time);
            format!("taken: from {} as {}{retain}: {message}", of(number), id.get())
        }
        Record::Released(number, id) => format!("released: by {} as {}", of(number), id.get()),
        Record::Retained(message, publisher) => {
            format!("retained: from {:?}: {}", publisher.client_id, describe_message(message, time))
        }
        Record::RetainedGone(topic) => format!("retained gone: {:?}", topic.as_str()),
        Record::Body(number, message) => format!("body: {number}: {}", describe_message(message, time)),
        Record::Told { file, .. } => format!("told: what is damaged in file {file} was set aside"),
    }
}

/// So much of a payload is shown: more would not be read in a line.
const SHOWN_MAX: usize = 40;

fn describe_message(message: &Message, time: &dyn Fn(u64) -> String) -> String {
    let (topic, payload) = (message.topic(), message.payload());
    let shown = &payload[..payload.len().min(SHOWN_MAX)];
    let mut text = format!("{:?}, {} bytes", topic.as_str(), payload.len());
    if !shown.is_empty() {
        let more = if shown.len() < payload.len() { "…" } else { "" };
        let _ = write!(text, " \"{}{more}\"", shown.escape_ascii());
    }
    if let Some(at) = message.expires_at() {
        let _ = write!(text, ", until {}", time(at.as_millis()));
    }
    text
}
