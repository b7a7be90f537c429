//! From `protocol http_api` to what the broker's HTTP thread is given: where, behind what, and who may ask.

use broker::{HttpAccess, HttpApi, HttpDoor, HttpListener};
use broker_conf::{Listener, Protocol, Settings};

use super::{Rules, SetupError, addresses, cannot_open, doors, path_of, protection, rules};

/// Where HTTP is spoken, if it is.
pub(super) fn api(settings: &Settings, errors: &mut Vec<SetupError>, warnings: &mut Vec<String>) -> Option<HttpApi> {
    let access = access(settings, errors, warnings)?;
    let mut listeners = Vec::new();
    for listener in &settings.http_listeners {
        let addresses = addresses(listener).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let dir = listener.http_dir.as_ref().and_then(|dir| {
            let found = dir.value.canonicalize();
            let found =
                found.map_err(|cause| SetupError(cannot_open(&dir.value, "http_dir", &dir.at.to_string(), &cause)));
            found.map_err(|error| errors.push(error)).ok()
        });
        listeners.push(HttpListener { addresses, dir, may_fail: settings.local_only });
    }
    Some(HttpApi { listeners, head_bytes_max: settings.packet_buffer_size.into(), access })
}

/// Who may ask there. The files are read once more: what the broker's own thread has is its own.
pub(super) fn access(
    settings: &Settings,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Option<HttpAccess> {
    if settings.http_listeners.is_empty() {
        return None;
    }
    // Most often the files are those of the listeners for MQTT: what is wrong with them is said once.
    let mut wrong = Vec::new();
    let Rules { acl, passwords } = rules(&settings.http_listeners, &mut wrong, &mut Vec::new());
    errors.extend(wrong.into_iter().filter(|wrong| !errors.iter().any(|said| said.0 == wrong.0)).collect::<Vec<_>>());
    let door = |listener: &Listener| HttpDoor {
        protection: protection(settings, listener, errors, warnings),
        allow_anonymous: listener.allow_anonymous,
    };
    let doors = settings.http_listeners.iter().map(door).collect();
    Some(HttpAccess { acl, passwords, listeners_json: listeners_json(settings), doors })
}

/// As mosquitto answers `/api/v1/listeners`.
fn listeners_json(settings: &Settings) -> String {
    let facts = settings.listeners.iter().chain(&settings.http_listeners).map(|listener| {
        let mtls = listener.certificates.as_ref().is_some_and(|certificates| certificates.require_certificate);
        let protocol = match listener.protocol {
            Protocol::Mqtt => "mqtt",
            Protocol::WebSockets => "websockets",
            Protocol::HttpApi => "httpapi",
        };
        serde_json::json!({
            "port": listener.port,
            "protocol": protocol,
            "tls": listener.certificates.is_some(),
            "mtls": mtls,
            "allow_anonymous": listener.allow_anonymous,
        })
    });
    serde_json::json!({ "listeners": facts.collect::<Vec<_>>() }).to_string()
}

/// Whether HTTP is spoken at the same listeners, with the same files.
pub(super) fn are_same(before: &Settings, now: &Settings) -> bool {
    let of = |settings: &Settings| -> Vec<_> {
        let listeners = settings.http_listeners.iter();
        listeners.map(|one| (one.port, one.address.clone(), doors(one), path_of(one.http_dir.as_ref()))).collect()
    };
    of(before) == of(now)
}
