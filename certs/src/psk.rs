//! TLS with a pre-shared key, by OpenSSL: the server's context and the client's.
//!
//! TLS 1.2 only: that is what libmosquitto in the routers offers with a key, and in TLS 1.3 a key of
//! this kind is something else.

use crate::error::CertError;
use crate::key_log::KeyLog;
use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::ex_data::Index;
use openssl::pkey::Params;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslContextRef, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use std::sync::{Arc, OnceLock};

/// Looks up the key of an identity; `None` when there is no such identity.
pub type PskLookup = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// The suites, best first, when the configuration names none.
///
/// ECDHE-PSK gives forward secrecy for 0.18 ms of the server's time per handshake, where plain PSK takes
/// 0.05 ms and is what the oldest clients have. DHE-PSK takes 0.7 ms, at a stranger's request, and stays
/// out unless it is asked for by `ciphers`; RSA-PSK needs a certificate besides and is not there.
/// `@SECLEVEL=1` keeps the CBC-SHA suites whatever the system's policy is: they are all
/// that libmosquitto on OpenSSL 1.0 has.
pub const PSK_CIPHERS: &str = "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:ECDHE-PSK-AES256-CBC-SHA384:\
    ECDHE-PSK-AES128-CBC-SHA:ECDHE-PSK-AES256-CBC-SHA:\
    PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-CHACHA20-POLY1305:PSK-AES128-CCM:PSK-AES256-CCM:\
    PSK-AES128-CBC-SHA256:PSK-AES256-CBC-SHA384:PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA:@SECLEVEL=1";

/// Bytes of an identity (OpenSSL's `PSK_MAX_IDENTITY_LEN`, without the terminating zero).
pub const PSK_IDENTITY_BYTES_MAX: usize = 127;

/// Bytes of a key (OpenSSL's `PSK_MAX_PSK_LEN` of 1.1.1, the smallest of those in use).
pub const PSK_KEY_BYTES_MAX: usize = 256;

/// What a client said of itself while it shook hands; see [`psk_outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PskOutcome {
    /// Its identity is known. Whether its key is right shows when the handshake completes.
    Known(String),
    /// Its identity is not known (or is not UTF-8, which no identity in a PSK file is).
    Unknown(String),
    /// Its identity is known, but the key on our side is empty or too long.
    KeyUnusable(String),
}

impl PskOutcome {
    /// The identity that the client offered.
    pub fn identity(&self) -> &str {
        let (Self::Known(identity) | Self::Unknown(identity) | Self::KeyUnusable(identity)) = self;
        identity
    }
}

/// The context for a listener with a PSK file.
///
/// `hint` is sent to clients (libmosquitto ignores it), `ciphers` is an OpenSSL list that replaces
/// [`PSK_CIPHERS`], and `lookup` is asked once per handshake, on the thread that drives it.
///
/// Sessions are not resumed: a handshake with a key is cheap, and an identity that was taken out of
/// the PSK file must not come back with an old ticket.
pub fn psk_server_context(
    hint: Option<&str>,
    ciphers: Option<&str>,
    lookup: PskLookup,
) -> Result<SslContext, CertError> {
    psk_server_context_logging_keys(hint, ciphers, lookup, None)
}

/// The same; `key_log` gets the secrets of every session.
pub fn psk_server_context_logging_keys(
    hint: Option<&str>,
    ciphers: Option<&str>,
    lookup: PskLookup,
    key_log: Option<Arc<KeyLog>>,
) -> Result<SslContext, CertError> {
    let index = outcome_index()?;
    let mut context = context(SslMethod::tls_server(), ciphers)?;
    context.set_ex_data(lookup_index()?, Arc::clone(&lookup));
    context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
    if ciphers.is_some() {
        // Whoever names DHE-PSK suites shall have them; without a group OpenSSL leaves them out.
        context.set_tmp_dh(dh_group()?.as_ref())?;
    }
    if let Some(key_log) = key_log {
        context.set_keylog_callback(move |_, line| key_log.line(line));
    }
    if let Some(hint) = hint {
        hint::set(&mut context, hint)?;
    }
    context.set_psk_server_callback(move |ssl, identity, key| {
        let (outcome, length) = judge(identity.unwrap_or_default(), key, &lookup);
        ssl.set_ex_data(index, outcome);
        // Zero makes OpenSSL send the alert unknown_psk_identity (RFC 4279 §2).
        Ok(length)
    });
    Ok(context.build())
}

/// The context for a client with one identity and its key (`mosquitto_pub --psk-identity --psk`).
pub fn psk_client_context(identity: &str, key: &[u8], ciphers: Option<&str>) -> Result<SslContext, CertError> {
    check_identity(identity)?;
    check_key(key)?;
    let mut context = context(SslMethod::tls_client(), ciphers)?;
    let identity = identity.as_bytes().to_vec();
    let key = key.to_vec();
    context.set_psk_client_callback(move |_ssl, _hint, identity_out, key_out| {
        let name = identity_out.get_mut(..=identity.len());
        let place = key_out.get_mut(..key.len());
        let (Some([name @ .., end]), Some(place)) = (name, place) else { return Ok(0) };
        name.copy_from_slice(&identity);
        *end = 0;
        place.copy_from_slice(&key);
        Ok(key.len())
    });
    Ok(context.build())
}

/// What the client of this connection said, before or after the end of the handshake, failed or not.
///
/// `None` when it did not get as far as an identity.
pub fn psk_outcome(ssl: &SslRef) -> Option<&PskOutcome> {
    ssl.ex_data(outcome_index().ok()?)
}

