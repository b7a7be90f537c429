//! What the configuration means: every value resolved, every listener complete.

use std::path::PathBuf;

use crate::{Located, LogSettings, Place, Warning};

/// A configuration that can be run. Names, defaults and units are mosquitto's options, which
/// [`options`](crate::options) describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where MQTT is spoken, with WebSocket or without: at least one.
    pub listeners: Vec<Listener>,
    /// Where HTTP is spoken (`protocol http_api`).
    pub http_listeners: Vec<Listener>,
    /// No listener was asked for: only this machine can connect, without a user name. The `http_api` that there is then
    /// (127.0.0.1:9883) may fail to open.
    pub local_only: bool,
    /// Security options belong to the listener they stand under.
    pub per_listener_settings: bool,

    /// The user to become when started as root; `root` stays root.
    pub user: Option<Located<String>>,
    /// Where the process id is written.
    pub pid_file: Option<Located<PathBuf>>,
    /// Where the log goes and what is in it.
    pub log: LogSettings,

    /// Whether anything outlives the process, and where.
    pub persistence: Persistence,

    /// Overlapping subscriptions give one copy each.
    pub allow_duplicate_messages: bool,
    /// Ask for the publisher's right again before a retained message is sent.
    pub check_retain_source: bool,
    /// Connected clients, all listeners together; `None`: no limit.
    pub global_max_connections: Option<u32>,
    /// Outgoing QoS 1 and 2 messages in flight per client; 0: no limit.
    pub max_inflight_messages: u16,
    /// Bytes in flight per client; 0: no limit.
    pub max_inflight_bytes: u64,
    /// Messages waiting per client beyond those in flight; 0: no limit.
    pub max_queued_messages: u32,
    /// Bytes waiting per client; 0: no limit.
    pub max_queued_bytes: u64,
    /// Seconds; 0: no limit.
    pub max_keepalive_s: u16,
    /// Bytes of a whole packet.
    pub max_packet_size: u32,
    /// Bytes of the request by which a client begins to speak WebSocket, and of any request to an `http_api`.
    pub packet_buffer_size: u16,
    /// Bytes of a payload; 0: no limit.
    pub message_size_limit: u32,
    /// Sessions whose client is away longer than this many seconds end; `None`: never.
    pub persistent_client_expiration_s: Option<u64>,
    /// Keep QoS 0 messages for clients that are away.
    pub queue_qos0_messages: bool,
    /// Whether messages may be retained.
    pub retain_available: bool,
    /// `TCP_NODELAY` on clients' sockets.
    pub set_tcp_nodelay: bool,
    /// Seconds between `$SYS` messages; 0: none.
    pub sys_interval_s: u16,
    /// Deliver at the subscription's QoS even if it is higher than the message's.
    pub upgrade_outgoing_qos: bool,

    /// Sessions, their clients connected or not; `None`: no limit.
    pub global_max_clients: Option<u32>,
    /// Bytes of memory of the process; `None`: no limit.
    pub memory_limit: Option<u64>,
    /// Seconds between two looks for expired retained messages; `None`: never.
    pub retain_expiry_s: Option<u64>,
    /// Client Identifiers must begin like this.
    pub clientid_prefixes: Option<String>,
    /// Whether `$CONTROL/broker/v1` is answered.
    pub enable_control_api: bool,
    /// `--tls-keylog`: where the secrets of every TLS session are written, for finding faults.
    pub tls_keylog: Option<PathBuf>,

    /// Every file that was read, the main file first.
    pub files: Vec<PathBuf>,
    /// To be said at every start.
    pub warnings: Vec<Warning>,
}

/// What outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persistence {
    /// Sessions and retained messages are kept on disk.
    pub is_on: bool,
    /// The folder; `None`: the one that the process works in.
    pub location: Option<Located<PathBuf>>,
    /// mosquitto's own file in it, which is taken over at the first start. A name.
    pub file: String,
    /// `autosave_interval`, if it was given: seconds, or with `autosave_on_changes` a number of changes; 0: at the end only.
    pub autosave: Option<Located<u32>>,
    /// See `autosave`.
    pub autosave_on_changes: bool,
}

