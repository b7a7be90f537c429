//! Brings messages to one session after the other: onto its socket, into its queue, and on when there is room.

use std::sync::Arc;

use mqtt::{Ack, Packet, Properties, QoS, ReasonCode, TopicNameBuf};

use crate::alias_table::{Alias, AliasTable};
use crate::frames::{Frames, Shape};
use crate::link::Link;
use crate::message::{Item, Message};
use crate::mount::seen;
use crate::session::{InFlight, Online, Outgoing, Queued, Session};
use crate::store::StoredMessage;
use crate::tally::Tally;
use crate::wanted::{Identifiers, Wanted};
use crate::{Broker, DropCause, Event, Instant, Outbox, Settings, Stats, StoreOp};

/// Brings messages to one session after the other; holds what they share.
pub(crate) struct Courier<'a> {
    pub now: Instant,
    pub settings: &'a Settings,
    pub links: &'a [Option<Link>],
    pub stats: &'a mut Stats,
    pub frames: &'a mut Frames,
    pub kept: &'a Tally,
    /// The topic of what is delivered, where it is kept already.
    pub topic: Option<&'a TopicNameBuf>,
}

impl Courier<'_> {
    /// `true` if something was given to the store.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        session: &mut Session,
        wanted: Wanted<'_>,
        item: &Item<'_>,
        retain: bool,
        message: &mut Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> bool {
        let qos = if self.settings.upgrade_outgoing_qos { wanted.qos } else { wanted.qos.min(item.qos) };
        let retain = retain && wanted.retain_as_published;
        if qos == QoS::AtMostOnce {
            match session.on {
                // Not before those that wait: each QoS of a topic has its order [3.1.1 MQTT-4.6.0-6, 5.0 MQTT-4.6.0-5].
                Some(_) if session.outgoing.as_ref().is_some_and(|outgoing| outgoing.queued_qos0 > 0) => {}
                Some(on) => {
                    self.send_qos0(session, on, item, retain, wanted.identifiers, out);
                    return false;
                }
                None if !self.settings.queue_qos0_messages => return false,
                None => {}
            }
        }
        let message = message.get_or_insert_with(|| {
            let topic = self.topic.cloned().unwrap_or_else(|| item.topic.into());
            Message::keep_with(topic, item, self.kept.count(item.payload.len()))
        });
        let queued = Queued::new(Arc::clone(message), qos, retain, wanted.identifiers, wanted.share);
        let outgoing = session.outgoing.get_or_insert_default();
        if let Some(on) = session.on
            && outgoing.queue.is_empty()
            && outgoing.has_window(on.window, self.settings.max_inflight_bytes)
        {
            if self.has_room(on, out) {
                return self.send_tracked(session, on, queued, out);
            }
            // No acknowledgement may be on its way that would bring it out of the queue.
            out.tell_when_drained(on.link);
        }
        self.queue(session, queued, out)
    }

    /// Lets a message wait, if there is room for it. `true` if the store was told.
    fn queue(&mut self, session: &mut Session, mut queued: Queued, out: &mut impl Outbox) -> bool {
        if session.outgoing.as_deref().is_some_and(|outgoing| self.is_full(outgoing)) {
            self.drop_expired(session, out);
        }
        let outgoing = session.outgoing.get_or_insert_default();
        if self.is_full(outgoing) {
            if !std::mem::replace(&mut outgoing.told_full, true) {
                out.tell(Event::QueueFull { client_id: &session.client_id });
            }
            self.dropped(session, DropCause::Queue, out);
            return false;
        }
        let outlasts = queued.qos > QoS::AtMostOnce || self.settings.queue_qos0_messages;
        if !(outlasts && session.expiry.is_durable()) {
            outgoing.wait(queued);
            return false;
        }
        queued.entry = outgoing.next_entry();
        queued.is_stored = true;
        let stored = stored(&queued, None);
        outgoing.wait(queued);
        Broker::keep(session, out, |number| StoreOp::Queued(number, stored))
    }

    /// Makes room at the head of the queue where messages have expired.
    fn drop_expired(&mut self, session: &mut Session, out: &mut impl Outbox) {
        while let Some(outgoing) = session.outgoing.as_deref_mut()
            && outgoing.queue.front().is_some_and(|queued| self.has_expired(queued))
            && let Some(queued) = outgoing.next_waiting()
        {
            self.stats.publishes_expired += 1;
            done(session, &queued, out);
        }
    }

    fn has_expired(&self, queued: &Queued) -> bool {
        queued.message.expires_at().is_some_and(|at| at <= self.now)
    }

    /// As mosquitto counts: the message that reaches the limit of bytes may go past it.
    fn is_full(&self, outgoing: &Outgoing) -> bool {
        let waiting = outgoing.queue.len() - outgoing.queued_retained;
        let (messages, bytes) = (self.settings.max_queued_messages, self.settings.max_queued_bytes);
        (messages > 0 && waiting >= messages) || (bytes > 0 && outgoing.queued_bytes >= bytes)
    }

    #[inline]
    fn send_qos0(
        &mut self,
        session: &mut Session,
        on: Online,
        item: &Item<'_>,
        retain: bool,
        identifiers: &[u32],
        out: &mut impl Outbox,
    ) {
        if session.aliases.is_some() || on.is_mounted || (!identifiers.is_empty() && on.version.is_v5()) {
            return self.send_own_qos0(session, on, item, retain, identifiers, out);
        }
        if !self.has_room(on, out) {
            return self.dropped(session, DropCause::Socket, out);
        }
        match self.frames.shared(item, on.version, QoS::AtMostOnce, retain, None, self.now) {
            Some(frame) if on.takes(frame) => {
                self.stats.sent_publish(item.payload);
                out.send(on.link, frame);
            }
            _ => self.dropped(session, DropCause::Size, out),
        }
    }

    /// Whether more may be said to a client: not much waits in front of its socket, measured by what waits in front of
    /// all of them. One with nothing waiting has always room.
    #[inline]
    fn has_room(&self, on: Online, out: &impl Outbox) -> bool {
        out.backlog_bytes(on.link) <= self.settings.backlog_bytes_max(out.backlogs_bytes())
    }

    #[cold]
    fn dropped(&mut self, session: &Session, why: DropCause, out: &mut impl Outbox) {
        self.stats.dropped(why);
        if let Some(on) = session.on {
            out.tell(Event::Dropped { link: on.link, client_id: &session.client_id, why });
        }
    }

    /// To a client whose packets are nobody else's.
    #[cold]
    fn send_own_qos0(
        &mut self,
        session: &mut Session,
        on: Online,
        item: &Item<'_>,
        retain: bool,
        identifiers: &[u32],
        out: &mut impl Outbox,
    ) {
        let Some(item) = &seen(self.settings, self.links, on, item) else { return };
        let alias = session.aliases.as_deref().map_or(Alias::None, |aliases| aliases.of(item.topic));
        let shape = shape(on, QoS::AtMostOnce, retain, identifiers, alias);
        if !self.has_room(on, out) {
            return self.dropped(session, DropCause::Socket, out);
        }
        match self.frames.get(item, shape, None, self.now) {
            Some(frame) if on.takes(frame) => {
                self.stats.sent_publish(item.payload);
                out.send(on.link, frame);
                introduced(&mut session.aliases, item, alias);
            }
            _ => self.dropped(session, DropCause::Size, out),
        }
    }

    /// Sends a QoS 1 or 2 message and remembers it until it is acknowledged. `true` if the store was told.
    fn send_tracked(&mut self, session: &mut Session, on: Online, mut queued: Queued, out: &mut impl Outbox) -> bool {
        let Some(item) = seen(self.settings, self.links, on, &queued.message.item()) else {
            done(session, &queued, out);
            return false;
        };
        let outgoing = session.outgoing.get_or_insert_default();
        let (id, issue) = outgoing.next_id();
        let is_durable = session.expiry.is_durable();
        let alias = match session.aliases.as_deref().map_or(Alias::None, |aliases| aliases.of(item.topic)) {
            // What waits for the store may be overtaken: what is sent meanwhile must not count on its alias.
            Alias::Introduced(_) if is_durable && queued.qos == QoS::ExactlyOnce => Alias::None,
            alias => alias,
        };
        let shape = shape(on, queued.qos, queued.retain, queued.identifiers(), alias);
        let frame = self.frames.get(&item, shape, Some(id), self.now);
        let Some(frame) = frame.filter(|frame| on.takes(frame)) else {
            // Too large for this client: it is skipped, as if it had been delivered [5.0 MQTT-3.1.2-25].
            self.dropped(session, DropCause::Size, out);
            done(session, &queued, out);
            return false;
        };
        self.stats.sent_publish(queued.message.payload());
        introduced(&mut session.aliases, &item, alias);
        let was_stored = queued.is_stored;
        if is_durable && !was_stored {
            if queued.entry == 0 {
                queued.entry = outgoing.next_entry();
            }
            queued.is_stored = true;
        }
        let (qos, entry, whole) = (queued.qos, queued.entry, (!was_stored).then(|| stored(&queued, Some(id))));
        outgoing.fly(InFlight { id, issue, released: false, queued });
        Broker::keep(session, out, |number| match whole {
            Some(whole) => StoreOp::Queued(number, whole),
            None => StoreOp::Sent { session: number, entry, id, released: false },
        });
        hand_over(on, qos, is_durable, frame, out);
        is_durable
    }

    /// Sends what was in flight on an earlier connection and then what waits, as far as window and socket have room.
    pub(crate) fn pump(&mut self, session: &mut Session, out: &mut impl Outbox) {
        let Some(on) = session.on else { return };
        loop {
            let Some(outgoing) = session.outgoing.as_deref_mut() else { return };
            let next = outgoing.queue.front();
            if next.is_none() && outgoing.to_repeat == 0 {
                return;
            }
            if !self.has_room(on, out) {
                out.tell_when_drained(on.link);
                return;
            }
            if outgoing.to_repeat > 0 {
                if outgoing.in_flight.len() - outgoing.to_repeat >= usize::from(on.window) {
                    return; // an acknowledgement makes room
                }
                self.repeat(session, on, out);
                continue;
            }
            if next.is_some_and(|next| next.qos != QoS::AtMostOnce)
                && !outgoing.has_window(on.window, self.settings.max_inflight_bytes)
            {
                self.pump_qos0(session, on, out);
                return; // an acknowledgement makes room for the others
            }
            let Some(queued) = outgoing.next_waiting() else { return };
            if self.has_expired(&queued) {
                self.stats.publishes_expired += 1;
                done(session, &queued, out);
            } else {
                self.frames.begin();
                self.send_waiting(session, on, queued, out);
            }
        }
    }

    fn send_waiting(&mut self, session: &mut Session, on: Online, queued: Queued, out: &mut impl Outbox) {
        if queued.qos == QoS::AtMostOnce {
            self.send_qos0(session, on, &queued.message.item(), queued.retain, queued.identifiers(), out);
            done(session, &queued, out);
        } else {
            self.send_tracked(session, on, queued, out);
        }
    }

    /// QoS 0 needs no window: what waits of it behind a full one is sent as far as the socket has room.
    fn pump_qos0(&mut self, session: &mut Session, on: Online, out: &mut impl Outbox) {
        let Some(outgoing) = session.outgoing.as_deref_mut().filter(|outgoing| outgoing.queued_qos0 > 0) else {
            return;
        };
        let mut room = self.settings.backlog_bytes_max(out.backlogs_bytes());
        room = room.saturating_sub(out.backlog_bytes(on.link));
        let taken = outgoing.take_waiting(|queued| {
            let goes = queued.qos == QoS::AtMostOnce && room > 0;
            if goes {
                room = room.saturating_sub(queued.message.payload().len() + queued.message.topic().as_str().len());
            }
            goes
        });
        if outgoing.queued_qos0 > 0 {
            out.tell_when_drained(on.link);
        }
        for queued in taken {
            if self.has_expired(&queued) {
                self.stats.publishes_expired += 1;
                done(session, &queued, out);
            } else {
                self.frames.begin();
                self.send_waiting(session, on, queued, out);
            }
        }
    }

    /// Sends the next in-flight message again: DUP set, or its PUBREL [3.1.1 MQTT-4.4.0-1, 5.0 MQTT-4.4.0-1].
    fn repeat(&mut self, session: &mut Session, on: Online, out: &mut impl Outbox) {
        let Some(outgoing) = session.outgoing.as_deref_mut() else { return };
        let place = outgoing.in_flight.len() - outgoing.to_repeat;
        let Some(held) = outgoing.in_flight.get(place) else { return };
        if held.released {
            outgoing.to_repeat -= 1;
            let ack = Ack { packet_id: held.id, reason: ReasonCode::Success, properties: Properties::EMPTY };
            let mut packet = Vec::new();
            if Packet::PubRel(ack).encode(on.version, &mut packet).is_ok() {
                self.stats.packets_sent += 1;
                out.acknowledge(on.link, &packet, held.queued.is_stored);
            }
            return;
        }
        self.frames.begin();
        let queued = &held.queued;
        let shape = shape(on, queued.qos, queued.retain, queued.identifiers(), Alias::None);
        let item = seen(self.settings, self.links, on, &queued.message.item());
        let frame = item.and_then(|item| self.frames.get(&item, shape, Some(held.id), self.now));
        if let Some(frame) = frame.filter(|frame| on.takes(frame)) {
            outgoing.to_repeat -= 1;
            let mut packet = frame.to_vec();
            packet[0] |= 0b1000;
            self.stats.sent_publish(held.queued.message.payload());
            // Not what was stored before the session became one that ends with its connection: what is new is not stored
            // there, does not wait, and would overtake it.
            let is_stored = held.queued.is_stored && session.expiry.is_durable();
            hand_over(on, held.queued.qos, is_stored, &packet, out);
        } else if let Some(held) = outgoing.take_in_flight(place) {
            // This connection takes less than the one before: the message must not stand in the window for ever.
            self.dropped(session, DropCause::Size, out);
            done(session, &held.queued, out);
        }
    }
}

