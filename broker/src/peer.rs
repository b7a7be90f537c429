//! Where a connection comes from: what the log calls it, and what is counted against whom.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::proxy_header::Client;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A part of this process.
    Within,
    /// The network.
    Network(SocketAddr),
    /// A program on this machine that came by the unix socket of this path.
    Unix(Arc<Path>),
}

impl Peer {
    /// Whether it has to prove anything.
    pub(crate) const fn is_outside(&self) -> bool {
        !matches!(self, Self::Within)
    }

    /// Against which address its tries are counted: all that come by unix sockets have one together.
    pub(crate) const fn ip(&self) -> IpAddr {
        match self {
            Self::Network(address) => address.ip(),
            Self::Within | Self::Unix(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// The address without the port.
    pub(crate) const fn host(&self) -> Host<'_> {
        Host(self)
    }
}

/// See [`Peer::host`].
pub(crate) struct Host<'a>(&'a Peer);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Peer::Network(address) => write!(f, "{}", address.ip()),
            Peer::Unix(path) => write!(f, "{}", path.display()),
            Peer::Within => f.write_str("within"),
        }
    }
}

impl From<Client> for Peer {
    fn from(client: Client) -> Self {
        match client {
            Client::Network(address) => Self::Network(address),
            Client::Unix(path) => Self::Unix(path.into()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // mosquitto prints IPv6 without brackets.
            Self::Network(address) => write!(f, "{}:{}", address.ip(), address.port()),
            // And unix sockets with a port.
            Self::Unix(path) => write!(f, "{}:0", path.display()),
            Self::Within => f.write_str("within"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_called_as_mosquitto_calls_it() {
        let unix = Peer::Unix(Path::new("/run/m.sock").into());
        let v4 = Peer::Network(SocketAddr::from(([192, 0, 2, 7], 50_001)));
        let v6 = Peer::Network(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 50_001)));
        assert_eq!([&unix, &v4, &v6].map(ToString::to_string), ["/run/m.sock:0", "192.0.2.7:50001", "::1:50001"]);
        assert_eq!([&unix, &v4, &v6].map(|peer| peer.host().to_string()), ["/run/m.sock", "192.0.2.7", "::1"]);
        assert!(unix.is_outside() && !Peer::Within.is_outside());
    }
}
