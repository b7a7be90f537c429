//! What stands between a listener's port and MQTT, from its certificates, keys and rules.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use acl::PskFile;
use broker::proxy_header::Version;
use broker::{Protection, ProxyRules, WebSocketRules};
use broker_conf::{Listener, Protocol, Settings, UsernameFrom};
use certs::KeyLog;
use openssl::ssl::SslContext;

use super::{SetupError, Status, parsed, path_of};

/// Which listener a file belongs to, behind a message that names the file: several may have certificates.
pub(crate) fn of_listener(listener: &Listener) -> String {
    listener.at.as_ref().map_or_else(String::new, |at| format!(" (for the listener of {at})"))
}

/// The certificate files of a listener, if it has any.
pub(crate) fn server_files(listener: &Listener) -> Option<certs::ServerFiles> {
    let files = listener.certificates.as_ref()?;
    Some(certs::ServerFiles {
        cafile: files.cafile.as_ref().map(|file| file.value.clone()),
        capath: files.capath.as_ref().map(|file| file.value.clone()),
        certfile: files.certfile.value.clone(),
        keyfile: files.keyfile.value.clone(),
        require_certificate: files.require_certificate,
        min_version: match files.tls_version_min {
            broker_conf::TlsVersion::V12 => certs::TlsVersion::Tls12,
            broker_conf::TlsVersion::V13 => certs::TlsVersion::Tls13,
        },
        crlfile: path_of(files.crlfile.as_ref()),
        any_client_dates: files.any_client_dates,
        ciphers: files.ciphers.as_ref().map(|list| list.value.clone()),
        ciphers_tls13: files.ciphers_tls13.as_ref().map(|list| list.value.clone()),
        has_psk: listener.psk.is_some(),
        asks_pass_phrase: io::stdin().is_terminal(),
    })
}

/// Where the secrets of TLS sessions go. As with mosquitto, a file that cannot be had is no reason not to start.
pub(super) fn key_log(settings: &Settings, warnings: &mut Vec<String>) -> Option<Arc<KeyLog>> {
    let path = settings.tls_keylog.as_ref()?;
    match KeyLog::open(path) {
        Ok(log) => Some(log),
        Err(cause) => {
            warnings.push(format!("Unable to open keylog file {}: {cause}. No keys are logged.", path.display()));
            None
        }
    }
}

/// Says that secrets are written down: once, when they begin to be.
pub(super) fn tell_key_log(settings: &Settings) {
    if let Some(path) = &settings.tls_keylog {
        tracing::info!(target: "notice", "TLS key logging to '{}' enabled for all listeners.", path.display());
        tracing::info!(target: "notice", "TLS key logging is for DEBUGGING only.");
    }
}

/// Of one listener. What is wrong goes to `errors`.
pub(super) fn protection(
    settings: &Settings,
    listener: &Listener,
    key_log: Option<&Arc<KeyLog>>,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Protection {
    let names = listener.username_from.map(|from| match from {
        UsernameFrom::Identity => certs::NameFrom::Identity,
        UsernameFrom::Subject => certs::NameFrom::Subject,
    });
    let proxy = listener.proxy.map(|proxy| ProxyRules {
        version: if proxy.is_version_2 { Version::V2 } else { Version::V1 },
        requires_tls: proxy.requires_tls,
        requires_certificate: proxy.requires_certificate,
    });
    let websocket = websocket(settings, listener);
    let mut protection = Protection { names, proxy, websocket, ..Protection::default() };
    if let Some(files) = server_files(listener) {
        match certs::server_side(&files, key_log.cloned()) {
            Ok(side) => (protection.certificates, protection.clients) = (Some(side.config), side.clients),
            Err(error) => {
                let first = certs::mosquitto_line(&files, &error).map_or_else(String::new, |line| format!("{line}\n"));
                errors.push(SetupError(format!("Error: {first}{error}{}", of_listener(listener)), Status::Refused));
            }
        }
    }
    if let Some(psk) = &listener.psk {
        match psk_context(psk, key_log.cloned(), warnings) {
            Ok(context) => protection.psk = Some(context),
            Err(error) => errors.push(error),
        }
    }
    protection
}

fn websocket(settings: &Settings, listener: &Listener) -> Option<Arc<WebSocketRules>> {
    let is_one = listener.protocol == Protocol::WebSockets;
    is_one.then(|| {
        Arc::new(WebSocketRules {
            head_bytes_max: settings.packet_buffer_size.into(),
            origins: listener.websockets_origins.clone(),
        })
    })
}

fn psk_context(
    psk: &broker_conf::Psk,
    key_log: Option<Arc<KeyLog>>,
    warnings: &mut Vec<String>,
) -> Result<SslContext, SetupError> {
    let keys = match &psk.file {
        Some(file) => {
            let keys = parsed(file, "psk_file", PskFile::parse)?;
            warnings.extend(keys.warnings().iter().map(|warning| format!("{}, {warning}", file.value.display())));
            Some(keys)
        }
        None => None,
    };
    let keys = Arc::new(keys);
    let lookup: certs::PskLookup =
        Arc::new(move |identity| keys.as_ref().as_ref()?.key_of(identity).map(<[u8]>::to_vec));
    let ciphers = psk.ciphers.as_ref().map(|list| list.value.as_str());
    certs::psk_server_context_logging_keys(Some(&psk.hint.value), ciphers, lookup, key_log)
        .map_err(|error| SetupError(format!("Error: {error}"), Status::Refused))
}
