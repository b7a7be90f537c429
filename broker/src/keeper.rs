//! The store behind the loop: a thread that commits, and what the loop knows of it. Never here: what is kept, which the
//! core says, and how it lies on the disk, which is `broker-store`'s.
//!
//! One batch is with the thread, the next one gathers meanwhile. So a commit holds whatever came while the disk was
//! busy with the one before, and one fsync serves everybody who waited for it.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use broker_core::StoreOp;
use broker_store::{CommitError, Store};

use crate::{STORE_STALL_MAX, UNKEPT_BYTES_MAX, lines};

/// Where and how a broker keeps what must outlive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The store's folder.
    pub dir: PathBuf,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// When `relaxed` makes the system write to the disk.
    pub autosave: Autosave,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// That what it speaks of is on the disk.
    #[default]
    Strict,
    /// That it will be, within this time.
    Group(Duration),
    /// That it is in memory, as mosquitto's; it is written within a second, and to the disk as [`Autosave`] says.
    Relaxed,
}

/// mosquitto's `autosave_interval` and `autosave_on_changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autosave {
    /// At the end, and when it is asked for.
    AtTheEnd,
    /// So often, if there is something to save.
    Every(Duration),
    /// After so many changes.
    After(u64),
}

/// How long `relaxed` gathers what it writes.
const RELAXED_GATHERS: Duration = Duration::from_secs(1);
/// Operations after which `group` and `relaxed` do not gather any longer.
const GATHERED_MAX: usize = 16_384;
/// A disk that is full or fails is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);
/// And the log says so again after this long.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// The thread's news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The batch that it had is kept.
    pub is_done: bool,
    /// There is no room, or the disk does not take what it is given.
    pub is_full: bool,
}

struct Job {
    ops: Vec<StoreOp>,
    sync: bool,
}

/// The loop's side.
pub(crate) struct Keeper {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    durability: Durability,
    autosave: Autosave,
    /// What gathers for the next commit, and its memory, reckoned from above.
    batch: Vec<StoreOp>,
    batch_bytes: usize,
    /// When the first of it came.
    gathers_since: Option<Instant>,
    /// When a batch was given to the thread that has not come back, and its memory.
    busy_since: Option<Instant>,
    busy_bytes: usize,
    /// Changes that the system may not have written to the disk, and since when there are some.
    unsynced: u64,
    unsynced_since: Option<Instant>,
    wants_sync: bool,
    is_full: bool,
}

impl Keeper {
    /// Gives `store` to a thread of its own. `report` is called there, with each batch that is kept and each change of state.
    pub(crate) fn start(store: Store, keeping: &Keeping, report: impl Fn(Kept) + Send + 'static) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let clerk = Clerk { store, report, is_full: false, is_failing: false, has_job: false, said_at: None };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || clerk.run(&inbox))?;
        Ok(Self {
            jobs,
            thread,
            durability: keeping.durability,
            autosave: keeping.autosave,
            batch: Vec::new(),
            batch_bytes: 0,
            gathers_since: None,
            busy_since: None,
            busy_bytes: 0,
            unsynced: 0,
            unsynced_since: None,
            wants_sync: false,
            is_full: false,
        })
    }

    /// Something must outlive the process.
    pub(crate) fn gather(&mut self, now: Instant, op: StoreOp) {
        if self.batch.is_empty() {
            self.gathers_since = Some(now);
        }
        self.batch_bytes += weight(&op);
        self.batch.push(op);
    }

    /// Whether an acknowledgement that promises has to wait.
    pub(crate) fn holds_back(&self) -> bool {
        self.durability == Durability::Strict && !self.is_all_kept()
    }

    /// Nothing is on its way to the disk.
    pub(crate) fn is_all_kept(&self) -> bool {
        self.batch.is_empty() && self.busy_since.is_none()
    }

    /// Gives what has gathered to the thread, if it is time and the thread is free. `true`: acknowledgements that were held so
    /// far wait for this batch.
    pub(crate) fn hand_over(&mut self, now: Instant) -> bool {
        if self.busy_since.is_some() || self.due_at().is_none_or(|at| at > now) {
            return false;
        }
        let changes = self.batch.len() as u64;
        self.unsynced += changes;
        let sync = self.durability != Durability::Relaxed
            || std::mem::take(&mut self.wants_sync)
            || self.sync_at().is_some_and(|at| at <= now);
        if sync {
            (self.unsynced, self.unsynced_since) = (0, None);
        } else if self.unsynced_since.is_none() {
            self.unsynced_since = Some(now);
        }
        self.busy_since = Some(now);
        self.busy_bytes = std::mem::take(&mut self.batch_bytes);
        self.gathers_since = None;
        // As long as the last one was, more or less: to grow it step by step would move it each time.
        let next = Vec::with_capacity(self.batch.len().min(GATHERED_MAX));
        // The thread ends with the loop, not before.
        let _ = self.jobs.send(Job { ops: std::mem::replace(&mut self.batch, next), sync });
        true
    }

