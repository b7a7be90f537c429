//! Invented operations, the same for the same seed, and the store in memory to hold them against.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use broker_core::{
    Identifiers, Instant, MemoryStore, Message, Publisher, SessionNumber, StoreOp, StoredMessage, StoredSession,
    StoredSubscription, StoredTaken, StoredWill,
};
use broker_store::{Damage, Options, Recovered, Store};
use mqtt::{PacketId, PropertiesBuf, Property, QoS, SubscriptionOptions, TopicFilter, TopicName, TopicNameBuf};

/// The time of day at which the clocks of these tests began.
pub(crate) const BEGAN: u64 = 1_700_000_000_000;

/// Files so small that a short test fills many.
pub(crate) const SMALL: Options = Options { file_bytes_max: 4_000, slack_bytes_max: 8_000 };

/// xorshift64*.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A folder to throw away. In memory where there is such a file system: thousands of synced commits would take minutes
/// on a disk, and it is not the disk that is tested here.
pub(crate) fn folder() -> tempfile::TempDir {
    let shared_memory = Path::new("/dev/shm");
    let dir = if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
    dir.expect("a folder")
}

pub(crate) fn open(dir: &Path) -> (Store, Recovered, Vec<Damage>) {
    Store::open(dir, BEGAN, SMALL).expect("a store opens")
}

pub(crate) fn session(number: u64, client_id: &str) -> StoreOp {
    let number = SessionNumber(number);
    StoreOp::Session {
        number,
        client_id: client_id.into(),
        username: Some("u".into()),
        listener: None,
        expiry_s: u32::MAX,
    }
}

pub(crate) fn message(topic: &str, payload: &[u8]) -> Arc<Message> {
    let topic = TopicNameBuf::from(TopicName::new(topic).expect("a topic"));
    Message::restored(topic, payload.into(), PropertiesBuf::new(), None, QoS::AtLeastOnce)
}

pub(crate) fn queued(session: u64, entry: u64, message: Arc<Message>) -> StoreOp {
    StoreOp::Queued(
        SessionNumber(session),
        StoredMessage {
            entry,
            message,
            qos: QoS::AtLeastOnce,
            retain: false,
            identifiers: Identifiers::default(),
            share: None,
            sent_as: None,
            released: false,
        },
    )
}

/// A history of operations as the core might say them, and some that it would not.
pub(crate) struct History {
    pub random: Random,
    entries: u64,
    numbers: u64,
    /// Messages that wait, or did when their session went.
    waiting: Vec<(SessionNumber, u64)>,
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed * 0x9e37_79b9 + 1), entries: 0, numbers: 0, waiting: Vec::new() }
    }

    /// One commit.
    pub(crate) fn commit(&mut self) -> Vec<StoreOp> {
        let mut ops = Vec::new();
        for _ in 0..=self.random.below(6) {
            self.happen(&mut ops);
        }
        ops
    }

    fn happen(&mut self, ops: &mut Vec<StoreOp>) {
        let number = SessionNumber(self.numbers.saturating_sub(self.random.below(8)));
        let entry = self.entries.saturating_sub(self.random.below(12));
        let id = PacketId::of_issue(self.random.below(5));
        match self.random.below(18) {
            0 => {
                self.numbers += u64::from(self.random.below(4) > 0);
                let username = self.random.one_in(2).then(|| "näme".into());
                let client_id = format!("client-{}", self.numbers).into();
                let listener = self.random.one_in(2).then(|| "1883".into());
                let expiry_s = if self.random.one_in(2) { u32::MAX } else { self.random.below(100_000) as u32 };
                ops.push(StoreOp::Session {
                    number: SessionNumber(self.numbers),
                    client_id,
                    username,
                    listener,
                    expiry_s,
                });
            }
            1 if self.random.one_in(3) => ops.push(StoreOp::SessionGone(number)),
            1 | 2 => ops.push(StoreOp::Subscribed(number, self.subscription())),
            3 => ops.push(StoreOp::Unsubscribed(number, self.subscription().filter)),
            4 => {
                let publisher = Publisher {
                    client_id: "p".into(),
                    username: self.random.one_in(2).then(|| "u".into()),
                    listener: None,
                };
                ops.push(StoreOp::Retained(self.message(), Arc::new(publisher)));
            }
            5 => ops.push(StoreOp::RetainedGone(self.message().topic().into())),
            6 => {
                let taken = StoredTaken { message: self.message(), retain: self.random.one_in(2) };
                ops.push(StoreOp::Taken(number, id, taken));
            }
            7 => ops.push(StoreOp::Released(number, id)),
            8 | 9 => {
                let (session, entry) = self.one_waiting().copied().unwrap_or((number, entry));
                ops.push(StoreOp::Sent { session, entry, id, released: self.random.one_in(2) });
            }
            10 => ops.push(StoreOp::Done(number, entry)),
            16 | 17 => {
                let ends_at = self.random.one_in(2).then(|| Instant::from_millis(self.random.below(100_000)));
                let will = self.random.one_in(2).then(|| StoredWill {
                    message: self.message(),
                    retain: self.random.one_in(2),
                    expiry_s: self.random.one_in(2).then_some(7),
                    at: Instant::from_millis(self.random.below(100_000)),
                });
                ops.push(StoreOp::Away { session: number, ends_at, will });
            }
            11 | 12 => {
                for _ in 0..self.random.below(12) {
                    if let Some((number, entry)) = self.one_waiting().copied() {
                        self.waiting.retain(|waiting| waiting.1 != entry);
                        ops.push(StoreOp::Done(number, entry));
                    }
                }
            }
            _ => {
                let message = self.message();
                for session in 0..=self.random.below(6) {
                    self.entries += 1;
                    let held = self.held(Arc::clone(&message));
                    let number = SessionNumber(number.0.saturating_sub(session));
                    self.waiting.push((number, held.entry));
                    ops.push(StoreOp::Queued(number, held));
                }
            }
        }
    }

    fn one_waiting(&mut self) -> Option<&(SessionNumber, u64)> {
        let at = self.random.below(self.waiting.len().max(1) as u64);
        self.waiting.get(at as usize)
    }

    fn subscription(&mut self) -> StoredSubscription {
        let filters = ["#", "a/+", "a/b", "$share/g/a/#", "é/#", "+/+/c"];
        let filter = filters[self.random.below(filters.len() as u64) as usize];
        let byte = [0b0, 0b1, 0b10, 0b1_1110, 0b10_0101][self.random.below(5) as usize];
        StoredSubscription {
            filter: TopicFilter::new(filter).expect("a filter").into(),
            options: SubscriptionOptions::from_u8(byte).expect("options"),
            identifier: [0, 1, 268_435_455][self.random.below(3) as usize],
        }
    }

    fn message(&mut self) -> Arc<Message> {
        let topics = ["a/b", "a/c", "é/x", "x"];
        let topic = TopicName::new(topics[self.random.below(4) as usize]).expect("a topic").into();
        let payload: Vec<u8> = (0..self.random.below(300)).map(|_| self.random.below(256) as u8).collect();
        let mut properties = PropertiesBuf::new();
        if self.random.one_in(3) {
            properties.push(Property::ContentType("text"));
            properties.push(Property::UserProperty { name: "n", value: "v" });
        }
        let expires_at = self.random.one_in(3).then(|| Instant::from_millis(self.random.below(1 << 40)));
        let qos = QoS::from_u8(self.random.below(3) as u8).expect("a QoS");
        Message::restored(topic, payload.into(), properties, expires_at, qos)
    }

    fn held(&mut self, message: Arc<Message>) -> StoredMessage {
        let sent_as = self.random.one_in(5).then(|| PacketId::of_issue(self.random.below(60_000)));
        let identifiers: &[u32] = [&[][..], &[7], &[1, 268_435_455]][self.random.below(3) as usize];
        StoredMessage {
            entry: self.entries,
            message,
            qos: QoS::from_u8(self.random.below(3) as u8).expect("a QoS"),
            retain: self.random.one_in(2),
            identifiers: Identifiers::from(identifiers),
            share: self.random.one_in(4).then(|| "$share/g/a/#".into()),
            sent_as,
            released: sent_as.is_some() && self.random.one_in(2),
        }
    }
}

