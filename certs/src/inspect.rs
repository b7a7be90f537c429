//! What `nightjar check` says about certificate files: all of it at once, the traps of the guide included.

use crate::error::{CertError, Place};
use crate::load::{self, LoadedCertificate};
use crate::pem::Section;
use crate::server::ServerFiles;
use crate::summary::{Summary, date};
use openssl::x509::{X509, X509VerifyResult};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Days before the end of validity from which on it is mentioned.
const SOON_DAYS: i64 = 30;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and will not for long, or not for everybody.
    Warning,
    /// It does not work: the start will be refused, or every client will be.
    Error,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is, for whoever sorts them.
    pub kind: FindingKind,
    /// File, line, cause and mend.
    pub message: String,
}

/// The things that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// The file cannot be used at all; the message is that of the [`CertError`].
    Unusable,
    /// A private key in a file that is given away.
    PrivateKeyInCaFile,
    /// Every user of the machine can read the key.
    KeyReadableByOthers,
    /// The last day has passed.
    Expired,
    /// The last day is near.
    ExpiresSoon,
    /// The first day has not come.
    NotYetValid,
    /// It is in cafile and cannot sign (CA:FALSE).
    NotACa,
    /// A server certificate without subjectAltName.
    NoNames,
    /// A server certificate that says it is for something else.
    WrongUsage,
    /// The server certificate was not signed by a CA in cafile.
    NotIssuedByCaFile,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

/// Looks at a `cafile`.
pub fn inspect_ca(path: &Path, now: SystemTime) -> Vec<Finding> {
    let mut findings = keys_in_ca_file(path);
    match load::certificates(path) {
        Ok(certificates) => {
            for summary in certificates.iter().filter_map(|loaded| Summary::of(loaded).ok()) {
                findings.extend(validity(&summary, now));
                // Version 1 cannot say whether it is a CA, and is taken for one.
                if !summary.is_ca && summary.version > 1 && summary.subject != summary.issuer {
                    findings.push(warning(FindingKind::NotACa, format!(
                        "{}: {} is not a CA's certificate (CA:FALSE): put the certificate of the CA that signed it here",
                        summary.at, summary.subject
                    )));
                }
            }
        }
        Err(cause) => findings.push(unusable(&cause)),
    }
    findings
}

/// Looks at the `certfile` and the `keyfile` of a listener, and at its `cafile` beside them.
pub fn inspect_server(files: &ServerFiles, now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let authorities = match &files.cafile {
        Some(cafile) => {
            findings.extend(inspect_ca(cafile, now));
            load::certificates(cafile).unwrap_or_default()
        }
        None => Vec::new(),
    };
    if let Some(capath) = &files.capath
        && let Err(cause) = load::authorities(None, Some(capath))
    {
        findings.push(unusable(&cause));
    }
    match load::certificates(&files.certfile) {
        Ok(chain) => findings.extend(server_certificate(&chain, &authorities, now)),
        Err(cause) => findings.push(unusable(&cause)),
    }
    findings.extend(inspect_key(&files.keyfile));
    // Each file by itself is reported above; here only that they do not fit together.
    if let Err(cause @ (CertError::KeyMismatch { .. } | CertError::UnsupportedKey { .. })) =
        load::certified_key(&files.certfile, &files.keyfile, false)
    {
        findings.push(unusable(&cause));
    }
    findings
}

/// Looks at a private key's file: can it be used, and who can read it?
pub fn inspect_key(path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(cause) = load::private_key(path) {
        findings.push(unusable(&cause));
    }
    if let Ok(metadata) = path.metadata()
        && metadata.permissions().mode() & 0o004 != 0
    {
        findings.push(warning(
            FindingKind::KeyReadableByOthers,
            format!("{0}: every user of this machine can read this private key: chmod 600 {0}", path.display()),
        ));
    }
    findings
}

