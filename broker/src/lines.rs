//! The log's lines, in mosquitto's words where it has them: scripts and fail2ban rules parse them.
//!
//! The `target` is mosquitto's `log_type`; who filters and writes is the appliance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_core::{ClientFault, DropCause, End, Event, Refusal, RulesOf};
use mqtt::{DecodeFault, ReasonCode};

use crate::lag::Dropped;
use crate::peer::Peer;
use crate::refusals::Wish;

/// What the core calls it.
const A_SECOND_CONNECT: &str = "a second CONNECT";

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
            tell_fault(*why, client_id);
            let why = in_short(*why);
            tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer },
                    "Client {client_id} [{peer}] disconnected: {why}.");
        }
        Event::Left { why, .. } => {
            let (host, why) = (peer.host(), in_short(*why));
            tracing::info!(target: "notice", { fact.address = %peer }, "Client {host} [{peer}] disconnected: {why}.");
        }
        Event::TakenOver { client_id } => {
            tracing::error!(target: "error", "Client {client_id} already connected, closing old connection.");
        }
        Event::Refused { client_id, why, .. } => {
            let words = refused_in_short(*why);
            let host = peer.host().to_string();
            let name = if client_id.is_empty() { &*host } else { client_id };
            tracing::info!(target: "notice", { fact.client_id = %client_id, fact.address = %peer, fact.why = %why },
                    "Client {name} [{peer}] disconnected: {words}.");
        }
        Event::Subscribed { client_id, qos, filter } => tracing::debug!(target: "subscribe",
            "{client_id} {} {filter}", qos.as_u8()),
        Event::Unsubscribed { client_id, filter } => tracing::debug!(target: "unsubscribe", "{client_id} {filter}"),
        Event::SubscribeDenied { client_id, filter } => tracing::debug!(target: "debug",
            "Denied SUBSCRIBE from {client_id} to '{filter}'"),
        Event::QueueFull { client_id } => tracing::info!(target: "notice",
            "Outgoing messages are being dropped for client {client_id}."),
        // Said by the desk, which does not say them for every message, or by the `packet_log`.
        Event::RetainedFull { .. }
        | Event::SubscriptionsFull { .. }
        | Event::Dropped { .. }
        | Event::PublishDenied { .. }
        | Event::PublishTooLarge { .. }
        | Event::ReadDenied { .. } => {}
        Event::Command { client_id, username, command } => tracing::info!(target: "information",
            "Broker: {client_id}/{} | {command}", username.unwrap_or("(null)")),
        Event::SessionExpired { client_id } => tracing::info!(target: "notice",
            "Expiring client {client_id} due to timeout."),
    }
}

/// mosquitto's words for how a connection ended, which scripts look for.
fn in_short(why: End) -> String {
    let End::Fault(fault) = why else { return why.to_string() };
    let short = match fault {
        ClientFault::Packet(DecodeFault::PacketTooLarge) => "oversize packet",
        ClientFault::QoSNotSupported | ClientFault::RetainNotSupported => "QoS too high or retain not supported",
        // To mosquitto a topic name with a wildcard is a packet of the right form.
        ClientFault::Packet(DecodeFault::InvalidTopicName) | ClientFault::Unexpected(_) => "protocol error",
        ClientFault::Packet(fault) if fault.reason_code() == ReasonCode::MalformedPacket => "malformed packet",
        ClientFault::Packet(_) => "protocol error",
        fault => return fault.to_string(),
    };
    short.to_owned()
}

