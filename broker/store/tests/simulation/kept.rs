//! What outlives the process: the real store on the disk of this world, and beside it what it must hold: all that it
//! promised, and of what it was given since then as much as whole turns make.

use std::collections::VecDeque;
use std::sync::Arc;

use broker_core::{MemoryStore, Message, Publisher, SessionNumber, StoreOp, StoredSession};
use broker_store::{Damage, Harm, Options, Recovered, Store};
use mqtt::PropertiesBuf;

use crate::disk::SimDisk;
use crate::rng::Rng;

/// The time of day at which the broker's clock stood at zero, in every life of the process.
const BEGAN: u64 = 1_700_000_000_000;

/// A store, and what it is held against.
#[derive(Debug)]
pub(crate) struct Kept {
    pub disk: SimDisk,
    store: Option<Store>,
    options: Options,
    /// What was promised.
    pub wanted: MemoryStore,
    /// What was given since, by calls.
    given: VecDeque<(u64, Vec<StoreOp>)>,
    /// How often a bit has changed.
    pub tries_of_rot: u64,
}

/// What a store gives back.
#[derive(Debug, PartialEq)]
struct Contents {
    sessions: Vec<(SessionNumber, StoredSession)>,
    retained: Vec<(Arc<Message>, Arc<Publisher>)>,
}

impl Kept {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::of(!seed);
        // Small, so that files are begun and cleaned away all the time.
        let options =
            Options { file_bytes_max: rng.pick(&[600, 1_500, 4_000]), slack_bytes_max: rng.pick(&[500, 2_000, 6_000]) };
        let mut kept = Self {
            disk: SimDisk::new(rng.next()),
            store: None,
            options,
            wanted: MemoryStore::default(),
            given: VecDeque::new(),
            tries_of_rot: 0,
        };
        kept.open();
        kept
    }

    /// Gives it one turn of the broker. `true`: all that it was given is promised.
    pub(crate) fn commit(&mut self, call: u64, ops: Vec<StoreOp>) -> bool {
        self.given.push_back((call, ops.iter().map(copy).collect()));
        self.write(ops)
    }

    /// Tries again, if anything is not promised yet.
    pub(crate) fn try_again(&mut self) -> bool {
        self.given.is_empty() || self.write(Vec::new())
    }

    fn write(&mut self, ops: Vec<StoreOp>) -> bool {
        let is_kept = self.store.as_mut().unwrap().commit(ops, true).is_ok();
        if is_kept {
            self.take(usize::MAX);
        }
        is_kept
    }

    fn take(&mut self, turns: usize) {
        for _ in 0..turns {
            let Some((_, ops)) = self.given.pop_front() else { break };
            for op in ops {
                self.wanted.apply(op);
            }
        }
    }

    /// The first call of which not all is promised, among those that the store was given.
    pub(crate) fn first_given(&self) -> Option<u64> {
        self.given.front().map(|(call, _)| *call)
    }

    fn open(&mut self) -> (Recovered, Vec<Damage>) {
        let opened = Store::open_on(Box::new(self.disk.clone()), BEGAN, self.options);
        let (store, recovered, damage) = opened.unwrap_or_else(|why| panic!("the store does not open: {why}"));
        self.store = Some(store);
        (recovered, damage)
    }

    /// The process dies, and another begins: it finds what was promised, and any number of whole turns after that.
    /// What it found is what is wanted from now on. With it, the first call of which not all was found, among those that
    /// the store was given.
    pub(crate) fn die(&mut self, rng: &mut Rng, is_rotten: bool) -> (Recovered, Option<u64>) {
        self.store = None;
        self.disk.restart(rng.one_in(2));
        // Some die again while they begin.
        while rng.one_in(4) {
            self.disk.die_after(1 + rng.below(8));
            let _dies = Store::open_on(Box::new(self.disk.clone()), BEGAN, self.options);
            self.disk.restart(rng.one_in(2));
        }
        // A disk that has no room and fails, when a process begins that follows one that was killed: nobody can tell then what
        // it has.
        if !self.disk.is_small() {
            self.disk.fail_syncs(usize::from(rng.one_in(8)));
        }
        let (recovered, damage) = self.open();
        check_damage(&damage);
        let found = Contents::from(recovered);
        let lost = self.take_what_was(&found);
        self.store = None;
        let (recovered, damage) = self.open();
        check_damage(&damage);
        if is_rotten {
            self.check_rot(&found);
        }
        (recovered, lost)
    }

    /// With everything committed: a store that is opened anew holds all of it.
    pub(crate) fn check(&mut self) {
        assert!(self.given.is_empty());
        self.store = None;
        let (recovered, damage) = self.open();
        assert_eq!(damage, [], "nothing was lost and nobody has died");
        let found = Contents::from(recovered);
        assert_eq!(found, Contents::from(&self.wanted), "what a store gives back that was closed");
    }

    /// As many of the turns that were not promised are there as make what was found.
    fn take_what_was(&mut self, found: &Contents) -> Option<u64> {
        let promised = Contents::from(&self.wanted);
        let turns = self.given.len();
        while *found != Contents::from(&self.wanted) {
            assert!(
                !self.given.is_empty(),
                "{}\nnor is it that after some of {turns} turns that were not promised",
                difference(found, &promised)
            );
            self.take(1);
        }
        let lost = self.first_given();
        self.given.clear();
        lost
    }

    /// Bits change on a copy of the disk: the start succeeds, what is lost is told, once, and nothing is given back that
    /// never was.
    fn check_rot(&mut self, whole: &Contents) {
        let disk = self.disk.copied();
        disk.set_room(None);
        disk.fail_syncs(0);
        if !disk.flip_a_bit() {
            return;
        }
        self.tries_of_rot += 1;
        let open = || {
            let opened = Store::open_on(Box::new(disk.clone()), BEGAN, self.options);
            let (_, recovered, damage) =
                opened.unwrap_or_else(|why| panic!("a changed bit keeps it from opening: {why}"));
            (Contents::from(recovered), damage)
        };
        let (found, damage) = open();
        if found != *whole {
            assert!(!damage.is_empty(), "something is lost, and nobody is told:\n{}", difference(&found, whole));
        }
        let (again, told) = open();
        assert_eq!(again, found, "the second start after a changed bit");
        assert_eq!(told, [], "told again");
        check_loss(&found, whole, &damage);
    }
}