/// Whether the client of this connection, which knows its key by the context that it came in by, would come in by `now`: its
/// identity is there, with the same key.
pub fn has_key_still(ssl: &SslRef, now: &SslContextRef) -> bool {
    let Some(PskOutcome::Known(identity)) = psk_outcome(ssl) else { return false };
    let key = |context: &SslContextRef| context.ex_data(lookup_index().ok()?)?(identity);
    key(ssl.ssl_context()).is_some_and(|before| key(now).is_some_and(|now| now == before))
}

/// An identity must fit into the handshake: 1 to [`PSK_IDENTITY_BYTES_MAX`] bytes, none of them zero.
pub fn check_identity(identity: &str) -> Result<(), CertError> {
    if identity.is_empty() || identity.len() > PSK_IDENTITY_BYTES_MAX || identity.contains('\0') {
        let bytes = identity.len();
        return Err(CertError::Psk(format!(
            "the PSK identity has {bytes} bytes; it takes 1 to {PSK_IDENTITY_BYTES_MAX}, none of them zero"
        )));
    }
    Ok(())
}

/// A key has 1 to [`PSK_KEY_BYTES_MAX`] bytes.
pub fn check_key(key: &[u8]) -> Result<(), CertError> {
    if key.is_empty() || key.len() > PSK_KEY_BYTES_MAX {
        let bytes = key.len();
        return Err(CertError::Psk(format!("the PSK has {bytes} bytes; it takes 1 to {PSK_KEY_BYTES_MAX}")));
    }
    Ok(())
}

/// What both sides have in common.
fn context(method: SslMethod, ciphers: Option<&str>) -> Result<SslContextBuilder, CertError> {
    let mut context = SslContext::builder(method)?;
    let ciphers = ciphers.unwrap_or(PSK_CIPHERS);
    context
        .set_cipher_list(ciphers)
        .map_err(|stack| CertError::Ciphers { ciphers: ciphers.to_owned(), cause: stack.to_string() })?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_verify(SslVerifyMode::NONE);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(SslOptions::NO_TICKET | SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
    // An idle connection must not hold two record buffers of 17 kB.
    context.set_mode(
        SslMode::RELEASE_BUFFERS
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::AUTO_RETRY,
    );
    Ok(context)
}

/// The 2048-bit group 14 of RFC 3526, which every client accepts.
fn dh_group() -> Result<Dh<Params>, CertError> {
    Ok(Dh::from_pqg(BigNum::get_rfc3526_prime_2048()?, None, BigNum::from_u32(2)?)?)
}

/// Puts the key of `identity` into `key`; zero bytes when there is none to use.
fn judge(identity: &[u8], key: &mut [u8], lookup: &PskLookup) -> (PskOutcome, usize) {
    let Ok(name) = std::str::from_utf8(identity) else {
        return (PskOutcome::Unknown(String::from_utf8_lossy(identity).into_owned()), 0);
    };
    let Some(found) = lookup(name) else { return (PskOutcome::Unknown(name.to_owned()), 0) };
    match key.get_mut(..found.len()) {
        Some(place) if !found.is_empty() => {
            place.copy_from_slice(&found);
            (PskOutcome::Known(name.to_owned()), found.len())
        }
        _ => (PskOutcome::KeyUnusable(name.to_owned()), 0),
    }
}

/// Where each connection keeps its [`PskOutcome`]. One for the process, made at the first use.
fn outcome_index() -> Result<Index<Ssl, PskOutcome>, CertError> {
    static INDEX: OnceLock<Index<Ssl, PskOutcome>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let made = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| made))
}

/// Where each context keeps its [`PskLookup`]. One for the process, made at the first use.
fn lookup_index() -> Result<Index<SslContext, PskLookup>, CertError> {
    static INDEX: OnceLock<Index<SslContext, PskLookup>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let made = SslContext::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| made))
}

/// The one call that the `openssl` crate does not have.
mod hint {
    use crate::error::CertError;
    use openssl::error::ErrorStack;
    use openssl::ssl::SslContextBuilder;
    use std::ffi::{CString, c_char, c_int, c_void};

    #[allow(unsafe_code)] // the reason for this module
    mod ffi {
        use super::{c_char, c_int, c_void};
        unsafe extern "C" {
            /// Copies `hint`; 1 is success. `SSL_CTX_use_psk_identity_hint(3)`.
            pub(super) fn SSL_CTX_use_psk_identity_hint(context: *mut c_void, hint: *const c_char) -> c_int;
        }
    }

    /// Sets the hint that is sent to clients: at most 127 bytes, none of them zero.
    #[allow(unsafe_code)]
    pub(super) fn set(context: &mut SslContextBuilder, hint: &str) -> Result<(), CertError> {
        let bad = || CertError::Psk(format!("psk_hint {hint:?}: it takes at most 127 bytes, none of them zero"));
        let text = CString::new(hint).map_err(|_| bad())?;
        // SAFETY: the context is alive and ours alone (`&mut`), the text ends in a zero and lives
        // until the call returns, and OpenSSL keeps a copy of its own.
        let done = unsafe { ffi::SSL_CTX_use_psk_identity_hint(context.as_ptr().cast(), text.as_ptr()) };
        if done == 1 {
            return Ok(());
        }
        // What OpenSSL queued for this must not turn up in the next error.
        drop(ErrorStack::get());
        Err(bad())
    }
}
