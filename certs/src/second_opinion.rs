//! OpenSSL's judgement of certificates that webpki does not know what to do with.
//!
//! mosquitto's own manual makes certificates with `openssl x509 -req`, which are of X.509 version 1 and
//! have no subjectAltName; and many a test broker uses one self-signed certificate as both its CA and
//! its own. mosquitto and libmosquitto accept them, webpki refuses to look at them. Whoever replaces
//! mosquitto must not have to issue a fleet's certificates again, so these, and only these, are judged
//! the way mosquitto judges them.

use crate::error::CertError;
use crate::load::LoadedCertificate;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Whose certificate is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    /// A client's, to this listener.
    Client {
        /// It may have expired, or not begun.
        any_dates: bool,
    },
    /// A broker's that was dialled; with a name, the certificate must be for it.
    Server(Option<&'a ServerName<'a>>),
}

/// The same authorities as webpki's, for OpenSSL.
pub(crate) struct SecondOpinion {
    authorities: Vec<X509>,
}

impl fmt::Debug for SecondOpinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecondOpinion({} authorities)", self.authorities.len())
    }
}

impl SecondOpinion {
    pub(crate) fn new(authorities: &[LoadedCertificate]) -> Result<Self, CertError> {
        let parse = |loaded: &LoadedCertificate| {
            X509::from_der(&loaded.der)
                .map_err(|cause| CertError::NotACertificate { at: loaded.at.clone(), cause: cause.to_string() })
        };
        Ok(Self { authorities: authorities.iter().map(parse).collect::<Result<_, _>>()? })
    }

