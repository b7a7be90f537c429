//! Keys and certificates: issue, load, rustls and OpenSSL contexts.
//!
//! Two TLS stacks, each for what it does best: rustls for certificates (TLS 1.2 and 1.3), OpenSSL for
//! pre-shared keys (TLS 1.2), which rustls does not have. [`sniff`] tells from a connection's first
//! bytes which of them it wants.
//!
//! - A listener: [`server_config`], [`psk_server_context`]; when a handshake fails,
//!   [`describe_tls_failure`] and [`describe_psk_failure`] say what to change in the router's form.
//! - An outgoing connection: [`client_config`], [`psk_client_context`];
//!   [`describe_broker_tls_failure`] and [`describe_broker_psk_failure`] when it fails.
//! - Making certificates: [`issue`]. Judging files: [`inspect`].
//!
//! No socket is opened here and nothing waits.

mod broker_fault;
mod client;
mod error;
mod fault;
mod hello;
pub mod host;
pub mod inspect;
pub mod issue;
mod key_log;
pub mod load;
mod mosquitto_line;
mod names;
mod nearby;
pub mod pem;
mod psk;
mod revocation;
mod second_opinion;
mod server;
mod suites;
pub mod summary;
#[cfg(test)]
mod testing;
mod verify;

pub use broker_fault::{BrokerFault, describe_broker_psk_failure, describe_broker_tls_failure};
pub use client::{CaSource, CertificateTls, ClientTls, PskTls, client_config};
pub use error::{CertError, Place};
pub use fault::{PskFault, TlsFault, describe_psk_failure, describe_tls_failure, no_longer_good};
pub use hello::{PSK_SUITES, SNIFF_BYTES_MAX, Sniffed, TlsHello, sniff};
pub use inspect::{Finding, FindingKind, Severity, inspect_ca, inspect_key, inspect_server};
pub use key_log::KeyLog;
pub use mosquitto_line::mosquitto_line;
pub use names::{NameFrom, is_user_name, user_name};
pub use nearby::closest_existing;
pub use psk::{
    PSK_CIPHERS, PSK_IDENTITY_BYTES_MAX, PSK_KEY_BYTES_MAX, PskLookup, PskOutcome, check_identity, check_key,
    has_key_still, psk_client_context, psk_outcome, psk_server_context, psk_server_context_logging_keys,
};
pub use server::{
    RESUMABLE_SESSIONS_MAX, ServerFiles, ServerSide, TlsVersion, server_config, server_config_logging_keys, server_side,
};
pub use verify::ClientVerifier;
