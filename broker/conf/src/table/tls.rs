//! TLS of a listener, with certificates and with pre-shared keys.

use super::{Cannot, Carry, OptionSpec, PLAIN, Reload, Scope, Takes};
use crate::draft::Draft;
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{Fault, TlsVersion, values};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "certfile",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Path,
        default: "none",
        means: "The server's certificate and those between it and its root, PEM; turns TLS on.",
        carry: Carry::Text(|draft| &mut draft.listener().certfile),
        ..PLAIN
    },
    OptionSpec {
        name: "keyfile",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Path,
        default: "none",
        means: "The private key of that certificate, PEM.",
        carry: Carry::Text(|draft| &mut draft.listener().keyfile),
        ..PLAIN
    },
    OptionSpec {
        name: "cafile",
        scope: Scope::Listener,
        takes: Takes::Path,
        default: "none",
        means: "Roots that the certificates of clients must lead to, PEM; with require_certificate those of connected clients, too, when it changes.",
        carry: Carry::Text(|draft| &mut draft.listener().cafile),
        ..PLAIN
    },
    OptionSpec {
        name: "capath",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Path,
        default: "none",
        means: "The same as a folder of PEM files.",
        carry: Carry::Text(|draft| &mut draft.listener().capath),
        ..PLAIN
    },
    OptionSpec {
        name: "require_certificate",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Bool,
        default: "false",
        means: "Only a client with a certificate may come in.",
        carry: Carry::Bool(|draft| &mut draft.listener().require_certificate),
        ..PLAIN
    },
    OptionSpec {
        name: "tls_version",
        scope: Scope::Listener,
        takes: Takes::Form("tlsv1.2 or tlsv1.3"),
        default: "tlsv1.2",
        means: "The oldest version of TLS that is spoken.",
        carry: Carry::Own(tls_version),
        ..PLAIN
    },
    OptionSpec {
        name: "psk_hint",
        scope: Scope::ListenerOrDefault,
        default: "none",
        means: "Turns TLS-PSK on; the text is told to clients, which mostly ignore it.",
        carry: Carry::Text(|draft| &mut draft.listener().psk_hint),
        ..PLAIN
    },
    OptionSpec {
        name: "ciphers",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Form("a list in the words of OpenSSL"),
        default: "all",
        means: "Cipher suites of TLS 1.2 and for TLS-PSK, best first; with certificates those of rustls, all with forward secrecy.",
        carry: Carry::Text(|draft| &mut draft.listener().ciphers),
        ..PLAIN
    },
    OptionSpec {
        name: "ciphers_tls1.3",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Form("a list of their names, best first"),
        default: "all",
        means: "Cipher suites of TLS 1.3.",
        carry: Carry::Text(|draft| &mut draft.listener().ciphers_tls13),
        ..PLAIN
    },
    OptionSpec {
        name: "crlfile",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Path,
        default: "none",
        means: "Lists (CRL, PEM) of certificates of clients that are no longer good; who is connected with one is disconnected when \
                it changes.",
        carry: Carry::Text(|draft| &mut draft.listener().crlfile),
        ..PLAIN
    },
    OptionSpec {
        name: "dhparamfile",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Path,
        default: "none",
        means: "Once the parameters of a key exchange.",
        carry: Carry::Ignored("Warning: The 'dhparamfile' option is no longer required."),
        ..PLAIN
    },
    OptionSpec {
        name: "disable_client_cert_date_checks",
        scope: Scope::Listener,
        takes: Takes::Bool,
        default: "false",
        means: "Accept certificates of clients outside their dates.",
        carry: Carry::Bool(|draft| &mut draft.listener().any_client_dates),
        ..PLAIN
    },
    OptionSpec {
        name: "use_identity_as_username",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Bool,
        default: "false",
        means: "The name in the certificate, or the PSK identity, is the user name, and no password is asked for.",
        carry: Carry::Bool(|draft| &mut draft.listener().use_identity_as_username),
        ..PLAIN
    },
    OptionSpec {
        name: "use_subject_as_username",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Bool,
        default: "false",
        means: "The whole subject of the certificate is the user name, and no password is asked for.",
        carry: Carry::Bool(|draft| &mut draft.listener().use_subject_as_username),
        ..PLAIN
    },
    OptionSpec {
        name: "tls_engine",
        scope: Scope::ListenerOrDefault,
        default: "none",
        means: "The OpenSSL engine that holds the key.",
        carry: Carry::Cannot(NO_ENGINE),
        reload: Reload::No,
        ..PLAIN
    },
    OptionSpec {
        name: "tls_engine_kpass_sha1",
        scope: Scope::ListenerOrDefault,
        default: "none",
        means: "The hash of that engine's password.",
        carry: Carry::Cannot(NO_ENGINE),
        reload: Reload::No,
        ..PLAIN
    },
    OptionSpec {
        name: "tls_keyform",
        scope: Scope::ListenerOrDefault,
        takes: Takes::Form("pem or engine"),
        default: "pem",
        means: "Whether keyfile is a file or a name that the engine knows.",
        carry: Carry::Cannot(NO_ENGINE),
        reload: Reload::No,
        ..PLAIN
    },
];

/// Why not, and what to do instead.
const NO_ENGINE: Cannot = Cannot {
    why: "certificates are served by rustls, which has no OpenSSL engines (and OpenSSL itself has given them up)",
    instead: "Keep the key in a file that only the broker's user can read, or let a proxy with the engine end TLS in front of a \
              listener with 'enable_proxy_protocol 2'.",
};

fn tls_version(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let text = text_of(option.name, line, VALUE_BYTES_MAX)?;
    let version = match text {
        "tlsv1.2" => TlsVersion::V12,
        "tlsv1.3" => TlsVersion::V13,
        other => return Err(values::invalid(option.name, other, &option.takes.to_string())),
    };
    draft.listener().tls_version = Some(version);
    Ok(())
}
