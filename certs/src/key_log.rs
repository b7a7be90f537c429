//! `--tls-keylog`: the secrets of every TLS session in a file, for Wireshark. For finding faults only: whoever has the file
//! reads everything.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The file, written a line at a time in the form of NSS (draft-ietf-tls-keylogfile).
#[derive(Debug)]
pub struct KeyLog(Mutex<File>);

/// `O_NOFOLLOW` of Linux: a link in the file's place would write the secrets to somebody else's.
const NO_FOLLOW: i32 = nix::libc::O_NOFOLLOW;

impl KeyLog {
    /// Opens the file to add to it; one that is made can be read by its owner alone.
    ///
    /// # Errors
    /// It cannot be opened, is a link, or others may read it.
    pub fn open(path: &Path) -> io::Result<Arc<Self>> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("others may read it: chmod 600 it"));
        }
        Ok(Arc::new(Self(Mutex::new(file))))
    }

    /// Adds a line; a disk that is full loses it.
    pub(crate) fn line(&self, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

impl rustls::KeyLog for KeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = format!("{label} ");
        for byte in client_random {
            let _ = write!(line, "{byte:02x}");
        }
        line.push(' ');
        for byte in secret {
            let _ = write!(line, "{byte:02x}");
        }
        self.line(&line);
    }
}
