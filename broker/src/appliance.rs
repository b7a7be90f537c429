//! A broker that runs: its thread, and the handle by which the rest of the process speaks to it.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use acl::PasswordFile;
use broker_core::{Broker, RuleSets, Settings, Stats};
use broker_store::Store;
use mio::{Poll, Waker};
use slab::Slab;

use crate::aside::{Aside, Lent};
use crate::closing::Closing;
use crate::desk::Desk;
use crate::gather::Gather;
use crate::handshakes::Handshakes;
use crate::http_api::{self, HttpApi, HttpFate, HttpThread, OpenHttp, ReloadedHttp};
use crate::judging::Judging;
use crate::keeper::{Keeper, Keeping, Kept};
use crate::knocks::Knocks;
use crate::lag::Lags;
use crate::listener::{ListenerConfig, Listening, OpenListener, Protection};
use crate::login::{Logins, Verified};
use crate::out_queue::Spares;
use crate::reactor::{Reactor, WAKE};
use crate::refusals::Refusals;
use crate::strangers::Strangers;
use crate::stream::Stream;
use crate::turn::Turn;
use crate::workers::Workers;
use crate::{IO_THREADS_MAX, LOG_LINES_WAITING_MAX, READ_BYTES, lines};

/// Everything that a broker is started with; read and checked before any port is bound.
pub struct Appliance {
    /// Ports, in the order of `settings.listeners`.
    pub listeners: Vec<ListenerConfig>,
    /// Limits and choices.
    pub settings: Settings,
    /// Who may do what, by the numbers of the listeners.
    pub rules: RuleSets,
    /// Where each set of them is written, for messages; `None`: nowhere.
    pub acl_files: Vec<Option<PathBuf>>,
    /// Who may come in, by the numbers of the listeners; `None`: no password file.
    pub passwords: Vec<Option<Arc<PasswordFile>>>,
    /// What is told over HTTP, and where; `None`: nothing.
    pub http_api: Option<HttpApi>,
    /// mosquitto's `connection_messages`.
    pub connection_messages: bool,
    /// mosquitto's `global_max_connections`; `None`: no limit.
    pub connections_max: Option<u32>,
    /// Connections that are not let in yet: [`crate::STRANGERS_MAX`], or fewer.
    pub strangers_max: usize,
    /// How long a client's socket may take nothing: [`crate::STALLED_TIME_MAX`], or less.
    pub stalled_time_max: Duration,
    /// Threads that read and write for the broker's own, [`crate::IO_THREADS_MAX`] at most; 0: it does that itself. See
    /// [`crate::io_threads_for`].
    pub io_threads: usize,
    /// Where what must outlive the process is kept; `None`: nothing outlives it.
    pub keeping: Option<Keeping>,
    /// How long the loop naps where that lets events gather and costs nobody more: [`crate::GATHER_TIME`], or another
    /// time up to [`crate::GATHER_TIME_MAX`]; 0 for never.
    pub gather: Duration,
    /// Told again and again that the loop goes round; `None`: nobody wants to know.
    pub heartbeat: Option<Heartbeat>,
    /// Bytes of memory that the process uses, and the most that it ever used, for `$SYS`.
    pub heap: fn() -> (u64, u64),
}

/// Who wants to know that the loop goes round: a watchdog, which ends a process that hangs.
pub struct Heartbeat {
    /// How often.
    pub every: Duration,
    /// Called on the broker's thread, between two turns.
    pub tell: Box<dyn FnMut() + Send>,
}

/// What was read again, to count from now on.
pub struct Reloaded {
    /// As in [`Appliance::rules`].
    pub rules: RuleSets,
    /// As in [`Appliance::acl_files`].
    pub acl_files: Vec<Option<PathBuf>>,
    /// As in [`Appliance::passwords`].
    pub passwords: Vec<Option<Arc<PasswordFile>>>,
    /// What becomes of each listener, by their numbers; then those that are new.
    pub listeners: Vec<ReloadedListener>,
    /// Where HTTP is spoken; `None`: nowhere.
    pub http: Option<ReloadedHttp>,
    /// Limits and choices, for as many listeners.
    pub settings: Settings,
    /// mosquitto's `global_max_connections`; `None`: no limit.
    pub connections_max: Option<u32>,
    /// mosquitto's `connection_messages`.
    pub connection_messages: bool,
}