/// The guide's own example shows a private key where the CA's certificate should be.
fn keys_in_ca_file(path: &Path) -> Vec<Finding> {
    let sections = load::read(path).and_then(|text| load::sections_of(path, &text)).unwrap_or_default();
    let keys = sections.iter().filter(|section| section.is_private_key());
    keys.map(|section: &Section| {
        let at = Place { path: path.to_owned(), line: section.line };
        warning(
            FindingKind::PrivateKeyInCaFile,
            format!(
                "{at}: a PRIVATE KEY is in the CA file, which is copied into every router: whoever has the file can \
                 pretend to be this CA. Make a new CA (nightjar certs ca), and give away only its certificate"
            ),
        )
    })
    .collect()
}

fn server_certificate(chain: &[LoadedCertificate], authorities: &[LoadedCertificate], now: SystemTime) -> Vec<Finding> {
    let mut findings: Vec<Finding> = chain
        .iter()
        .filter_map(|loaded| Summary::of(loaded).ok())
        .filter_map(|summary| validity(&summary, now))
        .collect();
    let Some(summary) = chain.first().and_then(|first| Summary::of(first).ok()) else { return findings };
    if summary.names.is_empty() {
        findings.push(warning(
            FindingKind::NoNames,
            format!(
                "{}: the server's certificate has no subjectAltName: libmosquitto still looks at its CN, most other \
                 clients refuse it. Issue one with names (nightjar certs server)",
                summary.at
            ),
        ));
    }
    if !summary.usages.is_empty() && !summary.usages.iter().any(|usage| matches!(*usage, "server" | "any")) {
        findings.push(warning(
            FindingKind::WrongUsage,
            format!(
                "{}: this certificate is for {} only (extendedKeyUsage): clients refuse it as a server's",
                summary.at,
                summary.usages.join(", ")
            ),
        ));
    }
    if !authorities.is_empty() && !issued_by_one_of(chain, authorities) {
        findings.push(warning(
            FindingKind::NotIssuedByCaFile,
            format!(
                "{}: this certificate was not issued by the CA in {}: a router that is given that file as its \
                 CA Certificate refuses this server",
                summary.at,
                authorities.first().map_or_else(String::new, |first| first.at.path.display().to_string())
            ),
        ));
    }
    findings
}

/// Whether some certificate of the chain was signed by an authority, or is one.
fn issued_by_one_of(chain: &[LoadedCertificate], authorities: &[LoadedCertificate]) -> bool {
    let parsed = |list: &[LoadedCertificate]| -> Vec<X509> {
        list.iter().filter_map(|loaded| X509::from_der(&loaded.der).ok()).collect()
    };
    let authorities = parsed(authorities);
    parsed(chain).iter().any(|certificate| {
        authorities.iter().any(|authority| {
            let named = authority.issued(certificate) == X509VerifyResult::OK;
            named && authority.public_key().is_ok_and(|key| certificate.verify(&key).unwrap_or(false))
        })
    })
}

fn validity(summary: &Summary, now: SystemTime) -> Option<Finding> {
    let Summary { at, subject, .. } = summary;
    if summary.expired(now) {
        let on = date(summary.not_after);
        return Some(warning(
            FindingKind::Expired,
            format!("{at}: {subject} expired on {on}: clients that look at the date refuse it. Issue a new one"),
        ));
    }
    if summary.not_yet_valid(now) {
        let from = date(summary.not_before);
        return Some(warning(
            FindingKind::NotYetValid,
            format!("{at}: {subject} is valid only from {from}: is this machine's clock right?"),
        ));
    }
    let days = summary.days_left(now);
    (days < SOON_DAYS).then(|| {
        warning(FindingKind::ExpiresSoon, format!("{at}: {subject} expires in {days} days: issue a new one in time"))
    })
}

fn warning(kind: FindingKind, message: String) -> Finding {
    Finding { severity: Severity::Warning, kind, message }
}

fn unusable(cause: &CertError) -> Finding {
    Finding { severity: Severity::Error, kind: FindingKind::Unusable, message: cause.to_string() }
}
