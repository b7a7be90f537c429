//! `nightjar passwd` beside Debian's mosquitto_passwd: the same arguments to both, and the files of each
//! read by the other's broker.

mod mosquitto;
mod plain_client;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use acl::PasswordFile;
use mosquitto::Mosquitto;
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use plain_client::PlainClient;
use tempfile::TempDir;

/// Debian's, of the package mosquitto.
const MOSQUITTO_PASSWD: &str = "/usr/bin/mosquitto_passwd";

/// MQTT 5: "Not authorized", which mosquitto answers to a wrong password.
const NOT_AUTHORIZED: u8 = 0x87;

/// A program and the folder it works in, in which the password file is `pwfile`.
struct Passwd {
    folder: TempDir,
    ours: bool,
}

impl Passwd {
    fn ours() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), ours: true }
    }

    fn theirs() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), ours: false }
    }

    fn run(&self, args: &[&str], typed: &str) -> Output {
        let mut command = if self.ours {
            let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar"));
            command.arg("passwd");
            command
        } else {
            Command::new(MOSQUITTO_PASSWD)
        };
        command
            .args(args)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `make test` installs mosquitto_passwd (Debian's package mosquitto)")
        });
        // It may have ended without asking for anything.
        let _ = child.stdin.take().expect("standard input is piped").write_all(typed.as_bytes());
        child.wait_with_output().expect("its output")
    }

    fn done(&self, args: &[&str]) -> &Self {
        let output = self.run(args, "");
        assert!(output.status.success(), "{args:?}: {output:?}");
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pwfile")
    }

    fn write(&self, text: &str) -> &Self {
        fs::write(self.path(), text).expect("a file written");
        self
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("a password file")
    }

    fn read(&self) -> PasswordFile {
        PasswordFile::parse(self.text().as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}: {}", self.text()))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn what_mosquitto_passwd_writes_lets_the_same_users_in_here() {
    let theirs = Passwd::theirs();
    theirs.done(&["-c", "-H", "sha512", "-b", "pwfile", "old", "password one"]);
    theirs.done(&["-b", "pwfile", "new", "p\u{e4}ssword:two"]);
    theirs.done(&["-H", "sha512-pbkdf2", "-I", "5000", "-b", "pwfile", "many", "three"]);
    theirs.done(&["-b", "pwfile", "gone", "four"]).done(&["-D", "pwfile", "gone"]);
    let file = theirs.read();
    assert_eq!(file.users().collect::<Vec<_>>(), ["many", "new", "old"]);
    for (user, password) in [("old", "password one"), ("new", "p\u{e4}ssword:two"), ("many", "three")] {
        assert!(file.verify(user, password.as_bytes()), "{user}");
        assert!(!file.verify(user, b"four"), "{user}");
    }
}

#[test]
fn what_we_write_lets_the_same_users_into_mosquitto() {
    let ours = Passwd::ours();
    ours.done(&["-c", "-H", "sha512", "-b", "pwfile", "old", "password one"]);
    ours.done(&["-H", "sha512-pbkdf2", "-b", "pwfile", "new", "p\u{e4}ssword:two"]);
    ours.done(&["-H", "sha512-pbkdf2", "-I", "5000", "-b", "pwfile", "many", "three"]);
    let mosquitto = Mosquitto::with_password_file(&ours.path());
    for (user, password) in [("old", "password one"), ("new", "p\u{e4}ssword:two"), ("many", "three")] {
        let connack = |password| PlainClient::try_connect(mosquitto.open_port(), "c", Some(user), Some(password)).1;
        assert_eq!(connack(password), 0, "{user} with her password");
        assert_eq!(connack("four"), NOT_AUTHORIZED, "{user} with another");
    }
}

#[test]
fn without_a_choice_the_hash_is_argon2id_and_two_users_with_one_password_have_different_ones() {
    let ours = Passwd::ours();
    ours.done(&["-c", "-b", "pwfile", "a", "same"]).done(&["-b", "pwfile", "b", "same"]);
    let file = ours.read();
    assert!(file.verify("a", b"same") && file.verify("b", b"same") && !file.verify("a", b"other"));
    let text = ours.text();
    let hashes: Vec<&str> = text.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash).collect();
    assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=47104,t=1,p=1$")), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1]);
}