    /// Whether webpki's refusal is one of those that are worth a second opinion.
    pub(crate) fn is_asked_after(refusal: &Error) -> bool {
        match refusal {
            // Version 1; a CA's own certificate in the server's place.
            Error::InvalidCertificate(CertificateError::Other(_)) => true,
            // No subjectAltName at all, where libmosquitto looks at the common name.
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
                presented.is_empty()
            }
            _ => false,
        }
    }

    /// Verifies chain, dates, purpose and, for a server, the name, as OpenSSL does.
    pub(crate) fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        role: Role<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        match self.ask(end_entity, intermediates, role, now).map_err(other)? {
            (true, X509VerifyResult::OK) => Ok(()),
            (_, verdict) => Err(Error::InvalidCertificate(refusal(verdict))),
        }
    }

    fn ask(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        role: Role<'_>,
        now: UnixTime,
    ) -> Result<(bool, X509VerifyResult), ErrorStack> {
        let end_entity = X509::from_der(end_entity)?;
        let mut chain = Stack::new()?;
        for intermediate in intermediates {
            chain.push(X509::from_der(intermediate)?)?;
        }
        let (store, named) = self.store(&end_entity, role, now)?;
        let mut context = X509StoreContext::new()?;
        context.init(&store, &end_entity, &chain, |context| {
            let good = context.verify_cert()?;
            Ok((good && named, context.error()))
        })
    }

    /// What to verify against, and whether an address (which OpenSSL seeks only in subjectAltName) is named.
    fn store(&self, end_entity: &X509, role: Role<'_>, now: UnixTime) -> Result<(X509Store, bool), ErrorStack> {
        let mut named = true;
        let mut wanted = X509VerifyParam::new()?;
        if !matches!(role, Role::Client { any_dates: true }) {
            // With a time, OpenSSL looks at dates whatever its flags are.
            wanted.set_time(now.as_secs().try_into().unwrap_or(i64::MAX));
        }
        match role {
            Role::Client { any_dates } => {
                wanted.set_purpose(X509PurposeId::SSL_CLIENT)?;
                if any_dates {
                    wanted.set_flags(X509VerifyFlags::NO_CHECK_TIME)?;
                }
            }
            Role::Server(name) => {
                wanted.set_purpose(X509PurposeId::SSL_SERVER)?;
                match name {
                    Some(ServerName::DnsName(name)) => wanted.set_host(name.as_ref())?,
                    Some(ServerName::IpAddress(address)) => {
                        let address = IpAddr::from(*address);
                        if end_entity.subject_alt_names().is_some() {
                            wanted.set_ip(address)?;
                        } else {
                            named = common_name_is(end_entity, address);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut store = X509StoreBuilder::new()?;
        for authority in &self.authorities {
            store.add_cert(authority.clone())?;
        }
        store.set_param(&wanted)?;
        Ok((store.build(), named))
    }
}

/// libmosquitto takes an address in the common name for the certificate's name.
fn common_name_is(certificate: &X509, address: IpAddr) -> bool {
    let entries = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let mut names = entries.filter_map(|entry| entry.data().to_string().ok());
    names.any(|name| name.parse::<IpAddr>() == Ok(address))
}

/// Verdicts of OpenSSL (`x509_vfy.h`); the same in 1.1.1 and all of 3.
mod code {
    pub(super) const OK: i32 = 0;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const UNTRUSTED: [i32; 6] = [2, 18, 19, 20, 21, 27];
    pub(super) const REVOKED: i32 = 23;
    pub(super) const BAD_SIGNATURE: i32 = 7;
    pub(super) const INVALID_PURPOSE: i32 = 26;
    pub(super) const HOSTNAME_MISMATCH: i32 = 62;
    pub(super) const IP_ADDRESS_MISMATCH: i32 = 64;
}

fn refusal(verdict: X509VerifyResult) -> CertificateError {
    match verdict.as_raw() {
        code::EXPIRED => CertificateError::Expired,
        code::NOT_YET_VALID => CertificateError::NotValidYet,
        code::REVOKED => CertificateError::Revoked,
        code::BAD_SIGNATURE => CertificateError::BadSignature,
        code::INVALID_PURPOSE => CertificateError::InvalidPurpose,
        // The chain is good, so it was refused for the address in its common name.
        code::OK | code::HOSTNAME_MISMATCH | code::IP_ADDRESS_MISMATCH => CertificateError::NotValidForName,
        untrusted if code::UNTRUSTED.contains(&untrusted) => CertificateError::UnknownIssuer,
        _ => CertificateError::Other(OtherError(Arc::new(CertError::Refused(verdict.error_string().to_owned())))),
    }
}

/// Verifies that the handshake was signed with the certificate's key (RFC 5246 §7.4.8, RFC 8446 §4.4.3).
///
/// For certificates that webpki does not parse. `tls13` has the stricter rules of that version: no
/// PKCS#1 v1.5, and each ECDSA scheme is bound to its curve.
pub(crate) fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    tls13: bool,
) -> Result<(), Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let key = X509::from_der(certificate).and_then(|certificate| certificate.public_key()).map_err(other)?;
    let good = signature_is_good(message, &key, signed, tls13).map_err(|_| bad())?;
    if good { Ok(()) } else { Err(bad()) }
}

fn signature_is_good(
    message: &[u8],
    key: &PKey<Public>,
    signed: &DigitallySignedStruct,
    tls13: bool,
) -> Result<bool, ErrorStack> {
    use SignatureScheme as S;
    let pkcs1 = Some(Padding::PKCS1);
    let pss = Some(Padding::PKCS1_PSS);
    let (kind, digest, padding, curve_bits) = match signed.scheme {
        S::RSA_PKCS1_SHA256 if !tls13 => (Id::RSA, MessageDigest::sha256(), pkcs1, None),
        S::RSA_PKCS1_SHA384 if !tls13 => (Id::RSA, MessageDigest::sha384(), pkcs1, None),
        S::RSA_PKCS1_SHA512 if !tls13 => (Id::RSA, MessageDigest::sha512(), pkcs1, None),
        S::RSA_PSS_SHA256 => (Id::RSA, MessageDigest::sha256(), pss, None),
        S::RSA_PSS_SHA384 => (Id::RSA, MessageDigest::sha384(), pss, None),
        S::RSA_PSS_SHA512 => (Id::RSA, MessageDigest::sha512(), pss, None),
        S::ECDSA_NISTP256_SHA256 => (Id::EC, MessageDigest::sha256(), None, Some(256)),
        S::ECDSA_NISTP384_SHA384 => (Id::EC, MessageDigest::sha384(), None, Some(384)),
        S::ED25519 if key.id() == Id::ED25519 => {
            return Verifier::new_without_digest(key)?.verify_oneshot(signed.signature(), message);
        }
        _ => return Ok(false),
    };
    let wrong_curve = tls13 && curve_bits.is_some_and(|bits| key.bits() != bits);
    if key.id() != kind || wrong_curve {
        return Ok(false);
    }
    let mut verifier = Verifier::new(digest, key)?;
    if let Some(padding) = padding {
        verifier.set_rsa_padding(padding)?;
        if padding == Padding::PKCS1_PSS {
            verifier.set_rsa_mgf1_md(digest)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
    }
    verifier.verify_oneshot(signed.signature(), message)
}

fn other(cause: ErrorStack) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(cause))))
}
