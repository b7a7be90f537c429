//! What a link is told when it is opened: where to, as whom, and within which limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt::{ProtocolVersion, QoS, TopicFilterBuf};
use rustls::pki_types::ServerName;

use crate::dial::{BoxFuture, BoxedStream};
use crate::{Backoff, SpoolLimits};

/// How long dialling, the TLS handshake and the wait for CONNACK may take together, unless told otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long [`Link::close`](crate::Link::close) goes on delivering, unless told otherwise.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// QoS 1 and 2 messages on their way at a time, unless told otherwise: libmosquitto's default too.
pub(crate) const INFLIGHT_MAX: u16 = 20;

/// One application message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A topic name: 1 to 65,535 bytes, no wildcard. Publishers repeat their topics, so it is shared.
    pub topic: Arc<str>,
    /// Any bytes. Cloning shares them.
    pub payload: Bytes,
    /// At which QoS it is handed over. A 5.0 server may say that it takes less; the message is then lowered to it.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Which topics.
    pub filter: TopicFilterBuf,
    /// The highest QoS at which their messages may come.
    pub qos: QoS,
}

/// Everything a link needs to know. [`LinkSettings::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// How to reach the server.
    pub transport: Transport,
    /// Default 3.1.1, as libmosquitto.
    pub protocol: ProtocolVersion,
    /// May be empty where the server makes one up (with `clean_session`, or in 5.0).
    pub client_id: String,
    /// User Name.
    pub username: Option<String>,
    /// Password, as raw bytes. 3.1 and 3.1.1 need a user name with it [3.1.1 MQTT-3.1.2-22].
    pub password: Option<Vec<u8>>,
    /// Default `true`. `false` asks the server to remember the session between connections
    /// (in 5.0 with a Session Expiry Interval that never ends, which the server may shorten).
    pub clean_session: bool,
    /// Seconds, default 60; 0 sends no pings. A 5.0 server may set another.
    pub keep_alive_s: u16,
    /// Default [`ConnectionKind::Long`].
    pub connection: ConnectionKind,
    /// Asked for after each CONNACK; what comes is [`Inbound`](crate::Inbound). Default none. For long connections: a
    /// short one is gone before anything comes.
    pub subscriptions: Vec<Subscription>,
    /// What the spool may hold.
    pub limits: SpoolLimits,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// QoS 1 and 2 messages on their way at a time, default 20; at least 1. A 5.0 server may set a lower one.
    pub inflight_max: u16,
    /// For dialling, the TLS handshake and CONNACK together. Default 20 s.
    pub connect_timeout: Duration,
    /// For how long [`Link::close`](crate::Link::close) goes on delivering. Default 5 s.
    pub close_timeout: Duration,
}

impl LinkSettings {
    /// A link to `transport` as `client_id`, all else at its default.
    pub fn new(transport: Transport, client_id: impl Into<String>) -> Self {
        Self {
            transport,
            protocol: ProtocolVersion::V311,
            client_id: client_id.into(),
            username: None,
            password: None,
            clean_session: true,
            keep_alive_s: 60,
            connection: ConnectionKind::Long,
            subscriptions: Vec::new(),
            limits: SpoolLimits::default(),
            backoff: Backoff::default(),
            inflight_max: INFLIGHT_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
        }
    }
}

/// The router's "Connection Type".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionKind {
    /// Stay connected.
    #[default]
    Long,
    /// Connect, publish, disconnect: for every message, in order.
    Short,
}

/// How to reach the server.
#[derive(Clone)]
pub enum Transport {
    /// Plain TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// TLS with certificates, by rustls.
    Tls {
        /// Name or address to dial.
        host: String,
        /// Port.
        port: u16,
        /// Roots, client certificate, versions.
        tls: Arc<rustls::ClientConfig>,
        /// The name that the server's certificate must have; as a rule, `host`.
        server_name: ServerName<'static>,
    },
    /// TLS with a pre-shared key, by OpenSSL: rustls has none.
    Psk {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// With the identity and key in its callback.
        context: openssl::ssl::SslContext,
    },
    /// Whatever opens a stream: a socket pair into the embedded broker, a test's pipe. Called once per try.
    Custom(Arc<dyn Fn() -> BoxFuture<std::io::Result<BoxedStream>> + Send + Sync>),
}

/// Where it goes, as logs and errors name it.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port, .. } | Self::Psk { host, port, .. } => {
                if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
            }
            Self::Custom(_) => f.write_str("the embedded broker"),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Tcp { .. } => "Tcp",
            Self::Tls { .. } => "Tls",
            Self::Psk { .. } => "Psk",
            Self::Custom(_) => "Custom",
        };
        write!(f, "{kind}({self})")
    }
}
