//! From a message to those who get it: at once where the client can take it, into the session's queue where not.

use std::sync::Arc;

use acl::PublishGrant;
use mqtt::{Packet, Properties, QoS, ReasonCode};

use crate::frames::{Frames, Shape};
use crate::message::{Item, Message};
use crate::session::{InFlight, Online, Outgoing, Queued, Session};
use crate::store::StoredMessage;
use crate::subscriptions::Subscriber;
use crate::{BACKLOG_BYTES_MAX, Broker, Event, Instant, Outbox, Settings, Stats, StoreOp};

/// What became of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// Somebody wanted it.
    pub wanted: bool,
    /// Something was given to the store for it.
    pub kept: bool,
}

impl Broker {
    /// Hands a message to all who want it and may have it, and retains it if asked to.
    ///
    /// The rules were asked before: `_grant` is the proof. `from` is the publishing session (for No Local).
    #[allow(clippy::too_many_arguments)] // each is one thing that a delivery depends on
    pub(crate) fn route(
        &mut self,
        now: Instant,
        item: &Item<'_>,
        retain: bool,
        _grant: PublishGrant,
        from: Option<u32>,
        place: usize,
        out: &mut impl Outbox,
    ) -> Reach {
        let mut message = None;
        let mut reach = Reach::default();
        if retain && self.settings.retain_available {
            reach.kept |= self.retain(item, &mut message, out);
        }
        let Self { routes, subscriptions, sessions, acl, settings, .. } = self;
        let audience = routes.subscribers(place, |topic| {
            let mut audience = Vec::new();
            subscriptions.matches(topic, &mut |subscriber| {
                let session = &sessions[subscriber.session as usize];
                let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
                if acl.may_receive(client, topic).is_some() {
                    audience.push(subscriber);
                }
            });
            if !settings.allow_duplicate_messages {
                one_copy_each(&mut audience);
            }
            audience.into()
        });
        self.frames.begin();
        for to in &*audience {
            if to.options.no_local && from == Some(to.session) {
                continue;
            }
            reach.wanted = true;
            let session = &mut self.sessions[to.session as usize];
            let mut courier =
                Courier { now, settings: &self.settings, stats: &mut self.stats, frames: &mut self.frames };
            reach.kept |= courier.deliver(session, *to, item, retain, &mut message, out);
        }
        reach
    }

    fn retain(&mut self, item: &Item<'_>, message: &mut Option<Arc<Message>>, out: &mut impl Outbox) -> bool {
        if item.payload.is_empty() {
            let had = self.retained.clear(item.topic);
            if had {
                out.store(StoreOp::RetainedGone(item.topic.into()));
            }
            return had;
        }
        let message = message.get_or_insert_with(|| Message::keep(item));
        self.retained.set(Arc::clone(message));
        out.store(StoreOp::Retained(Arc::clone(message)));
        true
    }

    /// Sends what waits for a session, as far as its window and its socket have room.
    pub(crate) fn pump(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let mut courier = Courier { now, settings: &self.settings, stats: &mut self.stats, frames: &mut self.frames };
        courier.pump(session, out);
    }

    /// A session that was there is connected again: what was in flight comes again, then what waits.
    pub(crate) fn resume(&mut self, now: Instant, key: u32, out: &mut impl Outbox) {
        let session = &mut self.sessions[key as usize];
        let (Some(on), Some(mut outgoing)) = (session.on, session.outgoing.take()) else { return };
        for held in &outgoing.in_flight {
            self.repeat(now, on, held, out);
        }
        if outgoing.queue.is_empty() && outgoing.in_flight.is_empty() {
            // Room for waiting messages is given back while nothing waits; the counters must go on.
            outgoing.queue = std::collections::VecDeque::new();
            outgoing.in_flight = std::collections::VecDeque::new();
        }
        self.sessions[key as usize].outgoing = Some(outgoing);
        self.pump(now, key, out);
    }

