//! The broker's state, put together from the records in the order of the files.
//!
//! Records that a cleaned file left were written again behind others: a session's own record may come after what
//! it has, a body after what refers to it. So nothing is left out before the end is reached.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use broker_core::{Message, Publisher, SessionNumber, StoredAway, StoredMessage, StoredSubscription, StoredTaken};
use mqtt::{PacketId, TopicNameBuf};

use crate::aside::Lost;
use crate::index::{Index, Mark};
use crate::record::{Body, Record, Waiting};
use crate::recovered::{About, Recovered, remove_of};

#[derive(Default)]
pub(crate) struct Replay {
    sessions: BTreeMap<SessionNumber, (Record, Mark)>,
    aways: BTreeMap<SessionNumber, (StoredAway, Mark)>,
    subscriptions: BTreeMap<(SessionNumber, Box<str>), (StoredSubscription, Mark)>,
    messages: BTreeMap<(SessionNumber, u64), (Waiting, Mark)>,
    taken: BTreeMap<(SessionNumber, PacketId), (StoredTaken, Mark)>,
    retained: BTreeMap<TopicNameBuf, (Arc<Message>, Arc<Publisher>, Mark)>,
    bodies: HashMap<u64, (Arc<Message>, Mark)>,
    /// Files whose damage was told before, and what stands for it.
    pub told: Vec<(u64, u32)>,
}

impl Replay {
    pub(crate) fn apply(&mut self, record: Record, mark: Mark) {
        match record {
            Record::Session { number, .. } => {
                self.sessions.insert(number, (record, mark));
            }
            Record::SessionGone(number) => {
                self.sessions.remove(&number);
                self.aways.remove(&number);
                remove_of(&mut self.subscriptions, number, &"".into(), drop);
                remove_of(&mut self.messages, number, &0, drop);
                remove_of(&mut self.taken, number, &PacketId::MIN, drop);
            }
            Record::Away(number, StoredAway { ends_at: None, will: None }) => {
                self.aways.remove(&number);
            }
            Record::Away(number, away) => {
                self.aways.insert(number, (away, mark));
            }
            Record::Subscribed(number, subscription) => {
                let filter = subscription.filter.as_str().into();
                self.subscriptions.insert((number, filter), (subscription, mark));
            }
            Record::Unsubscribed(number, filter) => {
                self.subscriptions.remove(&(number, filter.as_str().into()));
            }
            Record::Queued(number, waiting) => {
                self.messages.insert((number, waiting.entry), (waiting, mark));
            }
            Record::Sent { session, entry, id, released } => {
                if let Some((waiting, _)) = self.messages.get_mut(&(session, entry)) {
                    waiting.sent_as = Some(id);
                    waiting.released = released;
                }
            }
            Record::Done(number, entry) => {
                self.messages.remove(&(number, entry));
            }
            Record::Taken(number, id, taken) => {
                self.taken.insert((number, id), (taken, mark));
            }
            Record::Released(number, id) => {
                self.taken.remove(&(number, id));
            }
            Record::Retained(message, publisher) => {
                self.retained.insert(message.topic().into(), (message, publisher, mark));
            }
            Record::RetainedGone(topic) => {
                self.retained.remove(&topic);
            }
            Record::Body(number, message) => {
                self.bodies.insert(number, (message, mark));
            }
            Record::Told { file, sum } => self.told.push((file, sum)),
        }
    }

    /// The messages that `gone` would let go, as they are to be written so that they stay.
    pub(crate) fn still(&self, gone: &[Record]) -> Vec<Record> {
        let of = |record: &Record| match record {
            Record::Done(number, entry) => {
                let (waiting, _) = self.messages.get(&(*number, *entry))?;
                Some(Record::Queued(*number, waiting.clone()))
            }
            Record::Released(number, id) => {
                let (taken, _) = self.taken.get(&(*number, *id))?;
                Some(Record::Taken(*number, *id, taken.clone()))
            }
            _ => None,
        };
        gone.iter().filter_map(of).collect()
    }

    /// What is there, where it lies, and what is there in part only.
    pub(crate) fn finish(self) -> (Recovered, Index, Vec<Lost>) {
        let mut index = Index::default();
        let mut recovered = Recovered::default();
        let mut lost = Lostness::default();
        // Bodies first: what refers to them is counted. Those that nothing refers to go at the end.
        for (number, (message, mark)) in &self.bodies {
            index.note(&Record::Body(*number, Arc::clone(message)), *mark);
        }
        for (topic, (message, publisher, mark)) in self.retained {
            index.note(&Record::Retained(Arc::clone(&message), Arc::clone(&publisher)), mark);
            recovered.retained.insert(topic, (message, publisher));
        }
        for (number, (record, mark)) in self.sessions {
            index.note(&record, mark);
            if let Record::Session { client_id, username, listener, expiry_s, .. } = record {
                recovered.sessions.insert(number, About { client_id, username, listener, expiry_s, away: None });
            }
        }
        for (number, (away, mark)) in self.aways {
            index.note(&Record::Away(number, away.clone()), mark);
            if let Some(about) = recovered.sessions.get_mut(&number) {
                about.away = Some(away);
            }
        }
        for ((number, filter), (subscription, mark)) in self.subscriptions {
            if index.note(&Record::Subscribed(number, subscription.clone()), mark) {
                recovered.subscriptions.insert((number, filter), subscription);
            } else {
                lost.of(number).0.push(subscription);
            }
        }
        for ((number, id), (taken, mark)) in self.taken {
            if index.note(&Record::Taken(number, id, taken.clone()), mark) {
                recovered.taken.insert((number, id), taken);
            } else {
                lost.of(number).2.push(taken);
            }
        }
        for ((number, entry), (waiting, mark)) in self.messages {
            let body = match &waiting.body {
                Body::Here(message) => Some(Arc::clone(message)),
                Body::Shared(number) => self.bodies.get(number).map(|(message, _)| Arc::clone(message)),
            };
            match (recovered.sessions.get(&number), body) {
                (Some(_), Some(message)) => {
                    let record = Record::Queued(number, waiting);
                    index.note(&record, mark);
                    if let Record::Queued(_, waiting) = record {
                        recovered.messages.insert((number, entry), waiting.with(message));
                    }
                }
                (Some(about), None) => {
                    lost.messages.push(Lost::Message { client_id: Arc::clone(&about.client_id), number, entry });
                }
                (None, body) => lost.of(number).1.extend(body.map(|message| waiting.with(message))),
            }
        }
        index.drop_unused_bodies();
        (recovered, index, lost.into())
    }
}

/// Gathers what is there in part.
#[derive(Default)]
struct Lostness {
    messages: Vec<Lost>,
    sessions: BTreeMap<SessionNumber, Parts>,
}

type Parts = (Vec<StoredSubscription>, Vec<StoredMessage>, Vec<StoredTaken>);

impl Lostness {
    fn of(&mut self, number: SessionNumber) -> &mut Parts {
        self.sessions.entry(number).or_default()
    }
}

impl From<Lostness> for Vec<Lost> {
    fn from(lost: Lostness) -> Self {
        let sessions = lost.sessions.into_iter().map(|(number, (subscriptions, messages, taken))| Lost::Session {
            number,
            subscriptions,
            messages: messages
                .into_iter()
                .map(|held| held.message)
                .chain(taken.into_iter().map(|t| t.message))
                .collect(),
        });
        lost.messages.into_iter().chain(sessions).collect()
    }
}