/// The same arguments, the same start, the same typing: the same exit status, and the same users after it.
#[test]
fn the_exit_status_and_the_users_are_those_of_mosquitto_passwd() {
    const START: &str = "roger:$6$clQ4Ocu312S0qWgl$Cv2wUxgEN73c6C6jlBkswqR4AkHsvDLWvtEXZZ8NpsBLgP1WAo/qA+WXcmEN/mjDNgdUwcxRAveqNMs2xUVQYA==\n";
    let rows: &[(&[&str], &str, &str)] = &[
        (&["pwfile", "new"], START, "secret\nsecret\n"),
        (&["pwfile", "roger"], START, "secret\nsecret\n"),
        (&["-c", "pwfile", "new"], START, "secret\nsecret\n"),
        (&["pwfile", "new"], START, "secret\nSecret\n"),
        (&["pwfile", "new"], START, "\n\n"),
        (&["pwfile", "new"], START, "secret\n"),
        (&["pwfile", "new"], START, ""),
        (&["-b", "pwfile", "new", "secret"], START, ""),
        (&["-b", "pwfile", "new", "-secret"], START, ""),
        (&["-b", "pwfile", "roger", "secret"], START, ""),
        (&["-c", "-b", "pwfile", "new", "secret"], START, ""),
        (&["-b", "pwfile", "new"], START, ""),
        (&["-b", "pwfile", "new", "secret", "more"], START, ""),
        (&["pwfile"], START, ""),
        (&[], START, ""),
        (&["-D", "pwfile", "roger"], START, ""),
        (&["-D", "pwfile", "nobody"], START, ""),
        (&["-D", "pwfile"], START, ""),
        (&["-D", "-c", "pwfile", "roger"], START, ""),
        (&["-c", "-U", "pwfile"], START, ""),
        (&["-D", "-U", "pwfile"], START, ""),
        (&["-D", "-b", "pwfile", "roger", "x"], START, ""),
        (&["-b", "missing", "new", "secret"], START, ""),
        (&["-D", "missing", "new"], START, ""),
        (&["-U", "missing"], START, ""),
        (&["-c", "-b", "no/such/folder/pwfile", "new", "secret"], START, ""),
        (&["-b", "pwfile", "a:b", "secret"], START, ""),
        (&["-b", "pwfile", "a\tb", "secret"], START, ""),
        (&["-H", "md5", "-b", "pwfile", "new", "secret"], START, ""),
        (&["-H", "sha512", "-b", "pwfile", "new", "secret"], START, ""),
        (&["-H", "sha512-pbkdf2", "-I", "0", "-b", "pwfile", "new", "secret"], START, ""),
        (&["-I", "many", "-b", "pwfile", "new", "secret"], START, ""),
        (&["-D", "pwfile", "roger"], "roger:x\nanna\n", ""),
        (&["-U", "pwfile"], "roger:secret\nanna: other \n", ""),
        (&["-U", "pwfile"], "roger:secret\nanna\n", ""),
    ];
    let users = |passwd: &Passwd| -> Vec<String> {
        passwd.text().lines().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    for (args, start, typed) in rows {
        let (ours, theirs) = (Passwd::ours(), Passwd::theirs());
        let our_output = ours.write(start).run(args, typed);
        let their_output = theirs.write(start).run(args, typed);
        assert_eq!(
            our_output.status.code(),
            their_output.status.code(),
            "{args:?} {start:?} {typed:?}\nours: {our_output:?}\ntheirs: {their_output:?}"
        );
        assert_eq!(users(&ours), users(&theirs), "{args:?} {start:?}");
        if !our_output.status.success() {
            assert_eq!(ours.text(), *start, "{args:?}: nothing is changed where something is wrong");
            let [ours, theirs] = [&our_output, &their_output].map(|output| String::from_utf8_lossy(&output.stderr));
            if theirs.contains("Unable to open password file") || theirs.contains("Warning: ") {
                assert_eq!(ours, theirs, "{args:?}");
            }
            assert!(ours.contains("Error: ") || theirs.contains("Warning: "), "{our_output:?}");
        }
    }
}

/// Where ours is the stricter or the kinder one, and why, is said at the module and its functions.
#[test]
fn what_a_broker_would_refuse_or_read_otherwise_is_not_written() {
    let rows: &[(&[&str], &str)] = &[
        (&["-b", "pwfile", "", "secret"], "must not be empty"),
        (&["-b", "pwfile", "#new", "secret"], "begin with '#'"),
        (&["-b", "pwfile", " new", "secret"], "blank"),
        (&["-b", "pwfile", "new", ""], "Empty password"),
        (&["-H", "sha512-pbkdf2", "-I", "2000001", "-b", "pwfile", "new", "secret"], "at most 2000000"),
    ];
    for (args, wanted) in rows {
        let ours = Passwd::ours();
        let output = ours.write("").run(args, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wanted), "{args:?}: {output:?}");
        assert_eq!(ours.text(), "", "{args:?}");
    }
}

