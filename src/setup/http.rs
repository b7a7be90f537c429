//! From `protocol http_api` to what the broker's HTTP thread is given: where, behind what, and who may ask.

use std::sync::Arc;

use broker::{HttpAccess, HttpApi, HttpDoor, HttpListener};
use broker_conf::{Listener, Settings};
use certs::KeyLog;

use crate::addresses;

use super::protection::protection;
use super::reload::{doors, place};
use super::{Files, SetupError, cannot_open, listener_info, path_of};

/// Where HTTP is spoken, if it is.
pub(super) fn api(
    settings: &Settings,
    files: &mut Files,
    key_log: Option<&Arc<KeyLog>>,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Option<HttpApi> {
    let access = access(settings, files, key_log, errors, warnings)?;
    let mut listeners = Vec::new();
    for listener in &settings.http_listeners {
        let addresses = addresses::of(listener, warnings).unwrap_or_else(|error| {
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

/// Who may ask there. Most often the files are those of the listeners for MQTT, and are in `files` already.
pub(super) fn access(
    settings: &Settings,
    files: &mut Files,
    key_log: Option<&Arc<KeyLog>>,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Option<HttpAccess> {
    if settings.http_listeners.is_empty() {
        return None;
    }
    let door = |listener: &Listener| HttpDoor {
        protection: protection(settings, listener, key_log, errors, warnings),
        allow_anonymous: listener.allow_anonymous,
        acl: files.acl(listener, errors, warnings),
        passwords: files.passwords(listener, errors),
    };
    let doors = settings.http_listeners.iter().map(door).collect();
    Some(HttpAccess { listeners_json: listeners_json(settings), doors })
}

/// As mosquitto answers `/api/v1/listeners`.
fn listeners_json(settings: &Settings) -> String {
    let facts = all(settings).map(|listener| {
        let mtls = listener.certificates.as_ref().is_some_and(|certificates| certificates.require_certificate);
        serde_json::json!({
            "port": listener.port,
            "protocol": listener_info(listener).protocol,
            "tls": listener.certificates.is_some(),
            "mtls": mtls,
            "allow_anonymous": listener.allow_anonymous,
        })
    });
    serde_json::json!({ "listeners": facts.collect::<Vec<_>>() }).to_string()
}

/// Those for MQTT and those for HTTP.
pub(super) fn all(settings: &Settings) -> impl Iterator<Item = &Listener> {
    settings.listeners.iter().chain(&settings.http_listeners)
}

/// Whether HTTP is spoken at the same listeners, with the same files.
pub(super) fn are_same(before: &Settings, now: &Settings) -> bool {
    before.http_listeners.len() == now.http_listeners.len()
        && before.http_listeners.iter().zip(&now.http_listeners).all(|(before, now)| is_same(before, now))
}

fn is_same(one: &Listener, other: &Listener) -> bool {
    let of = |one: &Listener| (doors(one), path_of(one.http_dir.as_ref()));
    place(one) == place(other) && of(one) == of(other)
}

/// The listeners for HTTP after a reload: those that are open, each as it is written now if it stays what it is.
pub(crate) fn in_force(running: &Settings, read: &Settings) -> Vec<Listener> {
    let now = |before: &Listener| {
        let now = read.http_listeners.iter().find(|now| is_same(before, now));
        now.unwrap_or(before).clone()
    };
    running.http_listeners.iter().map(now).collect()
}
