//! The turn of the broker's thread, where it deals with workers: what they read is handled as if it had been read here, and
//! what would be written here is handed over.

use broker_core::LinkId;

use super::Workers;
use super::mailbox::{News, What};
use crate::READ_BYTES;
use crate::connection::Stage;
use crate::reactor::Reactor;
use crate::transport::Transport;

impl Reactor {
    /// Takes what the workers have to say: at most about as much as one read brings, then what it called forth is
    /// written. `true`: there is more.
    pub(crate) fn hear_workers(&mut self) -> std::io::Result<bool> {
        if self.workers.is_inline() {
            return Ok(false);
        }
        let mut words = Vec::new();
        let (mut bytes, mut has_more) = (0, false);
        let count = self.workers.workers.len();
        self.workers.first = (self.workers.first + 1) % count;
        let is_behind = self.workers.is_behind();
        for turn in 0..count {
            let number = (self.workers.first + turn) % count;
            // What is under way waits in its batches when the disk or another worker is behind. It is bounded there; and
            // then nobody reads.
            let wants_batch = !is_behind
                && bytes < READ_BYTES
                && !self.desk.keeper.as_ref().is_some_and(|keeper| keeper.slows(self.desk.now));
            let worker = &mut self.workers.workers[number];
            let found = worker.mailbox.look(&mut words, &mut worker.spent, wants_batch);
            if found.is_over {
                return Err(std::io::Error::other("an I/O thread has ended"));
            }
            has_more |= found.has_more;
            if let Some(mut batch) = found.batch {
                bytes += batch.used;
                let mut begin = 0;
                for news in batch.news.drain(..) {
                    let said = if let What::Bytes(count) = news.what { count } else { 0 };
                    self.hear(news, &batch.bytes[begin..begin + said]);
                    begin += said;
                }
                self.workers.workers[number].spent = Some(batch);
            }
        }
        for (at, generation) in words {
            if self.is_same(at, generation) {
                self.desk.set_dirty(at);
            }
        }
        let is_held =
            self.workers.is_behind() || self.desk.keeper.as_ref().is_some_and(|keeper| keeper.slows(self.desk.now));
        Ok(has_more && !is_held)
    }

    fn is_same(&self, at: u32, generation: u32) -> bool {
        self.desk.connections.get(at as usize).is_some_and(|connection| connection.generation == generation)
    }

    fn hear(&mut self, news: News, bytes: &[u8]) {
        let News { at, generation, what } = news;
        if !self.is_same(at, generation) {
            return;
        }
        match what {
            What::Announced(origin) => self.desk.announced(at, *origin),
            What::Rejected(line) => {
                self.desk.reject(at, &line);
                self.astray(at, "a proxy's header that cannot be used");
            }
            What::Named(name) => _ = self.desk.names.insert(at, name),
            What::Bytes(_) => self.arrived(at, bytes),
            What::ForwardedFor(address) => {
                if let Some(connection) = self.desk.connections.get_mut(at as usize) {
                    connection.comes_from(address);
                }
            }
            What::Ended => self.has_ended(at),
            What::Failed(complaint) => {
                if self.desk.connections.get(at as usize).is_some_and(|connection| connection.stage != Stage::Client) {
                    self.desk.complain(at, complaint.0, &complaint.1);
                    self.core.astray(self.now(), LinkId(at), "it does not get through the door", &mut self.desk);
                }
                self.has_ended(at);
            }
            What::Lost => self.lost(at),
            What::NoLongerTaken(objection) => self.dismiss(at, &objection),
            What::Refused(complaint) => {
                self.desk.complain(at, complaint.0, &complaint.1);
                self.astray(at, "it has come to the wrong door");
            }
        }
    }

