//! A folder of a test's own, with the files that a configuration names.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use certs::issue::{self, Authority, KeyKind, Terms};
use tempfile::TempDir;

/// The built program.
pub(crate) const NIGHTJAR: &str = env!("CARGO_BIN_EXE_nightjar");

/// Removed when dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it, as text for a configuration or a command line.
    pub(crate) fn at(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder made");
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A password file as Debian's mosquitto_passwd makes it.
    pub(crate) fn passwords(&self, name: &str, users: &[(&str, &str)]) {
        for (index, (user, password)) in users.iter().enumerate() {
            let mut command = Command::new("mosquitto_passwd");
            command.args(if index == 0 { &["-c", "-b"] as &[_] } else { &["-b"] });
            command.arg(self.path().join(name)).args([user, password]);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("mosquitto_passwd runs");
            assert!(status.success(), "mosquitto_passwd: {status}");
        }
    }

    /// `certs/ca.crt`, `server.crt` (for 127.0.0.1 and localhost) and their keys, by the program's own commands.
    pub(crate) fn certificates(&self) {
        let certs = self.at("certs");
        for arguments in [
            &["certs", "ca", &certs] as &[&str],
            &["certs", "server", &certs, "--name", "127.0.0.1", "--name", "localhost"],
        ] {
            let made = Command::new(NIGHTJAR).args(arguments).output().expect("nightjar runs");
            assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
        }
    }

    /// A client's certificate `certs/NAME.crt`, signed by the CA in `certs`, valid for `days` from `now`.
    pub(crate) fn client_certificate(&self, name: &str, now: std::time::SystemTime, days: u32) {
        let certs = self.path().join("certs");
        let authority = Authority::read(&certs).expect("a CA in certs");
        let issued =
            issue::client(&authority, name, Terms { days, kind: KeyKind::EcdsaP256, now }).expect("a certificate");
        issue::write(&certs, name, &issued, false).expect("files written");
    }

    /// Another CA that nobody knows, and a client's certificate of it: `NAME.crt`, `NAME.key` and `ca.crt` in `dir`.
    pub(crate) fn foreign_certificates(&self, dir: &str, name: &str) {
        let dir = self.path().join(dir);
        let ca = issue::ca("Somebody else's CA", Terms::days(30)).expect("a CA");
        let authority = Authority::from_issued(&ca).expect("a CA that signs");
        issue::write(&dir, "ca", &ca, false).expect("files written");
        let client = issue::client(&authority, name, Terms::days(30)).expect("a certificate");
        issue::write(&dir, name, &client, false).expect("files written");
    }
}
