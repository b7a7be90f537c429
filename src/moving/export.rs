//! A store as JSON lines: for the way to another broker, and for looking. The keys are in docs/store.md, and stay.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use broker_core::{Message, Publisher, StoredSession};
use broker_store::Recovered;
use chrono::{DateTime, SecondsFormat};
use mqtt::RetainHandling;
use serde::Serialize;

/// What the keys mean may only change with this number.
const FORMAT: u32 = 1;

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Export {
        format: u32,
        sessions: usize,
        messages: usize,
        retained: usize,
    },
    Session {
        client: &'a str,
        username: Option<&'a str>,
        listener: Option<&'a str>,
        expiry_s: Option<u32>,
        ends_at: Option<String>,
        subscriptions: Vec<Subscription<'a>>,
    },
    Message {
        client: &'a str,
        direction: &'static str,
        state: &'static str,
        packet_id: Option<u16>,
        qos: u8,
        retain: bool,
        subscription_identifiers: &'a [u32],
        shared_subscription: Option<&'a str>,
        #[serde(flatten)]
        message: Said<'a>,
    },
    Will {
        client: &'a str,
        at: String,
        retain: bool,
        qos: u8,
        #[serde(flatten)]
        message: Said<'a>,
    },
    Retained {
        client: &'a str,
        username: Option<&'a str>,
        listener: Option<&'a str>,
        qos: u8,
        #[serde(flatten)]
        message: Said<'a>,
    },
}

#[derive(Serialize)]
struct Subscription<'a> {
    filter: &'a str,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    identifier: Option<u32>,
}

#[derive(Serialize)]
struct Said<'a> {
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_is_text: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(&'a str, &'a str)>,
}

/// Writes all of it; the times in it count from 1970.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(mut recovered: Recovered, to: &mut impl Write, mut progress: impl FnMut(usize)) -> io::Result<()> {
    let (sessions, messages) = (recovered.session_count(), recovered.message_count());
    line(to, &Line::Export { format: FORMAT, sessions, messages, retained: recovered.retained_count() })?;
    for (count, (message, publisher)) in recovered.take_retained().enumerate() {
        progress(count);
        let Publisher { client_id, username, listener } = &*publisher;
        let (username, qos) = (username.as_deref(), message.qos().as_u8());
        line(
            to,
            &Line::Retained {
                client: client_id,
                username,
                listener: listener.as_deref(),
                qos,
                message: said(&message),
            },
        )?;
    }
    for (count, (_, session)) in recovered.into_sessions().enumerate() {
        progress(count);
        write_session(&session, to)?;
    }
    to.flush()
}

fn write_session(session: &StoredSession, to: &mut impl Write) -> io::Result<()> {
    let client = &*session.client_id;
    let subscriptions = session.subscriptions.values().map(|subscription| Subscription {
        filter: subscription.filter.as_str(),
        qos: subscription.options.qos.as_u8(),
        no_local: subscription.options.no_local,
        retain_as_published: subscription.options.retain_as_published,
        retain_handling: match subscription.options.retain_handling {
            RetainHandling::Send => 0,
            RetainHandling::SendIfNew => 1,
            RetainHandling::DoNotSend => 2,
        },
        identifier: Some(subscription.identifier).filter(|identifier| *identifier > 0),
    });
    let away = session.away.as_ref();
    line(
        to,
        &Line::Session {
            client,
            username: session.username.as_deref(),
            listener: session.listener.as_deref(),
            expiry_s: Some(session.expiry_s).filter(|seconds| *seconds < u32::MAX),
            ends_at: away.and_then(|away| away.ends_at).map(|at| time(at.as_millis())),
            subscriptions: subscriptions.collect(),
        },
    )?;
    for held in session.messages.values() {
        let state = match (held.sent_as, held.released) {
            (None, _) => "queued",
            (Some(_), false) => "sent",
            (Some(_), true) => "received",
        };
        line(
            to,
            &Line::Message {
                client,
                direction: "out",
                state,
                packet_id: held.sent_as.map(mqtt::PacketId::get),
                qos: held.qos.as_u8(),
                retain: held.retain,
                subscription_identifiers: held.identifiers.as_slice(),
                shared_subscription: held.share.as_deref(),
                message: said(&held.message),
            },
        )?;
    }
    for (id, taken) in &session.taken {
        line(
            to,
            &Line::Message {
                client,
                direction: "in",
                state: "unreleased",
                packet_id: Some(id.get()),
                qos: 2,
                retain: taken.retain,
                subscription_identifiers: &[],
                shared_subscription: None,
                message: said(&taken.message),
            },
        )?;
    }
    let Some(will) = away.and_then(|away| away.will.as_ref()) else { return Ok(()) };
    let (at, qos) = (time(will.at.as_millis()), will.message.qos().as_u8());
    line(to, &Line::Will { client, at, retain: will.retain, qos, message: said(&will.message) })
}

fn said(message: &Message) -> Said<'_> {
    let payload = std::str::from_utf8(message.payload()).ok();
    let properties = message.properties();
    Said {
        topic: message.topic().as_str(),
        payload,
        payload_base64: payload.is_none().then(|| BASE64_STANDARD.encode(message.payload())),
        expires_at: message.expires_at().map(|at| time(at.as_millis())),
        payload_is_text: properties.payload_format_indicator(),
        content_type: properties.content_type(),
        response_topic: properties.response_topic().map(mqtt::TopicName::as_str),
        correlation_data_base64: properties.correlation_data().map(|data| BASE64_STANDARD.encode(data)),
        user_properties: properties.user_properties().collect(),
    }
}

fn line(to: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Milliseconds since 1970 as RFC 3339 has it; what no calendar has, as a number.
pub(super) fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| millis.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
