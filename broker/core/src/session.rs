//! Sessions: what the broker remembers of a client, connected or away.
//!
//! Who wants which topic is the tree's; how a message becomes bytes is `frames`'. Nothing here knows a socket.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtt::{PacketId, ProtocolVersion, QoS};

use crate::alias_table::AliasTable;
use crate::filter_set::FilterSet;
use crate::rules::{Origin, Rules};
use crate::store::{Publisher, SessionNumber};
use crate::taken::Unreleased;
use crate::wanted::Identifiers;
use crate::will::Will;
use crate::{Instant, LinkId, Message};

/// What is remembered of one Client Identifier.
#[derive(Debug)]
pub(crate) struct Session {
    pub client_id: Arc<str>,
    pub username: Option<Box<str>>,
    /// By which listener it came in last: whose rules count.
    pub origin: Origin,
    /// Its number in the store; durable sessions only.
    pub number: SessionNumber,
    /// The connection, while there is one.
    pub on: Option<Online>,
    pub expiry: Expiry,
    /// Where its end stands in the timers, while it is away.
    pub ends_at: Option<Instant>,
    pub will: Option<Box<Will>>,
    /// Where its will stands in the timers, while it is away.
    pub will_at: Option<Instant>,
    pub subscriptions: FilterSet,
    /// Incoming QoS 2 messages that were taken and not yet released.
    pub taken: Unreleased,
    /// Made when the first message has to wait for an acknowledgement or for room.
    pub outgoing: Option<Box<Outgoing>>,
    /// The Topic Aliases towards its connection, if that takes any.
    pub aliases: Option<Box<AliasTable>>,
    /// Who it is to the retained messages it leaves; made when it leaves the first.
    pub as_publisher: Option<Arc<Publisher>>,
}

impl Session {
    /// As the rules know it.
    pub(crate) fn as_client(&self) -> acl::Client<'_> {
        acl::Client { client_id: &self.client_id, username: self.username.as_deref() }
    }

    /// As retained messages remember it.
    pub(crate) fn as_publisher(&mut self, rules: &Rules) -> Arc<Publisher> {
        let made = || {
            let (client_id, username) = (Arc::clone(&self.client_id), self.username.clone());
            Arc::new(Publisher { client_id, username, listener: rules.stored(self.origin) })
        };
        Arc::clone(self.as_publisher.get_or_insert_with(made))
    }
}

/// What of a connection is needed for every delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Online {
    pub link: LinkId,
    pub version: ProtocolVersion,
    /// Messages of QoS 1 and 2 that may be in flight to it.
    pub window: u16,
    /// Its listener has a `mount_point`.
    pub is_mounted: bool,
    /// Largest packet it takes.
    pub packet_bytes_max: u32,
}

impl Online {
    /// Whether the client takes a packet of this size [5.0 MQTT-3.1.2-24].
    pub(crate) const fn takes(&self, packet: &[u8]) -> bool {
        packet.len() as u64 <= self.packet_bytes_max as u64
    }
}

/// How long a session outlives its connection [5.0 §3.1.2.11.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Not at all: Clean Session of 3.1 and 3.1.1, interval 0 of 5.0.
    AtDisconnect,
    /// So many seconds.
    After(u32),
    /// Until the broker forgets: 3.1 and 3.1.1 without Clean Session, interval 0xFFFFFFFF of 5.0.
    Never,
}

impl Expiry {
    pub(crate) const fn from_interval(seconds: u32) -> Self {
        match seconds {
            0 => Self::AtDisconnect,
            u32::MAX => Self::Never,
            seconds => Self::After(seconds),
        }
    }

    pub(crate) const fn is_durable(self) -> bool {
        !matches!(self, Self::AtDisconnect)
    }
}