    /// Sends an in-flight message again: DUP set, or its PUBREL [3.1.1 MQTT-4.4.0-1, 5.0 MQTT-4.4.0-1].
    fn repeat(&mut self, now: Instant, on: Online, held: &InFlight, out: &mut impl Outbox) {
        if held.released {
            let ack = mqtt::Ack { packet_id: held.id, reason: ReasonCode::Success, properties: Properties::EMPTY };
            self.reply(on.link, &Packet::PubRel(ack), out);
            return;
        }
        self.frames.begin();
        let shape = shape(on, &held.queued);
        let Some(frame) = self.frames.get(&held.queued.message.item(), shape, Some(held.id), now) else { return };
        if frame.len() as u64 > u64::from(on.packet_bytes_max) {
            return;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(frame);
        self.scratch[0] |= 0b1000;
        self.stats.publishes_sent += 1;
        out.send(on.link, &self.scratch);
    }

    /// Takes from a session's queue what its user may not read any more.
    pub(crate) fn revoke(&mut self, key: u32, out: &mut impl Outbox) {
        let Self { sessions, acl, stats, .. } = self;
        let Some(session) = sessions.get_mut(key as usize) else { return };
        let Some(mut outgoing) = session.outgoing.take() else { return };
        let client = acl::Client { client_id: &session.client_id, username: session.username.as_deref() };
        for _ in 0..outgoing.queue.len() {
            let Some(queued) = outgoing.next_waiting() else { break };
            if acl.may_receive(client, queued.message.topic()).is_some() {
                outgoing.wait(queued);
            } else {
                stats.publishes_dropped += 1;
                done(session, &queued, out);
            }
        }
        session.outgoing = Some(outgoing);
    }
}

/// Overlapping subscriptions of one session become one, at the highest QoS [3.1.1 §3.3.5, 5.0 §3.3.4].
fn one_copy_each(audience: &mut Vec<Subscriber>) {
    audience.sort_by_key(|to| (to.session, std::cmp::Reverse(to.options.qos)));
    audience.dedup_by_key(|to| to.session);
}

fn shape(on: Online, queued: &Queued) -> Shape {
    let identifier = if on.version.is_v5() { queued.identifier } else { 0 };
    Shape { version: on.version, qos: queued.qos, retain: queued.retain, identifier }
}

/// The store need not keep `queued` any more.
fn done(session: &Session, queued: &Queued, out: &mut impl Outbox) {
    if queued.entry != 0 {
        Broker::keep(session, out, |number| StoreOp::Done(number, queued.entry));
    }
}

/// Brings messages to one session after the other; holds what they share.
struct Courier<'a> {
    now: Instant,
    settings: &'a Settings,
    stats: &'a mut Stats,
    frames: &'a mut Frames,
}

