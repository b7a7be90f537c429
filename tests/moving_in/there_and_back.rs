//! The way of docs/from-mosquitto.md: the same files, first with Debian's mosquitto, then with nightjar, then with
//! mosquitto again. On a unix socket, which nobody else can have meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::{exported, nightjar, text};

const MOSQUITTO: &str = "/usr/sbin/mosquitto";
const NIGHTJAR: &str = env!("CARGO_BIN_EXE_nightjar");

/// What a mosquitto's folder holds: its configuration, and what that names.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a folder") };
        let dir = place.dir.path().display();
        fs::create_dir(place.file("conf.d")).expect("a folder");
        for (name, text) in [
            (
                "mosquitto.conf",
                format!(
                    "persistence true\npersistence_location {dir}/\nlog_dest stderr\nuser root\ninclude_dir {dir}/conf.d\n"
                ),
            ),
            ("conf.d/local.conf", format!("listener 0 {dir}/socket\npassword_file {dir}/passwd\nacl_file {dir}/acl\n")),
            ("acl", "user ann\ntopic readwrite #\n\nuser gateway\ntopic write cassia/#\n".to_owned()),
        ] {
            fs::write(place.file(name), text).expect("a file written");
        }
        for (create, user, password) in [("-c", "ann", "secret 1"), ("-b", "gateway", "secret 2")] {
            said("mosquitto_passwd", &["-b", create, text(&place.file("passwd")), user, password]);
        }
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a broker on these files; it says when it runs.
    fn start(&self, program: &str, arguments: &[&str]) -> Broker {
        let mut child = Command::new(program)
            .args(arguments)
            .args(["-c", text(&self.file("mosquitto.conf"))])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; `make test` installs it (Debian's package mosquitto)"));
        let mut log = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let mut told = Vec::new();
        for line in log.by_ref().map_while(Result::ok) {
            let runs = line.ends_with(" running");
            told.push(line);
            if runs {
                std::thread::spawn(move || log.for_each(drop));
                return Broker { child, told: told.join("\n") };
            }
        }
        let _ = child.wait();
        panic!("{program} did not start: {told:#?}");
    }

    /// One of mosquitto's programs, as this user.
    fn client(&self, program: &str, user: &str, password: &str, arguments: &[&str]) -> String {
        let socket = self.file("socket");
        said(program, &[&["--unix", text(&socket), "-u", user, "-P", password, "-q", "1"], arguments].concat())
    }

    /// The message that is retained at this topic.
    fn retained(&self, topic: &str) -> String {
        self.client("mosquitto_sub", "ann", "secret 1", &["-t", topic, "-C", "1", "-W", "20"])
    }
}

/// A broker that runs; it is ended when this is dropped.
struct Broker {
    child: Child,
    told: String,
}

impl Broker {
    fn end(mut self) {
        kill(Pid::from_raw(self.child.id().try_into().expect("a process id")), Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().expect("it is installed");
    assert!(status.success(), "{program} {arguments:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text").trim_end().to_owned()
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the file is there")
}

#[test]
fn mosquittos_files_serve_nightjar_and_then_mosquitto_again() {
    let place = Place::new();
    let mosquitto = place.start(MOSQUITTO, &[]);
    let session = ["-i", "away", "-c", "-t", "cassia/#"];
    place.client("mosquitto_sub", "ann", "secret 1", &[&session[..], &["-E"]].concat());
    place.client("mosquitto_pub", "gateway", "secret 2", &["-t", "cassia/1", "-m", "queued"]);
    place.client("mosquitto_pub", "ann", "secret 1", &["-r", "-t", "site/name", "-m", "hall 3"]);
    mosquitto.end();
    let files = ["mosquitto.db", "mosquitto.conf", "conf.d/local.conf", "passwd", "acl"].map(|name| place.file(name));
    let before = files.clone().map(|file| bytes(&file));

    // There: what was queued and retained is there, and so are the passwords.
    nightjar(&["check", "-c", text(&place.file("mosquitto.conf"))]).with(0);
    let ours = place.start(NIGHTJAR, &["run"]);
    assert!(ours.told.contains("came over into"), "{}", ours.told);
    let came = place.client("mosquitto_sub", "ann", "secret 1", &[&session[..], &["-C", "1", "-W", "20"]].concat());
    assert_eq!(came, "queued");
    assert_eq!(place.retained("site/name"), "hall 3");
    place.client("mosquitto_pub", "ann", "secret 1", &["-r", "-t", "site/name", "-m", "hall 4"]);
    ours.end();
    for (file, before) in files.iter().zip(before) {
        assert!(bytes(file) == before, "{} was written", file.display());
    }

    // A user for both brokers.
    let passwords = place.file("passwd");
    said(NIGHTJAR, &["passwd", "-H", "sha512-pbkdf2", "-b", text(&passwords), "new", "secret 3"]);
    fs::write(place.file("acl"), "user new\ntopic readwrite #\n\nuser ann\ntopic readwrite #\n")
        .expect("rules written");

    // Back: mosquitto has what it had, and is handed what is retained.
    let mosquitto = place.start(MOSQUITTO, &[]);
    assert_eq!(place.retained("site/name"), "hall 3");
    for line in exported(place.dir.path()).iter().filter(|line| line["kind"] == "retained") {
        let [topic, payload] = ["topic", "payload"].map(|key| line[key].as_str().expect("text"));
        place.client("mosquitto_pub", "new", "secret 3", &["-r", "-t", topic, "-m", payload]);
    }
    assert_eq!(place.retained("site/name"), "hall 4");
    place.client("mosquitto_pub", "new", "secret 3", &["-r", "-t", "site/name", "-m", "hall 5"]);
    mosquitto.end();

    // And there again: a store that is there counts, and mosquitto's file where there is none.
    let ours = place.start(NIGHTJAR, &["run"]);
    assert_eq!(place.retained("site/name"), "hall 4");
    ours.end();
    fs::rename(place.file("nightjar.store"), place.file("nightjar.store.old")).expect("the store put away");
    let ours = place.start(NIGHTJAR, &["run"]);
    assert!(ours.told.contains("came over into"), "{}", ours.told);
    assert_eq!(place.retained("site/name"), "hall 5");
    ours.end();
}

#[test]
fn by_the_names_of_mosquittos_programs_the_same_files_are_used() {
    let place = Place::new();
    for name in ["mosquitto", "mosquitto_passwd"] {
        std::os::unix::fs::symlink(NIGHTJAR, place.file(name)).expect("a link");
    }
    said(text(&place.file("mosquitto_passwd")), &["-b", text(&place.file("passwd")), "ann", "secret 9"]);
    let ours = place.start(text(&place.file("mosquitto")), &["-v"]);
    place.client("mosquitto_pub", "ann", "secret 9", &["-t", "x", "-m", "y"]);
    ours.end();
}
