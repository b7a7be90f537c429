//! The way with workers: threads that wait for sockets, read, decrypt, encrypt and write, so that the broker's thread
//! has nothing to do but what only it may. Here is the side of the broker's thread; `pump.rs` is the other one.
//!
//! A worker is a pump and decides nothing. Whatever counts, judges or remembers (packets, strangers, logins, limits,
//! what waits for the store) is where it is in the inline way: in [`crate::reactor`], [`crate::desk`] and the core, which
//! see a connection with a worker as one more kind of [`crate::transport::Transport`]. What is never here: a packet.

mod account;
mod arrivals;
mod mailbox;
mod pump;
mod remote;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::Waker;

use crate::listener::ListenerConfig;
use crate::stream::Stream;
use mailbox::{Batch, Deed, Mailbox, Newcomer};
use pump::Pump;

pub(crate) use remote::Remote;

/// How many I/O threads there are if nobody says how many: none on one or two cores, where a second thread takes from
/// the broker's what it gives; above, what the broker's own thread leaves, [`crate::IO_THREADS_DEFAULT_MAX`] at most.
pub fn io_threads_for(cores: usize) -> usize {
    if cores <= 2 { 0 } else { (cores - 1).min(crate::IO_THREADS_DEFAULT_MAX) }
}

/// The workers of one broker; none in the inline way.
#[derive(Default)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
    /// The one whose batches are taken first in the next turn.
    first: usize,
    /// A worker that has not looked at what it was told, and the reason to hear nobody until it does.
    behind: Option<usize>,
}

/// Where a connection came in.
#[derive(Clone, Copy)]
pub(crate) struct DoorPlate {
    pub listener: u16,
    pub port: u16,
    /// There is no TLS.
    pub is_plain: bool,
    /// There is no WebSocket either.
    pub is_bare: bool,
}

struct Worker {
    mailbox: Arc<Mailbox>,
    thread: JoinHandle<io::Result<()>>,
    connections: usize,
    /// A batch that was read through, to be filled again.
    spent: Option<Batch>,
}

impl Workers {
    /// Starts `count` threads, which wake the broker's by `core`.
    pub(crate) fn start(count: usize, doors: &[ListenerConfig], core: &Arc<Waker>) -> io::Result<Self> {
        let mut workers = Self::default();
        for number in 0..count {
            let (pump, mailbox) = Pump::new(doors.into(), Arc::clone(core))?;
            let thread = std::thread::Builder::new().name(format!("io-{number}")).spawn(move || pump.run())?;
            workers.workers.push(Worker { mailbox, thread, connections: 0, spent: None });
        }
        Ok(workers)
    }

    pub(crate) const fn is_inline(&self) -> bool {
        self.workers.is_empty()
    }

    /// Gives a new connection to the worker that has the fewest. There must be workers.
    pub(crate) fn take_on(&mut self, place: (u32, u32), stream: Stream, door: DoorPlate) -> Remote {
        let number = (0..self.workers.len()).min_by_key(|number| self.workers[*number].connections).unwrap_or(0);
        let worker = &mut self.workers[number];
        worker.connections += 1;
        let remote = Remote::new(Arc::clone(&worker.mailbox), number, place.0, door.is_bare);
        let newcomer = Newcomer { stream, generation: place.1, door, account: Arc::clone(remote.account()) };
        worker.mailbox.order(place.0, Deed::Open(Box::new(newcomer)));
        remote
    }

    /// A connection of worker `number` is over.
    pub(crate) fn let_go(&mut self, number: usize) {
        self.workers[number].connections -= 1;
    }

    /// The listeners are these from now on. Who would no longer be let in is told of as [`mailbox::What::NoLongerTaken`].
    pub(crate) fn set_doors(&self, doors: &[ListenerConfig]) {
        let doors: Arc<[ListenerConfig]> = doors.into();
        for worker in &self.workers {
            worker.mailbox.order(0, Deed::Doors(Arc::clone(&doors)));
        }
    }

    /// Wakes those who were told something in this turn.
    pub(crate) fn wake(&self) {
        for worker in &self.workers {
            worker.mailbox.wake_worker();
        }
    }

    /// Nobody is heard until worker `number` has looked at what it was told.
    fn wait_for(&mut self, number: usize) {
        self.behind = Some(number);
    }

    fn dismiss(&self) {
        for worker in &self.workers {
            worker.mailbox.order(0, Deed::Stop);
            worker.mailbox.wake_worker();
        }
    }

    /// Ends the threads, and says whether they ended well.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        self.dismiss();
        let mut ended = Ok(());
        for worker in std::mem::take(&mut self.workers) {
            let end = worker.thread.join().unwrap_or_else(|_| Err(io::Error::other("an I/O thread broke down")));
            ended = ended.and(end);
        }
        ended
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.dismiss(); // where the start or the loop failed
    }
}
