//! What the broker must know and do, told in the plainest way: a list of who wants what, and of what is owed to whom.
//!
//! The model is told each thing just before the broker is. What the broker then gives is held against it in `checks`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker_core::{LinkId, Settings};
use mqtt::{ProtocolVersion, ReasonCode};

use crate::edge::{Greeting, Will};
use crate::rights::Rights;
use crate::shares::Shared;
use crate::words::{FIRST_SHARED, Message, NARROW_PACKET_BYTES, Size, TOPICS, fits};

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub identifier: u32,
}

/// A QoS 2 message that is not released: which, and when it expires.
pub(crate) type Held = (u32, Option<u64>);

/// One delivery that a client is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub client: usize,
    pub message: u32,
    pub qos: u8,
    /// RETAIN as it must be seen; `None` where one who has gone may have taken it away.
    pub retain: Option<bool>,
    /// Subscription Identifiers, sorted; where subscriptions overlap there may be several.
    pub identifiers: Vec<u32>,
    /// Sent because of a SUBSCRIBE.
    pub is_asked: bool,
    /// The shared subscription that it was sent for.
    pub share: Option<usize>,
    /// In milliseconds.
    pub expires_at: Option<u64>,
}

impl Owed {
    pub(crate) fn client_id(&self) -> String {
        format!("c{}", self.client)
    }

    /// Whether it comes after all that were owed before it. What is shared may come by way of another client.
    pub(crate) const fn has_order(&self) -> bool {
        !self.is_asked && self.share.is_none()
    }
}

/// How far a delivery is. What is over is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    InFlight {
        id: u16,
        /// PUBREC came.
        released: bool,
        /// Its PUBLISH or PUBREL was sent on the present connection.
        is_here: bool,
        /// The how-manieth to be sent, of all.
        turn: u64,
    },
}

/// The connection of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct On {
    pub link: LinkId,
    pub version: ProtocolVersion,
    pub window: usize,
    pub packet_bytes_max: u32,
    pub is_clogged: bool,
}

/// What is due of a session whose client is away, as the store knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Away {
    pub ends_at: Option<u64>,
    /// The will, and when it is published.
    pub will: Option<(Will, u64)>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub on: Option<On>,
    pub user: usize,
    pub lasts_s: u32,
    pub ends_at: Option<u64>,
    pub will: Option<Will>,
    pub will_at: Option<u64>,
    pub away: Option<Away>,
    pub wants: BTreeMap<usize, Wish>,
    /// QoS 2 messages of the client that are not released.
    pub taken: BTreeMap<u16, Held>,
    pub owed: BTreeMap<u32, State>,
    /// A right went, and with it what was to come again: what waited behind it waits for the next acknowledgement.
    pub is_stuck: bool,
}

impl Session {
    pub(crate) const fn is_durable(&self) -> bool {
        self.lasts_s > 0
    }

    pub(crate) fn waiting(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.owed.iter().filter(|(_, state)| **state == State::Waiting).map(|(owed, _)| *owed)
    }
}

/// A retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub message: u32,
    /// Who left it.
    pub user: usize,
    pub expires_at: Option<u64>,
}

/// What takes back one change of what must outlive the process.
#[derive(Debug)]
pub(crate) enum Undo {
    Session(usize, Option<Box<Session>>),
    Lasts(usize, u32, usize),
    Away(usize, Option<Away>),
    Wants(usize, usize, Option<Wish>),
    Taken(usize, u16, Option<Held>),
    Owed(usize, u32, Option<State>),
    Retained(usize, Option<Kept>),
    Pool(u32, Option<Shared>),
}

/// What the broker must answer in the present call, but for PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    ConnAck(ReasonCode, bool),
    PubAck(u16, ReasonCode),
    PubRec(u16, ReasonCode),
    PubRel(u16),
    PubComp(u16),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(ReasonCode),
}

/// What the broker's own counters must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub received: u64,
    pub sent: u64,
    pub dropped: u64,
    pub expired: u64,
    pub connects: u64,
    pub refusals: u64,
}

