//! The end of a history: all mishaps are over, all that was owed must come; then all go, and nothing may be left.

use broker_core::Holdings;

use crate::edge::Phase;
use crate::history::History;
use crate::model::State;
use crate::rights::Rights;
use crate::words::{CLIENTS, Message, Size, TOPICS};

impl History {
    /// All come back, all is heard, nothing is lost any more.
    pub(crate) fn heal(&mut self) {
        self.edge.heal();
        self.model.committed(self.edge.committed);
        self.reap_all();
        loop {
            self.judge();
            let mut is_busy = false;
            for c in 0..CLIENTS {
                if self.clients[c].link.is_none() {
                    self.connect(c);
                    is_busy = true;
                }
                if self.model.sessions[c].as_ref().and_then(|session| session.on).is_some_and(|on| on.is_clogged) {
                    self.clog(c);
                }
                while let Some(link) = self.clients[c].link {
                    let line = self.edge.line(link);
                    if line.down.is_empty() && line.phase != Phase::Over && !self.hear(link) {
                        break;
                    }
                    self.listen(c);
                    is_busy = true;
                }
            }
            if !is_busy {
                break;
            }
        }
        self.check_healed();
    }

    fn reap_all(&mut self) {
        while self.edge.lines.iter().any(|line| line.phase != Phase::Over && !line.is_attached) {
            self.reap();
        }
    }

    fn check_healed(&mut self) {
        for (c, client) in self.clients.iter().enumerate() {
            assert!(client.is_in, "c{c} is not let in");
            let session = self.model.sessions[c].as_ref().unwrap();
            assert!(session.owed.is_empty(), "c{c} is still owed {:?}", session.owed);
            assert!(session.taken.is_empty(), "c{c} has not released {:?}", session.taken);
            assert!(!session.owed.values().any(|state| *state == State::Waiting));
            assert!(client.sent.is_empty(), "c{c} still waits for an acknowledgement: {:?}", client.sent);
            let held: Vec<_> = client.holds.values().filter(|owed| !self.model.given_up.contains(owed)).collect();
            assert!(held.is_empty(), "c{c} still waits for PUBREL of {held:?}");
        }
        self.edge.kept.check();
        self.check_store();
    }

    /// All go, and what was retained is taken back.
    pub(crate) fn part(&mut self) {
        self.set_rights(Rights::open());
        self.plan.wills = 0;
        self.plan.repeats = 0;
        for c in 0..CLIENTS {
            self.clients[c].is_durable = false;
            self.clients[c].begins_anew = true;
            loop {
                self.connect(c);
                self.heal_one(c);
                if self.clients[c].is_in {
                    break;
                }
            }
            if c == CLIENTS - 1 {
                self.reap_all();
                self.clear_retained(c);
            }
            self.leave(c);
        }
        self.reap_all();
        let left = self.broker.holdings();
        assert!(left.routes <= TOPICS.len(), "{left:?}");
        assert_eq!(left, Holdings { routes: left.routes, ..Holdings::default() }, "what is left when all have gone");
        self.edge.kept.check();
        assert_eq!(self.edge.kept.wanted.sessions().count(), 0, "stored sessions");
        assert_eq!(self.edge.kept.wanted.retained().count(), 0, "stored retained messages");
    }

    fn heal_one(&mut self, c: usize) {
        while let Some(link) = self.clients[c].link {
            self.judge();
            let line = self.edge.line(link);
            if line.down.is_empty() && line.phase != Phase::Over && !self.hear(link) {
                break;
            }
            self.listen(c);
        }
    }

    fn clear_retained(&mut self, c: usize) {
        for topic in 0..TOPICS.len() {
            let message = Message { publisher: c, topic, qos: 0, retain: true, size: Size::Empty, expiry_s: None };
            let number = self.write(message);
            self.say_publish(c, number, 0, false);
        }
        self.heal_one(c);
    }
}
