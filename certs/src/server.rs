//! The rustls configuration of a listener with certificates.

use crate::error::CertError;
use crate::key_log::KeyLog;
use crate::revocation::Revocations;
use crate::verify::ClientVerifier;
use crate::{load, suites};
use rustls::crypto::CryptoProvider;
use rustls::server::{ServerConfig, ServerSessionMemoryCache};
use rustls::sign::SingleCertAndKey;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};
use std::path::PathBuf;
use std::sync::Arc;

/// Sessions that can be resumed by clients without tickets; the oldest is forgotten first.
/// With tickets, which nearly all clients take, nothing is kept here.
pub const RESUMABLE_SESSIONS_MAX: usize = 1_024;

/// The files and the options of a listener with certificates, as in mosquitto.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// `cafile`: who may issue client certificates. Read and checked even when they are not required.
    pub cafile: Option<PathBuf>,
    /// `capath`: a directory of the same.
    pub capath: Option<PathBuf>,
    /// `certfile`: the server's certificate, then those between it and the CA.
    pub certfile: PathBuf,
    /// `keyfile`: its private key, not encrypted but where a terminal is there to ask for the pass phrase.
    pub keyfile: PathBuf,
    /// `require_certificate`: a client without a certificate is refused.
    pub require_certificate: bool,
    /// `tls_version`: the lowest that is spoken.
    pub min_version: TlsVersion,
    /// `crlfile`: lists of certificates that are no longer good; counts where a certificate is required.
    pub crlfile: Option<PathBuf>,
    /// `disable_client_cert_date_checks`: a client's certificate may have expired, or not begun.
    pub any_client_dates: bool,
    /// `ciphers`: suites of TLS 1.2, in OpenSSL's words.
    pub ciphers: Option<String>,
    /// `ciphers_tls1.3`: suites of TLS 1.3.
    pub ciphers_tls13: Option<String>,
    /// The listener takes pre-shared keys too: their suites may be in `ciphers`.
    pub has_psk: bool,
    /// OpenSSL may ask at the terminal for the pass phrase of the key.
    pub asks_pass_phrase: bool,
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
    pub(crate) const fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
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
    server_config_logging_keys(files, None)
}

/// The same; `key_log` gets the secrets of every session.
pub fn server_config_logging_keys(
    files: &ServerFiles,
    key_log: Option<Arc<KeyLog>>,
) -> Result<Arc<ServerConfig>, CertError> {
    Ok(server_side(files, key_log)?.config)
}

/// What a listener with certificates has.
#[derive(Debug)]
pub struct ServerSide {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// The verifier of `config`, for clients that came in before it; `None`: no certificate is asked of them.
    pub clients: Option<Arc<ClientVerifier>>,
}

/// The same as [`server_config_logging_keys`], with the verifier that the configuration does not give back.
pub fn server_side(files: &ServerFiles, key_log: Option<Arc<KeyLog>>) -> Result<ServerSide, CertError> {
    let certified = load::certified_key(&files.certfile, &files.keyfile, files.asks_pass_phrase)?;
    let authorities = load::authorities(files.cafile.as_deref(), files.capath.as_deref())?;
    let (provider, lowest) = suites(files)?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(lowest.and_newer())?;
    let clients = if files.require_certificate {
        if authorities.is_empty() {
            return Err(CertError::Refused(
                "require_certificate true needs cafile or capath: who may issue client certificates?".to_owned(),
            ));
        }
        let revoked = files.crlfile.as_deref().map(|list| Revocations::read(list, &authorities)).transpose()?;
        Some(Arc::new(ClientVerifier::new(&authorities, revoked, files.any_client_dates)?))
    } else {
        None
    };
    let builder = match &clients {
        Some(verifier) => builder.with_client_cert_verifier(Arc::<ClientVerifier>::clone(verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.session_storage = ServerSessionMemoryCache::new(RESUMABLE_SESSIONS_MAX);
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    // One ticket is enough for a client that comes back, and the second costs a write.
    config.send_tls13_tickets = 1;
    // Whoever lists suites means them in this order, as with mosquitto.
    config.ignore_client_order = files.ciphers.is_some() || files.ciphers_tls13.is_some();
    if let Some(key_log) = key_log {
        config.key_log = key_log;
    }
    Ok(ServerSide { config: Arc::new(config), clients })
}

/// The algorithms with the suites that are wanted, and the lowest version that has one.
fn suites(files: &ServerFiles) -> Result<(Arc<CryptoProvider>, TlsVersion), CertError> {
    if files.ciphers.is_none() && files.ciphers_tls13.is_none() {
        return Ok((provider(), files.min_version));
    }
    let mut all = rustls::crypto::ring::default_provider();
    let of = |wanted: &Option<String>, has: fn(&SupportedCipherSuite) -> bool, read: &dyn Fn(&str) -> Result<_, _>| {
        match wanted {
            Some(list) => read(list),
            None => Ok(all.cipher_suites.iter().copied().filter(has).collect()),
        }
    };
    let mut wanted = of(&files.ciphers_tls13, |suite| suite.tls13().is_some(), &suites::tls13)?;
    let tls12: Vec<_> =
        of(&files.ciphers, |suite| suite.tls13().is_none(), &|list| suites::tls12(list, files.has_psk))?;
    let lowest = if tls12.is_empty() { TlsVersion::Tls13 } else { files.min_version };
    wanted.extend(tls12);
    all.cipher_suites = wanted;
    Ok((Arc::new(all), lowest))
}

/// The one set of algorithms: ring's.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