/// One bit costs one record: a session, a message, or one that several wait for; and what is given back is as it was.
fn check_loss(found: &Contents, whole: &Contents, damage: &[Damage]) {
    let is_there = |number: &SessionNumber| found.sessions.iter().find(|(other, _)| other == number);
    let lost = whole.sessions.iter().filter(|(number, _)| is_there(number).is_none());
    assert!(lost.count() <= 1, "{damage:?}");
    let mut lost = 0;
    for (number, session) in &whole.sessions {
        let now = is_there(number).map(|(_, session)| session);
        for (entry, held) in &session.messages {
            match now.and_then(|session| session.messages.get(entry)) {
                Some(now) => assert_eq!(now.message, held.message, "{number:?}, entry {entry}"),
                None => lost += 1,
            }
        }
    }
    let told: usize = damage.iter().map(|damage| damage.messages).sum();
    assert!(lost <= told.max(1), "{lost} messages are lost: {damage:?}");
}

/// Of a disk whose bits stay as they are nothing is lost but what was not promised.
fn check_damage(damage: &[Damage]) {
    for damage in damage {
        assert_eq!(damage.harm, Harm::Torn, "{damage}");
    }
}

fn difference(found: &Contents, wanted: &Contents) -> String {
    for (number, session) in &wanted.sessions {
        match found.sessions.iter().find(|(other, _)| other == number) {
            None => return format!("{number:?} of {} is lost", session.client_id),
            Some((_, other)) if other != session => {
                return format!("{number:?} is not what was promised: {other:?}, not {session:?}");
            }
            Some(_) => {}
        }
    }
    if let Some((number, _)) =
        found.sessions.iter().find(|(number, _)| wanted.sessions.iter().all(|(it, _)| it != number))
    {
        return format!("{number:?} was over, and is there");
    }
    format!("what is retained is not what was promised: {:?}, not {:?}", found.retained, wanted.retained)
}

impl From<Recovered> for Contents {
    fn from(mut recovered: Recovered) -> Self {
        Self { retained: recovered.take_retained().collect(), sessions: recovered.into_sessions().collect() }
    }
}

impl From<&MemoryStore> for Contents {
    fn from(store: &MemoryStore) -> Self {
        Self {
            sessions: store.sessions().map(|(number, session)| (number, session.clone())).collect(),
            retained: store.retained().map(|(message, who)| (Arc::clone(message), Arc::clone(who))).collect(),
        }
    }
}

/// The same operation with messages of its own: who else has one tells the store whether to keep it apart.
fn copy(op: &StoreOp) -> StoreOp {
    let mut op = op.clone();
    match &mut op {
        StoreOp::Queued(_, held) => own(&mut held.message),
        StoreOp::Taken(_, _, taken) => own(&mut taken.message),
        StoreOp::Retained(message, _) => own(message),
        StoreOp::Away { will: Some(will), .. } => own(&mut will.message),
        _ => {}
    }
    op
}

fn own(message: &mut Arc<Message>) {
    let properties = PropertiesBuf::of_publish(message.properties().as_bytes()).unwrap();
    let (topic, payload) = (message.topic().into(), message.payload().into());
    *message = Message::restored(topic, payload, properties, message.expires_at(), message.qos());
}
