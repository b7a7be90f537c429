//! What the operator set, as the core needs it. Parsing files is `broker-conf`'s.

use mqtt::{ProtocolVersion, QoS};

use crate::BACKLOG_BYTES_MAX;
use crate::limits::BACKLOG_SHARE;

/// Limits and choices of the whole broker; the names are mosquitto's options.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Overlapping subscriptions give one copy each; `false`: one copy per client.
    pub allow_duplicate_messages: bool,
    /// QoS 1 and 2 messages in flight to one client; 0: as many as there are Packet Identifiers.
    pub max_inflight_messages: u16,
    /// Bytes of payload in flight to one client; 0: no limit. The message that reaches it may go past it.
    pub max_inflight_bytes: usize,
    /// QoS 1 and 2 messages that wait for one client beyond those in flight; 0: no limit.
    pub max_queued_messages: usize,
    /// Bytes of payload that wait for one client; 0: no limit. The message that reaches it may go past it.
    pub max_queued_bytes: usize,
    /// QoS 0 messages wait for durable sessions that are away.
    pub queue_qos0_messages: bool,
    /// Seconds; 0: no limit. 5.0 clients are told ours, others are refused.
    pub max_keepalive_s: u16,
    /// Whole packets in bytes, both ways; 0: no limit.
    pub max_packet_size: u32,
    /// Payload bytes of a message; 0: no limit.
    pub message_size_limit: u32,
    /// Whether messages may be retained.
    pub retain_available: bool,
    /// Ask for the publisher's right again before a retained message is sent.
    pub check_retain_source: bool,
    /// Seconds between two rounds of `$SYS` messages; 0: none.
    pub sys_interval_s: u16,
    /// Name and version, as `$SYS/broker/version` has them.
    pub version: String,
    /// Deliver at the subscription's QoS even if it is above the message's.
    pub upgrade_outgoing_qos: bool,
    /// Durable sessions end this many seconds after their client left; `None`: as the client asked.
    pub persistent_client_expiration_s: Option<u64>,
    /// Memory for all retained messages, as [`crate::RETAINED_BYTES_MAX`] says; a message to one more topic is refused.
    pub retained_bytes_max: usize,
    /// Memory for the subscriptions of one session, as [`crate::SUBSCRIBED_BYTES_PER_SESSION_MAX`] says; one more is
    /// refused.
    pub subscribed_bytes_per_session_max: usize,
    /// Bytes in front of all sockets together, as [`crate::BACKLOGS_BYTES_MAX`] says.
    pub backlogs_bytes_max: usize,
    /// Say in words, too, why something was refused, to 5.0 clients that take it. mosquitto does not.
    pub reason_strings: bool,
    /// Sessions at most, their clients connected or not: one more is refused. `None`: no limit.
    pub clients_max: Option<u32>,
    /// Client Identifiers must begin like this (`clientid_prefixes`); those of parts of this process need not.
    pub client_id_prefix: Option<String>,
    /// Seconds between two looks for retained messages that have expired; `None`: they stay in memory, unseen, until
    /// their topic has another message.
    pub retain_expiry_s: Option<u64>,
    /// Bytes of memory of the process, past which the edge says [`crate::Broker::set_memory_full`]; `None`: no limit.
    pub memory_bytes_max: Option<u64>,
    /// What `$CONTROL/broker/v1` tells of the listeners; `None`: nobody is answered there.
    pub control_api: Option<Vec<ListenerInfo>>,
    /// Each listener, in the order the edge numbers them.
    pub listeners: Vec<ListenerSettings>,
}