/// Where those are the same for much: what it was. (Of a stranger that is told once a minute, with what to do about it.)
fn tell_fault(why: End, who: &str) {
    let End::Fault(fault) = why else { return };
    match fault {
        ClientFault::Packet(DecodeFault::InvalidQoS) => {
            tracing::info!(target: "information", "Invalid QoS in PUBLISH from {who}, disconnecting.");
        }
        ClientFault::QoSNotSupported => {
            tracing::info!(target: "information", "Too high QoS in PUBLISH from {who}, disconnecting.");
        }
        ClientFault::Unexpected(A_SECOND_CONNECT) => {
            tracing::info!(target: "notice", "Bad client {who} sending multiple CONNECT messages.");
        }
        ClientFault::RetainNotSupported => {
            tracing::info!(target: "information", "RETAIN in PUBLISH from {who}, which is not available, disconnecting.");
        }
        ClientFault::Packet(fault) if fault != DecodeFault::PacketTooLarge => {
            tracing::info!(target: "information", "Wrong packet from {who}: {fault}.");
        }
        ClientFault::Unexpected(what) => tracing::info!(target: "information", "Wrong packet from {who}: {what}."),
        _ => {}
    }
}

/// The same for who is not let in; what it was is told the operator once a minute.
const fn refused_in_short(why: Refusal) -> &'static str {
    match why {
        Refusal::Anonymous | Refusal::Password | Refusal::Identity | Refusal::NoUsername | Refusal::Prefix => {
            "not authorised"
        }
        Refusal::WillQoS | Refusal::WillRetain => "QoS too high or retain not supported",
        Refusal::WillSize => "oversize payload",
        Refusal::Version | Refusal::ClientId | Refusal::KeepAlive | Refusal::Exchange(_) => "protocol error",
        _ => "refused",
    }
}

/// The CONNECT of a stranger is of another protocol, or of a version that is not known; `body` is what follows its length.
pub(crate) fn wrong_protocol(peer: &Peer, body: &[u8]) {
    let Some((name, rest)) = body.split_first_chunk::<2>().and_then(|(length, rest)| {
        let length = usize::from(u16::from_be_bytes(*length));
        rest.split_at_checked(length).filter(|_| length <= PROTOCOL_NAME_SHOWN_BYTES)
    }) else {
        return;
    };
    let host = peer.host();
    if let (b"MQTT" | b"MQIsdp", Some(level)) = (name, rest.first()) {
        tracing::info!(target: "information", "Invalid protocol version {level} in CONNECT from {host}.");
    } else {
        let name = String::from_utf8_lossy(name);
        tracing::info!(target: "information", "Invalid protocol \"{name}\" in CONNECT from {host}.");
    }
}

/// A longer name of a protocol is none that anybody would want to read.
const PROTOCOL_NAME_SHOWN_BYTES: usize = 32;

/// A stranger begins with something else than CONNECT.
pub(crate) fn not_connect(peer: &Peer, first_byte: u8) {
    tracing::info!(target: "information", "Protocol error from {peer}: First packet not CONNECT ({first_byte:02X}).");
}

/// The rules refuse a client a topic: which line of them, once in a while. `files` are those of the sets.
pub(crate) fn refused(wish: Wish, client: acl::Client<'_>, topic: &str, rules: RulesOf<'_>, files: &[Option<PathBuf>]) {
    let Ok(name) = mqtt::TopicName::new(topic) else { return };
    let (asked, what) = match wish {
        Wish::Publish => (acl::Asked::Write(name), "publish to"),
        Wish::Read => (acl::Asked::Read(name), "read"),
    };
    let found = rules.acl.explain(client, asked);
    let why = if found.is_allowed {
        "it is a command to the broker, which takes none there".to_owned()
    } else {
        match rules.set.map(|set| files.get(set).and_then(Option::as_ref)) {
            Some(Some(file)) => format!("{}: {}", file.display(), found.because),
            Some(None) => found.because.to_string(),
            None => format!("the rules of its listener, which is no more: {}", found.because),
        }
    };
    let who = client.username.map_or_else(String::new, |name| format!(" (user '{name}')"));
    tracing::info!(target: "notice", { fact.client_id = %client.client_id, fact.topic = %topic },
        "Client {}{who} may not {what} '{topic}': {why}.", client.client_id);
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
