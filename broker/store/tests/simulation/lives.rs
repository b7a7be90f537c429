//! The model's sessions as they begin, are taken over, are left, and end; and their wills.

use broker_core::LinkId;
use mqtt::{ProtocolVersion, ReasonCode};

use crate::edge::{Greeting, Will};
use crate::model::{Away, Model, On, Reply, State, Undo, begun};

/// Something that becomes due: in this order where two fall on one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A connection was silent for too long; of a client, if it was let in.
    Silence(u32, Option<usize>),
    SessionEnd(usize),
    Will(usize),
}

impl Model {
    /// The credentials of a CONNECT are right, or not.
    pub(crate) fn admit(&mut self, link: LinkId, greeting: &Greeting, is_right: bool) {
        let client = greeting.client;
        if !is_right {
            self.counts.refusals += 1;
            self.reply(link, Reply::ConnAck(ReasonCode::NotAuthorized, false));
            self.closed.push(link);
            return;
        }
        self.counts.connects += 1;
        self.take_over(greeting);
        if greeting.clean && self.sessions[client].is_some() {
            // A will that waits for its delay comes no later than the end of its session [5.0 §3.1.3.2.2].
            self.fire(client);
            self.forget(client);
        }
        let is_present = self.sessions[client].is_some();
        self.has_resumed = is_present;
        if is_present {
            let session = self.session(client);
            let old = (session.lasts_s, session.user);
            (session.lasts_s, session.user) = (greeting.lasts_s, greeting.user);
            self.note(Undo::Lasts(client, old.0, old.1));
            self.set_away(client, None);
        } else {
            self.sessions[client] = Some(begun(greeting));
            self.note(Undo::Session(client, None));
        }
        let ours = usize::from(self.settings.max_inflight_messages);
        let window = usize::from(greeting.window).min(if ours == 0 { 65_535 } else { ours });
        let session = self.session(client);
        session.on = Some(On {
            link,
            version: greeting.version,
            window,
            packet_bytes_max: greeting.packet_bytes_max,
            is_clogged: false,
        });
        session.will = greeting.will;
        (session.will_at, session.ends_at) = (None, None);
        self.reply(link, Reply::ConnAck(ReasonCode::Success, is_present && greeting.version != ProtocolVersion::V31));
        if is_present {
            self.revoke(client);
            self.resume(client);
        }
    }

    /// What was in flight is to come again, but for what may not be read any more.
    fn resume(&mut self, client: usize) {
        let session = self.session(client);
        let user = session.user;
        for state in session.owed.values_mut() {
            if let State::InFlight { is_here, .. } = state {
                *is_here = false;
            }
        }
        self.revoke_repeats(client, user);
        self.session(client).is_stuck = false;
    }

    fn take_over(&mut self, greeting: &Greeting) {
        let Some(session) = &mut self.sessions[greeting.client] else { return };
        let Some(on) = session.on else { return };
        // As mosquitto: the will of a session that goes on is not published.
        if session.is_durable() && !greeting.clean {
            session.will = None;
        }
        self.part(greeting.client, on, ReasonCode::SessionTakenOver);
    }

    /// The broker closes a client's connection; a 5.0 client is told why.
    pub(crate) fn part(&mut self, client: usize, on: On, reason: ReasonCode) {
        if on.version.is_v5() {
            self.reply(on.link, Reply::Disconnect(reason));
        }
        self.closed.push(on.link);
        self.leave(client);
    }

    /// The client said DISCONNECT.
    pub(crate) fn farewell(&mut self, client: usize, link: LinkId, keeps_will: bool, lasts_s: Option<u32>) {
        let session = self.session(client);
        if let Some(lasts_s) = lasts_s {
            let old = std::mem::replace(&mut session.lasts_s, lasts_s);
            let user = session.user;
            self.note(Undo::Lasts(client, old, user));
        }
        if !keeps_will {
            self.session(client).will = None;
        }
        self.closed.push(link);
        self.leave(client);
    }

    /// A session's connection is gone.
    pub(crate) fn leave(&mut self, client: usize) {
        let now = self.now;
        let session = self.session(client);
        session.on = None;
        let lasts_s = session.lasts_s;
        if let Some(Will { delay_s, .. }) = session.will {
            // The will comes no later than the end of its session [5.0 §3.1.3.2.2].
            let delay_s = delay_s.min(lasts_s);
            if delay_s > 0 {
                session.will_at = Some(now + u64::from(delay_s) * 1000);
            } else {
                self.fire(client);
            }
        }
        match lasts_s {
            0 => return self.forget(client),
            u32::MAX => {}
            lasts_s => self.session(client).ends_at = Some(now + u64::from(lasts_s) * 1000),
        }
        self.keep_away(client);
        self.hand_waiting_on(client);
    }

