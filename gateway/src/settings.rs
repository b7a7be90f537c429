//! `[gateway]` of nightjar.toml, as it is written. What it means is a [`crate::Plan`].
//!
//! Names and values follow the router's form (figures 5 to 7 of Cassia's guide) and Cassia's scan
//! parameters. Everything may be left out but `source` and one `[[gateway.sink]]` with its `kind`.

use serde::Deserialize;

use crate::Secret;

/// The table `[gateway]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// A recording of `btmon -w`; a relative path begins at the directory of nightjar.toml.
    pub source: String,
    /// Begin again at the end of the recording. Default `false`.
    #[serde(rename = "loop")]
    pub looped: bool,
    /// How much faster than recorded: 0.001 to 1000, or 0 for as fast as possible. Default 1.
    pub speed: f64,
    /// Comma list of names: `TH-07`, `TH-*`, `*-07`. Empty (default): any name, or none.
    pub filter_name: String,
    /// Comma list of addresses: `CC:DD:EE:00:11:22`, `CC:DD:EE*`. Empty: any.
    pub filter_mac: String,
    /// Comma list of service UUIDs, of 16, 32 or 128 bits. Empty: any, or none.
    pub filter_uuid: String,
    /// The weakest signal that is reported, in dBm: -127 to 20. Left out: any.
    pub filter_rssi: Option<i64>,
    /// 0 (default): report every packet; 1: one report per device; 1000 and more: the same packet once in
    /// so many milliseconds.
    pub filter_duplicates: i64,
    /// Reports are gathered for so many milliseconds into one message: 0 to 3,600,000, default 100, so that
    /// a scan response comes with its advertisement. 0: each report is a message.
    pub report_interval: i64,
    /// `spaced` (default; as the guide prints it) or `compact`.
    pub style: String,
    /// Tell in each report which gateway heard it. Default `false`.
    pub include_gateway_mac: bool,
    /// Under which key; default `gateway`, 1 to 64 bytes.
    pub gateway_key: String,
    /// The gateway's own address; needed with `include_gateway_mac`.
    pub gateway_mac: String,
    /// Where the reports go: the tables `[[gateway.sink]]`, 1 to 16.
    pub sink: Vec<SinkSettings>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            source: String::new(),
            looped: false,
            speed: 1.0,
            filter_name: String::new(),
            filter_mac: String::new(),
            filter_uuid: String::new(),
            filter_rssi: None,
            filter_duplicates: 0,
            report_interval: 100,
            style: "spaced".to_owned(),
            include_gateway_mac: false,
            gateway_key: gateway_core::dialect_a::GATEWAY_KEY.to_owned(),
            gateway_mac: String::new(),
            sink: Vec::new(),
        }
    }
}

/// One table `[[gateway.sink]]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct SinkSettings {
    /// `embedded` (the broker in this program) or `mqtt` (any other).
    pub kind: String,
    /// Name or address of the broker. Only and always with `mqtt`.
    pub host: Option<String>,
    /// 1 to 65535. Default 1883, and 8883 with encryption. Only with `mqtt`.
    pub port: Option<i64>,
    /// `long` (default) or `short` (connect, publish, disconnect for each message). Only with `mqtt`.
    pub connection: Option<String>,
    /// User Name.
    pub username: Option<String>,
    /// Password; better in a file.
    pub password: Option<Secret>,
    /// The file whose first line is the password, in place of `password`.
    pub password_file: Option<String>,
    /// "Topic of Scan". Default `cassia`.
    pub topic: Option<String>,
    /// "QoS of Scan": 0, 1 or 2. Default 1.
    pub qos: Option<i64>,
    /// `none` (default), `psk` or `certificate`. Only with `mqtt`.
    pub encryption: Option<String>,
    /// The pre-shared key, 2 to 512 hexadecimal digits. Only and always with `encryption = "psk"`.
    pub psk: Option<Secret>,
    /// Whose key it is, 1 to 128 bytes. Only and always with `encryption = "psk"`.
    pub psk_identity: Option<String>,
    /// File of the authorities that may have signed the broker's certificate (PEM).
    /// Only and always with `encryption = "certificate"`.
    pub ca_certificate: Option<String>,
    /// File of our own certificate (PEM), for a broker that asks for one; with `client_key`.
    pub client_certificate: Option<String>,
    /// File of its key (PEM).
    pub client_key: Option<String>,
    /// Client Identifier. Left out: one is made up.
    pub client_id: Option<String>,
    /// Messages kept while the broker is away; the oldest goes first. Default 100,000.
    pub queue_messages_max: Option<i64>,
    /// Bytes kept while the broker is away. Default 67,108,864 (64 MiB); at least 262,144.
    pub queue_bytes_max: Option<i64>,
}
