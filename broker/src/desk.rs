//! The desk between core and sockets: it owns the connections and carries out what the core says.
//!
//! What is said per message only appends to a connection's own buffer; writing, committing and closing come
//! once per turn, in the reactor.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use broker_core::{AuthStep, ClientFault, Credentials, EdgeCounts, End, Event, LinkId, Outbox, Refusal, StoreOp};
use certs::NameFrom;
use slab::Slab;

use crate::complaints::login_complaint;
use crate::connection::{Connection, Stage};
use crate::keeper::{Keeper, Kept};
use crate::knocks::Knocks;
use crate::lag::Lags;
use crate::login::{Asker, Logins};
use crate::login_queue::network;
use crate::out_queue::Spares;
use crate::packet_log::PacketLog;
use crate::peer::Peer;
use crate::proxy_header::Origin;
use crate::refusals::{Refusals, Wish};
use crate::scram::Answer;
use crate::strangers::{Place, Standing, Strangers};
use crate::{STRANGERS_BYTES_MAX, lines};

/// The first byte of a CONNACK.
const CONNACK: u8 = 0x20;
/// The first byte of a DISCONNECT.
const DISCONNECT: u8 = 0xE0;
/// The first byte of a PINGRESP.
const PINGRESP: u8 = 0xD0;
/// The upper half of the first byte of a PUBLISH.
const PUBLISH: u8 = 3;

pub(crate) struct Desk {
    pub connections: Slab<Connection>,
    pub spares: Spares,
    /// Connections with something to write.
    pub dirty: Vec<u32>,
    /// Connections that are over for the core.
    pub leaving: Vec<u32>,
    /// Keeps what must outlive the process; `None`: nothing does.
    pub keeper: Option<Keeper>,
    /// Connections with acknowledgements that wait for the next commit.
    pub holding: Vec<u32>,
    /// And those with some that wait for the one that is under way.
    pub awaiting: Vec<u32>,
    /// Connections that are not read from until the disk has caught up.
    pub slowed: Vec<u32>,
    pub logins: Logins,
    /// Of each listener: what of a certificate or a key is the user name.
    pub names_from: Vec<Option<NameFrom>>,
    /// User names that others found out for connections of ours: workers.
    pub names: HashMap<u32, Box<str>>,
    /// Length of the CONNECT that the core is being told.
    pub connect_bytes: usize,
    /// Logins that were decided at once, for the core to be told.
    pub verdicts: Vec<(LinkId, Result<(), Refusal>)>,
    /// What steps of enhanced authentication came to, for the core to be told.
    pub answers: Vec<(LinkId, Answer)>,
    pub knocks: Knocks,
    /// Where each set of rules is, for messages; `None`: they are no file's.
    pub acl_files: Vec<Option<PathBuf>>,
    pub refusals: Refusals,
    /// While a line is wanted for each packet.
    pub packets: Option<Box<PacketLog>>,
    pub lags: Lags,
    /// How long a socket may take nothing of what waits for it.
    pub stalled_time_max: Duration,
    pub strangers: Strangers,
    pub now: Instant,
    /// mosquitto's `connection_messages`.
    pub tells_connections: bool,
    /// Since the start, as clients see them: after decryption, before encryption.
    pub bytes_received: u64,
    /// See `bytes_received`.
    pub bytes_sent: u64,
    /// Connections taken since the start.
    pub sockets_opened: u64,
    /// See [`EdgeCounts`].
    pub turns_cut: u64,
    /// See [`EdgeCounts`].
    pub unheard: u64,
    /// Bytes of memory in use, and the most there were.
    pub heap: fn() -> (u64, u64),
}

impl Desk {
    pub(crate) fn get(&mut self, link: LinkId) -> Option<&mut Connection> {
        self.connections.get_mut(link.0 as usize)
    }

    /// A connection gets on, or is over.
    fn set_stage(&mut self, link: LinkId, stage: Stage) {
        let Some(connection) = self.connections.get_mut(link.0 as usize) else { return };
        if connection.is_stranger() {
            self.strangers.leave(connection.unfinished.len());
        }
        connection.stage = stage;
    }

    /// Takes what lies in a connection's own buffer.
    pub(crate) fn take_unfinished(&mut self, at: u32) -> Vec<u8> {
        let Some(connection) = self.connections.get_mut(at as usize) else { return Vec::new() };
        let unfinished = std::mem::take(&mut connection.unfinished);
        if connection.is_stranger() {
            self.strangers.bytes -= unfinished.len();
        }
        unfinished
    }

