//! The line by which mosquitto refuses a listener's files: scripts and people who search for it know that one. What is
//! wrong with the file comes after it, in [`CertError`]'s own words. Nothing is read here.

use std::path::Path;

use crate::error::CertError;
use crate::server::ServerFiles;

/// What mosquitto says, without `Error: ` before it, when `error` is wrong with `files`; `None` where it has no line of
/// its own, or `error` begins with it.
pub fn mosquitto_line(files: &ServerFiles, error: &CertError) -> Option<String> {
    let at_fault = match error {
        CertError::KeyMismatch { .. } => files.keyfile.as_path(),
        other => file_of(other)?,
    };
    if at_fault == files.keyfile && !matches!(error, CertError::NoCertificate { .. }) {
        return Some(format!("Unable to load server key file \"{}\". Check keyfile.", at_fault.display()));
    }
    if at_fault == files.certfile {
        return Some(format!("Unable to load server certificate \"{}\". Check certfile.", at_fault.display()));
    }
    let named = [("cafile", &files.cafile), ("capath", &files.capath)];
    let named: Vec<_> = named
        .into_iter()
        .filter_map(|(option, path)| Some(format!("{option} \"{}\"", path.as_ref()?.display())))
        .collect();
    (!named.is_empty()).then(|| format!("Unable to load CA certificates. Check {}.", named.join(" and ")))
}

/// The file that is at fault; `None`: no file is, or the error says so in mosquitto's words.
fn file_of(error: &CertError) -> Option<&Path> {
    match error {
        CertError::Missing { path, .. }
        | CertError::Unreadable { path, .. }
        | CertError::TooLarge { path }
        | CertError::NoCertificate { path, .. }
        | CertError::NoCertificateInDirectory { path }
        | CertError::NoKey { path } => Some(path),
        CertError::BrokenPem { at, .. }
        | CertError::KeyUnderCertificateMarkers { at, .. }
        | CertError::NotACertificate { at, .. }
        | CertError::EncryptedKey { at }
        | CertError::UnsupportedKey { at, .. } => Some(&at.path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use std::path::PathBuf;

    #[test]
    fn each_file_has_the_line_of_its_option() {
        let mut files = ServerFiles {
            cafile: Some("ca".into()),
            certfile: "crt".into(),
            keyfile: "key".into(),
            ..ServerFiles::default()
        };
        let missing = |path: &str| CertError::Missing { path: path.into(), nearest: None };
        let of_key = "Unable to load server key file \"key\". Check keyfile.";
        let of_certificate = "Unable to load server certificate \"crt\". Check certfile.";
        let (certfile, keyfile) = (PathBuf::from("crt"), PathBuf::from("key"));
        let rows = [
            (missing("crt"), Some(of_certificate)),
            (missing("key"), Some(of_key)),
            (CertError::KeyMismatch { certfile, keyfile }, Some(of_key)),
            (CertError::EncryptedKey { at: Place { path: "key".into(), line: 1 } }, Some(of_key)),
            (missing("ca"), Some("Unable to load CA certificates. Check cafile \"ca\".")),
            (CertError::Crl { path: "crl".into(), cause: String::new() }, None),
        ];
        for (error, wanted) in rows {
            assert_eq!(mosquitto_line(&files, &error).as_deref(), wanted, "{error}");
        }
        files.capath = Some("dir".into());
        let both = "Unable to load CA certificates. Check cafile \"ca\" and capath \"dir\".";
        assert_eq!(mosquitto_line(&files, &missing("dir/a")).as_deref(), Some(both));
        // Certificate and key in one file: which of them is missing tells the two apart.
        files.certfile = "key".into();
        let neither = CertError::NoCertificate { path: "key".into(), has_key: true };
        let wanted = "Unable to load server certificate \"key\". Check certfile.";
        assert_eq!(mosquitto_line(&files, &neither).as_deref(), Some(wanted));
    }
}
