//! The edge's half of the world: lines between clients and broker, and a store that commits when it is told to.

use std::collections::VecDeque;

use broker_core::{AuthStep, Credentials, EdgeCounts, Event, LinkId, Outbox, Refusal, StoreOp};
use broker_store::Recovered;
use mqtt::ProtocolVersion;

use crate::kept::Kept;
use crate::rng::Rng;
use crate::words::{TOPICS, topic_place};

/// What a client said in its CONNECT, as far as it matters later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greeting {
    pub client: usize,
    pub version: ProtocolVersion,
    pub clean: bool,
    pub keep_alive_s: u16,
    /// Seconds that its session outlives the connection.
    pub lasts_s: u32,
    pub user: usize,
    pub is_right: bool,
    /// Receive Maximum.
    pub window: u16,
    /// Maximum Packet Size.
    pub packet_bytes_max: u32,
    pub will: Option<Will>,
    /// Topic Alias Maximum.
    pub aliases_max: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    pub message: u32,
    pub delay_s: u32,
}

/// Where a line stands with the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    /// The verdict on its credentials is not there yet: nothing more of it is heard.
    Judged,
    In,
    /// The broker has closed it, or was told that it is gone.
    Over,
}

/// A packet for a client, and which delivery it is.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub bytes: Vec<u8>,
    pub owed: Option<u32>,
    is_acknowledgement: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub greeting: Greeting,
    pub phase: Phase,
    /// When it was over.
    pub over_at: Option<u64>,
    /// The client is still there.
    pub is_attached: bool,
    /// Bytes on their way to the broker, and which messages are among them.
    pub up: Vec<u8>,
    pub up_messages: VecDeque<u32>,
    /// Packets on their way to the client.
    pub down: VecDeque<Parcel>,
    /// Acknowledgements that wait for a commit, with the call after which it must come; behind a CONNACK everything waits.
    held: VecDeque<(u64, Parcel)>,
    pub is_clogged: bool,
    wants_drained: bool,
    /// When the broker heard it last, in milliseconds.
    pub heard_at: u64,
    /// Topic Aliases as the broker has heard them, as it gave them, and as the client has heard those.
    pub aliases: [Option<usize>; TOPICS.len()],
    pub aliases_given: [Option<usize>; TOPICS.len()],
    pub aliases_heard: [Option<usize>; TOPICS.len()],
}

/// A packet that the broker gave for a line in the present call.
#[derive(Debug)]
pub(crate) struct Given {
    pub link: LinkId,
    pub bytes: Vec<u8>,
    is_acknowledgement: bool,
    promises: bool,
}

#[derive(Debug)]
pub(crate) struct Edge {
    pub lines: Vec<Line>,
    pub kept: Kept,
    /// Commits wait until they are told to come.
    pub commits_wait: bool,
    /// The calls so far, and the last one of which all is committed.
    pub calls: u64,
    pub committed: u64,
    batch: Vec<StoreOp>,
    batches: VecDeque<(u64, Vec<StoreOp>)>,
    /// Answers that are not given yet.
    pub verdicts: Vec<(LinkId, Result<(), Refusal>)>,
    // What the broker answered in the present call.
    pub given: Vec<Given>,
    pub closed: Vec<LinkId>,
    pub expired: Vec<String>,
}

/// Anything above `BACKLOG_BYTES_MAX`: a clogged socket takes nothing.
const CLOGGED_BYTES: usize = broker_core::BACKLOG_BYTES_MAX + 1;

impl Outbox for Edge {
    fn send(&mut self, link: LinkId, packet: &[u8]) {
        self.give(link, packet, false, false);
    }

    fn acknowledge(&mut self, link: LinkId, packet: &[u8], promises: bool) {
        self.give(link, packet, true, promises);
    }

    fn backlog_bytes(&self, link: LinkId) -> usize {
        if self.line(link).is_clogged { CLOGGED_BYTES } else { 0 }
    }

    fn tell_when_drained(&mut self, link: LinkId) {
        self.line_mut(link).wants_drained = true;
    }

