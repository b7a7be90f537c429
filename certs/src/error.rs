//! What can be wrong with keys, certificates and the files they are in, and how to mend it.

use crate::pem::PemFaultKind;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// A key, a certificate or a setting that cannot be used, where it is, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// A file that is named does not exist.
    #[error("{} does not exist{}", path.display(), did_you_mean(nearest.as_deref()))]
    Missing {
        /// As it was written.
        path: PathBuf,
        /// What was probably meant.
        nearest: Option<PathBuf>,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {cause}{}", path.display(), permission_hint(cause))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// As the system says it.
        cause: std::io::Error,
    },
    /// A file larger than any key or bundle is.
    #[error("{} is larger than {} bytes, the most that is read: is this the right file?", path.display(), crate::load::FILE_BYTES_MAX)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be written.
    #[error("{} cannot be written: {cause}{}", path.display(), permission_hint(cause))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// As the system says it.
        cause: std::io::Error,
    },
    /// A file that is there already, and was not allowed to be replaced.
    #[error("{} exists already and is kept: give --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// PEM text that is damaged.
    #[error("{at}: {what}")]
    BrokenPem {
        /// The line.
        at: Place,
        /// The damage.
        what: PemFaultKind,
    },
    /// A file that should have a certificate and has none.
    #[error("{} has no certificate in it (no -----BEGIN CERTIFICATE-----){}", path.display(), instead(*has_key))]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// It has a private key instead.
        has_key: bool,
    },
    /// A directory for CA certificates in which there are none.
    #[error("{} has no file with a certificate in it", path.display())]
    NoCertificateInDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A file that should have a private key and has none.
    #[error("{} has no private key in it (no -----BEGIN PRIVATE KEY-----): is it the certificate's file?", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// What stands between the certificate markers is a private key.
    #[error(
        "{at}: what stands between BEGIN CERTIFICATE and END CERTIFICATE is a PRIVATE KEY ({form}). Whoever has been \
         given this file has the key: make a new key and a new certificate, and put the CA's certificate here"
    )]
    KeyUnderCertificateMarkers {
        /// The section.
        at: Place,
        /// How the key is written, e.g. `PKCS#1 RSA`.
        form: &'static str,
    },
    /// What stands between the certificate markers is no certificate.
    #[error("{at}: this is not an X.509 certificate ({cause}): copy it again, unchanged, from whoever issued it")]
    NotACertificate {
        /// The section.
        at: Place,
        /// What is wrong with it.
        cause: String,
    },
    /// A key that is encrypted.
    #[error(
        "{at}: the private key is encrypted and cannot be used at an unattended start. \
         Decrypt it: openssl pkey -in {} -out {} (then chmod 600 it)", at.path.display(), decrypted_name(&at.path)
    )]
    EncryptedKey {
        /// The section.
        at: Place,
    },
    /// A key of a kind that cannot be used.
    #[error(
        "{at}: this private key cannot be used ({cause}): use RSA with 2048 to 4096 bits, ECDSA P-256 or P-384, or Ed25519"
    )]
    UnsupportedKey {
        /// The section.
        at: Place,
        /// The library's words.
        cause: String,
    },
    /// The key is another certificate's.
    #[error(
        "the private key in {} does not belong to the certificate in {}: they must be made together",
        keyfile.display(), certfile.display()
    )]
    KeyMismatch {
        /// The certificate.
        certfile: PathBuf,
        /// The key.
        keyfile: PathBuf,
    },
    /// A list of cipher suites of which none is known.
    #[error(
        "Unable to set TLS ciphers. Check cipher list \"{ciphers}\".\n{cause}. `openssl ciphers -v '{ciphers}'` shows what a list means"
    )]
    Ciphers {
        /// As it was written.
        ciphers: String,
        /// OpenSSL's words.
        cause: String,
    },
    /// A suite of TLS 1.3 that is not there.
    #[error("Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list \"{ciphers}\".\n{cause}")]
    Ciphers13 {
        /// As it was written.
        ciphers: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A list of certificates that are no longer good, which cannot be used.
    #[error("Unable to load certificate revocation file \"{}\". Check crlfile.\n{cause}", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A PSK identity or key that cannot be used.
    #[error("{0}")]
    Psk(String),
    /// A name that is neither a host name nor an address.
    #[error("\"{0}\" is neither a host name nor an IP address")]
    BadName(String),
    /// No bundle of the system's certificate authorities was found.
    #[error("this system has no CA certificates ({0}): install the package ca-certificates, or name a CA file")]
    NoSystemCas(String),
    /// What the libraries refuse for reasons of their own.
    #[error("{0}")]
    Refused(String),
}

impl From<openssl::error::ErrorStack> for CertError {
    fn from(stack: openssl::error::ErrorStack) -> Self {
        Self::Refused(format!("OpenSSL: {stack}"))
    }
}

impl From<rustls::Error> for CertError {
    fn from(cause: rustls::Error) -> Self {
        Self::Refused(format!("TLS: {cause}"))
    }
}

fn did_you_mean(nearest: Option<&Path>) -> String {
    nearest.map_or_else(String::new, |path| format!("; did you mean {}?", path.display()))
}

fn permission_hint(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::PermissionDenied => " (which user runs this, and who owns the file?)",
        _ => "",
    }
}

fn instead(has_key: bool) -> &'static str {
    if has_key { "; it has a private key instead: are certfile and keyfile swapped?" } else { "" }
}

fn decrypted_name(path: &Path) -> String {
    path.with_extension("plain.key").display().to_string()
}
