//! mosquitto's `crlfile`: certificates of clients that are no longer good.
//!
//! Judged as OpenSSL does with `X509_V_FLAG_CRL_CHECK`: of the client's own certificate alone, and strictly: a list of its
//! issuer must be there, signed by it and not out of date. webpki has the same, but not for lists of version 1, which are
//! what `openssl ca -gencrl` makes unless it is told otherwise.

use crate::error::CertError;
use crate::load::{self, LoadedCertificate};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::x509::{CrlStatus, X509, X509Crl, X509Name, X509NameRef};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, OtherError};
use std::path::Path;
use std::sync::Arc;

/// The lists of a file.
pub(crate) struct Revocations(Vec<List>);

struct List {
    list: X509Crl,
    /// It is signed by one of the authorities. Found out once: it takes as long as three handshakes, and longer the longer
    /// the list is.
    is_signed: bool,
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revocations({} lists)", self.0.len())
    }
}

impl Revocations {
    /// Reads the lists of a PEM file; at least one. `authorities` are those that are trusted.
    pub(crate) fn read(path: &Path, authorities: &[LoadedCertificate]) -> Result<Self, CertError> {
        let bad = |cause: String| CertError::Crl { path: path.to_owned(), cause };
        let text = load::read(path).map_err(|error| bad(error.to_string()))?;
        let sections = load::sections_of(path, &text).map_err(|error| bad(error.to_string()))?;
        let lists = sections.iter().filter(|section| section.label == "X509 CRL");
        let lists = lists
            .map(|section| {
                let list = X509Crl::from_der(&section.der);
                let list = list.map_err(|_| bad(format!("Line {}: this is no CRL", section.line)))?;
                // An authority that OpenSSL cannot read has signed nothing.
                let is_signed = authorities.iter().any(|by| is_signed_by(&list, &by.der).unwrap_or(false));
                Ok::<_, CertError>(List { list, is_signed })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if lists.is_empty() {
            return Err(bad("There is no CRL in it (no -----BEGIN X509 CRL-----)".to_owned()));
        }
        Ok(Self(lists))
    }

    /// Whether a certificate of a good chain is still good at `now`. `intermediates` are those that may have issued it, besides
    /// the authorities.
    pub(crate) fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let other = |cause: ErrorStack| CertificateError::Other(OtherError(Arc::new(cause)));
        self.ask(certificate, intermediates, now).map_err(other)?
    }

    fn ask(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Result<(), CertificateError>, ErrorStack> {
        let (serial, its_issuer) = serial_and_issuer(certificate)?;
        let mut verdict = CertificateError::UnknownRevocationStatus;
        for List { list, is_signed } in &self.0 {
            if !is_same(list.issuer_name(), &its_issuer) {
                continue;
            }
            let mut is_signed = *is_signed;
            for issuer in intermediates {
                is_signed = is_signed || is_signed_by(list, issuer)?;
            }
            if !is_signed {
                continue;
            }
            // Entries that name another issuer are not meant, as the list is its issuer's own.
            if !matches!(list.get_by_serial(&serial), CrlStatus::NotRevoked) {
                return Ok(Err(CertificateError::Revoked));
            }
            let today = Asn1Time::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))?;
            if list.next_update().is_some_and(|next| next < today.as_ref()) {
                verdict = CertificateError::ExpiredRevocationList;
            } else {
                return Ok(Ok(()));
            }
        }
        Ok(Err(verdict))
    }
}

/// OpenSSL takes two thirds of a millisecond to read a certificate, for its key, as long as all the rest of a verification: it
/// is asked only where nothing else can read it.
fn serial_and_issuer(certificate: &CertificateDer<'_>) -> Result<(Asn1Integer, X509Name), ErrorStack> {
    if let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate)
        && parsed.raw_serial().first().is_some_and(|first| *first < 0x80)
    {
        let serial = BigNum::from_slice(parsed.raw_serial())?;
        return Ok((Asn1Integer::from_bn(&serial)?, X509Name::from_der(parsed.issuer().as_raw())?));
    }
    let certificate = X509::from_der(certificate)?;
    let serial = certificate.serial_number().to_bn()?;
    Ok((Asn1Integer::from_bn(&serial)?, certificate.issuer_name().to_owned()?))
}

fn is_signed_by(list: &X509Crl, issuer: &CertificateDer<'_>) -> Result<bool, ErrorStack> {
    let issuer = X509::from_der(issuer)?;
    let is_named = is_same(issuer.subject_name(), list.issuer_name());
    Ok(is_named && list.verify(issuer.public_key()?.as_ref()).unwrap_or(false))
}

fn is_same(one: &X509NameRef, other: &X509NameRef) -> bool {
    one.try_cmp(other).is_ok_and(std::cmp::Ordering::is_eq)
}
