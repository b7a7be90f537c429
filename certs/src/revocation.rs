//! mosquitto's `crlfile`: certificates of clients that are no longer good.
//!
//! Judged as OpenSSL does with `X509_V_FLAG_CRL_CHECK`: of the client's own certificate alone, and strictly: a list of its
//! issuer must be there, signed by it and not out of date. webpki has the same, but not for lists of version 1, which are
//! what `openssl ca -gencrl` makes unless it is told otherwise.

use crate::error::CertError;
use crate::load;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::x509::{CrlStatus, X509, X509Crl, X509NameRef};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, OtherError};
use std::path::Path;
use std::sync::Arc;

/// The lists of a file.
pub(crate) struct Revocations(Vec<X509Crl>);

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revocations({} lists)", self.0.len())
    }
}

impl Revocations {
    /// Reads the lists of a PEM file; at least one.
    pub(crate) fn read(path: &Path) -> Result<Self, CertError> {
        let bad = |cause: String| CertError::Crl { path: path.to_owned(), cause };
        let text = load::read(path).map_err(|error| bad(error.to_string()))?;
        let sections = load::sections_of(path, &text).map_err(|error| bad(error.to_string()))?;
        let lists = sections.iter().filter(|section| section.label == "X509 CRL");
        let lists = lists
            .map(|section| {
                X509Crl::from_der(&section.der).map_err(|_| bad(format!("Line {}: this is no CRL", section.line)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if lists.is_empty() {
            return Err(bad("There is no CRL in it (no -----BEGIN X509 CRL-----)".to_owned()));
        }
        Ok(Self(lists))
    }

    /// Whether a certificate of a good chain is still good at `now`. `chain` are those that may have issued it.
    pub(crate) fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[&CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let other = |cause: ErrorStack| CertificateError::Other(OtherError(Arc::new(cause)));
        self.ask(certificate, chain, now).map_err(other)?
    }

    fn ask(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[&CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Result<(), CertificateError>, ErrorStack> {
        let certificate = X509::from_der(certificate)?;
        let mut verdict = CertificateError::UnknownRevocationStatus;
        for list in self.0.iter().filter(|list| is_same(list.issuer_name(), certificate.issuer_name())) {
            let mut is_signed = false;
            for issuer in chain {
                let issuer = X509::from_der(issuer)?;
                is_signed |= is_same(issuer.subject_name(), list.issuer_name())
                    && list.verify(issuer.public_key()?.as_ref()).unwrap_or(false);
            }
            if !is_signed {
                continue;
            }
            if !matches!(list.get_by_cert(&certificate), CrlStatus::NotRevoked) {
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

fn is_same(one: &X509NameRef, other: &X509NameRef) -> bool {
    one.try_cmp(other).is_ok_and(std::cmp::Ordering::is_eq)
}