pub(crate) struct Model {
    pub settings: Settings,
    pub rights: Rights,
    /// Milliseconds.
    pub now: u64,
    /// As in the history.
    pub is_told: bool,
    pub messages: Vec<Message>,
    pub sessions: Vec<Option<Box<Session>>>,
    pub retained: [Option<Kept>; TOPICS.len()],
    pub owed: Vec<Owed>,
    /// What groups are owed, and no member was sent yet.
    pub pool: BTreeMap<u32, Shared>,
    /// What was dropped or has expired. Where it was in flight, a client that holds it of QoS 2 waits for its PUBREL for
    /// ever; where the process died before that was committed, it may come all the same.
    pub given_up: BTreeSet<u32>,
    pub has_shares: bool,
    pub turns: u64,
    pub counts: Counts,
    /// The number of the present call.
    pub call: u64,
    pub journal: VecDeque<(u64, Undo)>,
    // Of the present call.
    /// A client came back to its session.
    pub has_resumed: bool,
    pub fresh: Vec<u32>,
    pub replies: Vec<(LinkId, Reply)>,
    pub closed: Vec<LinkId>,
    pub expired: Vec<String>,
}

impl Model {
    pub(crate) fn new(settings: Settings, clients: usize, has_shares: bool) -> Self {
        Self {
            settings,
            rights: Rights::open(),
            now: 1_000,
            is_told: false,
            messages: Vec::new(),
            sessions: (0..clients).map(|_| None).collect(),
            retained: [None; TOPICS.len()],
            owed: Vec::new(),
            pool: BTreeMap::new(),
            given_up: BTreeSet::new(),
            has_shares,
            turns: 0,
            counts: Counts::default(),
            call: 0,
            journal: VecDeque::new(),
            has_resumed: false,
            fresh: Vec::new(),
            replies: Vec::new(),
            closed: Vec::new(),
            expired: Vec::new(),
        }
    }

    pub(crate) fn session(&mut self, client: usize) -> &mut Session {
        self.sessions[client].as_mut().unwrap_or_else(|| panic!("c{client} has no session"))
    }

    pub(crate) fn is_durable(&self, client: usize) -> bool {
        self.sessions[client].as_ref().is_some_and(|session| session.is_durable())
    }

    pub(crate) fn note(&mut self, undo: Undo) {
        self.journal.push_back((self.call, undo));
    }

    pub(crate) fn reply(&mut self, link: LinkId, reply: Reply) {
        self.replies.push((link, reply));
    }

    /// A delivery goes on, or (`None`) is over.
    pub(crate) fn set(&mut self, owed: u32, state: Option<State>) {
        let client = self.owed[owed as usize].client;
        let session = self.session(client);
        let old = match state {
            Some(state) => session.owed.insert(owed, state),
            None => session.owed.remove(&owed),
        };
        self.note(Undo::Owed(client, owed, old));
    }

    // ---- messages

    /// A message was accepted: it is retained, and owed to all who want it and may have it. `true` if anybody wants it.
    pub(crate) fn route(&mut self, message: u32, from: usize, expires_at: Option<u64>) -> bool {
        let Message { topic, retain, size, .. } = self.messages[message as usize];
        if retain {
            let user = self.session(from).user;
            let kept = (size != Size::Empty).then_some(Kept { message, user, expires_at });
            let old = std::mem::replace(&mut self.retained[topic], kept);
            self.note(Undo::Retained(topic, old));
        }
        let mut is_wanted = false;
        for client in 0..self.sessions.len() {
            let Some(session) = &self.sessions[client] else { continue };
            if !self.rights.may_read(session.user, topic) {
                continue;
            }
            let wishes = session.wants.range(..FIRST_SHARED).filter(|(filter, _)| fits(**filter, topic));
            let wishes = wishes.map(|(_, wish)| *wish);
            let mut wishes: Vec<_> = wishes.collect();
            is_wanted |= !wishes.is_empty();
            wishes.retain(|wish| !(wish.no_local && client == from));
            if wishes.is_empty() {
                continue;
            }
            if self.settings.allow_duplicate_messages {
                for wish in wishes {
                    self.owe(client, message, &[wish], expires_at);
                }
            } else {
                self.owe(client, message, &wishes, expires_at);
            }
        }
        is_wanted | self.share(message, expires_at)
    }