    /// When [`hand_over`](Self::hand_over) is wanted next; what is past: at once.
    fn due_at(&self) -> Option<Instant> {
        let gathered = self.gathers_since.map(|since| match self.durability {
            Durability::Group(time) if self.batch.len() < GATHERED_MAX => since + time,
            Durability::Relaxed if self.batch.len() < GATHERED_MAX => since + RELAXED_GATHERS,
            _ => since,
        });
        let asked = if self.wants_sync { self.gathers_since.or(self.unsynced_since) } else { None };
        [gathered, self.sync_at(), asked].into_iter().flatten().min()
    }

    /// When `relaxed` is to have the disk written.
    fn sync_at(&self) -> Option<Instant> {
        match self.autosave {
            _ if self.durability != Durability::Relaxed => None,
            Autosave::Every(time) => Some(self.unsynced_since? + time),
            Autosave::After(changes) if self.unsynced >= changes => self.unsynced_since,
            Autosave::AtTheEnd | Autosave::After(_) => None,
        }
    }

    /// When the loop has to look here, though nothing comes.
    pub(crate) fn looks_at(&self) -> Option<Instant> {
        match self.busy_since {
            None => self.due_at(),
            Some(since) if self.is_behind() && !self.is_full => Some(since + STORE_STALL_MAX),
            Some(_) => None,
        }
    }

    /// The operator wants everything on the disk (SIGUSR1).
    pub(crate) fn save(&mut self) {
        self.wants_sync = !self.batch.is_empty() || self.unsynced > 0;
    }

    /// The thread has news. `true`: the batch that it had is kept.
    pub(crate) fn hear(&mut self, kept: Kept) -> bool {
        self.is_full = kept.is_full;
        if kept.is_done {
            self.busy_since = None;
            self.busy_bytes = 0;
        }
        kept.is_done
    }

    fn is_behind(&self) -> bool {
        self.batch_bytes + self.busy_bytes > UNKEPT_BYTES_MAX
    }

    fn has_stalled(&self, now: Instant) -> bool {
        self.is_behind() && self.busy_since.is_some_and(|since| now.saturating_duration_since(since) >= STORE_STALL_MAX)
    }

    /// The disk takes nothing new: what would have to be kept is to be refused.
    pub(crate) fn refuses(&self, now: Instant) -> bool {
        self.is_full || self.has_stalled(now)
    }

    /// The disk is slower than the clients: they are to wait a little before more is read from them.
    pub(crate) fn slows(&self, now: Instant) -> bool {
        self.is_behind() && !self.refuses(now)
    }

    /// Has everything written, and waits for it.
    pub(crate) fn finish(mut self) {
        let _ = self.jobs.send(Job { ops: std::mem::take(&mut self.batch), sync: true });
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!(target: "error", "Error: the store's thread broke down: what came last may not be kept.");
        }
    }
}

/// Memory that an operation takes while it waits, reckoned from above.
fn weight(op: &StoreOp) -> usize {
    const ROOM: usize = 2 * size_of::<StoreOp>();
    match op {
        StoreOp::Queued(_, held) => ROOM + held.message.payload().len() + held.message.topic().as_str().len(),
        StoreOp::Taken(_, _, taken) => ROOM + taken.message.payload().len(),
        StoreOp::Retained(message, _) => ROOM + message.payload().len(),
        StoreOp::Subscribed(_, subscription) => ROOM + subscription.filter.as_str().len(),
        _ => ROOM,
    }
}

/// What the thread needs of a store.
trait Disk {
    fn commit(&mut self, ops: Vec<StoreOp>, sync: bool) -> Result<(), CommitError>;
    fn is_full(&self) -> bool;
    fn held_bytes(&self) -> usize;
}

impl Disk for Store {
    fn commit(&mut self, ops: Vec<StoreOp>, sync: bool) -> Result<(), CommitError> {
        Self::commit(self, ops, sync)
    }

    fn is_full(&self) -> bool {
        Self::is_full(self)
    }

    fn held_bytes(&self) -> usize {
        Self::held_bytes(self)
    }
}

