//! What passes between a worker and the broker's thread: news one way, orders the other. Both are locked for as long as
//! a list takes to be exchanged, and both are bounded: news by [`BATCHES_WAITING_MAX`] batches, orders by what the broker's
//! thread hands over, which is one buffer for each connection until its worker has taken it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::DoorPlate;
use super::account::Account;
use crate::judging::Objection;
use crate::listener::ListenerConfig;
use crate::proxy_header::Origin;
use crate::stream::Stream;
use crate::{BATCH_BYTES, BATCHES_WAITING_MAX};

/// What a worker read in one turn, and what else it has to say.
pub(super) struct Batch {
    /// The bytes of all connections behind each other, in the order of `news`; always [`BATCH_BYTES`] long.
    pub bytes: Vec<u8>,
    pub used: usize,
    pub news: Vec<News>,
}

/// Something about one connection.
pub(super) struct News {
    pub at: u32,
    /// Its number may have gone to another meanwhile.
    pub generation: u32,
    pub what: What,
}

pub(super) enum What {
    /// Its proxy has said whom it speaks for.
    Announced(Box<Origin>),
    /// What its proxy says was not taken; it can no longer be used.
    Rejected(Box<str>),
    /// Its handshake is over, and gave it this user name. Comes before its first bytes.
    Named(Box<str>),
    /// It said the next so many bytes of the batch.
    Bytes(usize),
    /// It comes from this address, a proxy says.
    ForwardedFor(IpAddr),
    /// It will say no more.
    Ended,
    /// It can no longer be used.
    Lost,
    /// The same, and what a stranger did wrong: its kind for the log's memory, and the words.
    Refused(Box<(&'static str, String)>),
    /// It will say no more because this went wrong.
    Failed(Box<(&'static str, String)>),
    /// Its listener would no longer let it in.
    NoLongerTaken(Objection),
}

impl Batch {
    fn new() -> Self {
        Self { bytes: vec![0; BATCH_BYTES], used: 0, news: Vec::new() }
    }

    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    fn empty(&mut self) {
        self.used = 0;
        self.news.clear();
    }
}

/// What a worker is to do.
pub(super) struct Order {
    pub at: u32,
    pub deed: Deed,
}

pub(super) enum Deed {
    /// Look after this one too.
    Open(Box<Newcomer>),
    /// Write the next so many bytes of the orders.
    Write(usize),
    /// Do not read from it.
    Rest,
    /// Read from it again.
    GoOn,
    /// Say goodbye and close.
    Close,
    /// The listeners are these from now on.
    Doors(Arc<[ListenerConfig]>),
    /// End; there is no connection any more.
    Stop,
}

pub(super) struct Newcomer {
    pub stream: Stream,
    pub generation: u32,
    pub door: DoorPlate,
    pub account: Arc<Account>,
}

/// Orders in the order in which they were given.
#[derive(Default)]
pub(super) struct Orders {
    pub list: Vec<Order>,
    /// What is to be written, behind each other.
    pub bytes: Vec<u8>,
}

impl Orders {
    /// Makes room for the next ones. What was unusually large is not kept.
    pub(super) fn empty(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.bytes.shrink_to(8 * BATCH_BYTES);
    }
}

#[derive(Default)]
struct ToCore {
    batches: VecDeque<Batch>,
    spent: Vec<Batch>,
    /// Connections, with their generation, whose sockets have taken everything, as was asked for.
    words: Vec<(u32, u32)>,
    /// The worker has more to say than there is room for.
    is_waiting: bool,
    /// The broker's thread was woken and has not looked yet.
    is_woken: bool,
    /// The worker has ended.
    is_over: bool,
}

#[derive(Default)]
struct ToWorker {
    orders: Orders,
    is_woken: bool,
    /// The broker's thread waits until the orders are taken.
    tells_when_taken: bool,
}

/// What the broker's thread found in a mailbox.
pub(super) struct Found {
    pub batch: Option<Batch>,
    /// There is another batch.
    pub has_more: bool,
    pub is_over: bool,
}

pub(super) struct Mailbox {
    to_core: Mutex<ToCore>,
    to_worker: Mutex<ToWorker>,
    core: Arc<Waker>,
    worker: Waker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    pub(super) fn new(core: Arc<Waker>, worker: Waker) -> Self {
        Self { to_core: Mutex::default(), to_worker: Mutex::default(), core, worker }
    }

    // ---- the worker's side

    /// A batch to fill.
    pub(super) fn empty_batch(&self) -> Batch {
        lock(&self.to_core).spent.pop().unwrap_or_else(Batch::new)
    }

    /// Tells `words`, and `batch` if there is something in it, and room. `false`: there is none; the worker is woken when
    /// there is.
    pub(super) fn tell(&self, words: &mut Vec<(u32, u32)>, batch: &mut Batch) -> bool {
        if words.is_empty() && batch.news.is_empty() {
            return true;
        }
        let mut box_ = lock(&self.to_core);
        let (has_news, has_room) = (!batch.news.is_empty(), box_.batches.len() < BATCHES_WAITING_MAX);
        if has_news && has_room {
            let next = box_.spent.pop().unwrap_or_else(Batch::new);
            box_.batches.push_back(std::mem::replace(batch, next));
        }
        box_.is_waiting = has_news && !has_room;
        let is_worth_a_wake = !words.is_empty() || (has_news && has_room);
        box_.words.append(words);
        let wakes = is_worth_a_wake && !std::mem::replace(&mut box_.is_woken, true);
        drop(box_);
        if wakes {
            let _ = self.core.wake();
        }
        !has_news || has_room
    }

    /// Exchanges `done`, which is empty, for what is to be done.
    pub(super) fn take_orders(&self, done: &mut Orders) {
        let mut box_ = lock(&self.to_worker);
        box_.is_woken = false;
        std::mem::swap(&mut box_.orders, done);
        let tells = std::mem::take(&mut box_.tells_when_taken);
        drop(box_);
        if tells {
            let _ = self.core.wake();
        }
    }

    /// The worker ends, for whatever reason.
    pub(super) fn is_over(&self) {
        lock(&self.to_core).is_over = true;
        let _ = self.core.wake();
    }

    // ---- the broker's side

    /// Adds the connections whose sockets have taken everything to `words`, and takes a batch if one is wanted; `spent`
    /// goes back to be filled again.
    pub(super) fn look(&self, words: &mut Vec<(u32, u32)>, spent: &mut Option<Batch>, wants_batch: bool) -> Found {
        let mut box_ = lock(&self.to_core);
        box_.is_woken = false;
        if let Some(mut batch) = spent.take() {
            batch.empty();
            box_.spent.push(batch);
        }
        words.append(&mut box_.words);
        let batch = if wants_batch { box_.batches.pop_front() } else { None };
        let has_room = batch.is_some() && std::mem::take(&mut box_.is_waiting);
        let found = Found { batch, has_more: !box_.batches.is_empty(), is_over: box_.is_over };
        drop(box_);
        if has_room {
            let _ = self.worker.wake();
        }
        found
    }

    pub(super) fn order(&self, at: u32, deed: Deed) {
        lock(&self.to_worker).orders.list.push(Order { at, deed });
    }

    pub(super) fn order_write(&self, at: u32, bytes: &[u8]) {
        let mut box_ = lock(&self.to_worker);
        box_.orders.list.push(Order { at, deed: Deed::Write(bytes.len()) });
        box_.orders.bytes.extend_from_slice(bytes);
    }

    /// Whether orders wait that the worker has not looked at; if so, the broker's thread is woken when it has.
    pub(super) fn has_orders(&self) -> bool {
        let mut box_ = lock(&self.to_worker);
        box_.tells_when_taken = !box_.orders.list.is_empty();
        box_.tells_when_taken
    }

    /// Wakes the worker if there is something to do.
    pub(super) fn wake_worker(&self) {
        let mut box_ = lock(&self.to_worker);
        if !box_.orders.list.is_empty() && !std::mem::replace(&mut box_.is_woken, true) {
            drop(box_);
            let _ = self.worker.wake();
        }
    }
}

#[cfg(test)]
impl Mailbox {
    /// Batches that the broker's thread has not taken.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.to_core).batches.len()
    }

    /// Whether the worker has something to say for which there is no room.
    pub(super) fn is_waiting(&self) -> bool {
        lock(&self.to_core).is_waiting
    }
}
