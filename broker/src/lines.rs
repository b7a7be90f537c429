//! The log's lines, in mosquitto's words where it has them: scripts and fail2ban rules parse them.
//!
//! The `target` is mosquitto's `log_type`; who filters and writes is the appliance.

use std::path::Path;
use std::time::Duration;

use broker_core::{DropCause, End, Event, Refusal};

use crate::lag::Dropped;
use crate::peer::Peer;

pub(crate) fn new_connection(peer: &Peer, port: u16) {
    tracing::info!(target: "notice", "New connection from {peer} on port {port}.");
}

/// What a proxy's handshake came to.
pub(crate) fn negotiated(peer: &Peer, version: &str, cipher: &str) {
    tracing::info!(target: "notice", "Connection from {peer} negotiated {version} cipher {cipher}");
}

/// What the core tells; `peer` is the address of the event's link.
pub(crate) fn event(event: &Event<'_>, peer: &Peer) {
    match event {
        Event::Connected { client_id, version, clean, keep_alive_s, username, .. } => {
            let (p, c) = (version.level(), u8::from(*clean));
            match username {
                Some(user) => tracing::info!(target: "notice",
                    { fact.client_id = %client_id, fact.address = %peer, fact.username = %user },
                    "New client connected from {peer} as {client_id} (p{p}, c{c}, k{keep_alive_s}, u'{user}')."),
                None => tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer },
                    "New client connected from {peer} as {client_id} (p{p}, c{c}, k{keep_alive_s})."),
            }
        }
        Event::Disconnected { client_id, why: End::Farewell, .. } => {
            tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer },
                    "Client {client_id} [{peer}] disconnected.");
        }
        Event::Disconnected { client_id, why, .. } => {
            tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer },
                    "Client {client_id} [{peer}] disconnected: {why}.");
        }
        Event::TakenOver { client_id } => {
            tracing::info!(target: "notice", "Client {client_id} already connected, closing old connection.");
        }
        Event::Refused { client_id, why, .. } => {
            let words = match why {
                Refusal::Anonymous | Refusal::Password | Refusal::Identity | Refusal::NoUsername => "not authorised",
                _ => "refused",
            };
            tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer, fact.why = %why },
                    "Client {client_id} [{peer}] disconnected: {words}.");
        }
        Event::PublishDenied { client_id, topic, qos, payload_bytes, .. } => tracing::debug!(target: "debug",
            "Denied PUBLISH from {client_id} (q{}, '{topic}', ... ({payload_bytes} bytes))", qos.as_u8()),
        Event::Subscribed { client_id, qos, filter } => tracing::debug!(target: "subscribe",
            "{client_id} {} {filter}", qos.as_u8()),
        Event::Unsubscribed { client_id, filter } => tracing::debug!(target: "unsubscribe", "{client_id} {filter}"),
        Event::SubscribeDenied { client_id, filter } => tracing::debug!(target: "debug",
            "Denied SUBSCRIBE from {client_id} to '{filter}'"),
        Event::QueueFull { client_id } => tracing::info!(target: "notice",
            "Outgoing messages are being dropped for client {client_id}."),
        // Said by the desk, which does not say them for every message.
        Event::RetainedFull { .. } | Event::SubscriptionsFull { .. } | Event::Dropped { .. } => {}
        Event::Command { client_id, username, command } => tracing::info!(target: "information",
            "Broker: {client_id}/{} | {command}", username.unwrap_or("(null)")),
        Event::SessionExpired { client_id } => tracing::info!(target: "notice",
            "Expiring client {client_id} due to timeout."),
    }
}

/// The rules refuse a client a topic: which line of them, once in a while.
pub(crate) fn refused(client: acl::Client<'_>, topic: &str, rules: &acl::Acl, file: Option<&Path>) {
    let Ok(name) = mqtt::TopicName::new(topic) else { return };
    let found = rules.explain(client, acl::Asked::Write(name));
    let file = file.map_or_else(String::new, |file| format!("{}: ", file.display()));
    let why = if found.is_allowed {
        "it is a command to the broker, which takes none there".to_owned()
    } else {
        format!("{file}{}", found.because)
    };
    let who = client.username.map_or_else(String::new, |name| format!(" (user '{name}')"));
    tracing::info!(target: "notice", { fact.client_id = %client.client_id, fact.topic = %topic },
        "Client {}{who} may not publish to '{topic}': {why}.", client.client_id);
}