    fn store(&mut self, op: StoreOp) {
        self.batch.push(op);
    }

    fn authenticate(&mut self, _: LinkId, _: AuthStep<'_>) {
        unreachable!("no client of this world has a method")
    }

    fn verify(&mut self, link: LinkId, credentials: Credentials<'_>) {
        let is_right = credentials.password == Some(b"right");
        self.verdicts.push((link, if is_right { Ok(()) } else { Err(Refusal::Password) }));
    }

    fn close(&mut self, link: LinkId) {
        self.closed.push(link);
    }

    fn tell(&mut self, event: Event<'_>) {
        if let Event::SessionExpired { client_id } = event {
            self.expired.push(client_id.to_owned());
        }
    }

    fn counts(&self) -> EdgeCounts {
        EdgeCounts::default()
    }

    fn unique(&mut self) -> [u8; 16] {
        unreachable!("every client of this world has an identifier")
    }
}

impl Line {
    /// What is on its way to the broker never comes.
    pub(crate) fn lose_up(&mut self) {
        self.up.clear();
        self.up_messages.clear();
    }

    /// The topic of a PUBLISH from the broker, with what its alias says to one of the two ends.
    pub(crate) fn topic_of(&mut self, publish: &mqtt::Publish<'_>, is_client: bool) -> usize {
        let known = if is_client { &mut self.aliases_heard } else { &mut self.aliases_given };
        let topic = publish.topic.map(|topic| topic_place(mqtt::TopicName::as_str(topic)));
        let Some(alias) = publish.properties.topic_alias() else { return topic.expect("a topic or an alias") };
        assert!(alias > 0 && alias <= self.greeting.aliases_max, "alias {alias} of {}", self.greeting.aliases_max);
        let place = usize::from(alias) - 1;
        if topic.is_some() {
            known[place] = topic;
        }
        known[place].unwrap_or_else(|| panic!("alias {alias} was never introduced: {publish:?}"))
    }
}

impl Edge {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            lines: Vec::new(),
            kept: Kept::new(seed),
            commits_wait: false,
            calls: 0,
            committed: 0,
            batch: Vec::new(),
            batches: VecDeque::new(),
            verdicts: Vec::new(),
            given: Vec::new(),
            closed: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// A new line; the number of one that is over is used again.
    pub(crate) fn open(&mut self, greeting: Greeting, now: u64) -> LinkId {
        let line = Line {
            greeting,
            phase: Phase::New,
            over_at: None,
            is_attached: true,
            up: Vec::new(),
            up_messages: VecDeque::new(),
            down: VecDeque::new(),
            held: VecDeque::new(),
            is_clogged: false,
            wants_drained: false,
            heard_at: now,
            aliases: [None; TOPICS.len()],
            aliases_given: [None; TOPICS.len()],
            aliases_heard: [None; TOPICS.len()],
        };
        let free = self.lines.iter().position(|line| line.phase == Phase::Over && !line.is_attached);
        let place = free.unwrap_or(self.lines.len());
        self.verdicts.retain(|(link, _)| link.0 as usize != place);
        if place == self.lines.len() {
            self.lines.push(line);
        } else {
            self.lines[place] = line;
        }
        LinkId(place as u32)
    }

    pub(crate) fn line(&self, link: LinkId) -> &Line {
        &self.lines[link.0 as usize]
    }

    pub(crate) fn line_mut(&mut self, link: LinkId) -> &mut Line {
        &mut self.lines[link.0 as usize]
    }

    fn give(&mut self, link: LinkId, packet: &[u8], is_acknowledgement: bool, promises: bool) {
        let line = self.line(link);
        assert!(line.phase != Phase::Over && !self.closed.contains(&link), "{link:?} is over, and is given {packet:?}");
        self.given.push(Given { link, bytes: packet.to_vec(), is_acknowledgement, promises });
    }

