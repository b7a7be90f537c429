//! One `[[gateway.sink]]`: what it means, or all that is wrong with it.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use link::{ConnectionKind, SpoolLimits};
use mqtt::{QoS, TopicName};

use super::check::Faults;
use super::check_reports::Defaults;
use super::{DialectPlan, Encryption, Secret, SinkKind, SinkPlan, SourcePlan};
use crate::SinkSettings;

const DEFAULT_TOPIC: &str = "cassia";
/// As on the router's form, "At least once (1)".
const DEFAULT_QOS: i64 = 1;
/// As Cassia's own tool subscribes to it.
const DEFAULT_QOS_C: i64 = 0;
const PLAIN_PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
/// What OpenSSL takes of each.
const PSK_BYTES_MAX: usize = 256;
const PSK_IDENTITY_BYTES_MAX: usize = 128;
const QUEUE_MESSAGES_MAX: i64 = 10_000_000;
/// One message has up to 128 KiB, and its topic up to 64.
const QUEUE_BYTES_MIN: i64 = 256 * 1024;
const QUEUE_BYTES_MAX: i64 = 16 * 1024 * 1024 * 1024;
/// [3.1.1 §3.1.3.5], [5.0 §3.1.3.6]: a length of two bytes.
const PASSWORD_BYTES_MAX: u64 = 65_535;

pub(super) fn sink(
    settings: &SinkSettings,
    base: &Path,
    source: &SourcePlan,
    defaults: &Defaults,
    faults: &mut Faults,
) -> Option<SinkPlan> {
    let kind = kind(settings, base, faults);
    let reports = defaults.of_sink(settings, source, faults);
    let is_c = matches!(reports.dialect, DialectPlan::C { .. });
    if is_c {
        only_for_a(settings, kind.as_ref(), faults);
    }
    let topic = settings.topic.as_deref().unwrap_or(DEFAULT_TOPIC);
    if TopicName::new(topic).is_err() {
        faults.add("topic", format!("{topic:?} is not a topic name: 1 to 65535 bytes, without + # and NUL"));
    }
    let qos = match settings.qos.unwrap_or(if is_c { DEFAULT_QOS_C } else { DEFAULT_QOS }) {
        0 => Some(QoS::AtMostOnce),
        1 => Some(QoS::AtLeastOnce),
        2 => Some(QoS::ExactlyOnce),
        other => faults.none("qos", format!("{other}, but it takes 0, 1 or 2")),
    };
    let (username, password) = login(settings, base, faults);
    let queue = queue(settings, faults);
    let client_id = settings.client_id.clone().filter(|id| !id.is_empty());
    Some(SinkPlan { kind: kind?, reports, topic: Arc::from(topic), qos: qos?, client_id, username, password, queue })
}

fn only_for_a(settings: &SinkSettings, kind: Option<&SinkKind>, faults: &mut Faults) {
    if settings.topic.is_some() {
        faults.add("topic", "set, but dialect C has topics of its own, up/{gateway}/scan and others: leave it out");
    }
    if matches!(kind, Some(SinkKind::Mqtt { connection: ConnectionKind::Short, .. })) {
        faults.add("connection", "\"short\", but dialect C listens for requests: set it to \"long\"");
    }
    if settings.include_gateway_mac == Some(true) {
        faults
            .add("include_gateway_mac", "true, but every message of dialect C tells the gateway already: leave it out");
    }
}

fn kind(settings: &SinkSettings, base: &Path, faults: &mut Faults) -> Option<SinkKind> {
    match settings.kind.as_str() {
        "embedded" => {
            only_for_mqtt(settings, faults);
            Some(SinkKind::Embedded)
        }
        "mqtt" => mqtt(settings, base, faults),
        "" => {
            faults.none("kind", "missing: it takes \"embedded\" (the broker in this program) or \"mqtt\" (any other)")
        }
        other => faults.none("kind", format!("{other:?}, but it takes \"embedded\" or \"mqtt\"")),
    }
}

fn only_for_mqtt(settings: &SinkSettings, faults: &mut Faults) {
    let set = [
        ("host", settings.host.is_some()),
        ("port", settings.port.is_some()),
        ("connection", settings.connection.is_some()),
        ("encryption", settings.encryption.is_some()),
    ];
    for (key, _) in set.iter().filter(|(_, set)| *set) {
        faults.add(key, "set, but the embedded broker is in this program: leave it out, or set kind = \"mqtt\"");
    }
    only_for("psk", &[("psk", settings.psk.is_some()), ("psk_identity", settings.psk_identity.is_some())], faults);
    only_for("certificate", &certificate_keys(settings), faults);
}

fn mqtt(settings: &SinkSettings, base: &Path, faults: &mut Faults) -> Option<SinkKind> {
    let host = match settings.host.as_deref() {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) && !host.contains("://") => {
            Some(host.to_owned())
        }
        Some(other) => {
            faults.none("host", format!("{other:?} is not a host: write only its name or address, such as 192.0.2.7"))
        }
        None => faults.none("host", "missing: the broker's name or address"),
    };
    let connection = match settings.connection.as_deref() {
        None | Some("long") => Some(ConnectionKind::Long),
        Some("short") => Some(ConnectionKind::Short),
        Some(other) => faults.none("connection", format!("{other:?}, but it takes \"long\" or \"short\"")),
    };
    let encryption = encryption(settings, base, faults);
    let usual = if matches!(encryption, Some(Encryption::None)) { PLAIN_PORT } else { TLS_PORT };
    let port = match settings.port.map(u16::try_from) {
        None => Some(usual),
        Some(Ok(port @ 1..)) => Some(port),
        Some(_) => faults.none("port", format!("{}, but it takes 1 to 65535", settings.port.unwrap_or_default())),
    };
    Some(SinkKind::Mqtt { host: host?, port: port?, connection: connection?, encryption: encryption? })
}

