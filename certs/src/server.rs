//! The rustls configuration of a listener with certificates.

use crate::error::CertError;
use crate::load;
use crate::verify::ClientVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::{ServerConfig, ServerSessionMemoryCache};
use rustls::sign::SingleCertAndKey;
use rustls::{SupportedProtocolVersion, version};
use std::path::PathBuf;
use std::sync::Arc;

/// Sessions that can be resumed by clients without tickets; the oldest is forgotten first.
/// With tickets, which nearly all clients take, nothing is kept here.
pub const RESUMABLE_SESSIONS_MAX: usize = 1_024;

/// The files and the options of a listener with certificates, as in mosquitto.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// `cafile`: who may issue client certificates. Read and checked even when they are not required.
    pub cafile: Option<PathBuf>,
    /// `capath`: a directory of the same.
    pub capath: Option<PathBuf>,
    /// `certfile`: the server's certificate, then those between it and the CA.
    pub certfile: PathBuf,
    /// `keyfile`: its private key, not encrypted.
    pub keyfile: PathBuf,
    /// `require_certificate`: a client without a certificate is refused.
    pub require_certificate: bool,
    /// `tls_version`: the lowest that is spoken.
    pub min_version: TlsVersion,
}

/// The versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// This version and the newer ones.
    pub(crate) fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        static TLS12_AND_TLS13: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::Tls12 => &TLS12_AND_TLS13,
            Self::Tls13 => &TLS13,
        }
    }
}

/// Loads the files and makes the configuration that connections share.
///
/// Sessions are resumed, by ticket or from a cache of [`RESUMABLE_SESSIONS_MAX`]. Tickets and cache
/// are this configuration's own: when the files are loaded again, every client is verified again.
pub fn server_config(files: &ServerFiles) -> Result<Arc<ServerConfig>, CertError> {
    let certified = load::certified_key(&files.certfile, &files.keyfile)?;
    let authorities = load::authorities(files.cafile.as_deref(), files.capath.as_deref())?;
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(files.min_version.and_newer())?;
    let builder = if files.require_certificate {
        if authorities.is_empty() {
            return Err(CertError::Refused(
                "require_certificate true needs cafile or capath: who may issue client certificates?".to_owned(),
            ));
        }
        builder.with_client_cert_verifier(Arc::new(ClientVerifier::new(&authorities)?))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.session_storage = ServerSessionMemoryCache::new(RESUMABLE_SESSIONS_MAX);
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    // One ticket is enough for a client that comes back, and the second costs a write.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// The one set of algorithms: ring's.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