impl Courier<'_> {
    /// `true` if something was given to the store.
    fn deliver(
        &mut self,
        session: &mut Session,
        to: Subscriber,
        item: &Item<'_>,
        retain: bool,
        message: &mut Option<Arc<Message>>,
        out: &mut impl Outbox,
    ) -> bool {
        let qos = if self.settings.upgrade_outgoing_qos { to.options.qos } else { to.options.qos.min(item.qos) };
        let retain = retain && to.options.retain_as_published;
        if qos == QoS::AtMostOnce {
            match session.on {
                Some(on) => {
                    self.send_qos0(on, item, retain, to.identifier, out);
                    return false;
                }
                None if !self.settings.queue_qos0_messages => return false,
                None => {}
            }
        }
        let message = Arc::clone(message.get_or_insert_with(|| Message::keep(item)));
        let mut queued = Queued { message, entry: 0, qos, retain, is_retained: false, identifier: to.identifier };
        let outgoing = session.outgoing.get_or_insert_default();
        match session.on {
            Some(on) if outgoing.queue.is_empty() && has_room(outgoing, on, out) => {
                self.send_tracked(session, on, queued, out)
            }
            _ if self.is_full(outgoing, item.payload.len()) => {
                self.stats.publishes_dropped += 1;
                if !std::mem::replace(&mut outgoing.told_full, true) {
                    out.tell(Event::QueueFull { client_id: &session.client_id });
                }
                false
            }
            _ => {
                if session.expiry.is_durable() {
                    queued.entry = outgoing.next_entry();
                }
                let stored = stored(&queued, None);
                outgoing.wait(queued);
                Broker::keep(session, out, |number| StoreOp::Queued(number, stored))
            }
        }
    }

    fn is_full(&self, outgoing: &Outgoing, payload_bytes: usize) -> bool {
        let waiting = outgoing.queue.len() - outgoing.queued_retained;
        let (messages, bytes) = (self.settings.max_queued_messages, self.settings.max_queued_bytes);
        (messages > 0 && waiting >= messages) || (bytes > 0 && outgoing.queued_bytes + payload_bytes > bytes)
    }

    fn send_qos0(&mut self, on: Online, item: &Item<'_>, retain: bool, identifier: u32, out: &mut impl Outbox) {
        let identifier = if on.version.is_v5() { identifier } else { 0 };
        let shape = Shape { version: on.version, qos: QoS::AtMostOnce, retain, identifier };
        let room = out.backlog_bytes(on.link) <= BACKLOG_BYTES_MAX;
        match self.frames.get(item, shape, None, self.now) {
            Some(frame) if room && frame.len() as u64 <= u64::from(on.packet_bytes_max) => {
                self.stats.publishes_sent += 1;
                out.send(on.link, frame);
            }
            _ => self.stats.publishes_dropped += 1,
        }
    }

    /// Sends a QoS 1 or 2 message and remembers it until it is acknowledged. `true` if the store was told.
    fn send_tracked(&mut self, session: &mut Session, on: Online, mut queued: Queued, out: &mut impl Outbox) -> bool {
        let outgoing = session.outgoing.get_or_insert_default();
        let (id, issue) = outgoing.next_id();
        let frame = self.frames.get(&queued.message.item(), shape(on, &queued), Some(id), self.now);
        let Some(frame) = frame.filter(|frame| frame.len() as u64 <= u64::from(on.packet_bytes_max)) else {
            // Too large for this client: it is skipped, as if it had been delivered [5.0 MQTT-3.1.2-25].
            self.stats.publishes_dropped += 1;
            done(session, &queued, out);
            return false;
        };
        self.stats.publishes_sent += 1;
        out.send(on.link, frame);
        let was_stored = queued.entry != 0;
        if !was_stored && session.expiry.is_durable() {
            queued.entry = outgoing.next_entry();
        }
        let (entry, whole) = (queued.entry, (!was_stored).then(|| stored(&queued, Some(id))));
        outgoing.in_flight.push_back(InFlight { id, issue, released: false, queued });
        Broker::keep(session, out, |number| match whole {
            Some(whole) => StoreOp::Queued(number, whole),
            None => StoreOp::Sent { session: number, entry, id, released: false },
        })
    }

    fn pump(&mut self, session: &mut Session, out: &mut impl Outbox) {
        let Some(on) = session.on else { return };
        loop {
            let Some(outgoing) = session.outgoing.as_deref_mut() else { return };
            let Some(next) = outgoing.queue.front() else { return };
            if out.backlog_bytes(on.link) > BACKLOG_BYTES_MAX {
                out.tell_when_drained(on.link);
                return;
            }
            if next.qos != QoS::AtMostOnce && outgoing.in_flight.len() >= usize::from(on.window) {
                return; // an acknowledgement makes room
            }
            let Some(queued) = outgoing.next_waiting() else { return };
            if queued.message.expires_at().is_some_and(|at| at <= self.now) {
                self.stats.publishes_expired += 1;
                done(session, &queued, out);
                continue;
            }
            self.frames.begin();
            if queued.qos == QoS::AtMostOnce {
                self.send_qos0(on, &queued.message.item(), queued.retain, queued.identifier, out);
                done(session, &queued, out);
            } else {
                self.send_tracked(session, on, queued, out);
            }
        }
    }
}

fn has_room(outgoing: &Outgoing, on: Online, out: &impl Outbox) -> bool {
    outgoing.in_flight.len() < usize::from(on.window) && out.backlog_bytes(on.link) <= BACKLOG_BYTES_MAX
}

fn stored(queued: &Queued, sent_as: Option<mqtt::PacketId>) -> StoredMessage {
    StoredMessage {
        entry: queued.entry,
        message: Arc::clone(&queued.message),
        qos: queued.qos,
        retain: queued.retain,
        identifier: queued.identifier,
        sent_as,
        released: false,
    }
}