/// The thread's side.
struct Clerk<S, R> {
    store: S,
    report: R,
    /// As last reported.
    is_full: bool,
    /// The last try to write failed; the store holds what was not written.
    is_failing: bool,
    /// The loop waits for a batch.
    has_job: bool,
    said_at: Option<Instant>,
}

impl<S: Disk, R: Fn(Kept)> Clerk<S, R> {
    /// Commits until the loop has ended.
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let job = if self.is_failing || self.store.is_full() {
                jobs.recv_timeout(RETRY)
            } else {
                jobs.recv().map_err(Into::into)
            };
            match job {
                Ok(job) => {
                    self.has_job = true;
                    self.commit(job.ops, job.sync);
                }
                Err(RecvTimeoutError::Timeout) => self.commit(Vec::new(), true),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(why) = self.store.commit(Vec::new(), true) {
            lines::store_fails(&why, self.store.held_bytes());
        }
    }

    fn commit(&mut self, ops: Vec<StoreOp>, sync: bool) {
        let committed = self.store.commit(ops, sync);
        let is_full = committed.is_err() || self.store.is_full();
        match &committed {
            Err(why) => self.say(why),
            Ok(()) if is_full && !self.is_full => lines::store_is_full(),
            Ok(()) if self.is_full && !is_full => lines::store_has_room(),
            Ok(()) => {}
        }
        let is_done = committed.is_ok() && std::mem::take(&mut self.has_job);
        self.is_failing = committed.is_err();
        if is_done || is_full != self.is_full {
            (self.report)(Kept { is_done, is_full });
        }
        self.is_full = is_full;
    }