/// What a store is to give back, told from what it gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub sessions: BTreeMap<SessionNumber, StoredSession>,
    pub retained: BTreeMap<TopicNameBuf, (Arc<Message>, Arc<Publisher>)>,
}

impl State {
    /// Nothing, or in a few words what is different.
    #[track_caller]
    pub(crate) fn assert_is(&self, wanted: &Self, when: &str) {
        let keys = |state: &Self| state.sessions.keys().copied().collect::<Vec<_>>();
        assert_eq!(keys(self), keys(wanted), "{when}: the sessions");
        for (number, session) in &self.sessions {
            let other = &wanted.sessions[number];
            let about = |session: &StoredSession| {
                let entries: Vec<_> = session.messages.keys().copied().collect();
                let filters: Vec<_> = session.subscriptions.values().cloned().collect();
                (
                    session.client_id.clone(),
                    session.username.clone(),
                    session.expiry_s,
                    filters,
                    entries,
                    session.taken.clone(),
                )
            };
            assert_eq!(about(session), about(other), "{when}: {number:?}");
            for (entry, held) in &session.messages {
                let other = &other.messages[entry];
                assert!(held == other, "{when}: {number:?}, entry {entry}: {:?}, not {:?}", brief(held), brief(other));
            }
        }
        let topics = |state: &Self| state.retained.keys().cloned().collect::<Vec<_>>();
        assert_eq!(topics(self), topics(wanted), "{when}: what is retained");
        assert!(self == wanted, "{when}: a retained message is another");
    }
}

fn brief(held: &StoredMessage) -> impl std::fmt::Debug + use<> {
    let message = &held.message;
    (held.qos, held.retain, held.sent_as, held.released, message.topic().as_str().to_owned(), message.payload().len())
}

impl From<&MemoryStore> for State {
    fn from(store: &MemoryStore) -> Self {
        let retained = store.retained().map(|(m, p)| (m.topic().into(), (Arc::clone(m), Arc::clone(p))));
        Self {
            sessions: store.sessions().map(|(number, session)| (number, session.clone())).collect(),
            retained: retained.collect(),
        }
    }
}

impl From<Recovered> for State {
    fn from(mut recovered: Recovered) -> Self {
        let retained = recovered.take_retained().map(|(m, p)| (TopicNameBuf::from(m.topic()), (m, p)));
        Self { retained: retained.collect(), sessions: recovered.into_sessions().collect() }
    }
}

/// Carries out `ops` in both, synced.
pub(crate) fn commit(store: &mut Store, oracle: &mut MemoryStore, ops: Vec<StoreOp>) {
    ops.iter().cloned().for_each(|op| oracle.apply(op));
    store.commit(ops, true).expect("the disk takes it");
}