/// What becomes of a listener.
#[allow(clippy::large_enum_variant)] // there are as many as listeners, and only for a moment
pub enum ReloadedListener {
    /// It goes on. Who came in and would no longer be let in goes.
    Stays {
        /// For who knocks from now on.
        protection: Protection,
        /// Connected clients at most; those that are there may stay.
        max_connections: Option<u32>,
    },
    /// It goes on at other addresses of its port. Who came to one that is still listened at stays.
    Moved(OpenListener),
    /// It is new, at a number that is free.
    Opened(OpenListener),
    /// Its ports are closed, and who came in there goes; or it was closed before.
    Closed,
}

/// Why a broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error("Error: Address already in use\nThe port {} is already in use (address {}): stop the program that has it, or choose another port.", .0.port(), .0.ip())]
    Busy(SocketAddr),
    /// The port cannot be had for another reason.
    #[error("Error: {}\nThe broker cannot listen on {address}.", in_words(.cause))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// The unix socket cannot be had.
    #[error("Error binding unix socket: {}\nIts path is {}. Its folder must be there and ours to write in; what is no socket there is left as it is.",
        in_words(.cause), .path.display())]
    Unix {
        /// Its path.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The store cannot be opened. Damage is no reason.
    #[error("Error: {0}")]
    Store(#[from] broker_store::OpenError),
    /// The system has no room for us.
    #[error("Error: unable to start: {0}")]
    System(#[from] io::Error),
}

/// What the system says, as mosquitto prints it: without the number.
fn in_words(cause: &io::Error) -> String {
    cause
        .raw_os_error()
        .map_or_else(|| cause.to_string(), |number| nix::errno::Errno::from_raw(number).desc().to_owned())
}

/// What other threads may ask of the loop.
pub(crate) enum Command {
    Stop,
    Reload(Box<Reloaded>, Waited),
    Protect(Vec<Option<Protection>>, Vec<Protection>, Waited),
    Verified(Verified),
    Local(Stream),
    Stats(Sender<Stats>),
    Figures(http_api::Asked),
    Lend(Sender<Vec<Lent>>),
    Kept(Kept),
    Save,
    Log(&'static str, String),
    Describe(Sender<String>),
}

/// Somebody waits until whoever has this has let go of it. Nothing is ever sent.
pub(crate) type Waited = Sender<()>;

thread_local! {
    /// The broker's thread is publishing a line of the log.
    pub(crate) static PUBLISHES_LOG: Cell<bool> = const { Cell::new(false) };
}

/// Speaks to a running broker from other threads.
#[derive(Clone)]
pub struct Handle {
    /// Lines of the log that wait to be published.
    lines_waiting: Arc<AtomicUsize>,
    commands: Sender<Command>,
    waker: Arc<Waker>,
    addresses: Arc<[SocketAddr]>,
    http_addresses: Arc<[SocketAddr]>,
}

impl Appliance {
    /// Binds every port, then runs the broker on a thread of its own.
    ///
    /// # Errors
    /// The first port that cannot be had; nothing is left running then.
    pub fn start(self) -> Result<(Handle, JoinHandle<io::Result<()>>), StartError> {
        self.start_when_bound(|| Ok(()))
    }

    /// As [`Appliance::start`]; `bound` is called when every port is bound and before any thread is started. What a
    /// thread must not inherit is given up there.
    ///
    /// # Errors
    /// Those of [`Appliance::start`], and that of `bound`.
    pub fn start_when_bound(
        self,
        bound: impl FnOnce() -> io::Result<()>,
    ) -> Result<(Handle, JoinHandle<io::Result<()>>), StartError> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (commands, inbox) = channel();
        let mut sockets = Vec::new();
        for (listener, config) in self.listeners.iter().enumerate() {
            sockets.extend(bind_all(config, listener as u16)?);
        }
        for (at, socket) in sockets.iter_mut().enumerate() {
            socket.register(poll.registry(), Listening::token(at))?;
        }
        let addresses = sockets.iter().filter_map(Listening::address).collect::<io::Result<Arc<[_]>>>()?;
        let http_sockets = self.http_api.as_ref().map_or_else(|| Ok(Vec::new()), http_api::bind)?;
        bound()?;
        let http_addresses =
            http_sockets.iter().flatten().filter_map(Listening::address).collect::<io::Result<Arc<[_]>>>()?;
        let http = match self.http_api {
            Some(api) if !http_addresses.is_empty() => {
                let thread = http_api::start(asking(&commands, &waker))?;
                let listeners = http_sockets.into_iter().map(|sockets| HttpFate::Opened(OpenHttp { sockets }));
                thread.take_over(api.access, listeners.collect(), None);
                Some(thread)
            }
            _ => None,
        };
        let mut secret = [0; 40];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let (key, seed) = secret.split_at(32);
        let report = {
            let ask = asking(&commands, &waker);
            move |found| ask(Command::Verified(found))
        };
        let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)).min(4);
        let mut digest_key = [0; 32];
        digest_key.copy_from_slice(key);
        let logins = Logins::start(self.passwords, &digest_key, workers, report)?;
        let seed = seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let started = Instant::now();
        let mut core = Broker::new(self.settings.clone(), self.rules, seed);
        let keeper = match &self.keeping {
            None => None,
            Some(keeping) => {
                let store = open(keeping, started, &mut core)?;
                let ask = asking(&commands, &waker);
                Some(Keeper::start(store, keeping, move |kept| ask(Command::Kept(kept)))?)
            }
        };
        let lines_waiting = Arc::new(AtomicUsize::new(0));
        let reactor = Reactor {
            workers: Workers::start(self.io_threads.min(IO_THREADS_MAX), &self.listeners, &waker)?,
            has_more: false,
            packet_bytes_max: self.settings.max_packet_size,
            memory_bytes_max: self.settings.memory_bytes_max,
            memory_is_full: false,
            lines_waiting: Arc::clone(&lines_waiting),
            heartbeat: self.heartbeat.map(|heartbeat| (heartbeat, started)),
            connections_max: self.connections_max,
            strangers_max: self.strangers_max,
            connected: vec![0; self.listeners.len()],
            core,
            desk: Desk {
                connections: Slab::new(),
                spares: Spares::default(),
                dirty: Vec::new(),
                leaving: Vec::new(),
                keeper,
                holding: Vec::new(),
                awaiting: Vec::new(),
                slowed: Vec::new(),
                logins,
                names_from: self.listeners.iter().map(|listener| listener.protection.names).collect(),
                names: HashMap::new(),
                connect_bytes: 0,
                verdicts: Vec::new(),
                answers: Vec::new(),
                knocks: Knocks::default(),
                acl_files: self.acl_files,
                refusals: Refusals::default(),
                packets: None,
                lags: Lags::default(),
                stalled_time_max: self.stalled_time_max,
                strangers: Strangers::default(),
                now: started,
                tells_connections: self.connection_messages,
                bytes_received: 0,
                bytes_sent: 0,
                sockets_opened: 0,
                turns_cut: 0,
                unheard: 0,
                heap: self.heap,
            },
            poll,
            http,
            listeners: self.listeners,
            sockets,
            commands: inbox,
            started,
            scratch: vec![0; READ_BYTES],
            again: Vec::new(),
            handshakes: Handshakes::default(),
            judging: Judging::default(),
            turn: Turn::default(),
            lingering: Vec::new(),
            closing: Closing::default(),
            generation: 0,
            gather: Gather::new(self.gather, started),
            handled: 0,
            heard: 0,
            is_stopping: false,
        };
        let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(move || reactor.run())?;
        Ok((Handle { lines_waiting, commands, waker, addresses, http_addresses }, thread))
    }
}

