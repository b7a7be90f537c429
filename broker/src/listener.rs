//! Where clients knock: a port or a unix socket, and what stands behind it.

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use certs::NameFrom;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use openssl::ssl::SslContext;
use socket2::{Domain, Protocol, Type};

use crate::aside::{Lent, Owner};
use crate::peer::Peer;
use crate::proxy_header::Version;
use crate::stream::Stream;
use crate::transport::Transport;

use crate::StartError;
use crate::appliance::bind_all;
use crate::websocket::WebSocketRules;

/// A listener as configured.
#[derive(Clone, Default)]
pub struct ListenerConfig {
    /// Where to listen: every address of the listener's host.
    pub addresses: Vec<SocketAddr>,
    /// A unix socket, made at the start and removed at the end. What lies at its path from an earlier run is removed
    /// first, if it is a socket; what has died without removing it would keep us out else.
    pub unix: Option<PathBuf>,
    /// Connected clients at most; `None`: no limit.
    pub max_connections: Option<u32>,
    /// What stands between the port and MQTT.
    pub protection: Protection,
}

/// A listener whose ports are open, and that nobody looks after yet.
pub struct OpenListener {
    pub(crate) config: ListenerConfig,
    pub(crate) sockets: Vec<Listening>,
}

impl ListenerConfig {
    /// Whether who came in by `transport` when this was as `before` could come in now in the same way, and under the same
    /// name. `is_knocking`: it stands at a door, and has not been let through.
    pub(crate) fn keeps(&self, before: &Self, transport: &Transport, is_knocking: bool) -> bool {
        let (door, was) = (&self.protection, &before.protection);
        let is_same_name = door.names == was.names || door.names.is_none() || was.names.is_none();
        // What a proxy said of its client is not remembered.
        let is_same_proxy = door.proxy == was.proxy;
        is_same_name && is_same_proxy && (self.is_same_door(before) || self.takes(transport, is_knocking))
    }

    /// Whether everybody whom one of the two lets in is let in by the other, as far as addresses and TLS go.
    fn is_same_door(&self, other: &Self) -> bool {
        let door = |of: &Self| {
            let door = &of.protection;
            let (certificates, psk) = (door.certificates.is_some(), door.psk.is_some());
            (certificates, psk, door.clients.is_some(), door.names, door.websocket.is_some())
        };
        self.addresses == other.addresses && door(self) == door(other)
    }

    /// Whether who came in by `transport` could come in now in the same way: to this address, with this kind of TLS or none,
    /// with WebSocket or without.
    fn takes(&self, transport: &Transport, is_knocking: bool) -> bool {
        let door = &self.protection;
        let (inner, is_web) = match transport {
            Transport::Web(web) => (web.inner(), true),
            other => (other, false),
        };
        let is_right_kind = match inner {
            Transport::Plain(_) if is_knocking => !door.is_plain(),
            Transport::Plain(_) => !door.speaks_tls(),
            Transport::Tls(tls) => {
                let has_certificate = tls.session.peer_certificates().is_some_and(|all| !all.is_empty());
                door.certificates.is_some() && (has_certificate || door.clients.is_none()) && self.names(inner)
            }
            Transport::Psk(_) => door.psk.is_some() && self.names(inner),
            // Its worker is asked, which has the socket.
            Transport::Web(_) | Transport::Remote(_) | Transport::Taken => return true,
        };
        is_right_kind && is_web == door.websocket.is_some() && self.is_at(inner.local_ip())
    }

    /// Whether who came in by TLS has the name that is asked for, if one is. Of a certificate that is not asked for it has none.
    fn names(&self, transport: &Transport) -> bool {
        let Some(from) = self.protection.names.filter(|_| !transport.is_shaking_hands()) else { return true };
        let is_asked = self.protection.clients.is_some() || matches!(transport, Transport::Psk(_));
        is_asked && transport.user_name(from).is_some()
    }

    /// Whether this is one of its addresses; `None`: who came did not come by the network.
    fn is_at(&self, to: Option<IpAddr>) -> bool {
        to.is_none_or(|to| {
            let is_it = |ip: IpAddr| ip == to || (ip.is_unspecified() && ip.is_ipv4() == to.is_ipv4());
            self.addresses.iter().any(|address| is_it(address.ip()))
        })
    }

    /// Opens its ports, or its unix socket.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub fn open(self) -> Result<OpenListener, StartError> {
        // Its number is given when it is taken over.
        let sockets = bind_all(&self, 0)?;
        Ok(OpenListener { config: self, sockets })
    }
}

/// What stands between a port and MQTT. With neither certificates nor keys there is no TLS; with both, each client gets what
/// it asks for.
#[derive(Clone, Default)]
pub struct Protection {
    /// Certificates.
    pub certificates: Option<Arc<rustls::ServerConfig>>,
    /// Who comes with TLS of certificates must show one that is good to this. (`certificates` see to it; here it is for who
    /// came in before.)
    pub clients: Option<Arc<certs::ClientVerifier>>,
    /// Pre-shared keys.
    pub psk: Option<SslContext>,
    /// What of a certificate or a key is the client's user name; `None`: nothing.
    pub names: Option<NameFrom>,
    /// A proxy stands in front, and says whom it speaks for before anything else.
    pub proxy: Option<ProxyRules>,
    /// WebSocket, inside TLS if there is any.
    pub websocket: Option<Arc<WebSocketRules>>,
}

