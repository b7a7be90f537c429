//! Issuing: a certificate authority of one's own, and what it signs for the server and for clients.
//!
//! What is made here is accepted by OpenSSL, so by libmosquitto: X.509 version 3, `keyUsage` and
//! `extendedKeyUsage` as each role needs them, all names as subjectAltName and the first as CN too.

use crate::error::CertError;
use crate::load;
use openssl::rsa::Rsa;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType,
};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Days that a CA is valid when nothing is said: about ten years, as routers must be given a new one by hand.
pub const CA_DAYS: u32 = 3_650;
/// Days that a server certificate is valid when nothing is said; the longest that all clients accept.
pub const SERVER_DAYS: u32 = 825;
/// Days that a client certificate is valid when nothing is said.
pub const CLIENT_DAYS: u32 = 3_650;
/// The most days that can be asked for: a hundred years, short of where dates run out of room.
pub const DAYS_MAX: u32 = 36_500;
/// Bits of an RSA key.
const RSA_BITS: u32 = 2_048;
/// Bytes of a common name (RFC 5280 A.1, ub-common-name).
pub const COMMON_NAME_BYTES_MAX: usize = 64;
/// Certificates are valid from a day before they are made: routers' clocks are late.
const BACKDATED: Duration = Duration::from_secs(24 * 3_600);

/// A certificate and its key, as PEM text.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

/// The kinds of key that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// ECDSA on P-256: small and quick; every TLS 1.2 client has it.
    #[default]
    EcdsaP256,
    /// RSA with 2048 bits: for clients that were built without elliptic curves.
    Rsa,
}

/// For how long, from when, and with which kind of key.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Days of validity, 1 to [`DAYS_MAX`].
    pub days: u32,
    /// The kind of key.
    pub kind: KeyKind,
    /// The time now.
    pub now: SystemTime,
}

impl Terms {
    /// `days` from now, with the usual kind of key.
    pub fn days(days: u32) -> Self {
        Self { days, kind: KeyKind::default(), now: SystemTime::now() }
    }
}

/// A CA that can sign: its certificate and its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    not_after_seconds: u64,
}

impl Authority {
    /// Reads `ca.crt` and `ca.key` of a directory.
    pub fn read(directory: &Path) -> Result<Self, CertError> {
        Self::read_files(&directory.join("ca.crt"), &directory.join("ca.key"))
    }

    /// Reads a CA's certificate and its key.
    pub fn read_files(certfile: &Path, keyfile: &Path) -> Result<Self, CertError> {
        let (certificate, key) = (load::read(certfile)?, load::read(keyfile)?);
        Self::from_pem(&certificate, &key, certfile, keyfile)
    }

    /// The CA that was just made.
    pub fn from_issued(issued: &Issued) -> Result<Self, CertError> {
        let (certfile, keyfile) = (Path::new("ca.crt"), Path::new("ca.key"));
        Self::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes(), certfile, keyfile)
    }

    fn from_pem(certificate: &[u8], key: &[u8], certfile: &Path, keyfile: &Path) -> Result<Self, CertError> {
        let chain: Vec<_> = load::certificates_of(certfile, certificate)?.into_iter().map(|found| found.der).collect();
        let (at, key) = load::private_key_of(keyfile, key)?;
        if !load::key_belongs_to(&chain, &at, &key)? {
            return Err(CertError::KeyMismatch { certfile: certfile.to_owned(), keyfile: keyfile.to_owned() });
        }
        let no_certificate = || CertError::NoCertificate { path: certfile.to_owned(), has_key: false };
        let der = chain.first().ok_or_else(no_certificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(der)
            .map_err(|cause| CertError::Refused(format!("{}: {cause}", certfile.display())))?;
        if !parsed.is_ca() {
            return Err(CertError::Refused(format!(
                "{} is not a CA's certificate (CA:FALSE): nothing that it signs will be accepted",
                certfile.display()
            )));
        }
        let not_after_seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let pair = KeyPair::try_from(&key)
            .map_err(|cause| CertError::UnsupportedKey { at: at.clone(), cause: cause.to_string() })?;
        let issuer = Issuer::from_ca_cert_der(der, pair).map_err(|cause| refused(&cause))?;
        Ok(Self { issuer, not_after_seconds })
    }
}

