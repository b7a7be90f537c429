//! Verification of the other side's certificate: webpki first, and what it does not know by OpenSSL.

use crate::error::CertError;
use crate::load::{LoadedCertificate, root_store};
use crate::revocation::Revocations;
use crate::second_opinion::{Role, SecondOpinion, verify_signature};
use crate::server::provider;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// Verifies the certificates of clients: in the handshake, and again where other files count.
#[derive(Debug)]
pub struct ClientVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
    openssl: SecondOpinion,
    revoked: Option<Revocations>,
    any_dates: bool,
}

impl ClientVerifier {
    /// Trusts these authorities and no others, and of theirs none that is `revoked`; `any_dates` accepts what has expired,
    /// or is not valid yet.
    pub(crate) fn new(
        authorities: &[LoadedCertificate],
        revoked: Option<Revocations>,
        any_dates: bool,
    ) -> Result<Self, CertError> {
        let webpki = WebPkiClientVerifier::builder_with_provider(root_store(authorities)?, provider())
            .build()
            .map_err(|cause| CertError::Refused(cause.to_string()))?;
        let openssl = SecondOpinion::new(authorities)?;
        Ok(Self { webpki, openssl, revoked, any_dates })
    }

    /// Whether a client that came in with `chain`, its own certificate first, would come in now. That it has the key was
    /// shown in the handshake.
    ///
    /// # Errors
    /// The refusal that a handshake would end with.
    pub fn verify_again(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let (end_entity, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.verify_client_cert(end_entity, intermediates, now).map(|_| ())
    }

    /// Chain, purpose and dates.
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.webpki.verify_client_cert(end_entity, intermediates, now) {
            Err(Error::InvalidCertificate(cause)) if self.any_dates && is_of_dates(&cause) => {
                self.openssl.judge(end_entity, intermediates, Role::Client { any_dates: true }, now)?;
                Ok(ClientCertVerified::assertion())
            }
            Err(refusal) if SecondOpinion::is_asked_after(&refusal) => {
                let role = Role::Client { any_dates: self.any_dates };
                self.openssl.judge(end_entity, intermediates, role, now)?;
                Ok(ClientCertVerified::assertion())
            }
            verdict => verdict.map_err(same_name_other_key),
        }
    }
}

/// Whether a certificate was refused for its dates alone: everything else is looked at anew then.
const fn is_of_dates(cause: &CertificateError) -> bool {
    use CertificateError as C;
    matches!(cause, C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. })
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verify_chain(end_entity, intermediates, now)?;
        if let Some(revoked) = &self.revoked {
            revoked.judge(end_entity, intermediates, now).map_err(Error::InvalidCertificate)?;
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        or_openssl(self.webpki.verify_tls12_signature(message, cert, dss), message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        or_openssl(self.webpki.verify_tls13_signature(message, cert, dss), message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Verifies the certificate of a broker that we dial.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    openssl: SecondOpinion,
    any_name: bool,
}

impl ServerVerifier {
    /// Trusts these authorities; `any_name` accepts a certificate that is good but for another host.
    pub(crate) fn new(authorities: &[LoadedCertificate], any_name: bool) -> Result<Self, CertError> {
        let webpki = WebPkiServerVerifier::builder_with_provider(root_store(authorities)?, provider())
            .build()
            .map_err(|cause| CertError::Refused(cause.to_string()))?;
        Ok(Self { webpki, openssl: SecondOpinion::new(authorities)?, any_name })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when everything else was good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            Err(refusal) if SecondOpinion::is_asked_after(&refusal) => {
                let role = Role::Server((!self.any_name).then_some(server_name));
                match self.openssl.judge(end_entity, intermediates, role, now) {
                    Ok(()) => Ok(ServerCertVerified::assertion()),
                    // webpki says which name was wanted.
                    Err(Error::InvalidCertificate(CertificateError::NotValidForName))
                        if !matches!(refusal, Error::InvalidCertificate(CertificateError::Other(_))) =>
                    {
                        Err(refusal)
                    }
                    Err(second) => Err(second),
                }
            }
            verdict => verdict.map_err(same_name_other_key),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        or_openssl(self.webpki.verify_tls12_signature(message, cert, dss), message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        or_openssl(self.webpki.verify_tls13_signature(message, cert, dss), message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// A CA of the right name that did not sign it is an unknown CA, and the other side should hear that
/// (alert unknown_ca, as from OpenSSL) rather than decrypt_error.
fn same_name_other_key(refusal: Error) -> Error {
    match refusal {
        Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::UnknownIssuer.into(),
        other => other,
    }
}

/// webpki's verdict on a signature, unless it could not parse the certificate. (A bad signature is its last word.)
fn or_openssl(
    verdict: Result<HandshakeSignatureValid, Error>,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    match verdict {
        Err(Error::InvalidCertificate(CertificateError::Other(_))) => {
            verify_signature(message, certificate, signed, tls13)?;
            Ok(HandshakeSignatureValid::assertion())
        }
        verdict => verdict,
    }
}
