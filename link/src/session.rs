//! The client's half of an MQTT session: what must be sent, and what is not yet acknowledged.
//!
//! A [`Session`] is told things (the transport is open, a packet came, a deadline passed, the connection
//! broke) and answers into an [`Outbox`]. It owns the packet identifiers and every QoS 1 and 2 message that
//! has left the spool. Nothing here reads a clock or a socket. Call in this order: [`Session::open`] when the
//! transport is there, then `handle`, `handle_timeout` and `fill` as things come, [`Session::lost`] at the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt::{Ack, ConnAck, Packet, PacketId, Properties, ProtocolVersion, Publish, QoS, ReasonCode, TopicName};

use crate::fault::{Fault, packet_name};
use crate::ids::PacketIds;
use crate::outbox::Outbox;
use crate::server::{self, Server};
use crate::spool::{Queued, Spool};
use crate::{ConnectionKind, LinkSettings, Message};

mod inbound;

use inbound::Subscribed;

pub(crate) use inbound::Overlong;

/// Messages stay in the spool while this much waits for the socket. One message may go over it.
pub(crate) const OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// What the driver logs; at most a few per packet.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message is gone: the server takes no packet of that size.
    TooLarge { topic: Arc<str>, bytes: usize, bytes_max: usize },
    /// A message is gone: the server answered it with a failure.
    Refused { topic: Arc<str>, reason: ReasonCode },
    /// A message went out at a lower QoS, because the server takes no higher.
    Lowered { topic: Arc<str>, to: QoS },
    /// The server sent a message that nobody asked for.
    Unasked { topic: String },
    /// The server refused a subscription.
    NotSubscribed { filter: String, reason: ReasonCode },
    /// The far session is gone: so many messages are sent again as new.
    Again { messages: usize },
    /// The far session is there: so many messages go on where they were.
    Resumed { messages: usize },
}

/// Counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) too_large: u64,
    pub(crate) refused: u64,
    pub(crate) unasked: u64,
    pub(crate) received: u64,
    pub(crate) inbound_too_large: u64,
    pub(crate) connects: u64,
}

#[derive(Debug)]
pub(crate) struct Session {
    settings: Arc<LinkSettings>,
    phase: Phase,
    /// What the server of this connection takes.
    server: Server,
    /// The Client Identifier that a 5.0 server made up for us.
    assigned_client_id: Option<String>,
    ids: PacketIds,
    /// Sent, and neither PUBACK nor PUBREC had: in the order of sending.
    publishing: VecDeque<InFlight>,
    /// So many of `publishing`, from the front, were sent on this connection.
    sent_here: usize,
    /// PUBREC had, PUBCOMP not: in the order of the PUBRECs. The message is kept, in case the far session goes.
    releasing: VecDeque<InFlight>,
    /// Were on their way in a far session that is gone: to be sent again as new, before the spool.
    again: VecDeque<Queued>,
    inbound: Subscribed,
    /// PUBLISH packets of this connection.
    published_here: u64,
    /// Whether we have been connected before, in this process.
    was_up: bool,
    /// The far session is older than this process, and may hold identifiers that we know nothing of.
    inherited: bool,
    sent_at: Instant,
    heard_at: Instant,
    ping_sent_at: Option<Instant>,
    tally: Tally,
    events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    AwaitingConnAck,
    Up,
}

#[derive(Debug)]
struct InFlight {
    id: PacketId,
    qos: QoS,
    queued: Queued,
}

impl Session {
    pub(crate) fn new(settings: Arc<LinkSettings>, now: Instant) -> Self {
        Self {
            settings,
            phase: Phase::Away,
            server: Server::default(),
            assigned_client_id: None,
            ids: PacketIds::new(),
            publishing: VecDeque::new(),
            sent_here: 0,
            releasing: VecDeque::new(),
            again: VecDeque::new(),
            inbound: Subscribed::default(),
            published_here: 0,
            was_up: false,
            inherited: false,
            sent_at: now,
            heard_at: now,
            ping_sent_at: None,
            tally: Tally::default(),
            events: Vec::new(),
        }
    }

