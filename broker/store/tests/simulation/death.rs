//! The process dies and another begins with what was committed: the model is taken back to the same moment, and what
//! the store holds is held against it.

use broker_core::{Broker, Instant, StoredMessage, StoredSession};

use crate::history::History;
use crate::model::{Model, Owed, Session, State};
use crate::rights::user_name;
use crate::shares::{NO_GROUP, Shared};
use crate::words::{CLIENTS, FILTERS, Message, Size, TOPICS, filter_place, number, topic_place};

impl History {
    pub(crate) fn die(&mut self) {
        self.deaths += 1;
        for c in 0..CLIENTS {
            // What had left may have come.
            let down = self.clients[c].link.map_or(0, |link| self.edge.line(link).down.len());
            (0..self.rng.below(down + 1)).for_each(|_| self.listen(c));
            self.let_go(c);
        }
        let recovered = self.edge.die(&mut self.rng, self.plan.is_rotten);
        self.model.committed(self.edge.committed);
        self.model.roll_back();
        self.edge.forget_all();
        self.model.now += 1 + self.rng.next() % 60_000;
        self.model.come_back();
        self.has_died = true;
        self.check_store();
        self.has_died = false;
        self.model.counts = crate::model::Counts::default();
        self.broker = Broker::new(self.plan.settings.clone(), self.model.rights.acl(), self.rng.next());
        recovered.restore(&mut self.broker, Instant::from_millis(self.model.now));
        self.edge.calls += 1;
        self.model.call = self.edge.calls;
        for client in 0..CLIENTS {
            if self.model.sessions[client].is_some() {
                self.model.keep_away(client);
            }
        }
        self.broker.restored(&mut self.edge);
        self.edge.end_turn(self.model.now);
        self.model.committed(self.edge.committed);
        self.edge.commits_wait = self.rng.one_in(2);
    }

    /// With nothing on its way to the store: it holds what the model holds, no more and no less.
    pub(crate) fn check_store(&mut self) {
        let mut count = 0;
        for (client, session) in self.model.sessions.iter().enumerate() {
            let Some(session) = session.as_ref().filter(|session| session.is_durable()) else { continue };
            let id = format!("c{client}");
            let stored = self.edge.kept.wanted.sessions().find(|(_, stored)| *stored.client_id == *id);
            let (_, stored) = stored.unwrap_or_else(|| panic!("the session of {id} was not stored"));
            check_session(&self.model, session, stored);
            count += 1;
        }
        assert_eq!(self.edge.kept.wanted.sessions().count(), count, "stored sessions");
        self.check_shares();
        let stored = self.edge.kept.wanted.retained().map(|(message, _)| message.topic().as_str());
        let kept = self.model.retained.iter().enumerate().filter(|(_, kept)| kept.is_some());
        let kept: Vec<_> = kept.map(|(topic, _)| TOPICS[topic]).collect();
        assert_eq!(stored.collect::<Vec<_>>(), kept, "retained");
        for (message, publisher) in self.edge.kept.wanted.retained() {
            let kept = self.model.retained[topic_place(message.topic().as_str())];
            assert_eq!(publisher.username.as_deref(), kept.map(|kept| user_name(kept.user)).as_deref(), "{message:?}");
            assert_eq!(number(message.payload()), kept.map(|kept| kept.message), "retained at {:?}", message.topic());
        }
    }
}

impl History {
    /// What waits for a member of a group is some member's, and only one's.
    fn check_shares(&mut self) {
        let mut pool: Vec<_> = self.model.pool.iter().collect();
        let mut held = Vec::new();
        for (_, stored) in self.edge.kept.wanted.sessions() {
            let client: usize = stored.client_id[1..].parse().unwrap();
            for waiting in stored.messages.values().filter(|held| held.sent_as.is_none()) {
                let Some(group) = waiting.share.as_deref().map(filter_place) else { continue };
                let message = number(waiting.message.payload());
                let is_held = |it: &Owed| {
                    let expires_at = it.expires_at.map(Instant::from_millis);
                    it.client == client && it.qos == waiting.qos.as_u8() && expires_at == waiting.message.expires_at()
                };
                let is_it = |(_, shared): &(&u32, &Shared)| {
                    let Message { size, topic, .. } = self.model.messages[shared.message as usize];
                    let is_empty = message.is_none() && size == Size::Empty;
                    shared.group == group
                        && (message == Some(shared.message)
                            || (is_empty && TOPICS[topic] == waiting.message.topic().as_str()))
                        && shared.members.iter().any(is_held)
                };
                // Of two that look alike, the one that must be somewhere.
                let must_be = |it: &(&u32, &Shared)| is_it(it) && !self.model.may_be_missing(it.1);
                let place = pool.iter().position(must_be).or_else(|| pool.iter().position(is_it));
                let place = place.unwrap_or_else(|| panic!("c{client} keeps {waiting:?}: {pool:?}"));
                held.push((*pool.remove(place).0, client));
            }
        }
        let lost: Vec<_> = pool.iter().map(|(number, _)| **number).collect();
        for number in lost {
            let shared = &self.model.pool[&number];
            let may_be_lost = shared.members.iter().any(|it| !self.model.is_durable(it.client));
            assert!(may_be_lost || self.model.may_be_missing(shared), "nobody keeps {shared:?}");
            if self.has_died && shared.group != NO_GROUP {
                self.model.pool.remove(&number);
            }
        }
        if self.has_died {
            for (number, client) in held {
                self.model.pool.get_mut(&number).unwrap().members.retain(|member| member.client == client);
            }
        }
    }
}

