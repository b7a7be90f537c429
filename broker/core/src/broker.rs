//! The broker: what it owns, and the doors by which it is told things. What each packet means is in the files
//! beside this one (`connect`, `publish`, `subscribe`, `ack`); how a message reaches a session is in `deliver` and
//! `courier`, and how long a session lasts in `lifetime`.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt::{DecodeFault, Disconnect, Packet, ProtocolVersion, ReasonCode, TopicName, TopicNameBuf};
use slab::Slab;

use crate::frames::Frames;
use crate::link::{Link, LinkState};
use crate::retained::Retained;
use crate::routes::Routes;
use crate::rules::{RuleSets, Rules};
use crate::session::{Expiry, Session};
use crate::subscriptions::SubscriptionTree;
use crate::sys::Sys;
use crate::tally::Tally;
use crate::timers::{Due, Timers};
use crate::{
    ClientFault, Door, End, Event, Instant, LOGIN_TIME_MAX, LinkId, MemoryStore, Message, Outbox, Publisher, Refusal,
    SessionNumber, Settings, Stats, StoreOp,
};

/// The broker.
///
/// Call [`open`](Self::open) for each new connection, then [`handle`](Self::handle) for each packet of it, until the
/// broker says [`Outbox::close`] or the edge says [`closed`](Self::closed). Call
/// [`handle_timeout`](Self::handle_timeout) when [`next_deadline`](Self::next_deadline) is reached.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) rules: Rules,
    pub(crate) links: Vec<Option<Link>>,
    pub(crate) sessions: Slab<Session>,
    pub(crate) by_client_id: BTreeMap<Arc<str>, u32>,
    pub(crate) subscriptions: SubscriptionTree,
    pub(crate) retained: Retained,
    pub(crate) routes: Routes,
    pub(crate) frames: Frames,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    pub(crate) last_number: SessionNumber,
    pub(crate) scratch: Vec<u8>,
    pub(crate) kept: Tally,
    pub(crate) sys: Sys,
    /// See [`Broker::work`].
    pub(crate) work: u64,
    /// Clients that are connected.
    pub(crate) connected: u64,
    /// Sessions that came out of the store without a word on when their clients left.
    pub(crate) lost: Vec<u32>,
    /// The store takes nothing new.
    pub(crate) store_is_full: bool,
    /// As much memory is used as may be.
    pub(crate) memory_is_full: bool,
    /// Where the next look for expired retained messages stands in the timers.
    pub(crate) retained_look_at: Option<Instant>,
}

impl Broker {
    /// A broker that remembers nothing. `seed` is random in production and chosen in tests; answers do not depend on it.
    /// The rules may be one [`acl::Acl`] for all listeners.
    pub fn new(settings: Settings, rules: impl Into<RuleSets>, seed: u64) -> Self {
        Self {
            settings,
            rules: Rules::new(rules.into()),
            links: Vec::new(),
            sessions: Slab::new(),
            by_client_id: BTreeMap::new(),
            subscriptions: SubscriptionTree::default(),
            retained: Retained::default(),
            routes: Routes::new(seed),
            frames: Frames::default(),
            timers: Timers::default(),
            stats: Stats::default(),
            last_number: SessionNumber::default(),
            scratch: Vec::new(),
            kept: Tally::default(),
            sys: Sys::default(),
            work: 0,
            connected: 0,
            lost: Vec::new(),
            store_is_full: false,
            memory_is_full: false,
            retained_look_at: None,
        }
    }

    /// Remembers what `store` holds. For a broker that was told nothing yet; every session is away at `now`.
    /// [`Broker::restored`] is to follow.
    pub fn restore(&mut self, now: Instant, store: &MemoryStore) {
        store.retained().for_each(|(message, publisher)| self.restore_retained(message, publisher));
        store.sessions().for_each(|(number, stored)| self.restore_session(now, number, stored));
    }

    /// Remembers one retained message, as [`Broker::restore`] does with all.
    pub fn restore_retained(&mut self, message: &Arc<Message>, publisher: &Arc<Publisher>) {
        message.count_in(&self.kept);
        self.retained.set(Arc::clone(message), Some(Arc::clone(publisher)));
    }

