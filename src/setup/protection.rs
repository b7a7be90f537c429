//! What stands between a listener's port and MQTT, from its certificates, keys and rules.

use std::sync::Arc;

use acl::PskFile;
use broker::{Protection, WebSocketRules};
use broker_conf::{Listener, Protocol, Settings};
use openssl::ssl::SslContext;

use super::{SetupError, parsed};

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
    })
}

/// Of one listener. What is wrong goes to `errors`.
pub(super) fn protection(
    settings: &Settings,
    listener: &Listener,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Protection {
    let mut protection = Protection { websocket: websocket(settings, listener), ..Protection::default() };
    if let Some(files) = server_files(listener) {
        match certs::server_config(&files) {
            Ok(config) => protection.certificates = Some(config),
            Err(error) => errors.push(SetupError(format!("Error: {error}{}", of_listener(listener)))),
        }
    }
    if let Some(psk) = &listener.psk {
        match psk_context(psk, warnings) {
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

fn psk_context(psk: &broker_conf::Psk, warnings: &mut Vec<String>) -> Result<SslContext, SetupError> {
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
    certs::psk_server_context(Some(&psk.hint.value), ciphers, lookup)
        .map_err(|error| SetupError(format!("Error: {error}")))
}