    /// One copy for one or more subscriptions.
    fn owe(&mut self, client: usize, message: u32, wishes: &[Wish], expires_at: Option<u64>) {
        let published = self.messages[message as usize];
        let wanted = wishes.iter().map(|wish| wish.qos).max().unwrap_or(0);
        let qos = self.granted(wanted, published.qos);
        let session = self.session(client);
        if qos == 0 && session.on.is_none() && !self.settings.queue_qos0_messages {
            return;
        }
        let retain = Some(published.retain && wishes.iter().any(|wish| wish.retain_as_published));
        let identifiers = identifiers(wishes.iter().map(|wish| wish.identifier));
        self.add(Owed { client, message, qos, retain, identifiers, is_asked: false, share: None, expires_at });
    }

    pub(crate) fn granted(&self, wanted: u8, published: u8) -> u8 {
        if self.settings.upgrade_outgoing_qos { wanted } else { wanted.min(published) }
    }

    pub(crate) fn add(&mut self, owed: Owed) {
        let number = self.owed.len() as u32;
        self.owed.push(owed);
        self.fresh.push(number);
        self.set(number, Some(State::Waiting));
    }

    pub(crate) fn topic_of(&self, owed: u32) -> usize {
        self.messages[self.owed[owed as usize].message as usize].topic
    }

    pub(crate) fn has_expired(&self, owed: u32) -> bool {
        self.owed[owed as usize].expires_at.is_some_and(|at| at <= self.now)
    }

    /// Seconds until it expires, as they are said [5.0 §3.3.2.3.3].
    pub(crate) fn left_s(&self, owed: &Owed) -> Option<u32> {
        owed.expires_at.map(|at| at.saturating_sub(self.now).div_ceil(1000) as u32)
    }

    /// Whether the client of a delivery has said that it takes no packet of this size.
    pub(crate) fn is_too_large(&self, owed: u32, on: On) -> bool {
        let message = self.messages[self.owed[owed as usize].message as usize];
        message.size == Size::Large && on.packet_bytes_max <= NARROW_PACKET_BYTES
    }

    // ---- rights

    /// Other rules: what waits and may not be read any more is dropped.
    pub(crate) fn set_rights(&mut self, rights: Rights) {
        self.rights = rights;
        (0..self.sessions.len()).for_each(|client| self.revoke(client));
    }

    pub(crate) fn revoke(&mut self, client: usize) {
        let Some(session) = &self.sessions[client] else { return };
        let user = session.user;
        let waiting: Vec<_> = session.waiting().collect();
        self.revoke_shared(client, user);
        self.revoke_repeats(client, user);
        for owed in waiting {
            if !self.rights.may_read(user, self.topic_of(owed)) {
                self.drop(owed);
            }
        }
    }

    /// What is to come again and may not be read any more does not.
    pub(crate) fn revoke_repeats(&mut self, client: usize, user: usize) {
        let Some(session) = self.sessions[client].as_ref().filter(|session| session.on.is_some()) else { return };
        let is_to_come = |state: &State| matches!(state, State::InFlight { released: false, is_here: false, .. });
        let to_come = session.owed.iter().filter(|(_, state)| is_to_come(state)).map(|(owed, _)| *owed);
        for owed in to_come.collect::<Vec<_>>() {
            if !self.rights.may_read(user, self.topic_of(owed)) {
                self.given_up.insert(owed);
                self.set(owed, None);
                self.session(client).is_stuck = true;
            }
        }
    }

    // ---- what a client asks for