/// mosquitto_passwd 2.0.11 says so too, then replaces the file with the lines above the faulty one and
/// the new user's, and ends with 0.
#[test]
fn a_faulty_file_is_not_shortened_when_a_user_is_added() {
    for start in ["roger:x\n\nanna:y\n", "roger:x\nanna\nzoe:y\n"] {
        let ours = Passwd::ours();
        let output = ours.write(start).run(&["-b", "pwfile", "new", "secret"], "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.starts_with(b"Error: Corrupt password file at line 2"), "{output:?}");
        assert_eq!(ours.text(), start);
    }
}

#[test]
fn a_file_of_plain_passwords_is_hashed_and_doing_it_again_changes_nothing() {
    let ours = Passwd::ours();
    ours.write("# comment\na:one\nb: two:three \n").done(&["-H", "sha512-pbkdf2", "-U", "pwfile"]);
    let first = ours.text();
    let file = ours.read();
    assert!(file.verify("a", b"one") && file.verify("b", b"two:three"));
    assert!(first.starts_with("# comment\n") && !first.contains("one") && !first.contains("two"));
    ours.done(&["-U", "pwfile"]);
    assert_eq!(ours.text(), first);
}

#[test]
fn a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode_and_its_link() {
    let ours = Passwd::ours();
    let sha = ["-H", "sha512", "-b"];
    ours.done(&["-c", sha[0], sha[1], sha[2], "pwfile", "a", "x"]);
    assert_eq!(mode(&ours.path()), 0o600);
    fs::set_permissions(ours.path(), fs::Permissions::from_mode(0o640)).expect("its mode set");
    symlink("pwfile", ours.folder.path().join("link")).expect("a link");
    ours.done(&[sha[0], sha[1], sha[2], "link", "b", "x"]);
    ours.done(&["-c", sha[0], sha[1], sha[2], "link", "c", "x"]);
    assert_eq!(mode(&ours.path()), 0o640);
    assert_eq!(ours.read().users().collect::<Vec<_>>(), ["c"]);
    assert!(fs::symlink_metadata(ours.folder.path().join("link")).expect("the link").is_symlink());
    let left: Vec<_> =
        fs::read_dir(&ours.folder).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left beside the file and the link: {left:?}");
}

/// `nightjar passwd -c pwfile user` at a terminal, where it has just asked for the password.
struct AtTerminal {
    passwd: Passwd,
    terminal: OpenptyResult,
    child: Child,
    asked: ChildStderr,
}

impl AtTerminal {
    fn start() -> Self {
        let passwd = Passwd::ours();
        let terminal = openpty(None, None).expect("a terminal");
        let stdin = terminal.slave.try_clone().expect("the terminal again");
        let mut child = Command::new(env!("CARGO_BIN_EXE_nightjar"))
            .args(["passwd", "-c", "-H", "sha512", "pwfile", "user"])
            .current_dir(&passwd.folder)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nightjar started");
        let asked = child.stderr.take().expect("standard error is piped");
        let mut started = Self { passwd, terminal, child, asked };
        started.is_asked("Password: ");
        started
    }

    fn is_asked(&mut self, wanted: &str) {
        let mut said = vec![0; wanted.len()];
        self.asked.read_exact(&mut said).expect("a question");
        assert_eq!(String::from_utf8_lossy(&said), wanted);
    }

    fn types(&self, text: &str) {
        File::from(self.terminal.master.try_clone().expect("the terminal again"))
            .write_all(text.as_bytes())
            .expect("text typed");
    }

    fn shows_what_is_typed(&self) -> bool {
        tcgetattr(&self.terminal.slave).expect("its settings").local_flags.contains(LocalFlags::ECHO)
    }
}

#[test]
fn a_terminal_shows_no_password_and_shows_again_what_is_typed_after_it() {
    let mut user = AtTerminal::start();
    assert!(!user.shows_what_is_typed());
    user.types("secret\n");
    user.is_asked("\nReenter password: ");
    assert!(!user.shows_what_is_typed());
    user.types("secret\n");
    assert!(user.child.wait().expect("its status").success());
    assert!(user.shows_what_is_typed());
    assert!(user.passwd.read().verify("user", b"secret"));
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was_and_writes_nothing() {
    let mut user = AtTerminal::start();
    let pid = user.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    assert_eq!(user.child.wait().expect("its status").code(), Some(130));
    assert!(user.shows_what_is_typed());
    assert!(!user.passwd.path().exists());
}

#[test]
fn a_dash_is_standard_output_and_holds_the_line_alone() {
    let ours = Passwd::ours();
    for (args, typed) in [(&["-c", "-b", "-", "u", "secret"][..], ""), (&["-c", "-", "u"][..], "secret\nsecret\n")] {
        let output = ours.run(args, typed);
        assert!(output.status.success(), "{output:?}");
        let file = PasswordFile::parse(&output.stdout).expect("a password file");
        assert!(file.len() == 1 && file.verify("u", b"secret"), "{args:?}");
    }
    assert_eq!(fs::read_dir(&ours.folder).expect("the folder").count(), 0);
}

#[test]
fn a_line_for_scram_is_made_where_it_is_asked_for_and_takes_the_password_too() {
    let ours = Passwd::ours();
    ours.done(&["-c", "-H", "scram-sha-256", "-b", "pwfile", "new", "p\u{e4}ssword"]);
    ours.done(&["-H", "scram-sha-256", "-I", "4096", "-b", "pwfile", "small", "three"]);
    let text = ours.text();
    let hashes: Vec<&str> = text.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash).collect();
    assert!(hashes[0].starts_with("$scram-sha-256$600000$"), "{text}");
    assert!(hashes[1].starts_with("$scram-sha-256$4096$"), "{text}");
    let file = ours.read();
    assert!(file.offers_scram() && file.verify("new", "p\u{e4}ssword".as_bytes()) && file.verify("small", b"three"));
    assert!(!file.verify("new", b"three"));
    // What nobody could log in with is not written.
    let rows: &[(&[&str], &str)] = &[
        (&["-H", "scram-sha-256", "-I", "4095", "-b", "pwfile", "a", "x"], "4096 to 2000000"),
        (&["-H", "scram-sha-256", "-b", "pwfile", "a", "x\u{7}"], "SASLprep"),
        (&["-H", "scram-sha-256", "-b", "pwfile", "a\u{2168}", "x"], "SASLprep"),
        (&["-H", "scram", "-b", "pwfile", "a", "x"], "scram-sha-256"),
    ];
    for (args, wanted) in rows {
        let output = ours.run(args, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(wanted), "{args:?}: {said}");
    }
    assert_eq!(ours.text(), text);
    ours.write("plain:secret\n\u{2168}:secret\n");
    assert_eq!(ours.run(&["-H", "scram-sha-256", "-I", "4096", "-U", "pwfile"], "").status.code(), Some(1));
    ours.write("plain:secret\n").done(&["-H", "scram-sha-256", "-I", "4096", "-U", "pwfile"]);
    assert!(ours.read().verify("plain", b"secret"));
}