    /// The transport is open: says CONNECT.
    pub(crate) fn open(&mut self, now: Instant, out: &mut Outbox) -> Result<(), Fault> {
        self.phase = Phase::AwaitingConnAck;
        self.heard_at = now;
        self.server = Server::default();
        let properties = server::connect_properties(&self.settings);
        let client_id = self.assigned_client_id.clone();
        let settings = Arc::clone(&self.settings);
        let connect = mqtt::Connect {
            version: settings.protocol,
            is_bridge: false,
            clean_start: settings.clean_session,
            keep_alive_s: settings.keep_alive_s,
            client_id: client_id.as_deref().unwrap_or(&settings.client_id),
            will: None,
            username: settings.username.as_deref(),
            password: settings.password.as_deref(),
            properties: properties.as_properties(),
        };
        self.sent_at = now;
        out.push(&Packet::Connect(connect), settings.protocol, usize::MAX).map_err(|_| Fault::Settings)
    }

    /// Takes one packet from the server, which arrived at `now`.
    pub(crate) fn handle(&mut self, now: Instant, packet: &Packet, out: &mut Outbox) -> Result<(), Fault> {
        self.heard_at = now;
        if self.phase != Phase::Up {
            return match packet {
                Packet::ConnAck(connack) => self.handle_connack(now, connack, out),
                other => Err(Fault::Unexpected { packet: packet_name(other), when: "before CONNACK" }),
            };
        }
        match packet {
            Packet::PubAck(ack) => self.handle_puback(ack),
            Packet::PubRec(ack) => self.handle_pubrec(now, ack, out),
            Packet::PubComp(ack) => self.handle_pubcomp(ack),
            Packet::PingResp => self.ping_sent_at = None,
            Packet::Publish(publish) => self.handle_publish(now, publish, out),
            Packet::PubRel(ack) => self.handle_pubrel(now, ack, out),
            Packet::SubAck(suback) => self.handle_suback(suback),
            Packet::Disconnect(disconnect) if self.settings.protocol.is_v5() => {
                let text = server::reason_string(&disconnect.properties);
                return Err(Fault::Disconnected { reason: disconnect.reason, text });
            }
            // Nothing here unsubscribes; an answer to what a former owner of the session asked is harmless.
            Packet::UnsubAck(_) => {}
            other => return Err(Fault::Unexpected { packet: packet_name(other), when: "from a server" }),
        }
        Ok(())
    }

    /// Moves messages from the spool into the outbox: as many as the window and the outbox have room for.
    pub(crate) fn fill(&mut self, now: Instant, spool: &mut Spool, out: &mut Outbox) {
        while self.phase == Phase::Up && out.len() < OUTBOX_BYTES_MAX {
            let went_on = if self.sent_here < self.publishing.len() {
                self.repeat_next(now, out)
            } else {
                self.send_next(now, spool, out)
            };
            if !went_on {
                return;
            }
        }
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let keep_alive = self.keep_alive().filter(|_| self.phase == Phase::Up)?;
        // Silence of the server counts too: one that only takes may have died.
        Some(self.ping_sent_at.unwrap_or(self.sent_at.min(self.heard_at)) + keep_alive)
    }