    /// Puts a packet on its way, or lets it wait for the commit that it promises.
    pub(crate) fn put(&mut self, given: Given, owed: Option<u32>) {
        let Given { link, bytes, is_acknowledgement, promises } = given;
        let calls = self.calls;
        let line = self.line_mut(link);
        let parcel = Parcel { bytes, owed, is_acknowledgement };
        // Behind CONNACK everything waits, and then what comes after it.
        let all_wait = line.held.iter().any(|(_, held)| held.bytes[0] == 0x20 || !held.is_acknowledgement);
        match line.held.back() {
            _ if promises => line.held.push_back((calls, parcel)),
            // It promises nothing itself: it goes with what it may not overtake.
            Some((call, _)) if is_acknowledgement || all_wait => {
                let call = *call;
                line.held.push_back((call, parcel));
            }
            _ => line.down.push_back(parcel),
        }
    }

    /// The broker's turn is over: what it gave to the store is one batch.
    pub(crate) fn end_turn(&mut self, now: u64) {
        if !self.batch.is_empty() {
            self.batches.push_back((self.calls, std::mem::take(&mut self.batch)));
        }
        for link in std::mem::take(&mut self.closed) {
            let line = self.line_mut(link);
            (line.phase, line.over_at) = (Phase::Over, Some(now));
        }
        if !self.commits_wait {
            self.commit(usize::MAX);
        }
    }

    /// Commits so many of the waiting batches, and lets go the acknowledgements that waited for them.
    pub(crate) fn commit(&mut self, batches: usize) {
        self.apply(batches);
        let committed = self.committed;
        for line in &mut self.lines {
            let free = line.held.iter().take_while(|(call, _)| *call <= committed).count();
            line.down.extend(line.held.drain(..free).map(|(_, parcel)| parcel));
        }
    }

    /// Gives the store so many of the waiting batches, or what it could not keep once more. Nobody is told.
    fn apply(&mut self, batches: usize) {
        let batches = batches.min(self.batches.len());
        if batches == 0 {
            self.kept.try_again();
        }
        for (call, batch) in self.batches.drain(..batches) {
            self.kept.commit(call, batch);
        }
        let waiting = self.batches.front().map(|(call, _)| *call);
        self.committed = self.kept.first_given().or(waiting).map_or(self.calls, |call| call - 1);
    }

    /// The process dies, perhaps while it commits, and nobody is told what it has committed last. What is found
    /// afterwards is as if so much had been committed.
    pub(crate) fn die(&mut self, rng: &mut Rng, is_rotten: bool) -> Recovered {
        let batches = rng.below(self.batches.len() + 1);
        self.apply(batches);
        if rng.one_in(2) && !self.kept.disk.has_failing_syncs() {
            self.kept.disk.die_after(1 + rng.below(6));
            self.apply(1);
        }
        let (recovered, lost) = self.kept.die(rng, is_rotten);
        let lost = lost.or(self.batches.front().map(|(call, _)| *call));
        self.committed = lost.map_or(self.calls, |call| call - 1);
        recovered
    }

    /// All is well with the disk, and all is committed.
    pub(crate) fn heal(&mut self) {
        self.kept.disk.set_room(None);
        self.kept.disk.fail_syncs(0);
        self.commits_wait = false;
        self.commit(usize::MAX);
        self.commit(0);
        assert_eq!(self.committed, self.calls, "a disk that is well takes everything");
    }

    pub(crate) fn waiting_batches(&self) -> usize {
        self.batches.len()
    }

    /// The process dies: nothing of it is left but the store.
    pub(crate) fn forget_all(&mut self) {
        self.batches.clear();
        self.batch.clear();
        self.verdicts.clear();
        self.committed = self.calls;
        for line in &mut self.lines {
            line.phase = Phase::Over;
            line.held.clear();
            line.lose_up();
        }
    }

    /// The socket takes all that it was given. `true` if the broker wants to know.
    pub(crate) fn drain(&mut self, link: LinkId) -> bool {
        let line = self.line_mut(link);
        line.is_clogged = false;
        std::mem::take(&mut line.wants_drained)
    }
}