/// Messages on their way to the client: in flight, then waiting.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Packet Identifiers given so far.
    pub issued: u64,
    pub in_flight: VecDeque<InFlight>,
    /// Payload bytes in `in_flight`.
    pub in_flight_bytes: usize,
    /// How many at the end of `in_flight` this connection has not been sent yet: the window and the socket
    /// of a client that came back have their limits for repeats too.
    pub to_repeat: usize,
    pub queue: VecDeque<Queued>,
    /// Payload bytes in `queue`.
    pub queued_bytes: usize,
    /// Retained messages in `queue` (they do not count towards its limits).
    pub queued_retained: usize,
    /// Messages of QoS 0 in `queue`.
    pub queued_qos0: usize,
    /// Numbers the entries for the store.
    pub last_entry: u64,
    /// The operator was told that the queue is full, and it has not been empty since.
    pub told_full: bool,
}

/// A message that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub message: Arc<Message>,
    /// What few messages have.
    rest: Option<Box<Rest>>,
    /// Its number for the store; 0 where the session need not last.
    pub entry: u64,
    /// The store has it. A retained message is numbered when it begins to wait and stored when it is sent.
    pub is_stored: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Sent because of a SUBSCRIBE, not of a PUBLISH.
    pub is_retained: bool,
    /// Its Subscription Identifier; 0: none, or more than one.
    identifier: u32,
}

/// What a queued message may have besides.
#[derive(Clone, Debug)]
struct Rest {
    /// Subscription Identifiers, where they are more than one.
    identifiers: Identifiers,
    share: Option<Arc<str>>,
}

impl Rest {
    #[cold]
    #[allow(clippy::unnecessary_wraps)] // it is made where it is kept
    fn of(identifiers: &[u32], share: Option<&Arc<str>>) -> Option<Box<Self>> {
        let identifiers = if identifiers.len() > 1 { Identifiers::from(identifiers) } else { Identifiers::NONE };
        Some(Box::new(Self { identifiers, share: share.cloned() }))
    }
}

impl Queued {
    /// One that begins to wait. `share`: the whole filter of the shared subscription that it is for.
    #[inline]
    pub(crate) fn new(
        message: Arc<Message>,
        qos: QoS,
        retain: bool,
        identifiers: &[u32],
        share: Option<&Arc<str>>,
    ) -> Self {
        let identifier = if let [one] = identifiers { *one } else { 0 };
        let rest = if share.is_some() || identifiers.len() > 1 { Rest::of(identifiers, share) } else { None };
        Self { message, rest, entry: 0, is_stored: false, qos, retain, is_retained: false, identifier }
    }

    /// Subscription Identifiers that it carries.
    #[inline]
    pub(crate) fn identifiers(&self) -> &[u32] {
        match &self.rest {
            _ if self.identifier != 0 => std::slice::from_ref(&self.identifier),
            Some(rest) => rest.identifiers.as_slice(),
            None => &[],
        }
    }

    /// The whole filter of the shared subscription that it is for.
    pub(crate) fn share(&self) -> Option<&Arc<str>> {
        self.rest.as_ref()?.share.as_ref()
    }
}

/// A message of QoS 1 or 2 that was sent and not acknowledged to the end.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub id: PacketId,
    /// The how-manieth identifier that was given.
    pub issue: u64,
    /// PUBREC came: what is awaited is PUBCOMP, and the message itself is not needed any more.
    pub released: bool,
    pub queued: Queued,
}

/// A queue that had room for more than this gives it back when it is empty.
const KEPT_PLACES_MAX: usize = 1_024;

impl Outgoing {
    /// A Packet Identifier that is free, and the number of its issue: the one after the last given, as mosquitto counts.
    pub(crate) fn next_id(&mut self) -> (PacketId, u64) {
        loop {
            let issue = self.issued;
            self.issued += 1;
            let id = PacketId::of_issue(issue);
            // Identifiers are given in a circle, so all in flight lie between the oldest and the newest: only where the
            // oldest was given a whole circle ago must they be looked through. In-flight messages
            // are fewer than identifiers (the window is a u16 below its maximum), so this ends.
            let full_circle = self.in_flight.front().is_some_and(|oldest| issue - oldest.issue >= PacketId::COUNT);
            if !full_circle || !self.in_flight.iter().any(|held| held.id == id) {
                return (id, issue);
            }
        }
    }

