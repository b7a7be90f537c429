//! A port where clients knock, and what stands behind it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpListener;
use openssl::ssl::SslContext;
use socket2::{Domain, Protocol, Socket, Type};

use crate::StartError;
use crate::appliance::bind;
use crate::websocket::WebSocketRules;

/// A listener as configured.
#[derive(Clone)]
pub struct ListenerConfig {
    /// Where to listen: every address of the listener's host.
    pub addresses: Vec<SocketAddr>,
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
    /// Opens its ports.
    ///
    /// # Errors
    /// The first port that cannot be had.
    pub fn open(self) -> Result<OpenListener, StartError> {
        // Its number is given when it is taken over.
        let sockets = self.addresses.iter().map(|address| bind(*address, 0)).collect::<Result<_, _>>()?;
        Ok(OpenListener { config: self, sockets })
    }
}

/// What stands between a port and MQTT. With neither certificates nor keys there is no TLS; with both, each client gets what
/// it asks for.
#[derive(Clone, Default)]
pub struct Protection {
    /// Certificates.
    pub certificates: Option<Arc<rustls::ServerConfig>>,
    /// Pre-shared keys.
    pub psk: Option<SslContext>,
    /// WebSocket, inside TLS if there is any.
    pub websocket: Option<Arc<WebSocketRules>>,
}

impl Protection {
    /// Whether there is no TLS.
    pub(crate) const fn is_plain(&self) -> bool {
        self.certificates.is_none() && self.psk.is_none()
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
    pub socket: TcpListener,
    /// Which listener of the configuration.
    pub listener: u16,
    pub port: u16,
    /// The system had no room for another connection: not before this.
    pub rests_until: Option<Instant>,
    /// More may be waiting than was taken.
    pub has_more: bool,
}

impl Listening {
    pub(crate) fn bind(address: SocketAddr, listener: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own, so that addresses in the log and in rules are what they are.
            socket.set_only_v6(true)?;
        }
        // Connections inherit this, which saves a system call for each. Replies are batched here; waiting in the kernel
        // for more of them would only delay them.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        let socket = TcpListener::from_std(socket.into());
        let port = socket.local_addr()?.port();
        Ok(Self { socket, listener, port, rests_until: None, has_more: false })
    }
}