/// What is asked of a proxy. It is believed whatever it says: nobody else may reach the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyRules {
    /// The version of its header.
    pub version: Version,
    /// Clients must have come to it by TLS.
    pub requires_tls: bool,
    /// And with a certificate that it found good.
    pub requires_certificate: bool,
}

impl Protection {
    /// Whether what the connection is for may begin at once.
    pub(crate) const fn is_plain(&self) -> bool {
        !self.speaks_tls() && self.proxy.is_none()
    }

    pub(crate) const fn speaks_tls(&self) -> bool {
        self.certificates.is_some() || self.psk.is_some()
    }

    /// What the router's form must say, for messages.
    pub(crate) const fn encryption_mode(&self) -> &'static str {
        match (&self.psk, &self.certificates) {
            (Some(_), Some(_)) => "PSK or Certificate",
            (Some(_), None) => "PSK",
            (None, Some(_)) => "Certificate",
            (None, None) => "None",
        }
    }
}

/// A socket that listens.
pub(crate) struct Listening {
    socket: Socket,
    /// Which listener of the configuration.
    pub listener: u16,
    pub port: u16,
    /// The system had no room for another connection: not before this.
    pub rests_until: Option<Instant>,
    /// More may be waiting than was taken.
    pub has_more: bool,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<Path>),
}

/// Connections that the system keeps until they are taken; it takes less where `net.core.somaxconn` says so.
pub(crate) const LISTEN_BACKLOG: i32 = 4096;

/// Who may connect to a unix socket: its user and its group, as with mosquitto whatever the umask is.
const UNIX_MODE: u32 = 0o770;

impl Listening {
    pub(crate) fn bind(address: SocketAddr, listener: u16) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own, so that addresses in the log and in rules are what they are.
            socket.set_only_v6(true)?;
        }
        // Connections inherit this, which saves a system call for each. Replies are batched here; waiting in the kernel
        // for more of them would only delay them.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        let socket = TcpListener::from_std(socket.into());
        let port = socket.local_addr()?.port();
        Ok(Self { socket: Socket::Tcp(socket), listener, port, rests_until: None, has_more: false })
    }

    /// Listens at a path; mosquitto calls its port 0.
    pub(crate) fn bind_unix(path: &Path, listener: u16) -> io::Result<Self> {
        let address = socket2::SockAddr::unix(path)?;
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path)?;
        }
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.bind(&address)?;
        // Before anybody can connect: nobody could before it listens.
        std::fs::set_permissions(path, Permissions::from_mode(UNIX_MODE))?;
        socket.listen(LISTEN_BACKLOG)?;
        let socket = Socket::Unix(UnixListener::from_std(socket.into()), path.into());
        Ok(Self { socket, listener, port: 0, rests_until: None, has_more: false })
    }

    /// The next who knocks. Nobody does at a socket that was set aside.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        let accepted = match &self.socket {
            Socket::Tcp(socket) => socket.accept().map(|(stream, peer)| (stream.into(), Peer::Network(peer))),
            Socket::Unix(socket, path) => {
                socket.accept().map(|(stream, _)| (stream.into(), Peer::Unix(Arc::clone(path))))
            }
        };
        accepted.map_err(|error| match error.kind() {
            // It does not listen (accept(2)).
            io::ErrorKind::InvalidInput => io::ErrorKind::WouldBlock.into(),
            _ => error,
        })
    }

    /// Another name for it, for who opens others in its place; `None` for a unix socket, which is replaced by its path.
    pub(crate) fn lend(&self, owner: Owner) -> io::Result<Option<Lent>> {
        let Socket::Tcp(socket) = &self.socket else { return Ok(None) };
        let address = socket.local_addr()?;
        let socket = std::os::fd::AsFd::as_fd(socket).try_clone_to_owned()?.into();
        Ok(Some(Lent { owner, address, socket }))
    }

    /// Where it listens on the network; `None` for a unix socket.
    pub(crate) fn address(&self) -> Option<io::Result<SocketAddr>> {
        match &self.socket {
            Socket::Tcp(socket) => Some(socket.local_addr()),
            Socket::Unix(..) => None,
        }
    }

    /// The path of a unix socket.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.socket {
            Socket::Tcp(_) => None,
            Socket::Unix(_, path) => Some(path),
        }
    }

    /// Registers it, whether it was before or not.
    pub(crate) fn register_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let again = match &mut self.socket {
            Socket::Tcp(socket) => registry.reregister(socket, token, Interest::READABLE),
            Socket::Unix(socket, _) => registry.reregister(socket, token, Interest::READABLE),
        };
        again.or_else(|_| self.register(registry, token))
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            Socket::Unix(socket, _) => registry.register(socket, token, Interest::READABLE),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            // Where the process has become another user meanwhile, the folder may no longer be its own: then the next
            // start removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}
