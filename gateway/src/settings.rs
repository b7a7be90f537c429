//! `[gateway]` of nightjar.toml, as it is written. What it means is a [`crate::Plan`].
//!
//! Names and values follow the router's form (figures 5 to 7 of Cassia's guide) and Cassia's scan
//! parameters. Everything may be left out but `source` (or the table `[gateway.radio]` in its place) and one
//! `[[gateway.sink]]` with its `kind`.

use serde::Deserialize;

use crate::Secret;

/// The table `[gateway]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// A recording of `btmon -w`; a relative path begins at the directory of nightjar.toml. Not with `radio`.
    pub source: String,
    /// The adapters of this machine, in place of a recording: the table `[gateway.radio]`, which may be empty.
    pub radio: Option<RadioSettings>,
    /// Begin again at the end of the recording. Default `false`.
    #[serde(rename = "loop")]
    pub looped: bool,
    /// How much faster than recorded: 0.001 to 1000, or 0 for as fast as possible. Default 1.
    pub speed: f64,
    /// Comma list of names: `TH-07`, `TH-*`, `*-07`. Empty (default): any name, or none.
    pub filter_name: String,
    /// Comma list of addresses: `CC:DD:EE:00:11:22`, `CC:DD:EE*`. Empty: any.
    pub filter_mac: String,
    /// Comma list of service UUIDs: `180D`, the full form, `18*`, `*0D`. Empty: any, or none.
    pub filter_uuid: String,
    /// JSON array of bytes that the data has: `[{"offset":"1","data":"0201060A"}]`. Empty: any.
    pub filter_value: String,
    /// Look for name, UUID and value in an advertisement and its scan response together, so that both pass or
    /// neither. Default `false`: each packet is judged by itself, as on a Cassia router.
    pub filter_pairs: bool,
    /// The weakest signal that is reported, in dBm: -127 to 20. Left out: any.
    pub filter_rssi: Option<i64>,
    /// 0 (default): report every packet; 1: one report per device; 1000 and more: the same packet once in
    /// so many milliseconds.
    pub filter_duplicates: i64,
    /// Reports are gathered for so many milliseconds into one message: 0 to 3,600,000, default 100, so that
    /// a scan response comes with its advertisement. 0: each report is a message.
    pub report_interval: i64,
    /// `spaced` (as the guide prints it; default of dialect A) or `compact` (default of dialect C). Empty: the default.
    pub style: String,
    /// Tell in each item of dialect C when it was heard. Default `false`.
    pub timestamp: bool,
    /// Tell in each report which gateway heard it. Default `false`.
    pub include_gateway_mac: bool,
    /// Under which key; default `gateway`, 1 to 64 bytes.
    pub gateway_key: String,
    /// The gateway's own address, where it is told: in the topics of dialect C, with `include_gateway_mac`. Left out:
    /// that of the first adapter; of a recording it must be set.
    pub gateway_mac: String,
    /// Where the reports go: the tables `[[gateway.sink]]`, 1 to 16.
    pub sink: Vec<SinkSettings>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            source: String::new(),
            radio: None,
            looped: false,
            speed: 1.0,
            filter_name: String::new(),
            filter_mac: String::new(),
            filter_uuid: String::new(),
            filter_value: String::new(),
            filter_pairs: false,
            filter_rssi: None,
            filter_duplicates: 0,
            report_interval: 100,
            style: String::new(),
            timestamp: false,
            include_gateway_mac: false,
            gateway_key: gateway_core::dialect_a::GATEWAY_KEY.to_owned(),
            gateway_mac: String::new(),
            sink: Vec::new(),
        }
    }
}

/// The table `[gateway.radio]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RadioSettings {
    /// Addresses of the adapters that scan, such as `["00:1A:7D:DA:71:13"]`; 16 at most. Empty (default): all.
    pub adapters: Vec<String>,
    /// `passive` (default: listen only) or `active` (ask for scan responses, too).
    pub mode: String,
    /// Milliseconds from the beginning of one scan window to that of the next: 3 to 10,240. Left out: as the
    /// kernel has it.
    pub interval_ms: Option<i64>,
    /// Milliseconds that are listened in each interval: 3 to `interval_ms`, which is also what it is when left
    /// out. Only with `interval_ms`.
    pub window_ms: Option<i64>,
    /// `1M`, `CODED` or both. Left out: as the kernel has it.
    pub phys: Option<Vec<String>>,
    /// Seconds without a packet before the watchdog looks after the adapter: 1 to 3600, default 10.
    pub silence_s: i64,
    /// Whether the watchdog may reset an adapter, as its last step. Default `true`.
    pub may_reset: bool,
}

impl Default for RadioSettings {
    fn default() -> Self {
        Self {
            adapters: Vec::new(),
            mode: "passive".to_owned(),
            interval_ms: None,
            window_ms: None,
            phys: None,
            silence_s: 10,
            may_reset: true,
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
    /// `A` (default): the array of 2020's bypass mode, to one topic. `C`: the MQTT API, to topics of its own
    /// (`up/{gateway}/scan` and others), with heartbeat, status and answers. Only with a long connection.
    pub dialect: Option<String>,
    /// "Topic of Scan". Default `cassia`. Not with dialect C.
    pub topic: Option<String>,
    /// "QoS of Scan": 0, 1 or 2. Default 1; of dialect C 0. Its other messages go at 1.
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
    /// What follows is as in `[gateway]`, for this sink alone; what is left out is as it is there.
    pub filter_name: Option<String>,
    /// See [`GatewaySettings::filter_mac`].
    pub filter_mac: Option<String>,
    /// See [`GatewaySettings::filter_uuid`].
    pub filter_uuid: Option<String>,
    /// See [`GatewaySettings::filter_value`].
    pub filter_value: Option<String>,
    /// See [`GatewaySettings::filter_pairs`].
    pub filter_pairs: Option<bool>,
    /// See [`GatewaySettings::filter_rssi`].
    pub filter_rssi: Option<i64>,
    /// See [`GatewaySettings::filter_duplicates`].
    pub filter_duplicates: Option<i64>,
    /// See [`GatewaySettings::report_interval`].
    pub report_interval: Option<i64>,
    /// See [`GatewaySettings::style`].
    pub style: Option<String>,
    /// See [`GatewaySettings::timestamp`].
    pub timestamp: Option<bool>,
    /// See [`GatewaySettings::include_gateway_mac`].
    pub include_gateway_mac: Option<bool>,
    /// See [`GatewaySettings::gateway_key`].
    pub gateway_key: Option<String>,
    /// See [`GatewaySettings::gateway_mac`].
    pub gateway_mac: Option<String>,
}
