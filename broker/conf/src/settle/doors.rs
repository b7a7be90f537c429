//! What stands before a listener's port: certificates, keys, a proxy, and what of them is a user name.

use super::{BOTH_FILES, Settling};
use crate::draft::ListenerDraft;
use crate::{Certificates, Listener, Located, Proxy, UsernameFrom};

impl Settling {
    pub(super) fn certificates(&mut self, written: &ListenerDraft) -> Option<Certificates> {
        let (certfile, keyfile) = match (written.certfile.get(), written.keyfile.get()) {
            (Some(certfile), Some(keyfile)) => (certfile.clone(), keyfile.clone()),
            (Some(alone), None) => {
                self.fail(alone, BOTH_FILES, "Name its private key with 'keyfile'.");
                return None;
            }
            (None, Some(alone)) => {
                self.fail(alone, BOTH_FILES, "Name its certificate with 'certfile'.");
                return None;
            }
            (None, None) => {
                self.without_certificate(written);
                return None;
            }
        };
        let require_certificate = written.require_certificate.or(false);
        if let (true, None, None, Some(at)) =
            (require_certificate, written.cafile.get(), written.capath.get(), written.require_certificate.get())
        {
            self.fail(
                at,
                "'require_certificate' is given without 'cafile' or 'capath', so no client could come in.",
                "Name the roots of your clients' certificates with 'cafile'.",
            );
        }
        if let (Some(crlfile), false) = (written.crlfile.get(), require_certificate) {
            self.warn(
                crlfile,
                "Warning: 'crlfile' does nothing without 'require_certificate true': no client is asked for a certificate.",
            );
        }
        Some(Certificates {
            certfile: certfile.into(),
            keyfile: keyfile.into(),
            cafile: written.cafile.path(),
            capath: written.capath.path(),
            require_certificate,
            tls_version_min: written.tls_version.unwrap_or_default(),
            crlfile: written.crlfile.path(),
            any_client_dates: written.any_client_dates.or(false),
            ciphers: written.ciphers.0.clone(),
            ciphers_tls13: written.ciphers_tls13.0.clone(),
        })
    }

    pub(super) fn proxy(&mut self, written: &ListenerDraft) -> Option<Proxy> {
        let Some(version) = written.proxy.get().filter(|version| version.value > 0) else {
            if let Some(required) = written.proxy_requires_tls.get().filter(|required| required.value) {
                self.warn(
                    required,
                    "Warning: 'proxy_protocol_v2_require_tls' does nothing without 'enable_proxy_protocol 2'.",
                );
            }
            return None;
        };
        let is_version_2 = version.value == 2;
        let subject = written.use_subject_as_username.get().filter(|option| option.value).map(|option| &option.at);
        let not_with = [
            (written.certfile.get().map(|option| &option.at), "certfile"),
            (written.keyfile.get().map(|option| &option.at), "keyfile"),
            (written.psk_hint.get().map(|option| &option.at), "psk_hint"),
            (subject, "use_subject_as_username"),
        ];
        for (at, name) in not_with {
            if let (Some(at), true) = (at, is_version_2) {
                let message = format!("'{name}' cannot be used with 'enable_proxy_protocol 2'.");
                let mend = "The proxy speaks TLS then: remove the line, or write 'enable_proxy_protocol 1' for a proxy that \
                            passes TLS through.";
                self.fail(&Located::new((), at.clone()), &message, mend);
            }
        }
        Some(Proxy {
            is_version_2,
            requires_tls: is_version_2 && written.proxy_requires_tls.or(false),
            requires_certificate: is_version_2 && written.require_certificate.or(false),
        })
    }

    /// Where there is no TLS there is nobody to ask: mosquitto passes these over then, and so do we, but say so.
    pub(super) fn username_from(&mut self, written: &ListenerDraft) -> Option<UsernameFrom> {
        let (identity, subject) = (&written.use_identity_as_username, &written.use_subject_as_username);
        let (from, option, name) = match (identity.or(false), subject.or(false)) {
            (true, _) => (UsernameFrom::Identity, identity.get(), "use_identity_as_username"),
            (false, true) => (UsernameFrom::Subject, subject.get(), "use_subject_as_username"),
            (false, false) => return None,
        };
        let at = option?;
        let has_certificates = written.certfile.get().is_some() && written.keyfile.get().is_some();
        let has_psk = written.psk_hint.get().is_some();
        let asks_proxy = written.proxy.number(0) == 2 && written.require_certificate.or(false);
        if asks_proxy && from == UsernameFrom::Identity {
            return Some(from);
        }
        if !has_certificates && !has_psk {
            let message =
                format!("Warning: '{name}' does nothing without TLS: clients of this listener say who they are.");
            self.warn(at, &message);
            return None;
        }
        if has_certificates && !written.require_certificate.or(false) && !(has_psk && from == UsernameFrom::Identity) {
            let message = format!(
                "Warning: '{name}' without 'require_certificate true' lets nobody in: no client is asked for the certificate \
                 that names it."
            );
            self.warn(at, &message);
        } else if !has_certificates && from == UsernameFrom::Subject {
            self.warn(
                at,
                "Warning: 'use_subject_as_username' lets nobody in here: a pre-shared key has no subject. Write \
                 'use_identity_as_username true'.",
            );
        }
        Some(from)
    }

    pub(super) fn without_certificate(&mut self, written: &ListenerDraft) {
        for (option, name) in [(written.cafile.get(), "cafile"), (written.capath.get(), "capath")] {
            if let Some(alone) = option {
                let message = format!("{name} specified without certfile and keyfile.");
                self.fail(alone, &message, "Name the server's certificate and key, or remove the line.");
            }
        }
        let is_asked = |required: &&Located<bool>| required.value && written.proxy.number(0) != 2;
        if let Some(required) = written.require_certificate.get().filter(is_asked) {
            self.warn(
                required,
                "Warning: 'require_certificate' does nothing without 'certfile' and 'keyfile': this listener asks no \
                 client for a certificate.",
            );
        }
    }

    pub(super) fn psk_file_without_door(&mut self, listeners: &[Listener]) {
        let file = self.common.psk_file.0.clone();
        if let (Some(file), true) = (file, listeners.iter().all(|listener| listener.psk.is_none())) {
            self.warn(&file, "Warning: 'psk_file' does nothing without 'psk_hint', which turns TLS-PSK on.");
        }
        for psk in listeners.iter().filter_map(|listener| listener.psk.as_ref()).filter(|psk| psk.file.is_none()) {
            self.warn(&psk.hint, "Warning: 'psk_hint' is given without 'psk_file', so no client can come in here.");
        }
    }
}
