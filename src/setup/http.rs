//! From `protocol http_api` to what the broker's HTTP thread is given: where, behind what, and who may ask.

use std::path::PathBuf;
use std::sync::Arc;

use broker::{HttpAccess, HttpApi, HttpDoor, HttpListener};
use broker_conf::{Listener, Settings};
use certs::KeyLog;

use crate::{addresses, called};

use super::protection::protection;
use super::{Files, SetupError, Status, cannot_open, listener_info};

/// Where HTTP is spoken, if it is.
pub(super) fn api(
    settings: &Settings,
    files: &mut Files,
    key_log: Option<&Arc<KeyLog>>,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Option<HttpApi> {
    let access = access(settings, files, key_log, errors, warnings)?;
    let listeners = settings.http_listeners.iter().map(|listener| ports(settings, listener, errors, warnings));
    Some(HttpApi { listeners: listeners.collect(), access })
}

/// Where one listener is to be heard.
pub(super) fn ports(
    settings: &Settings,
    listener: &Listener,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> HttpListener {
    let addresses = addresses::of(listener, warnings).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    HttpListener { addresses, may_fail: settings.local_only }
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
    let doors = settings.http_listeners.iter().map(|listener| HttpDoor {
        protection: protection(settings, listener, key_log, errors, warnings),
        allow_anonymous: listener.allow_anonymous,
        acl: files.acl(listener, errors, warnings),
        passwords: files.passwords(listener, errors),
        dir: dir(listener, errors),
    });
    let doors = doors.collect();
    let head_bytes_max = settings.packet_buffer_size.into();
    Some(HttpAccess { version: called::version(), listeners_json: listeners_json(settings), head_bytes_max, doors })
}

/// `http_dir`, without a symbolic link in it.
fn dir(listener: &Listener, errors: &mut Vec<SetupError>) -> Option<PathBuf> {
    let dir = listener.http_dir.as_ref()?;
    let told = |cause| cannot_open(&dir.value, "http_dir", &dir.at.to_string(), &cause);
    let found = dir.value.canonicalize();
    found.map_err(|cause| errors.push(SetupError(told(cause), Status::Wrong))).ok()
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
