//! Certificates and keys from files, with every error pointing at its file and line.

use crate::error::{CertError, Place};
use crate::nearby::closest_existing;
use crate::pem::{self, Section};
use openssl::pkey::PKey;
use openssl::x509::X509;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::CertifiedKey;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that is read of one file. The bundles of the public authorities are about 250 kB.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Files of a `capath` directory that are looked at.
const CAPATH_FILES_MAX: usize = 4_096;

/// A certificate, where it was read, and its DER.
#[derive(Debug, Clone)]
pub struct LoadedCertificate {
    /// The line of its `BEGIN`.
    pub at: Place,
    /// It parses as X.509.
    pub der: CertificateDer<'static>,
}

/// The whole file, with advice in the error when it does not exist.
pub fn read(path: &Path) -> Result<Vec<u8>, CertError> {
    let unreadable = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            CertError::Missing { path: path.to_owned(), nearest: closest_existing(path) }
        }
        _ => CertError::Unreadable { path: path.to_owned(), cause },
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CertError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The PEM sections of a text that was read from `path`.
pub(crate) fn sections_of(path: &Path, text: &[u8]) -> Result<Vec<Section>, CertError> {
    pem::sections(text).map_err(|fault| CertError::BrokenPem {
        at: Place { path: path.to_owned(), line: fault.line },
        what: fault.what,
    })
}

/// All certificates of a file, in order; at least one.
pub fn certificates(path: &Path) -> Result<Vec<LoadedCertificate>, CertError> {
    certificates_of(path, &read(path)?)
}

/// All certificates of a PEM text; `path` is what errors call it.
pub fn certificates_of(path: &Path, text: &[u8]) -> Result<Vec<LoadedCertificate>, CertError> {
    let sections = sections_of(path, text)?;
    let mut found = Vec::new();
    for section in sections.iter().filter(|section| section.is_certificate()) {
        let at = Place { path: path.to_owned(), line: section.line };
        found.push(LoadedCertificate { der: certificate(&at, &section.der)?, at });
    }
    if found.is_empty() {
        let has_key = sections.iter().any(Section::is_private_key);
        return Err(CertError::NoCertificate { path: path.to_owned(), has_key });
    }
    Ok(found)
}

/// Makes sure that DER is one X.509 certificate, and says what it is when it is not.
fn certificate(at: &Place, der: &[u8]) -> Result<CertificateDer<'static>, CertError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], _)) => Ok(CertificateDer::from(der.to_vec())),
        Ok((rest, _)) => Err(CertError::NotACertificate {
            at: at.clone(),
            cause: format!("{} bytes too many at its end", rest.len()),
        }),
        // What the parser says of it is in the parser's own words.
        Err(_) => Err(match private_key_form(der) {
            Some(form) => CertError::KeyUnderCertificateMarkers { at: at.clone(), form },
            None => CertError::NotACertificate {
                at: at.clone(),
                cause: "its bytes are not those of an X.509 certificate, or are cut off".to_owned(),
            },
        }),
    }
}

/// Recognizes a private key by the outline of its DER, complete or cut off.
///
/// All three forms are a SEQUENCE that begins with a small INTEGER, the version; what follows tells
/// them apart: PKCS#1 an INTEGER (the modulus), SEC1 an OCTET STRING, PKCS#8 a SEQUENCE.
/// (RFC 8017 A.1.2, RFC 5915 §3, RFC 5208 §5.) A certificate begins with two SEQUENCEs.
pub fn private_key_form(der: &[u8]) -> Option<&'static str> {
    let inside = match der {
        [0x30, length, rest @ ..] if *length < 0x80 => rest,
        [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] | [0x30, 0x83, _, _, _, rest @ ..] => rest,
        _ => return None,
    };
    match inside {
        [0x02, 0x01, 0 | 1, 0x02, ..] => Some("PKCS#1 RSA"),
        [0x02, 0x01, 1, 0x04, ..] => Some("SEC1 elliptic curve"),
        [0x02, 0x01, 0 | 1, 0x30, ..] => Some("PKCS#8"),
        _ => None,
    }
}

/// The first private key of a file: PKCS#8, PKCS#1 or SEC1.
pub fn private_key(path: &Path) -> Result<(Place, PrivateKeyDer<'static>), CertError> {
    private_key_of(path, &read(path)?)
}