    /// What is due while the client is away outlives the process.
    pub(crate) fn keep_away(&mut self, client: usize) {
        let session = self.session(client);
        let away = Away { ends_at: session.ends_at, will: session.will.zip(session.will_at) };
        self.set_away(client, (away != Away::default()).then_some(away));
    }

    fn set_away(&mut self, client: usize, away: Option<Away>) {
        let old = std::mem::replace(&mut self.session(client).away, away);
        self.note(Undo::Away(client, old));
    }

    /// The will is published, once, if it may be.
    fn fire(&mut self, client: usize) {
        let session = self.session(client);
        session.will_at = None;
        let Some(will) = session.will.take() else { return };
        let (user, topic) = (session.user, self.messages[will.message as usize].topic);
        if self.rights.may_publish(user, topic) {
            let expiry_s = self.messages[will.message as usize].expiry_s;
            let expires_at = expiry_s.map(|seconds| self.now + u64::from(seconds) * 1000);
            self.route(will.message, client, expires_at);
        }
    }

    fn forget(&mut self, client: usize) {
        // What it was owed in this very call may have found its queue full.
        let (ending, others) = self.fresh.iter().partition(|owed| self.owed[**owed as usize].client == client);
        self.fresh = others;
        let ending: Vec<u32> = ending;
        for owed in ending {
            self.check_fresh(owed);
        }
        let Some(old) = self.sessions[client].take() else { return };
        let in_flight = old.owed.iter().filter(|(_, state)| **state != State::Waiting).map(|(owed, _)| *owed);
        let in_flight: Vec<_> = in_flight.collect();
        self.note(Undo::Session(client, Some(old)));
        self.hand_all_on(client, &in_flight);
    }

    /// When something is due next. `silences`: when each connection has been silent for too long.
    pub(crate) fn next_due(&self, silences: impl Iterator<Item = (u64, Due)>) -> Option<u64> {
        let sessions = self.sessions.iter().flatten();
        let due = sessions.flat_map(|session| session.ends_at.into_iter().chain(session.will_at));
        due.chain(silences.map(|(at, _)| at)).min()
    }

    /// What is due by now, in its order. `silences`: when each connection has been silent for too long.
    pub(crate) fn be_due(&mut self, silences: impl Iterator<Item = (u64, Due)>) {
        for (_, due) in self.due_by(self.now, silences) {
            match due {
                Due::Silence(_, Some(client)) => {
                    let on = self.session(client).on.unwrap();
                    self.part(client, on, ReasonCode::KeepAliveTimeout);
                }
                Due::Silence(link, None) => self.closed.push(LinkId(link)),
                Due::SessionEnd(client) => {
                    self.fire(client);
                    self.expired.push(format!("c{client}"));
                    self.forget(client);
                }
                Due::Will(client) if self.sessions[client].is_some() => {
                    self.fire(client);
                    self.keep_away(client);
                }
                Due::Will(_) => {}
            }
        }
    }

    pub(crate) fn due_by(&self, end: u64, silences: impl Iterator<Item = (u64, Due)>) -> Vec<(u64, Due)> {
        let ends = self.sessions.iter().enumerate().filter_map(|(client, session)| {
            let at = session.as_ref()?.ends_at?;
            Some((at, Due::SessionEnd(client)))
        });
        let wills = self.sessions.iter().enumerate().filter_map(|(client, session)| {
            let at = session.as_ref()?.will_at?;
            Some((at, Due::Will(client)))
        });
        let mut due: Vec<_> = silences.chain(ends).chain(wills).filter(|(at, _)| *at <= end).collect();
        due.sort_unstable();
        due
    }

    /// The process died: what does not outlive it is gone. The rest was rolled back to what was committed.
    pub(crate) fn come_back(&mut self) {
        for client in 0..self.sessions.len() {
            let Some(session) = self.sessions[client].as_mut().filter(|session| session.is_durable()) else {
                self.sessions[client] = None;
                continue;
            };
            (session.on, session.will, session.will_at) = (None, None, None);
            if let Some(away) = session.away {
                session.ends_at = away.ends_at;
                (session.will, session.will_at) = away.will.unzip();
            } else {
                session.ends_at = (session.lasts_s < u32::MAX).then(|| self.now + u64::from(session.lasts_s) * 1000);
            }
            let (all, keeps_qos0) = (&self.owed, self.settings.queue_qos0_messages);
            session.owed.retain(|owed, state| {
                let owed = &all[*owed as usize];
                *state != State::Waiting || !(owed.is_asked || (owed.qos == 0 && !keeps_qos0))
            });
        }
    }
}