/// Retained messages take all the memory that they may.
pub(crate) fn retained_full(bytes_max: usize, more: u32) {
    tracing::warn!(target: "warning", "Warning: the retained messages take {bytes_max} bytes, and may take no more: one \
        for another topic is refused ({more} were since this was said last). Clear topics that are not used any more.");
}

/// So many messages for a client that is there were dropped: why, and what to do about it.
pub(crate) fn dropped(client_id: &str, peer: &Peer, dropped: Dropped) {
    let of = |why: DropCause| dropped[why as usize];
    let (socket, queue, size) = (of(DropCause::Socket), of(DropCause::Queue), of(DropCause::Size));
    if socket > 0 {
        tracing::warn!(target: "warning", "Warning: client {client_id} [{peer}] reads more slowly than it is sent to: {socket} \
            messages of QoS 0 for it were dropped since this was said last. Let it read faster or subscribe to less, or use \
            QoS 1 if none may be missing.");
    }
    if queue > 0 {
        tracing::warn!(target: "warning", "Warning: client {client_id} [{peer}] acknowledges more slowly than it is sent to: \
            {queue} messages for it were dropped since this was said last. Let it read faster or subscribe to less, or raise \
            max_queued_messages, max_queued_bytes or max_inflight_messages.");
    }
    if size > 0 {
        tracing::warn!(target: "warning", "Warning: client {client_id} [{peer}] takes no packets as large as some that it \
            subscribes to: {size} messages for it were dropped since this was said last. Raise the Maximum Packet Size of \
            the client.");
    }
}

/// A connection was closed because its socket took nothing.
pub(crate) fn stalled(client_id: &str, peer: &Peer, time: Duration) {
    tracing::warn!(target: "warning", "Warning: client {client_id} [{peer}] has read nothing for {} s though something waits for it: \
        its connection is closed. Its program hangs, or does not read what it subscribes to.", time.as_secs());
}

/// The subscriptions of one session take all the memory that they may.
pub(crate) fn subscriptions_full(client_id: &str, count: usize, more: u32) {
    tracing::warn!(target: "warning", "Warning: client {client_id} has {count} subscriptions, which may take no more \
        memory: another is refused ({more} were since this was said last).");
}

/// What must be kept could not be written; it is held, and tried again.
pub(crate) fn store_fails(why: &broker_store::CommitError, held_bytes: usize) {
    tracing::error!(target: "error", "Error: {why}. {held_bytes} bytes wait to be written; what they hold is not \
        acknowledged before, and what else would have to be kept is refused. It is tried again every second.");
}

/// The last room is in use.
pub(crate) fn store_is_full() {
    tracing::error!(target: "error", "Error: the disk of the store is full: what would have to be kept is refused until there is \
        room again. Make some, or let the clients fetch what waits for them; it then goes on by itself.");
}

/// There is room again.
pub(crate) fn store_has_room() {
    tracing::info!(target: "notice", "The store has room again: everything is taken as before.");
}

/// As much memory is used as `memory_limit` says.
pub(crate) fn memory_is_full(bytes: u64, most: u64) {
    tracing::warn!(target: "warning", "Warning: {bytes} bytes of memory are in use and memory_limit is {most}: QoS 1 and 2, retained \
        messages, new subscriptions and new sessions are refused until less is. Let clients fetch what waits for them, or \
        raise the limit.");
}

/// Less is used again.
pub(crate) fn memory_has_room(bytes: u64) {
    tracing::info!(target: "notice", "{bytes} bytes of memory are in use: everything is taken as before.");
}

/// The store was opened, and so many sessions, waiting and retained messages were in it.
pub(crate) fn store_opened(dir: &Path, [sessions, waiting, retained]: [usize; 3], took: Duration) {
    tracing::info!(target: "information", "Opened the store {}: {sessions} sessions, {waiting} messages waiting, \
        {retained} retained ({:.1} s).", dir.display(), took.as_secs_f64());
}