fn check_session(model: &Model, session: &Session, stored: &StoredSession) {
    let id = &stored.client_id;
    assert_eq!(stored.expiry_s, session.lasts_s, "{id}: expiry");
    let away = stored.away.as_ref().map(|away| {
        let will = away.will.as_ref().map(|will| (number(will.message.payload()), will.at.as_millis()));
        (away.ends_at.map(Instant::as_millis), will)
    });
    let wanted = session.away.map(|away| {
        let will = away.will.map(|(will, at)| {
            let is_empty = model.messages[will.message as usize].size == Size::Empty;
            ((!is_empty).then_some(will.message), at)
        });
        (away.ends_at, will)
    });
    assert_eq!(away, wanted, "{id}: what is due while its client is away");
    assert_eq!(stored.username.as_deref(), Some(&*user_name(session.user)), "{id}: user");
    assert!(stored.taken.keys().map(|id| id.get()).eq(session.taken.keys().copied()), "{id}: {:?}", stored.taken);
    let filters: Vec<_> = stored.subscriptions.keys().map(|filter| filter_place(filter)).collect();
    let mut wants: Vec<_> = session.wants.keys().copied().collect();
    wants.sort_by_key(|filter| FILTERS[*filter]);
    assert_eq!(filters, wants, "{id}: subscriptions");
    for (filter, wish) in &session.wants {
        let held = &stored.subscriptions[FILTERS[*filter]];
        let options = (held.options.qos.as_u8(), held.options.no_local, held.options.retain_as_published);
        assert_eq!(options, (wish.qos, wish.no_local, wish.retain_as_published), "{id}: {}", FILTERS[*filter]);
        assert_eq!(held.identifier, wish.identifier, "{id}: {}", FILTERS[*filter]);
    }
    let kept = session.owed.iter().filter(|(owed, state)| {
        let owed = &model.owed[**owed as usize];
        **state != State::Waiting || !(owed.is_asked || (owed.qos == 0 && !model.settings.queue_qos0_messages))
    });
    let mut kept: Vec<_> = kept
        .map(|(owed, state)| {
            let (message, qos) = (model.owed[*owed as usize].message, model.owed[*owed as usize].qos);
            let is_empty = model.messages[message as usize].size == Size::Empty;
            let sent_as = match state {
                State::InFlight { id, released, .. } => Some((*id, *released)),
                State::Waiting => None,
            };
            ((!is_empty).then_some(message), qos, sent_as)
        })
        .collect();
    let is_own = |held: &&StoredMessage| held.share.is_none() || held.sent_as.is_some();
    let stored = stored.messages.values().filter(is_own).map(|held| {
        let sent_as = held.sent_as.map(|id| (id.get(), held.released));
        (number(held.message.payload()), held.qos.as_u8(), sent_as)
    });
    let mut stored: Vec<_> = stored.collect();
    // What comes or not may be there or not.
    let loose = model.pool.values().filter(|shared| shared.group == NO_GROUP);
    let loose = loose.flat_map(|shared| &shared.members).filter(|member| *member.client_id() == **id);
    let is_empty = |message: u32| model.messages[message as usize].size == Size::Empty;
    let loose: Vec<_> = loose.map(|member| (!is_empty(member.message)).then_some(member.message)).collect();
    let mut wanted = kept.clone();
    stored.retain(|held| match wanted.iter().position(|wanted| wanted == held) {
        Some(place) => {
            wanted.swap_remove(place);
            true
        }
        None => !loose.contains(&held.0),
    });
    kept.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored, kept, "{id}: messages, stored and owed");
}
