//! What the settings mean: a plan that exists can be carried out, files and peers willing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::dialect_a::Encoder;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;
use link::{ConnectionKind, LinkSettings, SpoolLimits, Transport};
use mqtt::QoS;

mod check;
mod check_sink;

/// All that a gateway does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where packets come from.
    pub source: SourcePlan,
    /// Which of them are of interest.
    pub filters: Filters,
    /// What is done with repeats.
    pub duplicates: DuplicateRule,
    /// How long reports are gathered for one message; zero: each is a message.
    pub report_interval: Duration,
    /// How they are written.
    pub encoder: Encoder,
    /// Where they go; at least one.
    pub sinks: Vec<SinkPlan>,
}

/// A recording and how it is replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// The file.
    pub path: PathBuf,
    /// Whether it begins again at its end. Never with [`Speed::Fastest`].
    pub looped: bool,
    /// How fast.
    pub speed: Speed,
}

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as recorded: 0.001..=1000.
    Times(f64),
    /// Without waiting.
    Fastest,
}

/// Where reports go.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkPlan {
    /// Which broker.
    pub kind: SinkKind,
    /// To which topic: a valid topic name.
    pub topic: Arc<str>,
    /// At which QoS.
    pub qos: QoS,
    /// Client Identifier; `None`: make one up.
    pub client_id: Option<String>,
    /// User Name.
    pub username: Option<String>,
    /// Password; never without a user name.
    pub password: Option<Secret>,
    /// What is kept while the broker is away.
    pub queue: SpoolLimits,
}

/// Which broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// The one in this program.
    Embedded,
    /// Any other.
    Mqtt {
        /// Name or address.
        host: String,
        /// Not 0.
        port: u16,
        /// Long or short.
        connection: ConnectionKind,
        /// How the way there is protected.
        encryption: Encryption,
    },
}

/// The form's "Encryption Mode".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Plain MQTT.
    None,
    /// TLS with a pre-shared key.
    Psk {
        /// 1 to 128 bytes.
        identity: String,
        /// 1 to 256 bytes.
        key: Secret,
    },
    /// TLS with certificates. The files are not read yet.
    Certificate {
        /// Who may have signed the broker's.
        ca: PathBuf,
        /// Our own certificate, and its key.
        client: Option<(PathBuf, PathBuf)>,
    },
}

impl SinkPlan {
    /// All that a link needs but how to get there, which is `transport`; `made_up_id` is the Client Identifier
    /// where none was set.
    pub fn link_settings(&self, transport: Transport, made_up_id: impl Into<String>) -> LinkSettings {
        let client_id = self.client_id.clone().unwrap_or_else(|| made_up_id.into());
        let mut settings = LinkSettings::new(transport, client_id);
        settings.username.clone_from(&self.username);
        settings.password = self.password.as_ref().map(|password| password.0.clone());
        settings.limits = self.queue;
        if let SinkKind::Mqtt { connection, .. } = self.kind {
            settings.connection = connection;
        }
        settings
    }
}

/// Where it goes, as logs name it.
impl fmt::Display for SinkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SinkKind::Embedded => write!(f, "{} at the embedded broker", self.topic),
            SinkKind::Mqtt { host, port, .. } if host.contains(':') => write!(f, "{} at [{host}]:{port}", self.topic),
            SinkKind::Mqtt { host, port, .. } => write!(f, "{} at {host}:{port}", self.topic),
        }
    }
}

/// A password or a key: bytes that no log shows. Read from text, it is the text's UTF-8.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "String")]
pub struct Secret(pub Vec<u8>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