    /// Keeps what cannot be handled yet. `false`: strangers together have said too much already.
    pub(crate) fn keep_unfinished(&mut self, at: u32, bytes: Vec<u8>) -> bool {
        let Some(connection) = self.connections.get_mut(at as usize) else { return true };
        if connection.stage == Stage::Leaving {
            return true;
        }
        let is_stranger = connection.is_stranger();
        self.strangers.bytes += if is_stranger { bytes.len() } else { 0 };
        connection.unfinished = bytes;
        !is_stranger || self.strangers.bytes <= STRANGERS_BYTES_MAX
    }

    /// A stranger came.
    pub(crate) fn greet(&mut self, place: Place) {
        let connections = &self.connections;
        self.strangers.arrive(place, |place| standing(connections, place));
    }

    /// The stranger who has been here longest and waits for nothing.
    pub(crate) fn oldest_stranger(&mut self) -> Option<u32> {
        let connections = &self.connections;
        self.strangers.oldest(|place| standing(connections, place)).map(|(at, _)| at)
    }

    /// Who asks to be let in, or wants to prove anew who it is.
    fn asker(&self, link: LinkId) -> Option<Asker> {
        let connection = self.connections.get(link.0 as usize)?;
        let network = network(connection.peer.ip());
        // Of a client nothing more is kept than of any other.
        let bytes = if connection.is_stranger() { self.connect_bytes } else { 0 };
        let (generation, listener) = (connection.generation, connection.listener);
        Some(Asker { link, generation, listener, network, bytes })
    }

    pub(crate) fn set_dirty(&mut self, at: u32) {
        if let Some(connection) = self.connections.get_mut(at as usize)
            && !std::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(at);
        }
    }

    /// A line for a packet that the core says, where it is wanted.
    #[cold]
    #[inline(never)]
    fn log_sending(&mut self, link: LinkId, packet: &[u8]) {
        if let Some(packets) = &mut self.packets
            && let Some(connection) = self.connections.get(link.0 as usize)
        {
            packets.sending(link, &connection.peer, connection.version, packet);
        }
    }

    /// Where the connection of an event comes from; what has none is the broker's own.
    fn peer(&mut self, link: Option<LinkId>) -> Peer {
        link.and_then(|link| self.get(link)).map_or(Peer::Within, |connection| connection.peer.clone())
    }

    /// A proxy has said whom its connection speaks for: that is its peer from now on.
    pub(crate) fn announced(&mut self, at: u32, origin: Origin) {
        let Some(connection) = self.connections.get_mut(at as usize) else { return };
        if let Some(client) = origin.client {
            connection.peer = client.into();
        }
        let Some(tls) = origin.tls else { return };
        if let (Some(version), Some(cipher), true) = (&tls.version, &tls.cipher, self.tells_connections) {
            lines::negotiated(&connection.peer, version, cipher);
        }
        if let Some(name) = tls.common_name.filter(|name| tls.has_certificate && certs::is_user_name(name)) {
            self.names.insert(at, name.into());
        }
    }

    /// What must be kept is given to the store, if it is its time; what was held for nothing that is left may go.
    pub(crate) fn commit(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.hand_over(self.now) {
            self.awaiting = std::mem::take(&mut self.holding);
            for at in &self.awaiting {
                if let Some(connection) = self.connections.get_mut(*at as usize) {
                    connection.held_now = connection.held.len() as u32;
                }
            }
        } else if keeper.is_all_kept() {
            for at in std::mem::take(&mut self.holding) {
                if let Some(connection) = self.connections.get_mut(at as usize) {
                    connection.held_now = connection.held.len() as u32;
                }
                self.let_go(at);
            }
        }
    }

    /// Looks at what the sockets of workers have taken, of those connections that are `wanted`.
    pub(crate) fn settle_all(&mut self, wanted: impl Fn(&Connection) -> bool) {
        for (_, connection) in self.connections.iter_mut().filter(|(_, connection)| wanted(connection)) {
            self.bytes_sent += connection.settle(self.now, &mut self.spares) as u64;
        }
    }

    /// The store has kept what it was given, or has other news.
    pub(crate) fn hear(&mut self, kept: Kept) {
        if self.keeper.as_mut().is_some_and(|keeper| keeper.hear(kept)) {
            for at in std::mem::take(&mut self.awaiting) {
                self.let_go(at);
            }
        }
    }

    /// The acknowledgements that waited for a commit may leave.
    fn let_go(&mut self, at: u32) {
        let Some(connection) = self.connections.get_mut(at as usize) else { return };
        let count = std::mem::take(&mut connection.held_now) as usize;
        let free = connection.held.get(..count).unwrap_or_default();
        match free.first() {
            None => return, // the number went to another connection
            // What stands behind it are messages, for the most part.
            Some(&CONNACK) => connection.out.push(free, &mut self.spares),
            Some(_) => connection.out.push_reply(free, &mut self.spares),
        }
        connection.held.drain(..count);
        if std::mem::take(&mut connection.holds_messages) {
            // Nothing of these promises anything: they waited for CONNACK alone.
            let rest = std::mem::take(&mut connection.held);
            let mut at = 0;
            while let Ok(Some(frame)) = mqtt::next_frame(&rest[at..], 0) {
                let packet = &rest[at..at + frame.len];
                let goes = is_sent_at_once(packet);
                if goes {
                    connection.out.push(packet, &mut self.spares);
                } else {
                    connection.held.extend_from_slice(packet);
                }
                at += frame.len;
            }
        }
        if connection.held.is_empty() {
            self.spares.give_back(std::mem::take(&mut connection.held));
        }
        self.set_dirty(at);
    }

    /// Lets `packet` wait for the next commit, behind what waits already.
    fn hold(&mut self, link: LinkId, packet: &[u8]) {
        let Some(connection) = self.connections.get_mut(link.0 as usize) else { return };
        if connection.held.len() == connection.held_now as usize {
            self.holding.push(link.0);
        }
        if connection.held.is_empty() {
            connection.held = self.spares.take();
            connection.holds_messages = packet.first() == Some(&CONNACK);
        }
        connection.held.extend_from_slice(packet);
    }
}

