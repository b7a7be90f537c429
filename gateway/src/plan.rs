//! What the settings mean: a plan that exists can be carried out, files and peers willing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::dialect_a::Style;
use gateway_core::dialect_b::Items;
use gateway_core::duplicates::DuplicateRule;
use gateway_core::filter::Filters;
use gateway_core::scan::RadioPlan;
use link::{ConnectionKind, LinkSettings, SpoolLimits, Transport};
use mqtt::QoS;

use crate::topics::Topics;

mod check;
mod check_radio;
mod check_reports;
mod check_sink;

/// All that a gateway does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where packets come from.
    pub source: SourcePlan,
    /// Where they go; at least one.
    pub sinks: Vec<SinkPlan>,
}

/// What becomes of what is heard, for one sink.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportPlan {
    /// What is of interest.
    pub filters: Filters,
    /// Whether an advertisement and its scan response are judged together.
    pub pairs: bool,
    /// What is done with repeats.
    pub duplicates: DuplicateRule,
    /// How long reports are gathered for one message; zero: each is a message.
    pub report_interval: Duration,
    /// How they are written.
    pub dialect: DialectPlan,
    /// The gateway's own address. `None`: not known before the first adapter is, if it is needed at all.
    pub gateway: Option<MacAddress>,
}

/// How reports are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialectPlan {
    /// 2020's bypass mode.
    A {
        /// White space.
        style: Style,
        /// Under which key each report tells the gateway's own address, where it does.
        gateway_key: Option<Box<str>>,
    },
    /// The MQTT API.
    C {
        /// White space, and whether each item tells its time.
        items: Items,
    },
}

impl ReportPlan {
    /// Whether nothing can be reported before the gateway's own address is known.
    pub fn needs_address(&self) -> bool {
        let tells = !matches!(&self.dialect, DialectPlan::A { gateway_key: None, .. });
        tells && self.gateway.is_none()
    }
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourcePlan {
    /// A recording, and how it is replayed.
    Recording {
        /// The file.
        path: PathBuf,
        /// Whether it begins again at its end. Never with [`Speed::Fastest`].
        looped: bool,
        /// How fast.
        speed: Speed,
    },
    /// Adapters of this machine. Who opens the gateway hands in the stream of what they hear.
    Radio(RadioPlan),
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
    /// What it is given.
    pub reports: ReportPlan,
    /// To which topic dialect A goes: a valid topic name. Dialect C has topics of its own.
    pub topic: Arc<str>,
    /// At which QoS reports go.
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
    /// where none was set, `address` what [`crate::Gateway::address`] gave.
    pub fn link_settings(
        &self,
        transport: Transport,
        made_up_id: impl Into<String>,
        address: MacAddress,
    ) -> LinkSettings {
        let client_id = self.client_id.clone().unwrap_or_else(|| made_up_id.into());
        let mut settings = LinkSettings::new(transport, client_id);
        settings.username.clone_from(&self.username);
        settings.password = self.password.as_ref().map(|password| password.0.clone());
        settings.limits = self.queue;
        settings.subscriptions = self.topics(address).subscriptions();
        if let SinkKind::Mqtt { connection, .. } = self.kind {
            settings.connection = connection;
        }
        settings
    }

    pub(crate) fn topics(&self, address: MacAddress) -> Topics {
        match self.reports.dialect {
            DialectPlan::A { .. } => Topics::one(Arc::clone(&self.topic), self.qos),
            DialectPlan::C { .. } => Topics::of_gateway(self.reports.gateway.unwrap_or(address), self.qos),
        }
    }

    fn topic_word(&self) -> String {
        match (&self.reports.dialect, self.reports.gateway) {
            (DialectPlan::A { .. }, _) => self.topic.to_string(),
            (DialectPlan::C { .. }, Some(gateway)) => format!("up/{gateway}/scan"),
            (DialectPlan::C { .. }, None) => "up/(the first adapter)/scan".to_owned(),
        }
    }
}

/// Where it goes, as logs name it.
impl fmt::Display for SinkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic_word();
        match &self.kind {
            SinkKind::Embedded => write!(f, "{topic} at the embedded broker"),
            SinkKind::Mqtt { host, port, .. } if host.contains(':') => write!(f, "{topic} at [{host}]:{port}"),
            SinkKind::Mqtt { host, port, .. } => write!(f, "{topic} at {host}:{port}"),
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