    fn say(&mut self, why: &CommitError) {
        let now = Instant::now();
        if self.said_at.is_none_or(|at| now.duration_since(at) >= SAY_AGAIN) {
            self.said_at = Some(now);
            lines::store_fails(why, self.store.held_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use broker_core::SessionNumber;

    use super::*;

    const DONE: StoreOp = StoreOp::SessionGone(SessionNumber(1));

    /// A keeper whose jobs are seen and never done.
    fn keeper(durability: Durability, autosave: Autosave) -> (Keeper, Receiver<Job>) {
        let (jobs, inbox) = channel();
        let thread = std::thread::spawn(|| ());
        let keeper = Keeper {
            jobs,
            thread,
            durability,
            autosave,
            batch: Vec::new(),
            batch_bytes: 0,
            gathers_since: None,
            busy_since: None,
            busy_bytes: 0,
            unsynced: 0,
            unsynced_since: None,
            wants_sync: false,
            is_full: false,
        };
        (keeper, inbox)
    }

    const KEPT: Kept = Kept { is_done: true, is_full: false };

    #[test]
    fn what_comes_while_the_disk_is_busy_goes_together_in_the_next_commit() {
        let now = Instant::now();
        let (mut keeper, jobs) = keeper(Durability::Strict, Autosave::AtTheEnd);
        assert!(!keeper.hand_over(now) && !keeper.holds_back(), "nothing is promised yet");
        keeper.gather(now, DONE);
        assert!(keeper.holds_back() && keeper.hand_over(now) && keeper.holds_back());
        for _ in 0..3 {
            keeper.gather(now, DONE);
            assert!(!keeper.hand_over(now), "one is under way");
        }
        assert!(keeper.hear(KEPT) && keeper.holds_back());
        assert!(keeper.hand_over(now) && keeper.hear(KEPT));
        assert!(!keeper.holds_back() && keeper.is_all_kept() && keeper.looks_at().is_none());
        let sizes: Vec<_> = jobs.try_iter().map(|job| (job.ops.len(), job.sync)).collect();
        assert_eq!(sizes, [(1, true), (3, true)]);
    }

    #[test]
    fn a_group_is_written_within_its_time_and_nobody_waits_for_it() {
        let now = Instant::now();
        let (mut keeper, jobs) = keeper(Durability::Group(Duration::from_millis(10)), Autosave::AtTheEnd);
        keeper.gather(now, DONE);
        assert!(!keeper.holds_back());
        assert_eq!(keeper.looks_at(), Some(now + Duration::from_millis(10)));
        assert!(!keeper.hand_over(now + Duration::from_millis(9)));
        assert!(keeper.hand_over(now + Duration::from_millis(10)));
        assert!(jobs.try_recv().is_ok_and(|job| job.sync));
        keeper.hear(KEPT);
        (0..GATHERED_MAX).for_each(|_| keeper.gather(now, DONE));
        assert!(keeper.hand_over(now), "so many do not wait for the time");
    }

    #[test]
    fn relaxed_has_the_disk_written_when_autosave_says_and_when_asked() {
        let second = Duration::from_secs(1);
        let now = Instant::now();
        let (mut keeper, jobs) = keeper(Durability::Relaxed, Autosave::Every(60 * second));
        let write = |keeper: &mut Keeper, at| {
            keeper.gather(at, DONE);
            assert!(keeper.hand_over(at + second));
            keeper.hear(KEPT);
            jobs.try_recv().expect("a job").sync
        };
        assert!(!write(&mut keeper, now));
        assert_eq!(keeper.looks_at(), Some(now + 61 * second), "though nothing more comes");
        assert!(!write(&mut keeper, now + 30 * second));
        keeper.save();
        assert!(write(&mut keeper, now + 40 * second), "asked");
        assert_eq!(keeper.looks_at(), None);
        assert!(!write(&mut keeper, now + 50 * second));
        assert!(keeper.hand_over(now + 111 * second), "a minute after the first that was not");
        assert!(jobs.try_recv().is_ok_and(|job| job.sync && job.ops.is_empty()));

        let (mut keeper, jobs) = self::keeper(Durability::Relaxed, Autosave::After(2));
        for wanted in [false, true] {
            keeper.gather(now, DONE);
            assert!(keeper.hand_over(now + second));
            keeper.hear(KEPT);
            assert_eq!(jobs.try_recv().expect("a job").sync, wanted);
        }
        keeper.save();
        assert_eq!(keeper.looks_at(), None, "there is nothing to save");
    }

    #[test]
    fn a_disk_that_is_behind_slows_clients_and_one_that_stalls_or_is_full_refuses_them() {
        let now = Instant::now();
        let (mut keeper, _jobs) = keeper(Durability::Strict, Autosave::AtTheEnd);
        keeper.gather(now, DONE);
        keeper.hand_over(now);
        while keeper.batch_bytes + keeper.busy_bytes <= UNKEPT_BYTES_MAX {
            assert!(!keeper.slows(now) && !keeper.refuses(now));
            keeper.gather(now, DONE);
        }
        assert!(keeper.slows(now) && !keeper.refuses(now));
        let stalled = now + STORE_STALL_MAX;
        assert_eq!(keeper.looks_at(), Some(stalled));
        assert!(!keeper.slows(stalled) && keeper.refuses(stalled), "keep-alives run on");
        keeper.hear(Kept { is_done: false, is_full: true });
        assert!(!keeper.slows(now) && keeper.refuses(now));
        keeper.hear(KEPT);
        assert!(!keeper.refuses(now));
    }

    /// A disk that does what the next of its answers says.
    struct Moody(Vec<Answer>);

    #[derive(Clone, Copy)]
    enum Answer {
        Takes,
        TakesTheLast,
        Fails,
    }

    impl Disk for Moody {
        fn commit(&mut self, _: Vec<StoreOp>, _: bool) -> Result<(), CommitError> {
            match self.0.remove(0) {
                Answer::Fails => Err(CommitError::Io { path: "x".into(), why: io::Error::other("moody") }),
                _ => Ok(()),
            }
        }

        fn is_full(&self) -> bool {
            matches!(self.0.first(), Some(Answer::TakesTheLast))
        }

        fn held_bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn a_batch_that_could_not_be_written_is_done_when_a_later_try_succeeds_and_not_before() {
        use Answer::{Fails, Takes, TakesTheLast};
        let reports = RefCell::new(Vec::new());
        let disk = Moody(vec![Takes, Fails, Fails, Takes, TakesTheLast, Takes]);
        let report = |kept: Kept| reports.borrow_mut().push((kept.is_done, kept.is_full));
        let mut clerk = Clerk { store: disk, report, is_full: false, is_failing: false, has_job: false, said_at: None };
        let mut commit = |is_job: bool| {
            clerk.has_job |= is_job;
            clerk.commit(vec![], true);
            reports.borrow_mut().drain(..).collect::<Vec<_>>()
        };
        assert_eq!(commit(true), [(true, false)]);
        assert_eq!(commit(true), [(false, true)], "it fails: the loop is told that there is no room");
        assert_eq!(commit(false), [], "nothing new");
        assert_eq!(commit(false), [(true, true)], "written, with the last room");
        assert_eq!(commit(false), [(false, false)], "no job was given: none is done");
        assert_eq!(commit(false), []);
    }
}