    pub(crate) fn subscribe(&mut self, client: usize, filter: usize, wish: Wish, retain_handling: u8) {
        let session = self.session(client);
        let (user, old) = (session.user, session.wants.insert(filter, wish));
        self.note(Undo::Wants(client, filter, old));
        if filter >= FIRST_SHARED || retain_handling == 2 || (retain_handling == 1 && old.is_some()) {
            return;
        }
        for topic in 0..TOPICS.len() {
            let Some(kept) = self.retained[topic] else { continue };
            let may_be = !self.settings.check_retain_source || self.rights.may_publish(kept.user, topic);
            let is_there = may_be && kept.expires_at.is_none_or(|at| at > self.now);
            if is_there && fits(filter, topic) && self.rights.may_read(user, topic) {
                self.add(Owed {
                    client,
                    message: kept.message,
                    qos: self.granted(wish.qos, self.messages[kept.message as usize].qos),
                    retain: Some(true),
                    identifiers: identifiers([wish.identifier].into_iter()),
                    is_asked: true,
                    share: None,
                    expires_at: kept.expires_at,
                });
            }
        }
    }

    /// `true` if it was subscribed.
    pub(crate) fn unsubscribe(&mut self, client: usize, filter: usize) -> bool {
        let old = self.session(client).wants.remove(&filter);
        self.note(Undo::Wants(client, filter, old));
        old.is_some()
    }

    pub(crate) fn set_taken(&mut self, client: usize, id: u16, held: Option<Held>) -> Option<Held> {
        let taken = &mut self.session(client).taken;
        let was = match held {
            Some(held) => taken.insert(id, held),
            None => taken.remove(&id),
        };
        self.note(Undo::Taken(client, id, was));
        was
    }

    /// The delivery that is in flight under an identifier.
    pub(crate) fn in_flight(&self, client: usize, id: u16) -> Option<u32> {
        let session = self.sessions[client].as_ref()?;
        let is_it = |state: &State| matches!(state, State::InFlight { id: held, .. } if *held == id);
        session.owed.iter().find(|(_, state)| is_it(state)).map(|(owed, _)| *owed)
    }

    // ---- the journal

    /// All up to `call` is committed: it will not be taken back any more.
    pub(crate) fn committed(&mut self, call: u64) {
        while self.journal.front().is_some_and(|(at, _)| *at <= call) {
            self.journal.pop_front();
        }
    }

    /// The process died: what was not committed has never been.
    pub(crate) fn roll_back(&mut self) {
        while let Some((_, undo)) = self.journal.pop_back() {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Session(client, old) => self.sessions[client] = old,
            Undo::Lasts(client, lasts_s, user) => {
                let session = self.session(client);
                (session.lasts_s, session.user) = (lasts_s, user);
            }
            Undo::Away(client, old) => self.session(client).away = old,
            Undo::Wants(client, filter, old) => {
                let wants = &mut self.session(client).wants;
                match old {
                    Some(wish) => wants.insert(filter, wish),
                    None => wants.remove(&filter),
                };
            }
            Undo::Taken(client, id, was) => {
                let taken = &mut self.session(client).taken;
                match was {
                    Some(held) => taken.insert(id, held),
                    None => taken.remove(&id),
                };
            }
            Undo::Owed(client, owed, old) => {
                let session = self.session(client);
                match old {
                    Some(state) => session.owed.insert(owed, state),
                    None => session.owed.remove(&owed),
                };
            }
            Undo::Retained(topic, old) => self.retained[topic] = old,
            Undo::Pool(number, Some(old)) => {
                self.pool.insert(number, old);
            }
            Undo::Pool(number, None) => {
                self.pool.remove(&number);
            }
        }
    }
}

/// Those that there are, sorted.
pub(crate) fn identifiers(all: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut identifiers: Vec<_> = all.filter(|identifier| *identifier != 0).collect();
    identifiers.sort_unstable();
    identifiers
}

/// The session that a CONNECT begins.
pub(crate) fn begun(greeting: &Greeting) -> Box<Session> {
    Box::new(Session {
        on: None,
        user: greeting.user,
        lasts_s: greeting.lasts_s,
        ends_at: None,
        will: None,
        will_at: None,
        away: None,
        wants: BTreeMap::new(),
        taken: BTreeMap::new(),
        owed: BTreeMap::new(),
        is_stuck: false,
    })
}