/// The first private key of a PEM text; `path` is what errors call it.
pub fn private_key_of(path: &Path, text: &[u8]) -> Result<(Place, PrivateKeyDer<'static>), CertError> {
    let sections = sections_of(path, text)?;
    let Some(section) = sections.into_iter().find(Section::is_private_key) else {
        return Err(CertError::NoKey { path: path.to_owned() });
    };
    let at = Place { path: path.to_owned(), line: section.line };
    if section.encrypted {
        return Err(CertError::EncryptedKey { at });
    }
    let key = match section.label.as_str() {
        "PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs8KeyDer::from(section.der)),
        "RSA PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs1KeyDer::from(section.der)),
        "EC PRIVATE KEY" => PrivateKeyDer::from(PrivateSec1KeyDer::from(section.der)),
        other => return Err(CertError::UnsupportedKey { at, cause: format!("it is written as {other}") }),
    };
    Ok((at, key))
}

/// An encrypted key, whose pass phrase OpenSSL asks for at the terminal, as it does for mosquitto.
fn decrypted(path: &Path, at: Place) -> Result<PrivateKeyDer<'static>, CertError> {
    let key = PKey::private_key_from_pem(&read(path)?).map_err(|_| CertError::EncryptedKey { at })?;
    Ok(PrivatePkcs8KeyDer::from(key.private_key_to_pkcs8()?).into())
}

/// A certificate chain and its key, which belong together. `asks_pass_phrase`: at the terminal, if the key is encrypted.
///
/// The comparison is OpenSSL's, because rustls refuses to look into a certificate of X.509 version 1,
/// which is what the usual `openssl x509 -req` makes.
pub fn certified_key(certfile: &Path, keyfile: &Path, asks_pass_phrase: bool) -> Result<CertifiedKey, CertError> {
    let chain: Vec<_> = certificates(certfile)?.into_iter().map(|loaded| loaded.der).collect();
    let (at, key) = match private_key(keyfile) {
        Err(CertError::EncryptedKey { at }) if asks_pass_phrase => (at.clone(), decrypted(keyfile, at)?),
        found => found?,
    };
    if !key_belongs_to(&chain, &at, &key)? {
        return Err(CertError::KeyMismatch { certfile: certfile.to_owned(), keyfile: keyfile.to_owned() });
    }
    let signing_key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|cause| CertError::UnsupportedKey { at, cause: cause.to_string() })?;
    Ok(CertifiedKey::new(chain, signing_key))
}

/// Whether the key is the one of the first certificate of the chain.
pub(crate) fn key_belongs_to(
    chain: &[CertificateDer<'_>],
    at: &Place,
    key: &PrivateKeyDer<'_>,
) -> Result<bool, CertError> {
    let Some(end_entity) = chain.first() else { return Ok(false) };
    let private = PKey::private_key_from_der(key.secret_der())
        .map_err(|cause| CertError::UnsupportedKey { at: at.clone(), cause: cause.to_string() })?;
    Ok(X509::from_der(end_entity)?.public_key()?.public_eq(&private))
}

/// The certificate authorities of `cafile` and `capath`, as mosquitto takes them: either, both or none.
pub fn authorities(cafile: Option<&Path>, capath: Option<&Path>) -> Result<Vec<LoadedCertificate>, CertError> {
    let mut found = Vec::new();
    if let Some(cafile) = cafile {
        found.extend(certificates(cafile)?);
    }
    if let Some(capath) = capath {
        found.extend(directory_certificates(capath)?);
    }
    Ok(found)
}

/// Every certificate in a directory. Files without one are passed over, as OpenSSL does.
fn directory_certificates(directory: &Path) -> Result<Vec<LoadedCertificate>, CertError> {
    let missing = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            CertError::Missing { path: directory.to_owned(), nearest: closest_existing(directory) }
        }
        _ => CertError::Unreadable { path: directory.to_owned(), cause },
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(missing)?
        .take(CAPATH_FILES_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut found: Vec<LoadedCertificate> = files.iter().filter_map(|path| certificates(path).ok()).flatten().collect();
    // `openssl rehash` leaves each certificate twice: the file, and a link named by its hash.
    found.sort_by(|a, b| a.der.as_ref().cmp(b.der.as_ref()));
    found.dedup_by(|a, b| a.der == b.der);
    if found.is_empty() {
        return Err(CertError::NoCertificateInDirectory { path: directory.to_owned() });
    }
    Ok(found)
}

/// The same authorities for rustls.
pub(crate) fn root_store(authorities: &[LoadedCertificate]) -> Result<Arc<RootCertStore>, CertError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority.der.clone())
            .map_err(|cause| CertError::NotACertificate { at: authority.at.clone(), cause: cause.to_string() })?;
    }
    Ok(Arc::new(roots))
}