    pub(crate) fn next_entry(&mut self) -> u64 {
        self.last_entry += 1;
        self.last_entry
    }

    pub(crate) fn wait(&mut self, queued: Queued) {
        if queued.is_retained {
            self.queued_retained += 1;
        } else {
            self.queued_bytes += queued.message.payload().len();
        }
        self.queued_qos0 += usize::from(queued.qos == QoS::AtMostOnce);
        self.queue.push_back(queued);
    }

    pub(crate) fn next_waiting(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.forget(&queued);
        if self.queue.is_empty() {
            self.told_full = false;
            if self.queue.capacity() > KEPT_PLACES_MAX {
                self.queue = VecDeque::new();
            }
        }
        Some(queued)
    }

    /// Takes those that wait and are `wanted` out of the queue; both parts keep their order.
    pub(crate) fn take_waiting(&mut self, mut wanted: impl FnMut(&Queued) -> bool) -> Vec<Queued> {
        let mut taken = Vec::new();
        for _ in 0..self.queue.len() {
            let Some(queued) = self.queue.pop_front() else { break };
            if wanted(&queued) {
                self.forget(&queued);
                taken.push(queued);
            } else {
                self.queue.push_back(queued);
            }
        }
        taken
    }

    fn forget(&mut self, queued: &Queued) {
        if queued.is_retained {
            self.queued_retained -= 1;
        } else {
            self.queued_bytes -= queued.message.payload().len();
        }
        self.queued_qos0 -= usize::from(queued.qos == QoS::AtMostOnce);
    }

    /// Whether one more message may be in flight where the client takes `window` of them and we send it `bytes_max`
    /// (0: no limit). One that begins below the limit may go past it, as mosquitto has it.
    pub(crate) fn has_window(&self, window: u16, bytes_max: usize) -> bool {
        self.to_repeat == 0
            && self.in_flight.len() < usize::from(window)
            && (bytes_max == 0 || self.in_flight_bytes < bytes_max)
    }

    /// A message goes out and is remembered.
    pub(crate) fn fly(&mut self, message: InFlight) {
        assert!(self.in_flight.len() < usize::from(u16::MAX), "each in flight holds a packet identifier of its own");
        self.in_flight_bytes += message.queued.message.payload().len();
        self.in_flight.push_back(message);
    }

    pub(crate) fn take_in_flight(&mut self, place: usize) -> Option<InFlight> {
        if place + self.to_repeat >= self.in_flight.len() {
            self.to_repeat = self.to_repeat.saturating_sub(1);
        }
        let taken = self.in_flight.remove(place)?;
        self.in_flight_bytes -= taken.queued.message.payload().len();
        debug_assert!(self.to_repeat <= self.in_flight.len(), "no more comes again than is in flight");
        Some(taken)
    }

    /// Takes out those in flight that are `wanted`; both parts keep their order. For a session without connection.
    pub(crate) fn take_all_in_flight(&mut self, mut wanted: impl FnMut(&InFlight) -> bool) -> Vec<InFlight> {
        let mut taken = Vec::new();
        for held in std::mem::take(&mut self.in_flight) {
            if wanted(&held) {
                self.in_flight_bytes -= held.queued.message.payload().len();
                taken.push(held);
            } else {
                self.in_flight.push_back(held);
            }
        }
        self.to_repeat = self.in_flight.len();
        taken
    }

    /// The place of an in-flight message; acknowledgements come in order, so it is mostly the first.
    pub(crate) fn place(&self, id: PacketId) -> Option<usize> {
        self.in_flight.iter().position(|held| held.id == id)
    }
}
