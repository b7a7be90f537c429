//! The loop: sockets are read, the core is told, what it answered is committed, written and closed. One thread does
//! it all, so a turn costs one wait, one read per speaking connection and one write per connection spoken to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use broker_core::{Broker, LinkId, Trust};
use mio::{Events, Poll, Token};

use crate::appliance::{Command, Heartbeat, PUBLISHES_LOG};
use crate::closing::{CLOSING, Closing};
use crate::connection::Stage;
use crate::desk::Desk;
use crate::gather::Gather;
use crate::handshakes::Handshakes;
use crate::http_api;
use crate::judging::Judging;
use crate::keeper::Keeper;
use crate::listener::{ListenerConfig, Listening};
use crate::packet_log::{self, PacketLog};
use crate::peer::Peer;
use crate::transport::{Progress, Transport};
use crate::turn::Turn;
use crate::workers::Workers;
use crate::{HANDSHAKES_PER_TURN_MAX, LAG_LOOK, LINGER_TIME_MAX, lines};

/// Wakes the loop for a command.
pub(crate) const WAKE: Token = Token(usize::MAX);
/// Listeners have the tokens below `WAKE`, connections those from 0.
const LISTENERS: usize = usize::MAX - 1024;

/// What workers' sockets have taken is looked at when there is something to say to them; where that adds up to so much, in
/// every turn: what is no longer there must not be counted against [`broker_core::Settings::backlogs_bytes_max`].
const SETTLED_PAST_BYTES: usize = 16 * 1024 * 1024;

pub(crate) struct Reactor {
    pub poll: Poll,
    pub core: Broker,
    pub desk: Desk,
    pub listeners: Vec<ListenerConfig>,
    pub sockets: Vec<Listening>,
    /// Connections of all listeners at most; `None`: no limit.
    pub connections_max: Option<u32>,
    /// Connections that are not let in yet, at most.
    pub strangers_max: usize,
    /// Connections of each listener.
    pub connected: Vec<u32>,
    pub commands: Receiver<Command>,
    /// Where HTTP is spoken.
    pub http: Option<http_api::HttpThread>,
    pub started: Instant,
    pub packet_bytes_max: u32,
    /// As `memory_limit` says, and whether as much is in use.
    pub memory_bytes_max: Option<u64>,
    pub memory_is_full: bool,
    pub lines_waiting: Arc<AtomicUsize>,
    /// Who is told that the loop goes round, and when next.
    pub heartbeat: Option<(Heartbeat, Instant)>,
    pub scratch: Vec<u8>,
    /// Connections whose sockets may hold more than was read.
    pub again: Vec<u32>,
    /// Connections with a TLS handshake that wait to get on with it.
    pub handshakes: Handshakes,
    /// Certificates that are verified again.
    pub judging: Judging,
    /// Whose turn it is.
    pub turn: Turn,
    /// Connections that are over but have bytes to leave, and when patience ends.
    pub lingering: Vec<(Instant, u32, u32)>,
    /// Connections that are over but for the other side's goodbye.
    pub closing: Closing,
    pub generation: u32,
    pub gather: Gather,
    /// Packets that the core was told, since the start.
    pub handled: u64,
    /// From so many pieces of what connections said.
    pub heard: u64,
    /// Those who read and write instead; none: this thread does.
    pub workers: Workers,
    /// They have said more than was heard.
    pub has_more: bool,
    /// Every connection is over, and no other may begin.
    pub is_stopping: bool,
}

