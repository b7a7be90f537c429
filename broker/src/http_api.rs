//! mosquitto's `http_api`: what the broker says of itself as JSON, and the files of a folder, over HTTP.
//!
//! It has a thread of its own (`server.rs`), so that neither a slow reader nor a slow disk nor a password hash is ever in a message's
//! way; the broker's loop is asked for its figures once a second at most. `answer.rs` says what a request gets, `files.rs`
//! what a path names. What is never here: MQTT, a request's body, a way to change anything.

mod answer;
mod files;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use acl::{Acl, PasswordFile};
use mio::Waker;

use crate::appliance::{Command, StartError, Waited};
use crate::aside::Lent;
use crate::listener::{Listening, Protection};
use crate::reloading::Done;
use server::Server;

/// Where HTTP is spoken, and what may be asked there.
pub struct HttpApi {
    /// Ports, in the order of [`HttpAccess::doors`].
    pub listeners: Vec<HttpListener>,
    /// Who may ask, and how.
    pub access: HttpAccess,
}

/// The ports of a listener with `protocol http_api`.
pub struct HttpListener {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// Nobody asked for it: a port that is taken is no reason not to start.
    pub may_fail: bool,
}

/// A listener whose ports are open, and that nobody looks after yet.
pub struct OpenHttp {
    pub(crate) sockets: Vec<Listening>,
}

/// What is read from files, and counts until they are read again. A request is answered by what counted when it knocked.
#[derive(Clone)]
pub struct HttpAccess {
    /// The answer to `/api/v1/version`.
    pub version: &'static str,
    /// The answer to `/api/v1/listeners`.
    pub listeners_json: String,
    /// `packet_buffer_size`: bytes of a request.
    pub head_bytes_max: usize,
    /// Of each listener.
    pub doors: Vec<HttpDoor>,
}

/// What stands before one listener, and behind it.
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
    /// `http_dir`, without a symbolic link in it; `None`: no files.
    pub dir: Option<PathBuf>,
}

/// What becomes of HTTP at a reload.
pub struct ReloadedHttp {
    /// What counts from now on.
    pub access: HttpAccess,
    /// Where the ports of each listener come from, in the order of [`HttpAccess::doors`].
    pub listeners: Vec<HttpFate>,
    /// Needed where HTTP was spoken nowhere before.
    pub thread: Option<HttpThread>,
}

/// Where a listener's ports come from.
pub enum HttpFate {
    /// From the listener that had this number.
    Stays(usize),
    /// They are new.
    Opened(OpenHttp),
}

/// The thread for HTTP, as others know it. When it is dropped the thread ends.
pub struct HttpThread {
    orders: Sender<Order>,
    waker: Arc<Waker>,
}

/// What the thread is told. There is one for each reload and each start, and no more of them.
enum Order {
    TakeOver(HttpAccess, Vec<HttpFate>, Option<Arc<Done>>),
    Protect(Vec<Protection>, Waited),
    Lend(Sender<Vec<Lent>>),
}

impl HttpAccess {
    /// Nobody asks for anything, for there is no listener.
    fn nothing() -> Self {
        Self { version: "", listeners_json: String::new(), head_bytes_max: 0, doors: Vec::new() }
    }
}

impl HttpThread {
    /// HTTP is spoken nowhere any more. The thread ends.
    pub(crate) fn close(self, done: Arc<Done>) {
        self.take_over(HttpAccess::nothing(), Vec::new(), Some(done));
    }

    /// Its listeners are these from now on. `done` is let go of when they are.
    pub(crate) fn take_over(&self, access: HttpAccess, listeners: Vec<HttpFate>, done: Option<Arc<Done>>) {
        self.order(Order::TakeOver(access, listeners, done));
    }

    /// The listeners are protected so from now on. `waited` is let go of when they are.
    pub(crate) fn protect(&self, protections: Vec<Protection>, waited: Waited) {
        self.order(Order::Protect(protections, waited));
    }

    /// Gives other names for the sockets that listen.
    pub(crate) fn lend(&self, to: Sender<Vec<Lent>>) {
        self.order(Order::Lend(to));
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

impl Drop for HttpThread {
    fn drop(&mut self) {
        // Its orders end with the only one who gives them, and it looks for them when it is woken.
        self.orders = channel().0;
        let _ = self.waker.wake();
    }
}

impl HttpListener {
    /// Opens its ports.
    ///
    /// # Errors
    /// A port that was asked for cannot be had.
    pub fn open(&self) -> Result<OpenHttp, StartError> {
        let mut sockets = Vec::new();
        for address in &self.addresses {
            match Listening::bind(*address, 0) {
                Ok(socket) => sockets.push(socket),
                Err(cause) if self.may_fail => {
                    let (ip, port) = (address.ip(), address.port());
                    tracing::warn!(target: "warning", "Warning: Unable to open the http api on {ip}:{port}: {cause}. The broker \
                        goes on without it.");
                }
                Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => return Err(StartError::Busy(*address)),
                Err(cause) => return Err(StartError::Listen { address: *address, cause }),
            }
        }
        Ok(OpenHttp { sockets })
    }
}

/// Binds the ports of each listener.
///
/// # Errors
/// A port that was asked for cannot be had.
pub(crate) fn bind(api: &HttpApi) -> Result<Vec<Vec<Listening>>, StartError> {
    api.listeners.iter().map(|listener| Ok(listener.open()?.sockets)).collect()
}

/// Starts the thread, which listens nowhere yet; `ask` brings questions to the broker's loop.
///
/// # Errors
/// The system has no room for the thread.
pub(crate) fn start(ask: impl Fn(Command) + Send + 'static) -> io::Result<HttpThread> {
    let (orders, inbox) = channel();
    let (server, waker) = Server::new(inbox, Box::new(ask))?;
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        if let Err(error) = server.run() {
            tracing::error!(target: "error", "Error: the http api has ended: {error}.");
        }
    })?;
    Ok(HttpThread { orders, waker })
}

/// Topics of `$SYS` that are numbers, and these.
pub(crate) type Figures = Vec<(String, u64)>;

/// A question to the broker's loop, and where the answer goes.
pub(crate) type Asked = Sender<Figures>;