impl Settings {
    /// Bytes that may wait in front of one socket while so many wait in front of all of them.
    #[inline]
    pub(crate) fn backlog_bytes_max(&self, backlogs_bytes: usize) -> usize {
        let free = self.backlogs_bytes_max.saturating_sub(backlogs_bytes);
        (free / BACKLOG_SHARE).min(BACKLOG_BYTES_MAX)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_duplicate_messages: true,
            max_inflight_messages: 20,
            max_inflight_bytes: 0,
            max_queued_messages: 1000,
            max_queued_bytes: 0,
            queue_qos0_messages: false,
            max_keepalive_s: 0,
            max_packet_size: 2_000_000,
            message_size_limit: 0,
            retain_available: true,
            check_retain_source: false,
            sys_interval_s: 0,
            version: concat!("nightjar version ", env!("CARGO_PKG_VERSION")).to_owned(),
            upgrade_outgoing_qos: false,
            persistent_client_expiration_s: None,
            retained_bytes_max: crate::RETAINED_BYTES_MAX,
            subscribed_bytes_per_session_max: crate::SUBSCRIBED_BYTES_PER_SESSION_MAX,
            backlogs_bytes_max: crate::BACKLOGS_BYTES_MAX,
            reason_strings: false,
            clients_max: None,
            client_id_prefix: None,
            retain_expiry_s: None,
            memory_bytes_max: None,
            control_api: None,
            listeners: vec![ListenerSettings::default()],
        }
    }
}

/// A listener as `$CONTROL/broker/v1` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerInfo {
    /// 0 for a Unix socket.
    pub port: u16,
    /// `mqtt` or `mqtt+websockets`; `None` for one that speaks neither.
    pub protocol: Option<String>,
    /// As the operator wrote it.
    pub bind_address: Option<String>,
    /// Of a Unix socket.
    pub socket_path: Option<String>,
    /// Whether it is behind TLS.
    pub tls: bool,
}

/// What one listener allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Nobody comes in here any more, and who came in here goes; its number may be given to another later.
    pub is_closed: bool,
    /// A client without a user name may come in.
    pub allow_anonymous: bool,
    /// Empty Client Identifiers are given one by us.
    pub allow_zero_length_clientid: bool,
    /// Begins the identifiers that we make.
    pub auto_id_prefix: String,
    /// User names are checked against a password file. Without one a user name is taken as it is, where anonymous
    /// clients may come in, and refused where they may not: so does mosquitto.
    pub checks_passwords: bool,
    /// User names are what the door found out ([`crate::Outbox::identity`]): what CONNECT says of user name and password is
    /// not looked at, and who has none is not let in.
    pub names_by_door: bool,
    /// The user name takes the place of the Client Identifier; who has none is not let in.
    pub username_as_client_id: bool,
    /// Stands in front of all topics of its clients, who see them without; not empty, and no wildcard.
    pub mount_point: Option<String>,
    /// Which versions are spoken here.
    pub versions: VersionSet,
    /// The highest QoS a client may publish at.
    pub max_qos: QoS,
    /// Topic aliases that a client may use.
    pub max_topic_alias: u16,
    /// Topic aliases that we use towards a client, if it takes as many.
    pub max_topic_alias_broker: u16,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            is_closed: false,
            allow_anonymous: false,
            allow_zero_length_clientid: true,
            auto_id_prefix: "auto-".to_owned(),
            checks_passwords: false,
            names_by_door: false,
            username_as_client_id: false,
            mount_point: None,
            versions: VersionSet::default(),
            max_qos: QoS::ExactlyOnce,
            max_topic_alias: crate::TOPIC_ALIASES_MAX,
            max_topic_alias_broker: crate::TOPIC_ALIASES_MAX,
        }
    }
}

/// `accept_protocol_versions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSet {
    /// MQTT 3.1.
    pub v31: bool,
    /// MQTT 3.1.1.
    pub v311: bool,
    /// MQTT 5.0.
    pub v5: bool,
}

impl Default for VersionSet {
    fn default() -> Self {
        Self { v31: true, v311: true, v5: true }
    }
}

impl VersionSet {
    /// Whether `version` is in the set.
    pub const fn has(self, version: ProtocolVersion) -> bool {
        match version {
            ProtocolVersion::V31 => self.v31,
            ProtocolVersion::V311 => self.v311,
            ProtocolVersion::V5 => self.v5,
        }
    }
}