    /// Sends a ping, or finds that the last one was not answered within another keep-alive period.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) -> Result<(), Fault> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if self.ping_sent_at.is_some() {
            return Err(Fault::Silent { keep_alive: self.keep_alive().unwrap_or_default() });
        }
        self.push(now, &Packet::PingReq, out);
        self.ping_sent_at = Some(now);
        Ok(())
    }

    /// Says DISCONNECT. The caller closes the transport after it.
    pub(crate) fn farewell(&mut self, now: Instant, out: &mut Outbox) {
        if self.phase == Phase::Up {
            let disconnect = mqtt::Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY };
            self.push(now, &Packet::Disconnect(disconnect), out);
        }
    }

    /// The connection is gone, by whosever wish.
    pub(crate) fn lost(&mut self) {
        self.phase = Phase::Away;
        self.sent_here = 0;
        self.published_here = 0;
        self.ping_sent_at = None;
        self.forget_asking();
    }

    /// Whether CONNACK was had, and the connection not lost since.
    pub(crate) fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Messages that have left the spool and must not be forgotten.
    pub(crate) fn in_flight(&self) -> usize {
        self.publishing.len() + self.releasing.len() + self.again.len()
    }

    /// The ordinal of the oldest message that must not be forgotten.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let on_their_way = self.publishing.iter().chain(&self.releasing).map(|message| message.queued.ordinal);
        on_their_way.chain(self.again.front().map(|queued| queued.ordinal)).min()
    }

    /// Whether this short connection has done what it came for.
    pub(crate) fn has_done_its_message(&self, spool: &Spool) -> bool {
        let nothing_left = self.again.is_empty() && spool.front().is_none();
        let idle = self.publishing.is_empty() && self.releasing.is_empty();
        self.is_short() && self.is_up() && idle && (self.published_here > 0 || nothing_left)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// What has happened since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn handle_connack(&mut self, now: Instant, connack: &ConnAck, out: &mut Outbox) -> Result<(), Fault> {
        if connack.reason != ReasonCode::Success {
            let text = server::reason_string(&connack.properties);
            return Err(Fault::Refused { reason: connack.reason, text });
        }
        self.server = Server::from_connack(connack);
        if let Some(id) = server::assigned_client_id(&connack.properties) {
            self.assigned_client_id = Some(id);
        }
        self.phase = Phase::Up;
        self.tally.connects += 1;
        let resumed = connack.session_present && !self.settings.clean_session;
        self.inherited = resumed && (self.inherited || !self.was_up);
        self.was_up = true;
        if resumed {
            self.go_on(now, out);
        } else {
            self.start_anew();
        }
        self.subscribe(now, out);
        Ok(())
    }

    /// The far session was kept. PUBLISHes are repeated by `fill`, in their old order [3.1.1 §4.4, §4.6; 5.0 the same].
    fn go_on(&mut self, now: Instant, out: &mut Outbox) {
        let ids: Vec<PacketId> = self.releasing.iter().map(|message| message.id).collect();
        for id in ids {
            self.push(now, &Packet::PubRel(done(id)), out);
        }
        if self.in_flight() > 0 {
            self.events.push(Event::Resumed { messages: self.in_flight() });
        }
    }

    /// The far session is gone, and with it what a PUBREC had promised: all is sent again as new.
    fn start_anew(&mut self) {
        self.forget_unreleased();
        let mut messages: Vec<InFlight> = self.releasing.drain(..).chain(self.publishing.drain(..)).collect();
        messages.sort_unstable_by_key(|message| message.queued.ordinal);
        if !messages.is_empty() {
            self.events.push(Event::Again { messages: messages.len() });
        }
        for message in messages.into_iter().rev() {
            self.ids.release(message.id);
            self.again.push_front(message.queued);
        }
    }

    fn handle_puback(&mut self, ack: &Ack) {
        if let Some(message) = self.take_publishing(ack.packet_id, QoS::AtLeastOnce) {
            self.finish(message, ack.reason);
        }
    }

    fn handle_pubrec(&mut self, now: Instant, ack: &Ack, out: &mut Outbox) {
        let id = ack.packet_id;
        let known = self.releasing.iter().any(|message| message.id == id);
        match self.take_publishing(id, QoS::ExactlyOnce) {
            Some(message) if ack.reason.is_failure() => return self.finish(message, ack.reason),
            Some(message) => self.releasing.push_back(message),
            None if ack.reason.is_failure() => return,
            None if known => {}
            // The server holds on to a message that we know nothing of: it must be let go [5.0 §3.5.2.1, §4.3.3].
            None => {
                let reason = self.v5_reason(ReasonCode::PacketIdentifierNotFound);
                return self.push(now, &Packet::PubRel(Ack { reason, ..done(id) }), out);
            }
        }
        self.push(now, &Packet::PubRel(done(id)), out);
    }

    fn handle_pubcomp(&mut self, ack: &Ack) {
        if let Some(at) = self.releasing.iter().position(|message| message.id == ack.packet_id)
            && let Some(message) = self.releasing.remove(at)
        {
            // After a reconnect the server may have forgotten the identifier: it was done then [5.0 §3.7.2.1].
            self.finish(message, ReasonCode::Success);
        }
    }

    /// Takes an unacknowledged message out. Acknowledged before it was repeated here counts as well.
    fn take_publishing(&mut self, id: PacketId, qos: QoS) -> Option<InFlight> {
        let at = self.publishing.iter().position(|message| message.id == id && message.qos == qos)?;
        if at < self.sent_here {
            self.sent_here -= 1;
        }
        self.publishing.remove(at)
    }

    /// The last acknowledgement was had: the message may be forgotten.
    fn finish(&mut self, message: InFlight, reason: ReasonCode) {
        self.ids.release(message.id);
        if reason.is_failure() {
            self.tally.refused += 1;
            self.events.push(Event::Refused { topic: message.queued.message.topic, reason });
        } else {
            self.tally.acknowledged += 1;
        }
    }

    /// Repeats the next PUBLISH of a resumed session. `false`: nothing can be sent now.
    fn repeat_next(&mut self, now: Instant, out: &mut Outbox) -> bool {
        if self.window_is_full() {
            return false;
        }
        let Some(message) = self.publishing.remove(self.sent_here) else { return false };
        let header = Header { qos: message.qos, id: Some(message.id), dup: true };
        if self.push_publish(now, &message.queued.message, header, out) {
            self.publishing.insert(self.sent_here, message);
            self.sent_here += 1;
        } else {
            self.ids.release(message.id);
        }
        true
    }

    /// Sends the oldest message that waits. `false`: there is none, or it cannot be sent now.
    fn send_next(&mut self, now: Instant, spool: &mut Spool, out: &mut Outbox) -> bool {
        if self.is_short() && self.published_here > 0 {
            return false;
        }
        let Some(queued) = self.again.front().or(spool.front()) else { return false };
        let qos = queued.message.qos.min(self.server.qos_max);
        if qos > QoS::AtMostOnce && self.window_is_full() {
            return false;
        }
        let id = if qos > QoS::AtMostOnce { self.ids.take() } else { None };
        let Some(queued) = self.again.pop_front().or_else(|| spool.pop()) else { return false };
        if qos < queued.message.qos {
            self.events.push(Event::Lowered { topic: Arc::clone(&queued.message.topic), to: qos });
        }
        if let Some(id) = id.filter(|_| qos == QoS::ExactlyOnce && self.inherited && !self.ids.gone_round()) {
            // A message that a former process left half delivered under this identifier would swallow ours.
            self.push(now, &Packet::PubRel(done(id)), out);
        }
        let went = self.push_publish(now, &queued.message, Header { qos, id, dup: false }, out);
        match id {
            Some(id) if went => {
                self.publishing.push_back(InFlight { id, qos, queued });
                self.sent_here += 1;
            }
            Some(id) => self.ids.release(id),
            None if went => out.remember(queued),
            None => {}
        }
        true
    }

    /// `false`: the server takes no packet of that size; the message is counted and to be forgotten.
    fn push_publish(&mut self, now: Instant, message: &Message, header: Header, out: &mut Outbox) -> bool {
        let Ok(topic) = TopicName::new(&message.topic) else { return false };
        let publish = Publish {
            dup: header.dup,
            qos: header.qos,
            retain: message.retain && self.server.takes_retained,
            topic: Some(topic),
            packet_id: header.id,
            properties: Properties::EMPTY,
            payload: &message.payload,
        };
        match out.push(&Packet::Publish(publish), self.settings.protocol, self.server.packet_bytes_max) {
            Ok(()) => {
                self.sent_at = now;
                self.published_here += 1;
                true
            }
            Err(fault) => {
                self.tally.too_large += 1;
                let topic = Arc::clone(&message.topic);
                self.events.push(Event::TooLarge { topic, bytes: fault.bytes, bytes_max: fault.bytes_max });
                false
            }
        }
    }

    /// Everything but PUBLISH: small, and never held back by the window.
    fn push(&mut self, now: Instant, packet: &Packet, out: &mut Outbox) {
        self.sent_at = now;
        let pushed = out.push(packet, self.settings.protocol, usize::MAX);
        debug_assert!(pushed.is_ok(), "{packet:?}");
    }

    fn window_is_full(&self) -> bool {
        let mine = if self.is_short() { 1 } else { self.settings.inflight_max.max(1) };
        self.sent_here + self.releasing.len() >= usize::from(mine.min(self.server.receive_max))
    }

    fn keep_alive(&self) -> Option<Duration> {
        let seconds = self.server.keep_alive_s.unwrap_or(self.settings.keep_alive_s);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    fn is_short(&self) -> bool {
        self.settings.connection == ConnectionKind::Short
    }

    fn v5_reason(&self, reason: ReasonCode) -> ReasonCode {
        if self.settings.protocol == ProtocolVersion::V5 { reason } else { ReasonCode::Success }
    }
}

/// What of a PUBLISH is not the message's.
#[derive(Clone, Copy)]
struct Header {
    qos: QoS,
    id: Option<PacketId>,
    dup: bool,
}

fn done<'a>(packet_id: PacketId) -> Ack<'a> {
    Ack { packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY }
}

#[cfg(test)]
mod tests;