/// Brings questions to the broker's loop.
fn asking(commands: &Sender<Command>, waker: &Arc<Waker>) -> impl Fn(Command) + Clone + Send + use<> {
    let (commands, waker) = (commands.clone(), Arc::clone(waker));
    move |command| {
        if commands.send(command).is_ok() {
            let _ = waker.wake();
        }
    }
}

/// Opens the store and gives `core` what it holds.
fn open(keeping: &Keeping, started: Instant, core: &mut Broker) -> Result<Store, StartError> {
    let began = SystemTime::now() - started.elapsed();
    // A clock before 1970 is wrong anyway.
    let clock_began_ms = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let begin = Instant::now();
    let (store, recovered, damage) = Store::open(&keeping.dir, clock_began_ms, broker_store::Options::default())?;
    for damage in damage {
        tracing::warn!(target: "warning", "Warning: {damage}.");
    }
    let (sessions, messages, retained) =
        (recovered.session_count(), recovered.message_count(), recovered.retained_count());
    let now = broker_core::Instant::from_millis(started.elapsed().as_millis() as u64);
    recovered.restore(core, now);
    lines::store_opened(&keeping.dir, [sessions, messages, retained], begin.elapsed());
    Ok(store)
}

/// Opens everything that a listener listens at.
pub(crate) fn bind_all(config: &ListenerConfig, listener: u16) -> Result<Vec<Listening>, StartError> {
    let mut sockets = Vec::new();
    for address in &config.addresses {
        let bound = Listening::bind(*address, listener);
        sockets.push(bound.map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => StartError::Busy(*address),
            _ => StartError::Listen { address: *address, cause },
        })?);
    }
    if let Some(path) = &config.unix {
        let bound = Listening::bind_unix(path, listener);
        sockets.push(bound.map_err(|cause| StartError::Unix { path: path.clone(), cause })?);
    }
    Ok(sockets)
}

