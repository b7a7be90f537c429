//! Requests of dialect C: what comes on `down/{gateway}/…`, and what is answered.
//!
//! A request is `{"id": …, "action": "api", …, "data": {"url": …, "method": …, "body": …}}`, REST in an envelope.
//! Nothing of it is believed: it has a limit of its own ([`REQUEST_BYTES_MAX`]), is read once, and what is kept of it
//! is its `id`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /cassia/info` | 200: model, version, address, uptime |
//! | `GET /gap/nodes?connection_state=connected` | 200, `{"nodes":{}}`: nothing is ever connected |
//! | what a Cassia gateway could do besides | 500, `{"result":"operation not supported"}` |
//! | what is no request | 500, `{"result":"parameter invalid"}` |

use serde_json::Value;

/// The longest request that is read, in bytes. The longest that makes sense (a list of devices) is far shorter.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The longest `id` that is given back, in bytes. A longer one is no identifier.
pub const ID_BYTES_MAX: usize = 256;

/// What came down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To be answered under this id; empty where none could be read.
    Api {
        /// As it came.
        id: String,
        /// What is asked for.
        call: Call,
    },
    /// Nothing to answer: a `heartbeat_reply`, or an action that is not known.
    Other,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /cassia/info`.
    Info,
    /// `GET /gap/nodes?connection_state=connected`.
    ConnectedNodes,
    /// Something that is a request, but not one of ours.
    NotSupported,
    /// No request: not JSON, no `url` or `method`, or too long.
    Invalid,
}

impl Request {
    /// Reads what came down.
    pub fn read(payload: &[u8]) -> Self {
        let invalid = |id| Self::Api { id, call: Call::Invalid };
        if payload.len() > REQUEST_BYTES_MAX {
            return invalid(String::new());
        }
        let Ok(Value::Object(envelope)) = serde_json::from_slice(payload) else { return invalid(String::new()) };
        match envelope.get("action").and_then(Value::as_str) {
            Some("api") => {}
            // The convention says to go by the action; an answer to each unknown one would be a way to make noise.
            Some(_) => return Self::Other,
            None => return invalid(id(envelope.get("id")).unwrap_or_default()),
        }
        let Some(id) = id(envelope.get("id")) else { return invalid(String::new()) };
        let call = envelope.get("data").map_or(Call::Invalid, call);
        Self::Api { id, call }
    }
}

fn id(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|id| id.len() <= ID_BYTES_MAX).map(str::to_owned)
}

fn call(data: &Value) -> Call {
    let text = |key| data.get(key).and_then(Value::as_str);
    let (Some(url), Some(method)) = (text("url"), text("method")) else { return Call::Invalid };
    if !url.starts_with('/') || method.is_empty() {
        return Call::Invalid;
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let asks_for = |parameter: &str| query.split('&').any(|one| one == parameter);
    match path.trim_end_matches('/') {
        _ if !method.eq_ignore_ascii_case("GET") => Call::NotSupported,
        "/cassia/info" => Call::Info,
        // With `event=1` it would be a stream of scan events.
        "/gap/nodes" if asks_for("connection_state=connected") && !asks_for("event=1") => Call::ConnectedNodes,
        _ => Call::NotSupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(data: &str) -> Call {
        let request =
            format!(r#"{{"id":"b7","action":"api","timestamp":1,"gateway":"CC:1B:E0:12:34:56","data":{data}}}"#);
        match Request::read(request.as_bytes()) {
            Request::Api { id, call } => {
                assert_eq!(id, "b7");
                call
            }
            Request::Other => panic!("{data}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_read_from_method_and_path() {
        let rows = [
            (r#"{"url":"/cassia/info","method":"GET","body":{}}"#, Call::Info),
            (r#"{"url":"/cassia/info","method":"get"}"#, Call::Info),
            (r#"{"url":"/cassia/info?x=1","method":"GET"}"#, Call::Info),
            (r#"{"url":"/gap/nodes?connection_state=connected","method":"GET","body":{}}"#, Call::ConnectedNodes),
            (r#"{"url":"/gap/nodes/?a=b&connection_state=connected","method":"GET"}"#, Call::ConnectedNodes),
            (r#"{"url":"/gap/nodes?event=1&connection_state=connected","method":"GET"}"#, Call::NotSupported),
            (r#"{"url":"/gap/nodes","method":"GET"}"#, Call::NotSupported),
            (r#"{"url":"/cassia/info","method":"POST"}"#, Call::NotSupported),
            (r#"{"url":"/cassia/reboot","method":"GET"}"#, Call::NotSupported),
            (
                r#"{"url":"/gap/nodes/C4:11:22:33:44:55/connection","method":"POST","body":{"type":"random"}}"#,
                Call::NotSupported,
            ),
            (r#"{"url":"cassia/info","method":"GET"}"#, Call::Invalid),
            (r#"{"url":"/cassia/info","method":""}"#, Call::Invalid),
            (r#"{"url":"/cassia/info"}"#, Call::Invalid),
            (r#"{"url":7,"method":"GET"}"#, Call::Invalid),
            ("[]", Call::Invalid),
            ("null", Call::Invalid),
        ];
        for (data, wanted) in rows {
            assert_eq!(api(data), wanted, "{data}");
        }
    }

    #[test]
    fn what_is_no_request_is_invalid_and_what_is_none_of_ours_is_passed_over() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        let rows: [(&str, Option<&str>); 12] = [
            ("", Some("")),
            ("{", Some("")),
            ("[]", Some("")),
            ("\u{FFFD}", Some("")),
            (r#"{"id":"b7"}"#, Some("b7")),
            (r#"{"id":"b7","action":7}"#, Some("b7")),
            (r#"{"id":"b7","action":"api"}"#, Some("b7")),
            (r#"{"action":"api","data":{"url":"/cassia/info","method":"GET"}}"#, Some("")),
            (r#"{"id":7,"action":"api","data":{"url":"/cassia/info","method":"GET"}}"#, Some("")),
            (&format!(r#"{{"id":"{long}","action":"api"}}"#), Some("")),
            (r#"{"id":"b7","action":"heartbeat_reply","data":{}}"#, None),
            (r#"{"id":"b7","action":"api_reply","data":{}}"#, None),
        ];
        for (payload, wanted) in rows {
            let wanted = wanted.map_or(Request::Other, |id| Request::Api { id: id.to_owned(), call: Call::Invalid });
            assert_eq!(Request::read(payload.as_bytes()), wanted, "{payload}");
        }
    }

    #[test]
    fn a_request_has_a_longest_length_and_a_depth() {
        let data = r#""data":{"url":"/cassia/info","method":"GET"}"#;
        let of = |bytes: usize| {
            let head = format!(r#"{{"id":"b7","action":"api",{data},"pad":""#);
            format!(r#"{head}{}"}}"#, "x".repeat(bytes - head.len() - 2))
        };
        let call = |payload: &str| match Request::read(payload.as_bytes()) {
            Request::Api { call, .. } => call,
            Request::Other => panic!(),
        };
        assert_eq!(call(&of(REQUEST_BYTES_MAX)), Call::Info);
        assert_eq!(call(&of(REQUEST_BYTES_MAX + 1)), Call::Invalid);
        assert_eq!(call(&"[".repeat(REQUEST_BYTES_MAX)), Call::Invalid);
    }
}
