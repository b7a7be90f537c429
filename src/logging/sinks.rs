//! Where a line of the log can go besides a stream: syslog, the journal, JSON. Each in its own form; nothing is decided
//! here about what is worth a line, and nothing here makes who logs wait.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// One line, and what it is about.
pub(crate) struct Entry<'a> {
    /// mosquitto's kind of message: `notice`, …
    pub kind: &'a str,
    /// Without time and line end; control characters are made visible.
    pub message: &'a str,
    /// With the time before it, as `log_timestamp` asks for, and without a line end.
    pub line: &'a str,
    /// Facts beside the message, as names in lower case and values.
    pub fields: &'a [(&'static str, String)],
    /// Seconds since 1970.
    pub time_s: f64,
}

/// Bytes of a message to syslog or the journal: a datagram has to take it. A Client Identifier alone may have 65,535.
const MESSAGE_BYTES_MAX: usize = 48 * 1024;

/// syslog's own numbers (RFC 5424, table 2), which the journal has too.
fn priority(kind: &str) -> u8 {
    match kind {
        "error" => 3,
        "warning" => 4,
        "notice" => 5,
        "information" => 6,
        _ => 7,
    }
}

/// mosquitto's letter for a kind, as the last level of `$SYS/broker/log/…`; `None` for what is never published.
pub(crate) fn topic_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "error" => "E",
        "warning" => "W",
        "notice" => "N",
        "information" => "I",
        "subscribe" => "M/subscribe",
        "unsubscribe" => "M/unsubscribe",
        "websockets" => "WS",
        _ => return None,
    })
}

/// A socket that takes datagrams. One that is not there, or takes none now, loses a line: the log must not stop what it
/// tells of.
#[derive(Debug)]
pub(crate) struct Datagrams {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Datagrams {
    pub(crate) fn to(path: impl Into<PathBuf>) -> Self {
        let socket = UnixDatagram::unbound().ok().filter(|socket| socket.set_nonblocking(true).is_ok());
        Self { path: path.into(), socket }
    }

    pub(crate) fn send(&self, datagram: &[u8]) {
        if let Some(socket) = &self.socket {
            // To the path and not to a connection: a logger that was restarted has another socket there.
            let _ = socket.send_to(datagram, &self.path);
        }
    }
}

/// As syslog(3) writes it: `<priority>Nov 29 05:17:17 name[pid]: line`.
pub(crate) fn syslog(entry: &Entry<'_>, facility: u8, name: &str, pid: u32) -> String {
    let when = chrono::Local::now().format("%b %e %T");
    format!("<{}>{when} {name}[{pid}]: {}", (facility << 3) | priority(entry.kind), cut(entry.line))
}

/// In the journal's own protocol: `NAME=value` lines. No value holds a line end, for those are made visible.
pub(crate) fn journal(entry: &Entry<'_>, name: &str, pid: u32) -> String {
    let mut text = format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER={name}\nSYSLOG_PID={pid}\nNIGHTJAR_KIND={}\n",
        cut(entry.message),
        priority(entry.kind),
        entry.kind
    );
    for (name, value) in entry.fields {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "NIGHTJAR_{}={}", name.to_uppercase(), cut(value));
    }
    text
}

/// One object on one line: `time` in seconds since 1970, `kind`, `message`, and the facts.
pub(crate) fn json(entry: &Entry<'_>) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), entry.time_s.into());
    object.insert("kind".to_owned(), entry.kind.into());
    object.insert("message".to_owned(), entry.message.into());
    for (name, value) in entry.fields {
        object.insert((*name).to_owned(), value.as_str().into());
    }
    Value::Object(object).to_string()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> =
        Entry { kind: "notice", message: "said", line: "17: said", fields: &[], time_s: 1_700_000_000.25 };

    #[test]
    fn each_sink_has_its_own_form() {
        let line = syslog(&ENTRY, 3, "mosquitto", 7);
        assert!(line.starts_with("<29>") && line.ends_with(" mosquitto[7]: 17: said"), "{line}");
        assert!(syslog(&Entry { kind: "error", ..ENTRY }, 16, "m", 7).starts_with("<131>"), "local0, error");
        let fields = [("client_id", "gw".to_owned())];
        let entry = Entry { fields: &fields, ..ENTRY };
        assert_eq!(
            journal(&entry, "nightjar", 7),
            "MESSAGE=said\nPRIORITY=5\nSYSLOG_IDENTIFIER=nightjar\nSYSLOG_PID=7\nNIGHTJAR_KIND=notice\n\
             NIGHTJAR_CLIENT_ID=gw\n"
        );
        let object: Value = serde_json::from_str(&json(&entry)).expect("JSON");
        let wanted =
            serde_json::json!({"time": 1_700_000_000.25, "kind": "notice", "message": "said", "client_id": "gw"});
        assert_eq!(object, wanted);
    }

    #[test]
    fn a_message_that_no_datagram_takes_is_cut_between_two_letters() {
        let long = "\u{e9}".repeat(MESSAGE_BYTES_MAX);
        let entry = Entry { message: &long, line: &long, ..ENTRY };
        assert!(syslog(&entry, 3, "m", 7).len() < MESSAGE_BYTES_MAX + 100);
        assert!(journal(&entry, "m", 7).len() < MESSAGE_BYTES_MAX + 200);
    }

    #[test]
    fn debug_is_never_published_and_every_other_kind_has_its_topic() {
        assert_eq!((topic_of("debug"), topic_of("internal")), (None, None));
        for (kind, topic) in [("error", "E"), ("notice", "N"), ("unsubscribe", "M/unsubscribe"), ("websockets", "WS")] {
            assert_eq!(topic_of(kind), Some(topic));
        }
    }
}