    /// A connection begins.
    pub fn open(&mut self, now: Instant, link: LinkId, door: Door) {
        let at = now + LOGIN_TIME_MAX;
        let begun = Link {
            door,
            state: LinkState::New,
            heard_at: now,
            silence_at: Some(at),
            silence_ms_max: u32::try_from(LOGIN_TIME_MAX.as_millis()).unwrap_or(u32::MAX),
            version: ProtocolVersion::V311,
            wants_problem_information: true,
            packet_bytes_max: u32::MAX,
            last_route: None,
            is_bridge: false,
            qos2_open: 0,
            aliases: None,
            authentication: None,
        };
        let place = link.0 as usize;
        if self.links.len() <= place {
            self.links.resize_with(place + 1, || None);
        }
        self.links[place] = Some(begun);
        self.timers.set(at, Due::Silence(link));
    }

    /// A packet of `link` came.
    pub fn handle(&mut self, now: Instant, link: LinkId, packet: Packet<'_>, out: &mut impl Outbox) {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return };
        // The whole of an exchange must be over within the time for a login.
        if !matches!(state.state, LinkState::Authenticating(_)) {
            state.heard_at = now;
        }
        self.stats.packets_received += 1;
        self.work += 1;
        let handled = match (&state.state, packet) {
            (LinkState::Client(key), packet) => {
                let key = *key;
                self.handle_client(now, link, key, packet, out)
            }
            (LinkState::New, Packet::Connect(connect)) => {
                self.stats.connect_packets += 1;
                self.on_connect(now, link, &connect, out)
            }
            (LinkState::New, _) => Err(ClientFault::Unexpected("a packet before CONNECT")),
            (LinkState::Authenticating(_), packet) => self.handle_authenticating(now, link, &packet, out),
            (LinkState::AwaitingVerdict(_), _) => Err(ClientFault::Unexpected("a packet before CONNACK")),
        };
        if let Err(fault) = handled {
            self.break_off(now, link, fault, out);
        }
    }