    /// A connection said something. What may not be handled now is kept, and its worker told not to read more of it.
    fn arrived(&mut self, at: u32, bytes: &[u8]) {
        self.desk.bytes_received += bytes.len() as u64;
        let waits = self.is_cut(at) || !self.may_hear(at);
        if !waits && self.begin_turn(at) {
            self.take_read(at, bytes);
            self.end_turn(at);
            if self.is_cut(at) {
                self.rest(at);
                self.again.push(at);
            }
            return;
        }
        self.rest(at);
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if !waits {
            // It has had its turn in those before.
            connection.is_cut = true;
            self.again.push(at);
        }
        if connection.stage != Stage::Leaving {
            let mut whole = self.desk.take_unfinished(at);
            whole.extend_from_slice(bytes);
            self.keep(at, whole);
        }
    }

    fn rest(&mut self, at: u32) {
        if let Some(connection) = self.desk.connections.get_mut(at as usize)
            && let Transport::Remote(remote) = &mut connection.transport
        {
            remote.rest(true);
        }
    }

    /// A connection will say no more.
    fn has_ended(&mut self, at: u32) {
        let may_hear = !self.is_cut(at) && self.may_hear(at);
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if may_hear {
            self.ended(at);
        } else if let Transport::Remote(remote) = &mut connection.transport {
            // Its last words come first.
            remote.has_ended = true;
        }
    }

    /// A connection with a worker may be heard again: what was kept of it is handled, then it is read from.
    pub(crate) fn hear_again(&mut self, at: u32) {
        if !self.may_hear(at) {
            return;
        }
        if !self.begin_turn(at) {
            self.again.push(at);
            return;
        }
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        connection.is_cut = false;
        let unfinished = self.desk.take_unfinished(at);
        if !unfinished.is_empty() {
            self.take_bytes(at, unfinished);
        }
        self.end_turn(at);
        if self.is_cut(at) {
            self.again.push(at);
            return;
        }
        if !self.may_hear(at) {
            return;
        }
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        if let Transport::Remote(remote) = &mut connection.transport {
            remote.rest(false);
            if remote.has_ended {
                self.ended(at);
            }
        }
    }

    /// Hands over what waits for a connection, if its worker has nothing of it any more; what comes meanwhile gathers here.
    pub(crate) fn hand_over(&mut self, at: u32, drained: &mut Vec<u32>) {
        let Some(connection) = self.desk.connections.get_mut(at as usize) else { return };
        let mut is_behind = false;
        loop {
            self.desk.bytes_sent += connection.settle(self.desk.now, &mut self.desk.spares) as u64;
            let Transport::Remote(remote) = &mut connection.transport else { return };
            let waiting = connection.out.waiting();
            if !waiting.is_empty() && remote.away() == 0 {
                remote.write(waiting, connection.out.packets());
                connection.out.hand_over(&mut self.desk.spares);
            }
            if remote.is_seen() && remote.away() > 0 {
                is_behind = true; // the socket does not take it
            }
            if !remote.is_seen() && connection.out.waiting().len() > BEHIND_BYTES {
                self.workers.wait_for(remote.worker);
            }
            let wants_word = !connection.out.waiting().is_empty()
                || connection.tell_when_drained
                || connection.is_unheard
                || connection.stage == Stage::Leaving;
            // What was taken just before comes round once more.
            if remote.away() == 0 && connection.out.is_empty() || !wants_word || remote.ask_for_word() {
                break;
            }
        }
        if is_behind {
            self.desk.lags.falls_behind(connection, self.desk.now);
        }
        if connection.is_unheard && !connection.has_too_many_replies() {
            connection.is_unheard = false;
            self.again.push(at);
        }
        if connection.out.is_empty() && std::mem::take(&mut connection.tell_when_drained) {
            drained.push(at);
        }
    }
}

impl Workers {
    /// Whether a worker is so far behind with looking that nobody is to be heard.
    fn is_behind(&mut self) -> bool {
        self.behind = self.behind.filter(|number| self.workers[*number].mailbox.has_orders());
        self.behind.is_some()
    }
}

/// What may gather for a connection whose worker has not even looked at what it has: past this nobody is heard until it
/// has. A socket that is slow has [`broker_core::BACKLOG_BYTES_MAX`]; a thread that does not get its turn is our own fault, and
/// nobody's messages are dropped for it.
const BEHIND_BYTES: usize = 256 * 1024;