/// Whether it is a message of QoS 0 or 1, or PINGRESP: what the core sends and does not acknowledge with.
fn is_sent_at_once(packet: &[u8]) -> bool {
    const QOS_2: u8 = 0b0100;
    packet.first().is_some_and(|first| *first == PINGRESP || (first >> 4 == PUBLISH && first & QOS_2 == 0))
}

impl Outbox for Desk {
    fn send(&mut self, link: LinkId, packet: &[u8]) {
        if self.packets.is_some() {
            self.log_sending(link, packet);
        }
        let Some(connection) = self.connections.get_mut(link.0 as usize) else { return };
        let is_farewell = packet.first() == Some(&DISCONNECT) && !connection.held.is_empty();
        if is_farewell || connection.holds_messages {
            // Nothing may come before CONNACK [3.1.1 MQTT-3.2.0-1, 5.0 MQTT-3.2.0-1], nor after DISCONNECT
            // [5.0 MQTT-3.14.4-1].
            return self.hold(link, packet);
        }
        if packet.first().is_some_and(|first| first >> 4 == PUBLISH) {
            connection.out.push(packet, &mut self.spares);
        } else {
            connection.out.push_reply(packet, &mut self.spares);
        }
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(link.0);
        }
    }

    fn acknowledge(&mut self, link: LinkId, packet: &[u8], promises: bool) {
        let waits = promises && self.keeper.as_ref().is_some_and(Keeper::holds_back);
        let holds = self.get(link).is_some_and(|connection| !connection.held.is_empty());
        if !waits && !holds {
            return self.send(link, packet);
        }
        if self.packets.is_some() {
            self.log_sending(link, packet);
        }
        self.hold(link, packet);
    }

    fn backlog_bytes(&self, link: LinkId) -> usize {
        self.connections.get(link.0 as usize).map_or(0, Connection::backlog_bytes)
    }

    fn backlogs_bytes(&self) -> usize {
        self.spares.waiting_bytes()
    }

    fn tell_when_drained(&mut self, link: LinkId) {
        if let Some(connection) = self.get(link) {
            connection.tell_when_drained = true;
            if connection.is_remote() {
                self.set_dirty(link.0); // its worker is asked for word
            }
        }
    }

    fn store(&mut self, op: StoreOp) {
        if let Some(keeper) = &mut self.keeper {
            keeper.gather(self.now, op);
        }
    }

    fn verify(&mut self, link: LinkId, credentials: Credentials<'_>) {
        let now = self.now;
        let Some(asker) = self.asker(link) else { return };
        if let Some(connection) = self.get(link) {
            connection.is_paused = true;
        }
        if let Some(verdict) = self.logins.ask(now, asker, credentials) {
            self.verdicts.push((link, verdict));
        }
    }

    fn authenticate(&mut self, link: LinkId, step: AuthStep<'_>) {
        let Some(asker) = self.asker(link) else { return };
        let answer = self.logins.authenticate(asker, step);
        self.answers.push((link, answer));
    }

    fn identity(&mut self, link: LinkId) -> Option<String> {
        let connection = self.connections.get(link.0 as usize)?;
        let from = self.names_from[usize::from(connection.listener)]?;
        self.names.get(&link.0).map(ToString::to_string).or_else(|| connection.transport.user_name(from))
    }

    fn close(&mut self, link: LinkId) {
        if self.get(link).is_some() {
            self.set_stage(link, Stage::Leaving);
            self.leaving.push(link.0);
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        if let Event::Dropped { link, client_id, why } = event {
            if let Some(connection) = self.connections.get_mut(link.0 as usize) {
                self.lags.drops(connection, client_id, why, self.now);
            }
            return;
        }
        if let Some(packets) = &mut self.packets {
            packets.before(&event);
        }
        let refused = match event {
            Event::PublishDenied { client_id, username, topic, rules, .. } => {
                Some((Wish::Publish, acl::Client { client_id, username }, topic, rules))
            }
            Event::ReadDenied { client_id, username, topic, rules } => {
                Some((Wish::Read, acl::Client { client_id, username }, topic, rules))
            }
            _ => None,
        };
        if let Some((wish, client, topic, rules)) = refused
            && self.refusals.is_due(self.now, wish, client.client_id, topic)
        {
            lines::refused(wish, client, topic, rules, &self.acl_files);
        }
        let link = match event {
            Event::Connected { link, username, .. } => {
                self.set_stage(link, Stage::Client);
                // Whose name the door knows was asked for no password.
                if let Some(username) = username
                    && self.get(link).is_some_and(|connection| connection.peer.is_outside())
                    && self.identity(link).is_none()
                {
                    let listener = self.get(link).map_or(0, |connection| connection.listener);
                    self.logins.came_in(link, listener, username);
                }
                Some(link)
            }
            Event::Refused { link, .. } | Event::Disconnected { link, .. } | Event::Left { link, .. } => Some(link),
            _ => None,
        };
        if let Event::Refused { link, username, why, .. } = event {
            let kind = match why {
                Refusal::Anonymous => "anonymous",
                Refusal::Password => "password",
                _ => "login",
            };
            // What is not MQTT was complained about when it came.
            if !matches!(why, Refusal::Exchange(ClientFault::Packet(_))) {
                self.complain(link.0, kind, &login_complaint(username, why));
            }
        }
        if let Event::Disconnected { link, username: Some(user), why: End::NotAuthenticated, .. } = event {
            let what = format!("fails to authenticate anew (user name '{user}'): its connection is closed");
            self.complain(link.0, "anew", &what);
        }
        if let Event::Disconnected { link, client_id, why: End::Stalled, .. } = event {
            self.lags.stalled += 1;
            let peer = self.peer(Some(link));
            lines::stalled(client_id, &peer, self.stalled_time_max);
        }
        match event {
            Event::RetainedFull { bytes_max } => {
                self.say_seldom("retained", |more| lines::retained_full(bytes_max, more));
            }
            Event::SubscriptionsFull { client_id, count } => {
                self.say_seldom("subscriptions", |more| lines::subscriptions_full(client_id, count, more));
            }
            _ => {}
        }
        let is_of_a_connection = link.is_some() || matches!(event, Event::TakenOver { .. });
        if self.tells_connections || !is_of_a_connection {
            lines::event(&event, &self.peer(link));
        }
        if let Some(packets) = &mut self.packets {
            packets.after(&event, self.tells_connections);
        }
    }

    fn counts(&self) -> EdgeCounts {
        let (heap_bytes, heap_bytes_most) = (self.heap)();
        let (waiting_packets, waiting_bytes) = self
            .connections
            .iter()
            .fold((0, 0), |(packets, bytes), (_, one)| (packets + one.packets() as u64, bytes + one.out.len() as u64));
        EdgeCounts {
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            sockets_opened: self.sockets_opened,
            sockets: self.connections.len() as u64,
            waiting_packets,
            waiting_bytes,
            behind: self.connections.iter().filter(|(_, connection)| connection.is_behind()).count() as u64,
            stalled: self.lags.stalled,
            turns_cut: self.turns_cut,
            unheard: self.unheard,
            heap_bytes,
            heap_bytes_most,
        }
    }

    fn unique(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // The system's generator does not fail once it has been used; it was, when the broker started.
        let _ = getrandom::fill(&mut bytes);
        bytes
    }
}

fn standing(connections: &Slab<Connection>, (at, generation): Place) -> Standing {
    match connections.get(at as usize) {
        Some(connection) if connection.generation == generation && connection.is_stranger() => {
            if connection.is_paused {
                Standing::Waits
            } else {
                Standing::Idle
            }
        }
        _ => Standing::Past,
    }
}
