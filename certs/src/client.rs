//! The outgoing side: what `link` needs to reach a broker by TLS.

use crate::error::CertError;
use crate::load::{self, LoadedCertificate};
use crate::server::{TlsVersion, provider};
use crate::verify::ServerVerifier;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an outgoing connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTls {
    /// With certificates: give it to [`client_config`].
    Certificate(CertificateTls),
    /// With a pre-shared key: give it to [`crate::psk_client_context`].
    Psk(PskTls),
}

/// An identity and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct PskTls {
    /// The PSK identity, 1 to 127 bytes.
    pub identity: String,
    /// The key itself (not its hex form), 1 to 256 bytes.
    pub key: Vec<u8>,
    /// An OpenSSL list that replaces [`crate::PSK_CIPHERS`].
    pub ciphers: Option<String>,
}

impl std::fmt::Debug for PskTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PskTls")
            .field("identity", &self.identity)
            .field("ciphers", &self.ciphers)
            .finish_non_exhaustive()
    }
}

/// Whom to trust, and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTls {
    /// Who may issue the broker's certificate.
    pub ca: CaSource,
    /// Our own certificate and its key, for brokers that require one.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name that the broker's certificate must have, when it is not the host that is dialled.
    pub server_name: Option<String>,
    /// Accept a certificate that is good but for another name (mosquitto's `--insecure`).
    pub insecure: bool,
    /// Application protocols to offer, e.g. `mqtt`; usually none.
    pub alpn: Vec<String>,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
}

/// Where the trusted certificate authorities are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaSource {
    /// A PEM file.
    File(PathBuf),
    /// A directory of PEM files.
    Directory(PathBuf),
    /// PEM text, as it is pasted into a form.
    Pem(String),
    /// The authorities that this system trusts.
    System,
}

impl CertificateTls {
    /// Trusts `ca` and nothing else, checks the name of the host that is dialled, has no certificate.
    pub fn new(ca: CaSource) -> Self {
        Self {
            ca,
            client: None,
            server_name: None,
            insecure: false,
            alpn: Vec::new(),
            min_version: TlsVersion::default(),
        }
    }

    /// The name to verify, and to send as server_name, when `host` is dialled (a name or an address).
    pub fn name_to_verify(&self, host: &str) -> Result<ServerName<'static>, CertError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(bare).map(|name| name.to_owned()).map_err(|_| CertError::BadName(name.to_owned()))
    }
}

/// Loads the files and makes the configuration that connections to one broker share.
pub fn client_config(tls: &CertificateTls) -> Result<Arc<ClientConfig>, CertError> {
    let authorities = tls.ca.certificates()?;
    let verifier = ServerVerifier::new(&authorities, tls.insecure)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(tls.min_version.and_newer())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.client {
        Some((certfile, keyfile)) => {
            let certified = load::certified_key(certfile, keyfile, false)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// Bundles of the common systems: Debian and OpenWrt, Fedora, SUSE, Alpine.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl CaSource {
    /// The certificates themselves; at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<LoadedCertificate>, CertError> {
        match self {
            Self::File(path) => load::authorities(Some(path), None),
            Self::Directory(path) => load::authorities(None, Some(path)),
            Self::Pem(text) => load::certificates_of(Path::new("CA certificate"), text.as_bytes()),
            Self::System => {
                let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
                let known = SYSTEM_BUNDLES.iter().map(PathBuf::from);
                match named.into_iter().chain(known).find(|path| path.is_file()) {
                    Some(path) => load::certificates(&path),
                    None => Err(CertError::NoSystemCas(SYSTEM_BUNDLES.join(", "))),
                }
            }
        }
    }
}
