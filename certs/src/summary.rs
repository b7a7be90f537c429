//! What a certificate says, in words.

use crate::error::{CertError, Place};
use crate::load;
use openssl::hash::{MessageDigest, hash};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

/// One certificate, readable. Texts from the certificate are shown with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Where it was read.
    pub at: Place,
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that clients may dial.
    pub names: Vec<String>,
    /// First second of validity, since 1970.
    pub not_before: i64,
    /// Last second of validity, since 1970.
    pub not_after: i64,
    /// Kind and size of its key.
    pub key: String,
    /// It may sign other certificates.
    pub is_ca: bool,
    /// X.509 version: 1 or 3.
    pub version: u32,
    /// What it may be used for, when it says so.
    pub usages: Vec<&'static str>,
    /// SHA-256 of the DER, in hex pairs with colons.
    pub fingerprint: String,
}

/// Summaries of all the certificates of a file; at least one.
pub fn summaries(path: &Path) -> Result<Vec<Summary>, CertError> {
    load::certificates(path)?.iter().map(Summary::of).collect()
}

impl Summary {
    /// What this certificate says.
    pub fn of(loaded: &load::LoadedCertificate) -> Result<Self, CertError> {
        let broken = |cause: String| CertError::NotACertificate { at: loaded.at.clone(), cause };
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&loaded.der).map_err(|cause| broken(cause.to_string()))?;
        let digest = hash(MessageDigest::sha256(), &loaded.der)?;
        let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self {
            at: loaded.at.clone(),
            subject: clean(&parsed.subject().to_string()),
            issuer: clean(&parsed.issuer().to_string()),
            names: names(&parsed),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key: key_kind(&parsed),
            is_ca: parsed.is_ca(),
            version: parsed.version().0.saturating_add(1),
            usages: usages(&parsed),
            fingerprint: hex.join(":"),
        })
    }

    /// Whether `now` is after the last second of validity.
    pub fn expired(&self, now: SystemTime) -> bool {
        seconds(now) > self.not_after
    }

    /// Whether `now` is before the first second of validity.
    pub fn not_yet_valid(&self, now: SystemTime) -> bool {
        seconds(now) < self.not_before
    }

    /// Whole days until it expires; negative when it has.
    pub fn days_left(&self, now: SystemTime) -> i64 {
        (self.not_after - seconds(now)).div_euclid(24 * 3_600)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |list: String| if list.is_empty() { "(none)".to_owned() } else { list };
        writeln!(f, "{}", self.at)?;
        writeln!(f, "  subject      {}", self.subject)?;
        writeln!(f, "  issuer       {}", self.issuer)?;
        writeln!(f, "  names        {}", or_none(self.names.join(", ")))?;
        writeln!(f, "  valid        {} to {}", date(self.not_before), date(self.not_after))?;
        writeln!(f, "  key          {}", self.key)?;
        writeln!(f, "  CA           {}", if self.is_ca { "yes" } else { "no" })?;
        writeln!(f, "  usage        {}", or_none(self.usages.join(", ")))?;
        write!(f, "  SHA-256      {}", self.fingerprint)
    }
}

/// A time as `2026-11-23 23:38:00 UTC`.
pub(crate) fn date(seconds: i64) -> String {
    let shown = ASN1Time::from_timestamp(seconds).map(|time| time.to_datetime());
    shown.map_or_else(
        |_| format!("{seconds} s after 1970"),
        |time| {
            let (day, clock) = (time.date(), time.time());
            format!("{day} {:02}:{:02}:{:02} UTC", clock.hour(), clock.minute(), clock.second())
        },
    )
}

fn seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return Vec::new() };
    extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => clean(name),
            GeneralName::IPAddress(bytes) => address(bytes),
            other => clean(&other.to_string()),
        })
        .collect()
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).map_or_else(|_| "(an address of a wrong length)".to_owned(), |address| address.to_string())
}

fn usages(parsed: &X509Certificate<'_>) -> Vec<&'static str> {
    let Ok(Some(extension)) = parsed.extended_key_usage() else { return Vec::new() };
    let usage = extension.value;
    [(usage.server_auth, "server"), (usage.client_auth, "client"), (usage.any, "any")]
        .into_iter()
        .filter_map(|(allowed, name)| allowed.then_some(name))
        .collect()
}

fn key_kind(parsed: &X509Certificate<'_>) -> String {
    let spki = parsed.public_key();
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {} bits", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA {} bits", point.key_size()),
        _ => match spki.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => "Ed25519".to_owned(),
            "1.3.101.113" => "Ed448".to_owned(),
            other => format!("of the kind {other}"),
        },
    }
}

/// A stranger wrote it, and it goes to a terminal.
fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