impl Handle {
    /// Where it listens on the network, with the ports that were given where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where HTTP is spoken, in the same way.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http_addresses
    }

    /// Stops: clients are told, wills published, sockets closed. The thread ends.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Other files count from now on: they do when this returns. (A broker that stops takes no others.)
    pub fn reload(&self, reloaded: Reloaded) {
        self.wait(|waited| Command::Reload(Box::new(reloaded), waited));
    }

    /// The sockets that listen, to be set aside for others of the same ports. Nothing has happened to them yet.
    pub fn lend(&self) -> Aside {
        let (answer, lent) = channel();
        self.send(Command::Lend(answer));
        // Those of the broker's own thread and those of the one for HTTP; a broker that has stopped has none.
        Aside::new(lent.into_iter().flatten().collect())
    }

    /// A thread for HTTP that does nothing yet, for [`ReloadedHttp::thread`]. It ends when it is dropped.
    ///
    /// # Errors
    /// The system has no room for it.
    pub fn http_thread(&self) -> io::Result<HttpThread> {
        http_api::start(asking(&self.commands, &self.waker))
    }

    /// Listeners are protected so from now on, by their numbers; `None`: as before. Then those for HTTP. Who came in and would
    /// no longer be let in goes. As with [`Handle::reload`], it is done when this returns; certificates are verified after that.
    pub fn protect(&self, listeners: Vec<Option<Protection>>, http: Vec<Protection>) {
        self.wait(|waited| Command::Protect(listeners, http, waited));
    }

    /// Has everything written to the disk (mosquitto's SIGUSR1). What is promised only when it is there needs no asking.
    pub fn save(&self) {
        self.send(Command::Save);
    }

    /// Publishes a line of the log at `$SYS/broker/log/<severity>`. Returns at once. Past [`crate::LOG_LINES_WAITING_MAX`]
    /// lines that wait, and while the broker is about to publish one, it does nothing: what is said of a line of the log
    /// must not become another.
    pub fn log(&self, severity: &'static str, line: String) {
        if PUBLISHES_LOG.get() || self.lines_waiting.load(Relaxed) >= LOG_LINES_WAITING_MAX {
            return;
        }
        self.lines_waiting.fetch_add(1, Relaxed);
        self.send(Command::Log(severity, line));
    }

    /// The trees of subscriptions and retained messages in words (mosquitto's SIGUSR2); `None` if the broker has stopped.
    pub fn describe(&self) -> Option<String> {
        let (answer, text) = channel();
        self.send(Command::Describe(answer));
        text.recv().ok()
    }

    /// What the core counted; `None` if the broker has stopped.
    pub fn stats(&self) -> Option<Stats> {
        let (answer, stats) = channel();
        self.send(Command::Stats(answer));
        stats.recv().ok()
    }

    /// Connects a part of this process: MQTT is spoken over what is given back. Its CONNECT needs no password; its
    /// user name is taken as said, and the rules of the first listener hold for it as for anyone.
    ///
    /// # Errors
    /// The system has no room for a pair of sockets.
    pub fn connect_within(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        self.send(Command::Local(mio::net::UnixStream::from_std(ours).into()));
        Ok(theirs)
    }

    /// Waits until all who have to do with it are done.
    fn wait(&self, command: impl FnOnce(Waited) -> Command) {
        let (waited, done) = channel();
        self.send(command(waited));
        let _ = done.recv();
    }

    fn send(&self, command: Command) {
        // A broker that has stopped takes no more commands, and needs none.
        if self.commands.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}