impl Reactor {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let now = self.now();
        self.core.restored(&mut self.desk);
        self.core.start(now, &mut self.desk);
        self.desk.commit();
        loop {
            let patience = self.patience();
            self.nap(patience);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.desk.now = Instant::now();
            self.watch_debug();
            // Those that have more to say than two reads take have their next turn when all others had theirs.
            let again = std::mem::take(&mut self.again);
            for event in &events {
                match event.token() {
                    Token(at) if at >= LISTENERS => {}
                    Token(at) if at >= CLOSING => self.closing.ready(at - CLOSING),
                    Token(at) => {
                        let is_ending = event.is_read_closed() || event.is_error();
                        self.ready(at as u32, event.is_writable(), is_ending);
                    }
                }
            }
            // Connections come in after that: they get the numbers of those that go, and no event of this turn is theirs.
            for event in &events {
                match event.token() {
                    WAKE => self.obey(),
                    Token(at) if at >= LISTENERS => self.accept(at - LISTENERS),
                    Token(_) => {}
                }
            }
            if self.desk.spares.waiting_bytes() > SETTLED_PAST_BYTES && !self.workers.is_inline() {
                self.desk.settle_all(|_| true);
            }
            self.has_more = self.hear_workers()?;
            self.go_on(again);
            self.finish_turn();
            self.closing.look(self.desk.now);
            self.beat();
            self.workers.wake();
            // Farewells leave first; those who do not take them have `LINGER_TIME_MAX`.
            if self.is_stopping && self.desk.connections.is_empty() && self.closing.is_empty() {
                if let Some(keeper) = self.desk.keeper.take() {
                    keeper.finish();
                }
                return self.workers.stop();
            }
        }
    }

    /// Whether a line is wanted for each packet may change while we run: it is asked once a turn, not for each.
    fn watch_debug(&mut self) {
        if packet_log::is_wanted() == self.desk.packets.is_some() {
            return;
        }
        self.desk.packets = match self.desk.packets {
            Some(_) => None,
            None => Some(Box::new(PacketLog::with(self.core.clients()))),
        };
    }

    /// Tells who wants to know that the loop goes round.
    fn beat(&mut self) {
        if let Some((heartbeat, next)) = &mut self.heartbeat
            && *next <= self.desk.now
        {
            *next = self.desk.now + heartbeat.every;
            (heartbeat.tell)();
        }
    }

    /// Lets a moment's events gather, where that costs nobody anything.
    fn nap(&mut self, patience: Option<Duration>) {
        let nap = self.gather.turn(self.desk.now, self.handled, self.heard);
        if let Some(nap) = nap.filter(|_| patience != Some(Duration::ZERO) && !self.is_stopping) {
            std::thread::sleep(nap);
        }
    }

    /// How long nothing may come before there is something to do.
    fn patience(&mut self) -> Option<Duration> {
        let has_more = self.has_more || self.sockets.iter().any(|socket| socket.has_more);
        let has_more = has_more || self.judging.is_under_way();
        if has_more || !self.again.is_empty() || !self.handshakes.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let core = self.core.next_deadline().map(|at| at.since(self.core_time(now)));
        let linger = self.lingering.first().map(|(at, ..)| at.saturating_duration_since(now));
        let rest = self.sockets.iter().filter_map(|s| s.rests_until).min().map(|at| at.saturating_duration_since(now));
        let lag = self.desk.lags.looks_at(now, self.lag_look()).map(|at| at.saturating_duration_since(now));
        let store = self.desk.keeper.as_ref().and_then(Keeper::looks_at).map(|at| at.saturating_duration_since(now));
        let closing = self.closing.patience(now);
        let beat = self.heartbeat.as_ref().map(|(_, next)| next.saturating_duration_since(now));
        // A millisecond more: the core counts whole ones, and a deadline must be past when we look.
        [core, linger, rest, lag, store, closing, beat]
            .into_iter()
            .flatten()
            .min()
            .map(|wait| wait + Duration::from_millis(1))
    }

    fn core_time(&self, now: Instant) -> broker_core::Instant {
        broker_core::Instant::from_millis(now.duration_since(self.started).as_millis() as u64)
    }

    pub(crate) fn now(&self) -> broker_core::Instant {
        self.core_time(self.desk.now)
    }

    // ---- commands

    /// Carries out what other threads asked for.
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => {
                    let now = self.now();
                    self.core.shut_down(now, &mut self.desk);
                    self.sockets.clear(); // nobody else comes in
                    self.http = None;
                    self.is_stopping = true;
                }
                Command::Verified(found) => {
                    let (askers, verdict) = self.desk.logins.answer(self.desk.now, found);
                    for asker in askers {
                        let is_same = self.desk.get(asker.link).is_some_and(|c| c.generation == asker.generation);
                        if is_same {
                            self.give_verdict(asker.link, verdict);
                        }
                    }
                }
                Command::Local(_) | Command::Reload(..) if self.is_stopping => {}
                Command::Local(stream) => self.take_in(stream, Peer::Within, 0, Trust::Ours),
                Command::Reload(loaded, waited) => self.reload(*loaded, waited),
                Command::Protect(listeners, http, waited) => self.protect(listeners, http, waited),
                Command::Lend(to) => self.lend(&to),
                Command::Kept(kept) => self.desk.hear(kept),
                Command::Save => {
                    if let Some(keeper) = &mut self.desk.keeper {
                        keeper.save();
                    }
                }
                Command::Figures(answer) => {
                    let now = self.now();
                    let _ = answer.send(self.core.systree(now, &self.desk));
                }
                Command::Log(severity, line) => {
                    self.lines_waiting.fetch_sub(1, Relaxed);
                    let now = self.now();
                    PUBLISHES_LOG.set(true);
                    self.core.say_log(now, severity, &line, &mut self.desk);
                    PUBLISHES_LOG.set(false);
                }
                Command::Describe(answer) => {
                    let _ = answer.send(self.core.describe());
                }
                Command::Stats(answer) => {
                    let _ = answer.send(self.core.stats());
                }
            }
        }
    }

    fn give_verdict(&mut self, link: LinkId, verdict: Result<(), broker_core::Refusal>) {
        let now = self.now();
        self.core.verdict(now, link, verdict, &mut self.desk);
        let Some(connection) = self.desk.get(link) else { return };
        connection.is_paused = false;
        // What came while the password was verified lies here; what is still in the socket gave its event already.
        connection.is_cut = !connection.unfinished.is_empty();
        self.again.push(link.0);
    }

    // ---- the end of a turn

    /// Goes on with what had to wait: busy sockets, full listeners, time.
    fn go_on(&mut self, again: Vec<u32>) {
        for at in again {
            // Who stands at a door has never said too much: its number was another's, and what it says has its own event.
            if self.desk.connections.get(at as usize).is_some_and(|connection| !connection.stage.is_knocking()) {
                self.read(at, true);
            }
        }
        for _ in 0..HANDSHAKES_PER_TURN_MAX {
            let Some(at) = self.handshakes.pop() else { break };
            if let Some(connection) = self.desk.connections.get_mut(at as usize)
                && let Some(is_ending) = connection.queued.take()
            {
                self.read(at, is_ending);
            }
        }
        self.judge();
        self.look_who_lags();
        for at in 0..self.sockets.len() {
            let socket = &mut self.sockets[at];
            let rested = socket.rests_until.is_some_and(|until| until <= self.desk.now);
            if rested {
                socket.rests_until = None;
            }
            if rested || (socket.has_more && socket.rests_until.is_none()) {
                self.accept(at);
            }
        }
        let now = self.now();
        if self.core.next_deadline().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now, &mut self.desk);
        }
    }

    /// A tenth of the time that a socket may take nothing, at most.
    fn lag_look(&self) -> Duration {
        LAG_LOOK.min(self.desk.stalled_time_max / 10)
    }

    /// Closes whose socket takes nothing, and says what was dropped.
    fn look_who_lags(&mut self) {
        let (now, every) = (self.desk.now, self.lag_look());
        if self.desk.lags.looks_at(now, every).is_none_or(|at| at > now) {
            return;
        }
        self.desk.settle_all(|connection| connection.lag.is_some());
        let Desk { lags, connections, stalled_time_max, .. } = &mut self.desk;
        for at in lags.look(connections.iter_mut(), now, *stalled_time_max) {
            let now = self.now();
            self.core.stalled(now, LinkId(at), &mut self.desk);
            self.remove(at);
        }
    }

    /// Says so to the core when as much memory is in use as may be; and when it is a sixteenth less again, so that it does
    /// not change its mind with every message.
    fn watch_memory(&mut self) {
        let Some(most) = self.memory_bytes_max else {
            if std::mem::take(&mut self.memory_is_full) {
                self.core.set_memory_full(false);
            }
            return;
        };
        let (bytes, _) = (self.desk.heap)();
        if !self.memory_is_full && bytes > most {
            lines::memory_is_full(bytes, most);
        } else if self.memory_is_full && bytes < most - most / 16 {
            lines::memory_has_room(bytes);
        } else {
            return;
        }
        self.memory_is_full = !self.memory_is_full;
        self.core.set_memory_full(self.memory_is_full);
    }

    /// Commits, writes and closes.
    fn finish_turn(&mut self) {
        if let Some(packets) = &mut self.desk.packets {
            packets.settle();
        }
        self.watch_memory();
        if let Some(keeper) = &self.desk.keeper {
            self.core.set_store_full(keeper.refuses(self.desk.now));
            if !keeper.slows(self.desk.now) {
                for at in std::mem::take(&mut self.desk.slowed) {
                    if let Some(connection) = self.desk.connections.get_mut(at as usize) {
                        connection.is_slowed = false;
                        self.again.push(at);
                    }
                }
            }
        }
        // Writing may give the core something to say: to whom room was made, and, where a socket was found broken,
        // to those who get its will.
        loop {
            self.desk.commit();
            if self.desk.dirty.is_empty() {
                break;
            }
            let mut drained = Vec::new();
            for at in std::mem::take(&mut self.desk.dirty) {
                self.write(at, &mut drained);
            }
            let now = self.now();
            for at in drained {
                self.core.drained(now, LinkId(at), &mut self.desk);
            }
        }
        for at in std::mem::take(&mut self.desk.leaving) {
            let Some(connection) = self.desk.connections.get(at as usize) else { continue };
            if connection.stage != Stage::Leaving {
                continue;
            }
            if connection.has_sent_all() || !connection.awaits_word() {
                self.remove(at);
            } else {
                self.lingering.push((self.desk.now + LINGER_TIME_MAX, at, connection.generation));
            }
        }
        self.see_off();
    }

    /// Closes what lingered and is done, or has lingered too long.
    fn see_off(&mut self) {
        if self.lingering.is_empty() {
            return;
        }
        let now = self.desk.now;
        let mut gone = Vec::new();
        self.lingering.retain(|&(until, at, generation)| {
            let Some(connection) = self.desk.connections.get(at as usize) else { return false };
            if connection.generation != generation {
                return false;
            }
            let is_done = connection.has_sent_all() || until <= now;
            if is_done {
                gone.push(at);
            }
            !is_done
        });
        for at in gone {
            self.remove(at);
        }
    }

    fn write(&mut self, at: u32, drained: &mut Vec<u32>) {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        connection.is_dirty = false;
        if connection.is_remote() {
            return self.hand_over(at, drained);
        }
        while !connection.out.is_empty() {
            match connection.transport.write(connection.out.waiting()) {
                Ok(Progress::Some(count)) => {
                    self.desk.bytes_sent += count as u64;
                    connection.out.took(count, &mut self.desk.spares);
                    connection.takes(self.desk.now, connection.out.is_empty());
                    if connection.is_unheard && !connection.has_too_many_replies() {
                        connection.is_unheard = false;
                        self.again.push(at);
                    }
                }
                Ok(Progress::Later | Progress::More) => {
                    self.desk.lags.falls_behind(connection, self.desk.now);
                    return;
                }
                Err(_) => {
                    self.lost(at);
                    return;
                }
            }
        }
        if std::mem::take(&mut connection.tell_when_drained) {
            drained.push(at);
        }
    }

    pub(crate) fn remove(&mut self, at: u32) {
        let Some(mut connection) = self.desk.connections.try_remove(at as usize) else { return };
        if connection.is_stranger() {
            self.desk.strangers.leave(connection.unfinished.len());
        }
        connection.out.forget(&mut self.desk.spares);
        self.desk.lags.leaves(&mut connection);
        self.desk.logins.left(LinkId(at));
        self.desk.names.remove(&at);
        if let Some(packets) = &mut self.desk.packets {
            packets.forget(LinkId(at));
        }
        if connection.peer.is_outside() {
            self.connected[usize::from(connection.listener)] -= 1;
        }
        let mut transport = std::mem::replace(&mut connection.transport, Transport::Taken);
        if let Transport::Remote(remote) = &mut transport {
            remote.close();
            self.workers.let_go(remote.worker());
        } else {
            self.closing.take(transport, self.poll.registry(), self.desk.now);
        }
    }
}

impl Listening {
    pub(crate) const fn token(at: usize) -> Token {
        Token(LISTENERS + at)
    }
}