fn encryption(settings: &SinkSettings, base: &Path, faults: &mut Faults) -> Option<Encryption> {
    let mode = settings.encryption.as_deref().unwrap_or("none");
    if mode != "psk" {
        only_for("psk", &[("psk", settings.psk.is_some()), ("psk_identity", settings.psk_identity.is_some())], faults);
    }
    if mode != "certificate" {
        only_for("certificate", &certificate_keys(settings), faults);
    }
    match mode {
        "none" => Some(Encryption::None),
        "psk" => psk(settings, faults),
        "certificate" => certificate(settings, base, faults),
        other => faults.none("encryption", format!("{other:?}, but it takes \"none\", \"psk\" or \"certificate\"")),
    }
}

fn certificate_keys(settings: &SinkSettings) -> [(&'static str, bool); 3] {
    [
        ("ca_certificate", settings.ca_certificate.is_some()),
        ("client_certificate", settings.client_certificate.is_some()),
        ("client_key", settings.client_key.is_some()),
    ]
}

fn only_for(mode: &str, keys: &[(&str, bool)], faults: &mut Faults) {
    for (key, _) in keys.iter().filter(|(_, set)| *set) {
        faults.add(key, format!("set, but not used: set encryption = {mode:?} too, or leave it out"));
    }
}

fn psk(settings: &SinkSettings, faults: &mut Faults) -> Option<Encryption> {
    let identity = match settings.psk_identity.as_deref() {
        Some(identity) if (1..=PSK_IDENTITY_BYTES_MAX).contains(&identity.len()) => Some(identity.to_owned()),
        Some(other) => {
            faults.none("psk_identity", format!("{} bytes, but it takes 1 to {PSK_IDENTITY_BYTES_MAX}", other.len()))
        }
        None => faults.none(
            "psk_identity",
            "missing: encryption = \"psk\" needs it, as the broker's psk file has it before the colon",
        ),
    };
    let key = match &settings.psk {
        // The key itself is never repeated in a message.
        Some(Secret(digits)) => match hex(digits).filter(|key| (1..=PSK_BYTES_MAX).contains(&key.len())) {
            Some(key) => Some(Secret(key)),
            None => faults.none(
                "psk",
                format!("not a key: it takes an even number of hexadecimal digits, 2 to {}", 2 * PSK_BYTES_MAX),
            ),
        },
        None => faults
            .none("psk", "missing: encryption = \"psk\" needs it, as the broker's psk file has it after the colon"),
    };
    Some(Encryption::Psk { identity: identity?, key: key? })
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let octet = |&[high, low]: &[u8; 2]| Some((nibble(high)? << 4 | nibble(low)?) as u8);
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

fn certificate(settings: &SinkSettings, base: &Path, faults: &mut Faults) -> Option<Encryption> {
    let ca = match settings.ca_certificate.as_deref() {
        Some(path) if !path.is_empty() => Some(base.join(path)),
        _ => faults.none(
            "ca_certificate",
            "missing: encryption = \"certificate\" needs the file of the authority that signed the broker's",
        ),
    };
    let client = match (&settings.client_certificate, &settings.client_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((base.join(certificate), base.join(key))),
        (Some(_), None) => faults.none("client_key", "missing: client_certificate needs the file of its key"),
        (None, Some(_)) => faults.none("client_certificate", "missing: client_key is the key of which certificate?"),
    };
    Some(Encryption::Certificate { ca: ca?, client })
}

fn login(settings: &SinkSettings, base: &Path, faults: &mut Faults) -> (Option<String>, Option<Secret>) {
    let password = match (&settings.password, &settings.password_file) {
        (Some(_), Some(_)) => faults.none("password_file", "set beside password: leave one of them out"),
        (Some(password), None) => Some(password.clone()),
        (None, Some(path)) => {
            let path = base.join(path);
            first_line(&path).map_err(|cause| faults.add("password_file", format!("{}: {cause}", path.display()))).ok()
        }
        (None, None) => None,
    };
    let username = settings.username.clone().filter(|name| !name.is_empty());
    if username.is_none() && (settings.password.is_some() || settings.password_file.is_some()) {
        // 3.1.1 has no room for a password without a user name [3.1.1 MQTT-3.1.2-22].
        faults.add("username", "missing: a password needs a user name");
    }
    (username, password)
}

fn first_line(path: &Path) -> std::io::Result<Secret> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(PASSWORD_BYTES_MAX + 2).read_to_end(&mut bytes)?;
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    match bytes.len() as u64 {
        0 => Err(std::io::Error::other("its first line is empty: write the password there")),
        1..=PASSWORD_BYTES_MAX => Ok(Secret(bytes)),
        _ => Err(std::io::Error::other(format!(
            "its first line is over {PASSWORD_BYTES_MAX} bytes, the longest password"
        ))),
    }
}

fn queue(settings: &SinkSettings, faults: &mut Faults) -> SpoolLimits {
    let mut limits = SpoolLimits::default();
    if let Some(messages) = settings.queue_messages_max {
        let takes = format!("1 to {QUEUE_MESSAGES_MAX} messages");
        let messages = faults.within("queue_messages_max", messages, 1, QUEUE_MESSAGES_MAX, &takes);
        limits.messages_max = usize::try_from(messages).unwrap_or(limits.messages_max);
    }
    if let Some(bytes) = settings.queue_bytes_max {
        let takes = format!("{QUEUE_BYTES_MIN} to {QUEUE_BYTES_MAX} bytes");
        let bytes = faults.within("queue_bytes_max", bytes, QUEUE_BYTES_MIN, QUEUE_BYTES_MAX, &takes);
        // More than an address can count is as good as no limit.
        limits.bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    limits
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
