//! mosquitto's `http_api`: what the broker says of itself as JSON, and the files of a folder, over HTTP.
//!
//! It has a thread of its own (`server.rs`), so that neither a slow reader nor a slow disk nor a password hash is ever in a message's
//! way; the broker's loop is asked for its figures once a second at most. `answer.rs` says what a request gets, `files.rs`
//! what a path names. What is never here: MQTT, a request's body, a way to change anything.

mod answer;
mod files;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use acl::{Acl, PasswordFile};
use mio::Waker;

use crate::appliance::{Command, StartError};
use crate::listener::{Listening, Protection};
use server::Server;

/// Where HTTP is spoken, and what may be asked there.
pub struct HttpApi {
    /// Ports, in the order of [`HttpAccess::doors`].
    pub listeners: Vec<HttpListener>,
    /// `packet_buffer_size`: bytes of a request.
    pub head_bytes_max: usize,
    /// Who may ask, and how.
    pub access: HttpAccess,
}

/// A listener with `protocol http_api`.
pub struct HttpListener {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// `http_dir`, without a symbolic link in it; `None`: no files.
    pub dir: Option<PathBuf>,
    /// Nobody asked for it: a port that is taken is no reason not to start.
    pub may_fail: bool,
}

/// What counts until files are read again.
#[derive(Clone)]
pub struct HttpAccess {
    /// The answer to `/api/v1/listeners`.
    pub listeners_json: String,
    /// Of each listener.
    pub doors: Vec<HttpDoor>,
}

/// What stands before one listener.
#[derive(Clone)]
pub struct HttpDoor {
    /// TLS, or none.
    pub protection: Protection,
    /// Who says no user name may ask.
    pub allow_anonymous: bool,
    /// Who may read what: a path is asked for as if it were a topic, as mosquitto does.
    pub acl: Arc<Acl>,
    /// Whose passwords are right; `None`: nobody's are asked for.
    pub passwords: Option<Arc<PasswordFile>>,
}

/// What the loop knows of the thread. When it is dropped the thread ends.
pub(crate) struct Running {
    shared: Arc<Shared>,
    waker: Waker,
}

/// What the two threads have together.
struct Shared {
    access: Mutex<Arc<HttpAccess>>,
    is_stopping: AtomicBool,
}

impl fmt::Debug for HttpAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAccess").finish_non_exhaustive()
    }
}

impl Shared {
    fn access(&self) -> Arc<HttpAccess> {
        Arc::clone(&self.access.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Running {
    /// The listeners are protected so from now on.
    pub(crate) fn protect(&self, protections: Vec<Protection>) {
        let mut access = HttpAccess::clone(&self.shared.access());
        for (door, protection) in access.doors.iter_mut().zip(protections) {
            door.protection = protection;
        }
        self.reload(access);
    }

    /// Other files count from now on.
    pub(crate) fn reload(&self, access: HttpAccess) {
        *self.shared.access.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }
}

/// Binds the ports.
///
/// # Errors
/// A port that was asked for cannot be had.
pub(crate) fn bind(api: &HttpApi) -> Result<Vec<Listening>, StartError> {
    let mut sockets = Vec::new();
    for (listener, config) in api.listeners.iter().enumerate() {
        for address in &config.addresses {
            match Listening::bind(*address, listener as u16) {
                Ok(socket) => sockets.push(socket),
                Err(cause) if config.may_fail => {
                    let (ip, port) = (address.ip(), address.port());
                    tracing::warn!(target: "warning", "Warning: Unable to open the http api on {ip}:{port}: {cause}. The broker \
                        goes on without it.");
                }
                Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => return Err(StartError::Busy(*address)),
                Err(cause) => return Err(StartError::Listen { address: *address, cause }),
            }
        }
    }
    Ok(sockets)
}

/// Starts the thread that serves what [`bind`] bound; `ask` brings questions to the broker's loop. Gives back where it
/// listens, too.
///
/// # Errors
/// The system has no room for the thread.
pub(crate) fn start(
    api: HttpApi,
    sockets: Vec<Listening>,
    ask: impl Fn(Command) + Send + 'static,
) -> Result<(Option<Running>, Vec<SocketAddr>), StartError> {
    if sockets.is_empty() {
        return Ok((None, Vec::new()));
    }
    let addresses = sockets.iter().filter_map(Listening::address).collect::<io::Result<Vec<_>>>()?;
    for address in &addresses {
        tracing::info!(target: "information", "Opening http api listen socket on port {}.", address.port());
    }
    let shared = Arc::new(Shared { access: Mutex::new(Arc::new(api.access)), is_stopping: AtomicBool::new(false) });
    let dirs = api.listeners.into_iter().map(|listener| listener.dir).collect();
    let (server, waker) = Server::new(sockets, dirs, api.head_bytes_max, Arc::clone(&shared), Box::new(ask))?;
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        if let Err(error) = server.run() {
            tracing::error!(target: "error", "Error: the http api has ended: {error}.");
        }
    })?;
    Ok((Some(Running { shared, waker }), addresses))
}

/// Topics of `$SYS` that are numbers, and these.
pub(crate) type Figures = Vec<(String, u64)>;

/// A question to the broker's loop, and where the answer goes.
pub(crate) type Asked = Sender<Figures>;