    fn handle_client(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        packet: Packet<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        match packet {
            Packet::Publish(publish) => self.on_publish(now, link, key, publish, out),
            Packet::PubAck(ack) => self.on_puback(now, key, ack, out),
            Packet::PubRec(ack) => self.on_pubrec(now, link, key, ack, out),
            Packet::PubRel(ack) => {
                self.on_pubrel(now, link, key, ack, out);
                Ok(())
            }
            Packet::PubComp(ack) => self.on_pubcomp(now, key, ack, out),
            Packet::Subscribe(subscribe) => self.on_subscribe(now, link, key, &subscribe, out),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(link, key, &unsubscribe, out),
            Packet::PingReq => {
                self.reply(link, &Packet::PingResp, out);
                Ok(())
            }
            Packet::Disconnect(farewell) => self.on_disconnect(now, link, key, farewell, out),
            Packet::Connect(_) => Err(ClientFault::Unexpected("a second CONNECT")),
            Packet::Auth(auth) => self.on_auth(now, link, &auth, out),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(ClientFault::Unexpected("a packet that only servers send"))
            }
        }
    }

    /// What came from `link` is not MQTT. The core forgets the link.
    pub fn broken(&mut self, now: Instant, link: LinkId, fault: DecodeFault, out: &mut impl Outbox) {
        let fault = match fault {
            // Of a second CONNECT, which is a fault whatever it says; DISCONNECT has no reason for a version.
            DecodeFault::WrongProtocolName | DecodeFault::UnsupportedProtocolVersion if self.is_client(link) => {
                ClientFault::Unexpected("a second CONNECT")
            }
            DecodeFault::UnsupportedProtocolVersion => {
                self.refuse(link, Refusal::Version, "", None, out);
                return;
            }
            fault => fault.into(),
        };
        self.break_off(now, link, fault, out);
    }

    /// The socket of `link` is gone. The core forgets the link.
    pub fn closed(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        self.end(now, link, End::Closed, out);
    }

    /// What came from `link` shows that it has come to the wrong door. The core forgets the link.
    pub fn astray(&mut self, now: Instant, link: LinkId, what: &'static str, out: &mut impl Outbox) {
        self.end(now, link, End::Fault(ClientFault::Unexpected(what)), out);
    }

    /// The edge has to do without `link`, to have room for others. The core forgets the link.
    pub fn given_up(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        self.end(now, link, End::GivenUp, out);
    }

    /// The socket of `link` takes nothing of what waits for it, and its time is over: the edge closes it. Nothing more is
    /// said to it, for it would not be read. The core forgets the link.
    pub fn stalled(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        self.end(now, link, End::Stalled, out);
    }

    /// The backlog of `link` is gone, as was asked for by [`Outbox::tell_when_drained`].
    pub fn drained(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        if let Some(key) = self.client(link) {
            self.pump(now, key, out);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Outbox) {
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Silence(link) => self.silent(now, link, out),
                Due::SessionEnd(key) => self.expire(now, key, out),
                Due::Will(key) => self.will_is_due(now, key, out),
                Due::Sys => self.say_changes(now, out),
                Due::RetainedExpiry => self.forget_expired(now, out),
            }
        }
    }

    /// Whether as much memory is used as `memory_bytes_max` says. Then what takes more for longer is refused: QoS 1 and 2,
    /// retained messages, new subscriptions and new sessions (0x97; before 5.0 the connection ends). QoS 0, and what
    /// makes room, goes on.
    pub const fn set_memory_full(&mut self, is_full: bool) {
        self.memory_is_full = is_full;
    }

    /// Whether the store has no room, or is so far behind that what it is given takes too much memory. Then what would have
    /// to be kept is refused (0x97; before 5.0 the connection ends): PUBLISH, new subscriptions and new sessions. What
    /// makes room, and what need not be kept, goes on.
    pub const fn set_store_full(&mut self, is_full: bool) {
        self.store_is_full = is_full;
    }

    /// The broker stops: 5.0 clients are told, wills are published, connections end.
    pub fn shut_down(&mut self, now: Instant, out: &mut impl Outbox) {
        // All wills before the first farewell: whoever is connected may have subscribed to them.
        let connected = self.sessions.iter().filter(|(_, session)| session.on.is_some()).map(|(key, _)| key as u32);
        for key in connected.collect::<Vec<_>>() {
            self.publish_will(now, key, out);
        }
        let links = (0..self.links.len()).filter(|at| self.links[*at].is_some());
        for link in links.map(|at| LinkId(at as u32)).collect::<Vec<_>>() {
            self.say_farewell(link, ReasonCode::ServerShuttingDown, out);
            self.end(now, link, End::Shutdown, out);
            out.close(link);
        }
    }

    /// Steps of work done so far. A step is a packet taken, a delivery, a retained message looked at, or a KiB of payload
    /// copied: about a tenth of a microsecond. By it the edge knows how long one connection keeps the others waiting,
    /// without a clock: a read of 256 KiB may hold ten thousand messages, and each may go to a thousand clients.
    pub const fn work(&self) -> u64 {
        self.work
    }

    /// What was counted.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The topic that a client has given an alias; `None`: it has given it none.
    pub fn aliased(&self, link: LinkId, alias: u16) -> Option<TopicName<'_>> {
        let aliases = self.links.get(link.0 as usize)?.as_ref()?.aliases.as_deref()?;
        aliases.get(usize::from(alias).checked_sub(1)?)?.as_ref().map(TopicNameBuf::as_name)
    }

    /// Sessions, connected or away.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Subscriptions of all sessions, without the shared ones.
    pub const fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Shared subscriptions of all sessions.
    pub const fn shared_subscription_count(&self) -> usize {
        self.subscriptions.shares.member_count()
    }

    /// Retained messages.
    pub const fn retained_count(&self) -> usize {
        self.retained.len()
    }

    /// The connected clients: link, Client Identifier, user name.
    pub fn clients(&self) -> impl Iterator<Item = (LinkId, &str, Option<&str>)> {
        self.sessions.iter().filter_map(|(_, session)| {
            let on = session.on?;
            Some((on.link, &*session.client_id, session.username.as_deref()))
        })
    }

    // ---- what the files beside this one call

    pub(crate) fn client(&self, link: LinkId) -> Option<u32> {
        match self.links.get(link.0 as usize)?.as_ref()?.state {
            LinkState::Client(key) => Some(key),
            LinkState::New | LinkState::AwaitingVerdict(_) | LinkState::Authenticating(_) => None,
        }
    }

    fn is_client(&self, link: LinkId) -> bool {
        self.client(link).is_some()
    }

    pub(crate) fn version(&self, link: LinkId) -> ProtocolVersion {
        self.links.get(link.0 as usize).and_then(Option::as_ref).map_or(ProtocolVersion::V311, |link| link.version)
    }

    /// Encodes `packet` for `link` and hands it to the outbox.
    pub(crate) fn reply(&mut self, link: LinkId, packet: &Packet<'_>, out: &mut impl Outbox) {
        let version = self.version(link);
        self.scratch.clear();
        // Our own replies are small: they can always be encoded.
        if packet.encode(version, &mut self.scratch).is_ok() {
            self.stats.packets_sent += 1;
            out.send(link, &self.scratch);
        }
    }

    /// How large `packet` is in `version`, in bytes.
    pub(crate) fn size(&mut self, version: ProtocolVersion, packet: &Packet<'_>) -> u32 {
        self.scratch.clear();
        // What cannot be said at all is too large for everybody.
        packet.encode(version, &mut self.scratch).map_or(u32::MAX, |()| self.scratch.len() as u32)
    }

    /// Like `reply`, for acknowledgements.
    pub(crate) fn acknowledge(&mut self, link: LinkId, packet: &Packet<'_>, promises: bool, out: &mut impl Outbox) {
        let version = self.version(link);
        self.scratch.clear();
        if packet.encode(version, &mut self.scratch).is_ok() {
            self.stats.packets_sent += 1;
            out.acknowledge(link, &self.scratch, promises);
        }
    }

    /// The client broke the protocol: a 5.0 client is told how, then the connection ends.
    pub(crate) fn break_off(&mut self, now: Instant, link: LinkId, fault: ClientFault, out: &mut impl Outbox) {
        if self.refuse_authenticating(link, fault, out) {
            return;
        }
        self.say_farewell_in_words(link, fault.reason(), &fault, out);
        self.end(now, link, End::Fault(fault), out);
        out.close(link);
    }

    /// DISCONNECT from the server, which only 5.0 has, and only after CONNACK.
    pub(crate) fn say_farewell(&mut self, link: LinkId, reason: ReasonCode, out: &mut impl Outbox) {
        self.say_farewell_in_words(link, reason, &reason, out);
    }

    fn say_farewell_in_words(&mut self, link: LinkId, reason: ReasonCode, why: &impl ToString, out: &mut impl Outbox) {
        if self.is_client(link) && self.version(link).is_v5() {
            let words = if self.settings.reason_strings { why.to_string() } else { String::new() };
            let properties = self.reason_string(link, &words, 0, true);
            self.reply(link, &Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }), out);
        }
    }

    fn on_disconnect(
        &mut self,
        now: Instant,
        link: LinkId,
        key: u32,
        farewell: Disconnect<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), ClientFault> {
        let session = &mut self.sessions[key as usize];
        if let Some(seconds) = farewell.properties.session_expiry_interval() {
            // What was 0 at CONNECT stays 0 [5.0 §3.14.2.2.2].
            if seconds != 0 && !session.expiry.is_durable() {
                return Err(ClientFault::Unexpected("a session expiry in DISCONNECT where CONNECT had none"));
            }
            self.set_expiry(key, Expiry::from_interval(seconds), false, out);
        }
        // Any other reason leaves the will to be published [5.0 MQTT-3.1.2-8].
        if farewell.reason == ReasonCode::Success {
            self.sessions[key as usize].will = None;
        }
        self.end(now, link, End::Farewell, out);
        out.close(link);
        Ok(())
    }

    /// Forgets the link. Its session stays as long as it was promised.
    pub(crate) fn end(&mut self, now: Instant, link: LinkId, why: End, out: &mut impl Outbox) {
        let Some(ended) = self.links.get_mut(link.0 as usize).and_then(Option::take) else { return };
        self.timers.unset(ended.silence_at, Due::Silence(link));
        let LinkState::Client(key) = ended.state else {
            return out.tell(Event::Left { link, why });
        };
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        session.on = None;
        session.aliases = None;
        self.connected -= 1;
        out.tell(Event::Disconnected {
            link,
            client_id: &session.client_id,
            username: session.username.as_deref(),
            why,
        });
        self.leave(now, key, out);
    }

    /// A link has perhaps been silent for too long.
    fn silent(&mut self, now: Instant, link: LinkId, out: &mut impl Outbox) {
        let Some(state) = self.links.get_mut(link.0 as usize).and_then(Option::as_mut) else { return };
        let at = state.heard_at + std::time::Duration::from_millis(u64::from(state.silence_ms_max));
        if at > now {
            // It has spoken since: its silence begins anew.
            state.silence_at = Some(at);
            self.timers.set(at, Due::Silence(link));
            return;
        }
        state.silence_at = None;
        let is_client = matches!(state.state, LinkState::Client(_));
        let fault = if is_client { ClientFault::KeepAliveExpired } else { ClientFault::SlowLogin };
        self.break_off(now, link, fault, out);
    }

    /// Something of a durable session must be kept.
    pub(crate) fn keep(session: &Session, out: &mut impl Outbox, op: impl FnOnce(SessionNumber) -> StoreOp) -> bool {
        let durable = session.expiry.is_durable();
        if durable {
            out.store(op(session.number));
        }
        durable
    }
}