/// One port or unix socket to listen on, with all that holds for the clients that come in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The line that asked for it; `None` in local-only mode and for a default listener without a `port` line.
    pub at: Option<Place>,
    /// 1 to 65535; 0 for a unix socket.
    pub port: u16,
    /// The path of a unix socket. Then there is no address.
    pub unix: Option<PathBuf>,
    /// An address or a host name; `None`: all of this machine.
    pub address: Option<String>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Origins whose pages may connect by WebSocket; none: all may.
    pub websockets_origins: Vec<String>,
    /// Files that an `http_api` serves.
    pub http_dir: Option<Located<PathBuf>>,
    /// Which of a name's addresses.
    pub socket_domain: SocketDomain,
    /// The network interface whose addresses it has; without one there are those of all.
    pub interface: Option<Located<String>>,
    /// Stands in front of all topics of its clients; not empty, and no wildcard.
    pub mount_point: Option<Located<String>>,
    /// Connected clients; `None`: no limit.
    pub max_connections: Option<u32>,
    /// Which versions of MQTT are spoken.
    pub protocol_versions: ProtocolVersions,
    /// The highest QoS that clients may publish at: 0, 1 or 2.
    pub max_qos: u8,
    /// Topic aliases that a client may use.
    pub max_topic_alias: u16,
    /// Topic aliases that the broker may use towards a client.
    pub max_topic_alias_broker: u16,

    /// A client may come in without a user name.
    pub allow_anonymous: bool,
    /// An empty Client Identifier is accepted and one is made.
    pub allow_zero_length_clientid: bool,
    /// Begins the identifiers that are made; at most 50 bytes.
    pub auto_id_prefix: String,
    /// User names and hashes.
    pub password_file: Option<Located<PathBuf>>,
    /// Who may do what.
    pub acl_file: Option<Located<PathBuf>>,

    /// What the door finds out about a client and takes for its user name, asking for no password.
    pub username_from: Option<UsernameFrom>,
    /// The user name takes the place of the Client Identifier.
    pub use_username_as_clientid: bool,

    /// A proxy stands in front and says whom it speaks for.
    pub proxy: Option<Proxy>,

    /// TLS with certificates.
    pub certificates: Option<Certificates>,
    /// TLS with pre-shared keys. Both may be given: the client's first bytes choose.
    pub psk: Option<Psk>,
}

/// `protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `mqtt`
    #[default]
    Mqtt,
    /// `websockets`: MQTT in WebSocket.
    WebSockets,
    /// `http_api`
    HttpApi,
}

/// `socket_domain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketDomain {
    /// Both.
    #[default]
    Any,
    /// `ipv4`
    Ipv4,
    /// `ipv6`
    Ipv6,
}

/// `accept_protocol_versions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolVersions {
    /// `3`: MQTT 3.1.
    pub v31: bool,
    /// `4`: MQTT 3.1.1.
    pub v311: bool,
    /// `5`: MQTT 5.0.
    pub v5: bool,
}

/// `use_identity_as_username`, `use_subject_as_username`; where both are written, the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameFrom {
    /// The common name of the certificate, or the PSK identity.
    Identity,
    /// The whole subject of the certificate.
    Subject,
}

/// `enable_proxy_protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// 2, else 1.
    pub is_version_2: bool,
    /// Clients must have come to the proxy by TLS. Version 2 only.
    pub requires_tls: bool,
    /// And with a certificate that it found good: `require_certificate`. Version 2 only.
    pub requires_certificate: bool,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `tlsv1.2`
    #[default]
    V12,
    /// `tlsv1.3`
    V13,
}

/// The certificate door of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The server's certificate and those between it and the root, PEM.
    pub certfile: Located<PathBuf>,
    /// Its private key, PEM.
    pub keyfile: Located<PathBuf>,
    /// Roots that clients' certificates must lead to.
    pub cafile: Option<Located<PathBuf>>,
    /// The same as a folder.
    pub capath: Option<Located<PathBuf>>,
    /// Only clients with a certificate may come in. Then there is a `cafile` or a `capath`.
    pub require_certificate: bool,
    /// Nothing older.
    pub tls_version_min: TlsVersion,
    /// Lists of certificates of clients that are no longer good.
    pub crlfile: Option<Located<PathBuf>>,
    /// Certificates of clients are good outside their dates, too.
    pub any_client_dates: bool,
    /// Suites of TLS 1.2, a list in OpenSSL's words.
    pub ciphers: Option<Located<String>>,
    /// Suites of TLS 1.3.
    pub ciphers_tls13: Option<Located<String>>,
}

/// The PSK door of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psk {
    /// Told to the client, which mostly ignores it.
    pub hint: Located<String>,
    /// Identities and keys; without one nobody can come in, and a warning says so.
    pub file: Option<Located<PathBuf>>,
    /// A list in OpenSSL's words.
    pub ciphers: Option<Located<String>>,
    /// Nothing older.
    pub tls_version_min: TlsVersion,
}