/// A QoS 2 message that is stored leaves when that is certain: a client holds its Packet Identifier from then on, and a
/// broker that came back without it would send the message under another one, and use this one for another message.
fn hand_over(on: Online, qos: QoS, is_stored: bool, packet: &[u8], out: &mut impl Outbox) {
    if qos == QoS::ExactlyOnce && is_stored {
        out.acknowledge(on.link, packet, true);
    } else {
        out.send(on.link, packet);
    }
}

fn stored(queued: &Queued, sent_as: Option<mqtt::PacketId>) -> StoredMessage {
    StoredMessage {
        entry: queued.entry,
        message: Arc::clone(&queued.message),
        qos: queued.qos,
        retain: queued.retain,
        identifiers: Identifiers::from(queued.identifiers()),
        share: queued.share().cloned(),
        sent_as,
        released: false,
    }
}

fn shape(on: Online, qos: QoS, retain: bool, identifiers: &[u32], alias: Alias) -> Shape<'_> {
    let identifiers = if on.version.is_v5() { identifiers } else { &[] };
    Shape { version: on.version, qos, retain, identifiers, alias, is_own: on.is_mounted }
}

/// The client knows the alias of a topic from now on.
#[inline]
fn introduced(aliases: &mut Option<Box<AliasTable>>, item: &Item<'_>, alias: Alias) {
    if let Some(aliases) = aliases {
        aliases.sent(item.topic, alias);
    }
}

/// The store need not keep `queued` any more.
pub(crate) fn done(session: &Session, queued: &Queued, out: &mut impl Outbox) {
    if queued.is_stored {
        Broker::keep(session, out, |number| StoreOp::Done(number, queued.entry));
    }
}