/// Makes a self-signed CA with the common name `name`.
pub fn ca(name: &str, terms: Terms) -> Result<Issued, CertError> {
    let mut params = params(name, terms, u64::MAX)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = new_key(terms.kind)?;
    let certificate = params.self_signed(&key).map_err(|cause| refused(&cause))?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Makes a server's certificate for all of `names`: host names, `*.` wildcards and IP addresses.
pub fn server(authority: &Authority, names: &[String], terms: Terms) -> Result<Issued, CertError> {
    let common_name = names.iter().find(|name| name.len() <= COMMON_NAME_BYTES_MAX);
    let common_name = common_name.ok_or_else(|| CertError::BadName(names.first().cloned().unwrap_or_default()))?;
    let mut params = params(common_name, terms, authority.not_after_seconds)?;
    params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(authority, params, terms.kind)
}

/// Makes a client's certificate with the common name `name`, which `use_identity_as_username` makes the user name.
pub fn client(authority: &Authority, name: &str, terms: Terms) -> Result<Issued, CertError> {
    check_client_name(name)?;
    let mut params = params(name, terms, authority.not_after_seconds)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(authority, params, terms.kind)
}

/// A client's name is a file's name and a user's: no `/`, `+`, `#`, no control characters, not `ca` or `server`.
pub fn check_client_name(name: &str) -> Result<(), CertError> {
    let bad = |why: &str| Err(CertError::Refused(format!("the client name {name:?} {why}")));
    if name.is_empty() || name.len() > COMMON_NAME_BYTES_MAX {
        return bad("must have 1 to 64 bytes");
    }
    if name.starts_with(['.', '-']) || name.contains(|c: char| c.is_control() || "/+#".contains(c)) {
        return bad("must not begin with . or - nor contain / + # or control characters");
    }
    if matches!(name, "ca" | "server") {
        return bad("would replace the files of the CA or of the server");
    }
    Ok(())
}

/// Writes `<stem>.key` (mode 0600) and `<stem>.crt` (mode 0644) into `directory`, which is made if missing.
///
/// Each file appears whole or not at all. Neither is written when one exists, unless `force`.
pub fn write(directory: &Path, stem: &str, issued: &Issued, force: bool) -> Result<(PathBuf, PathBuf), CertError> {
    let unwritable = |cause| CertError::Unwritable { path: directory.to_owned(), cause };
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let (certfile, keyfile) = (directory.join(format!("{stem}.crt")), directory.join(format!("{stem}.key")));
    if !force {
        for path in [&certfile, &keyfile] {
            if path.symlink_metadata().is_ok() {
                return Err(CertError::Exists { path: path.clone() });
            }
        }
    }
    // The key first: a certificate without its key is worse than a key without its certificate.
    write_file(&keyfile, issued.key.as_bytes(), 0o600)?;
    write_file(&certfile, issued.certificate.as_bytes(), 0o644)?;
    Ok((certfile, keyfile))
}

/// Replaces a file in one step; the new one has exactly this mode.
fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let unfinished = path.with_file_name(name);
    let attempt = || -> std::io::Result<()> {
        // What an earlier attempt left behind may be readable by others.
        match std::fs::remove_file(&unfinished) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    attempt().map_err(|cause| {
        let _ = std::fs::remove_file(&unfinished);
        CertError::Unwritable { path: path.to_owned(), cause }
    })
}

/// What every certificate has: a name, and a validity that does not outlast the CA's.
fn params(common_name: &str, terms: Terms, latest_seconds: u64) -> Result<CertificateParams, CertError> {
    if common_name.is_empty() || common_name.len() > COMMON_NAME_BYTES_MAX {
        return Err(CertError::Refused(format!("the name {common_name:?} must have 1 to 64 bytes")));
    }
    if terms.days == 0 || terms.days > DAYS_MAX {
        return Err(CertError::Refused(format!("{} days: a certificate is valid for 1 to {DAYS_MAX}", terms.days)));
    }
    let now = terms.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let until = now + Duration::from_secs(u64::from(terms.days) * 24 * 3_600);
    if latest_seconds <= now.as_secs() {
        return Err(CertError::Refused("the CA's certificate has expired: make a new CA".to_owned()));
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(BACKDATED).as_secs());
    params.not_after = epoch + Duration::from_secs(until.as_secs().min(latest_seconds));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn sign(authority: &Authority, mut params: CertificateParams, kind: KeyKind) -> Result<Issued, CertError> {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if kind == KeyKind::Rsa {
        // The key exchange of old clients: the session's secret is encrypted with the certificate's key.
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    let key = new_key(kind)?;
    let certificate = params.signed_by(&key, &authority.issuer).map_err(|cause| refused(&cause))?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn alternative_name(name: &str) -> Result<SanType, CertError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || CertError::BadName(name.to_owned());
    // The rules of a name are those of whoever will check it.
    let bare = name.strip_prefix("*.").unwrap_or(name);
    rustls::pki_types::DnsName::try_from(bare).map_err(|_| bad())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?))
}

/// ring makes no RSA keys, so those are OpenSSL's.
fn new_key(kind: KeyKind) -> Result<KeyPair, CertError> {
    let made = match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa => {
            let key = openssl::pkey::PKey::from_rsa(Rsa::generate(RSA_BITS)?)?;
            let pem = String::from_utf8_lossy(&key.private_key_to_pem_pkcs8()?).into_owned();
            KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_RSA_SHA256)
        }
    };
    made.map_err(|cause| refused(&cause))
}

fn refused(cause: &rcgen::Error) -> CertError {
    CertError::Refused(format!("the certificate could not be made: {cause}"))
}
