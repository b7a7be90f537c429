//! What an operator does: start it wrongly, edit files while it runs, stop it. The commands beside it are in `commands.rs`.

use std::net::TcpListener;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::clients::{Outcome, Subscriber, publish, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::guide::Scenario;
use crate::harness::{Appliance, filled, free_port, nightjar, output_of, poll_until, text};

/// A listener that nobody comes in by.
pub(crate) const LOCAL: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\n";

#[test]
fn a_busy_port_is_named_and_the_status_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port();
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", filled(LOCAL, &folder, port));
    let wanted = format!(
        "port {port} is already in use (address 127.0.0.1): stop the program that has it, or choose another port"
    );
    let by_file = output_of(Command::new(NIGHTJAR).arg("run").arg("-c").arg(conf));
    let by_demo = nightjar(&["demo", "--dir", &folder.at("demo"), "--port", &port.to_string()]);
    for ended in [by_file, by_demo] {
        assert_eq!(ended.status.code(), Some(1));
        assert!(text(&ended.stderr).contains(&wanted), "{}", text(&ended.stderr));
        assert!(!text(&ended.stderr).contains("panicked"), "{}", text(&ended.stderr));
    }
}

/// What stands in the configuration besides its listener; with what a start ends; files that it names; what is said; where
/// `DIR` is the folder.
struct Broken {
    conf: &'static str,
    status: i32,
    files: &'static [(&'static str, &'static [u8])],
    says: &'static [&'static str],
}

const GATEWAY: &[u8] = b"[gateway]\nsource = \"r\"\n[[gateway.sink]]\nkind = \"embedded\"\n";

const BROKEN: &[Broken] = &[
    Broken {
        conf: "bogus 1\n",
        status: 3,
        files: &[],
        says: &["Error: Unknown configuration variable 'bogus'.", "Error found at DIR/mosquitto.conf:4."],
    },
    Broken {
        conf: "max_connections many\n",
        status: 3,
        files: &[],
        says: &["Error: 'max_connections' value not a number.", "Error found at DIR/mosquitto.conf:4."],
    },
    Broken {
        conf: "include_dir DIR/conf.d\n",
        status: 3,
        files: &[("conf.d/a.conf", b"\n\nallow_anonymous maybe\n")],
        says: &["Error: Invalid 'allow_anonymous' value (maybe).", "Error found at DIR/conf.d/a.conf:3."],
    },
    Broken {
        conf: "password_file DIR/pw\n",
        status: 3,
        files: &[("pw", b"a:$7$101$bad$bad\n\nplain:text\nno colon\n")],
        says: &[
            "password_file DIR/pw cannot be used:",
            "DIR/pw, line 1: user \"a\": ",
            "DIR/pw, line 2: the line is blank",
            "DIR/pw, line 3: user \"plain\": this is not a hash",
            "DIR/pw, line 4: there is no : between user and hash",
        ],
    },
    Broken {
        conf: "password_file DIR/nowhere/pw\n",
        status: 13,
        files: &[],
        says: &[
            "Unable to open pwfile \"DIR/nowhere/pw\".",
            "password_file \"DIR/nowhere/pw\": No such file",
            "DIR/mosquitto.conf:4",
        ],
    },
    Broken {
        conf: "acl_file DIR/acl\n",
        status: 3,
        files: &[("acl", b"user a\ntopic red x/#\n# a comment\ntopics x\ntopic x/#/y\n")],
        says: &[
            "DIR/acl, line 2: \"red\" is not",
            "DIR/acl, line 4: a line begins with",
            "DIR/acl, line 5: \"x/#/y\" is not",
        ],
    },
    Broken {
        conf: "psk_hint x\npsk_file DIR/psk\n",
        status: 3,
        files: &[("psk", b"a:1234567890abcdef\nb:xyz\nc\n")],
        says: &["DIR/psk, line 2: the key of \"b\"", "DIR/psk, line 3: there is no : between identity and key"],
    },
    Broken {
        conf: "cafile DIR/certs/ca.crt\ncertfile DIR/certs/server.crt\nkeyfile DIR/bad.key\n",
        status: 1,
        files: &[("bad.key", b"-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n")],
        says: &["DIR/bad.key:1: -----BEGIN PRIVATE KEY----- has no -----END PRIVATE KEY-----"],
    },
    Broken {
        conf: "cafile DIR/certs/ca.crt\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/ca.key\n",
        status: 1,
        files: &[],
        says: &[
            "the private key in DIR/certs/ca.key does not belong to the certificate in DIR/certs/server.crt",
            " (for the listener of DIR/mosquitto.conf:2)",
        ],
    },
    Broken {
        conf: "",
        status: 3,
        files: &[("nightjar.toml", GATEWAY), ("r", b"nonsense")],
        says: &["DIR/r: byte 0: not a btsnoop recording"],
    },
    Broken {
        // The header, then a record that announces 2 GiB.
        conf: "",
        status: 3,
        files: &[
            ("nightjar.toml", GATEWAY),
            ("r", b"btsnoop\0\0\0\0\x01\0\0\x07\xd1\x7f\xff\xff\xff\x7f\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ],
        says: &["DIR/r: byte 16: a record of 2147483647 bytes"],
    },
    Broken {
        conf: "",
        status: 3,
        files: &[("nightjar.toml", b"[gateway]\nsource = \n")],
        says: &["DIR/nightjar.toml", "line 2, column 10"],
    },
    Broken {
        conf: "",
        status: 3,
        files: &[(
            "nightjar.toml",
            b"[gateway]\nsource = \"r\"\nspeed = -1\n[[gateway.sink]]\nkind = \"mqtt\"\nqos = 7\n",
        )],
        says: &[
            "DIR/nightjar.toml: gateway.speed: -1, but it takes",
            "DIR/nightjar.toml: gateway.sink[0].host: missing",
            "DIR/nightjar.toml: gateway.sink[0].qos: 7, but it takes 0, 1 or 2",
        ],
    },
    Broken {
        conf: "",
        status: 3,
        files: &[("nightjar.toml", b"[gatewy]\n")],
        says: &["DIR/nightjar.toml: unknown field `gatewy`"],
    },
];

#[test]
fn whatever_file_is_broken_is_named_with_the_place_and_the_status_is_mosquittos() {
    let folder = Folder::new();
    folder.certificates();
    for broken in BROKEN {
        for (name, bytes) in broken.files {
            folder.write(name, bytes);
        }
        let conf = folder.write("mosquitto.conf", filled(&format!("{LOCAL}{}", broken.conf), &folder, free_port()));
        for arguments in [&["run", "-c"], &["check", "-c"]] {
            let ended = output_of(Command::new(NIGHTJAR).args(*arguments).arg(&conf));
            let said = text(&ended.stderr) + &text(&ended.stdout);
            let status = if arguments[0] == "check" { 3 } else { broken.status };
            assert_eq!(ended.status.code(), Some(status), "{arguments:?} {:?}: {said}", broken.says);
            for part in broken.says {
                let part = filled(part, &folder, 0);
                // `check` puts the place first and the word "error" before it.
                let place = part.strip_prefix("Error found at ").map(|place| place.trim_end_matches('.'));
                let part = place.unwrap_or_else(|| part.strip_prefix("Error: ").unwrap_or(&part));
                assert!(said.contains(part), "{arguments:?}: no {part:?} in {said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
        for (name, _) in broken.files {
            std::fs::remove_file(folder.path().join(name)).expect("the file is there");
        }
    }
}

#[test]
fn a_user_that_is_not_there_and_files_that_cannot_be_written_are_found_by_check_and_end_a_start() {
    let folder = Folder::new();
    let mut rows = vec![
        ("user root\nlog_dest file DIR/none/log\n", "DIR/none/log", "DIR/mosquitto.conf:4", 1),
        ("user root\npid_file DIR/none/pid\n", "DIR/none/pid", "DIR/mosquitto.conf:4", 1),
    ];
    if nix::unistd::Uid::effective().is_root() {
        // Whoever is not root becomes nobody.
        rows.push(("user nosuchuser\n", "to 'nosuchuser' because this user does not exist", "DIR/mosquitto.conf:3", 3));
    }
    for (lines, what, place, status) in rows {
        let text_of_conf = format!("listener PORT 127.0.0.1\nallow_anonymous true\n{lines}");
        let conf = folder.write("mosquitto.conf", filled(&text_of_conf, &folder, free_port()));
        for command in ["check", "run"] {
            let ended = output_of(Command::new(NIGHTJAR).args([command, "-c"]).arg(&conf));
            let said = text(&ended.stderr) + &text(&ended.stdout);
            let status = if command == "check" { 3 } else { status };
            assert_eq!(ended.status.code(), Some(status), "{command} {lines:?}: {said}");
            for part in [what, place] {
                assert!(said.contains(&filled(part, &folder, 0)), "{command}: no {part:?} in {said}");
            }
        }
        assert!(!folder.path().join("none").exists(), "nothing is made");
    }
}

#[test]
fn check_looks_into_the_files_although_a_line_is_wrong() {
    let folder = Folder::new();
    folder.certificates();
    folder.write("pskfile", "router:xyz\n");
    let conf = "listener 1883\nbogus 1\npassword_file DIR/none\npsk_hint h\npsk_file DIR/pskfile\nlistener 8883\n\
                certfile DIR/certs/server.crt\nkeyfile DIR/certs/ca.key\n";
    let conf = folder.write("mosquitto.conf", filled(conf, &folder, 0));
    let checked = output_of(Command::new(NIGHTJAR).arg("check").arg("-c").arg(&conf));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for wanted in [
        "DIR/mosquitto.conf:2: Unknown configuration variable 'bogus'",
        "DIR/none\": No such file or directory (os error 2) (DIR/mosquitto.conf:3)",
        "DIR/pskfile, line 1: the key of \"router\"",
        "the private key in DIR/certs/ca.key does not belong to the certificate in DIR/certs/server.crt",
    ] {
        let wanted = filled(wanted, &folder, 0);
        assert!(said.contains(&wanted), "no {wanted:?} in {said}");
    }
    // What follows from options alone is not told: a default may stand where the wrong line meant something else.
    assert!(!said.contains("nobody can connect"), "{said}");
}

#[test]
fn a_file_that_is_not_there_ends_with_1_as_mosquittos_does() {
    let folder = Folder::new();
    let missing = folder.at("nowhere.conf");
    let said = nightjar(&["run", "-c", &missing]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        text(&said.stderr).contains(&format!("Error: Unable to open config file {missing}.")),
        "{}",
        text(&said.stderr)
    );
}

/// Two users; alice may write a/#, bob b/#.
fn two_users(folder: &Folder) {
    folder.passwords("pwfile", &[("alice", "a"), ("bob", "b")]);
    folder.write("acl", "user alice\ntopic a/#\nuser bob\ntopic b/#\n");
}

const TWO_USERS: &str = "password_file DIR/pwfile\nacl_file DIR/acl\n";

fn login(port: u16, user: &str, password: &str) -> Outcome {
    publish(port, &["-u", user, "-P", password, "-t", "a/x", "-m", "x", "-q", "1"])
}

fn welcome() -> Outcome {
    Outcome::new(0, "")
}

fn unwelcome() -> Outcome {
    Outcome::new(5, "Connection error: Connection Refused: not authorised.\nError: The connection was refused.")
}

#[test]
fn a_file_edited_badly_changes_nothing_and_is_told() {
    let folder = Folder::new();
    two_users(&folder);
    folder.certificates();
    let certificate = "cafile DIR/certs/ca.crt\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n";
    let psk = "psk_hint x\npsk_file DIR/psk\n";
    folder.write("psk", "id:12ab\n");
    let appliance = Appliance::start(&format!("{LOCAL}{TWO_USERS}{certificate}{psk}"), folder);
    let ca = appliance.folder.at("certs/ca.crt");
    let user = ["-u", "alice", "-P", "a"];
    let by_certificate = [&user[..], &["--cafile", &ca]].concat();
    let by_psk = [&user[..], &["--psk", "12ab", "--psk-identity", "id"]].concat();
    let reader = Subscriber::start(appliance.port, &[&by_certificate[..], &["-t", "a/#"]].concat());
    // An empty password file is no fault: it is one without users, as for mosquitto.
    let edits = [
        ("pwfile", "alice\n", "pwfile, line 1: there is no : between user and hash"),
        ("acl", "user alice\ntopic wrte a/#\n", "acl, line 2: \"wrte\" is not a kind of access"),
        ("psk", "id\n", "psk, line 1: there is no : between identity and key"),
        ("certs/server.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n", "certs/server.crt:1: "),
        ("certs/server.key", "", "certs/server.key"),
        ("mosquitto.conf", "listener x\n", "mosquitto.conf:1"),
    ];
    for (round, (name, bad, says)) in edits.into_iter().enumerate() {
        let good = appliance.folder.read(name);
        appliance.folder.write(name, bad);
        appliance.signal(Signal::SIGHUP);
        appliance.log.wait_for_count("Nothing was reloaded: the appliance goes on with what it had.", round + 1);
        appliance.log.wait_for(says);
        for (way, own) in [("certificate", &by_certificate), ("psk", &by_psk)] {
            let message = format!("{way} {round}");
            publish_well(appliance.port, &[&own[..], &["-t", "a/x", "-m", &message]].concat());
        }
        assert_eq!(
            reader.messages(round * 2 + 2)[round * 2..],
            [format!("a/x|0|0|certificate {round}"), format!("a/x|0|0|psk {round}")],
            "after {name} was edited badly"
        );
        appliance.folder.write(name, good);
    }
    assert_eq!(appliance.log.count("Reloaded: "), 0);
}

#[test]
fn passwords_and_rules_edited_well_take_effect_on_sighup() {
    let folder = Folder::new();
    two_users(&folder);
    let appliance = Appliance::start(&format!("{LOCAL}{TWO_USERS}"), folder);
    let port = appliance.port;
    let reader = Subscriber::start(port, &["-u", "alice", "-P", "a", "-t", "#"]);
    assert_eq!((login(port, "bob", "b"), login(port, "carol", "c")), (welcome(), unwelcome()));
    // bob goes, carol comes, alice gets another password; and carol may write a/#.
    std::fs::remove_file(appliance.folder.path().join("pwfile")).expect("the file is there");
    appliance.folder.passwords("pwfile", &[("alice", "other"), ("carol", "c")]);
    appliance.folder.write("acl", "user alice\ntopic c/#\nuser carol\ntopic a/#\ntopic c/#\n");
    // Nothing changes before it is asked for.
    assert_eq!(login(port, "bob", "b"), welcome());
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloaded: ");
    assert_eq!(login(port, "bob", "b"), unwelcome(), "removed");
    assert_eq!(login(port, "alice", "a"), unwelcome(), "with the password of before, which was remembered");
    assert_eq!(login(port, "alice", "other"), welcome(), "with the new one");
    assert_eq!(login(port, "carol", "c"), welcome(), "added");
    drop(reader);
    // What carol published to a/x alice may no longer read; c/x she may.
    let reader = Subscriber::start(port, &["-u", "alice", "-P", "other", "-t", "#"]);
    for topic in ["a/x", "b/x", "c/x"] {
        publish_well(port, &["-u", "carol", "-P", "c", "-q", "1", "-t", topic, "-m", topic]);
    }
    assert_eq!(reader.messages(1), ["c/x|0|0|c/x"]);
}

#[test]
fn clients_that_would_no_longer_be_let_in_are_let_go_on_sighup_and_the_others_stay() {
    let folder = Folder::new();
    folder.passwords("pwfile", &[("removed", "r"), ("changed", "c"), ("stays", "s")]);
    let appliance = Appliance::start(&format!("{LOCAL}password_file DIR/pwfile\n"), folder);
    let client = |user: &str, password: &str| {
        let will = ["--will-topic", "gone", "--will-payload", user, "--will-qos", "1"];
        let own = ["-i", user, "-u", user, "-P", password, "-t", "gone", "-q", "1"];
        Subscriber::start(appliance.port, &[&own[..], &will].concat())
    };
    let (_removed, _changed, stays) = (client("removed", "r"), client("changed", "c"), client("stays", "s"));
    // The hashes of the others stay as they are, letter for letter.
    let line = appliance.folder.read("pwfile").lines().find(|line| line.starts_with("stays:")).map(str::to_owned);
    appliance.folder.passwords("changed", &[("changed", "other")]);
    appliance.folder.write("pwfile", format!("{}\n{}", line.expect("it was made"), appliance.folder.read("changed")));
    appliance.signal(Signal::SIGHUP);
    let mut wills = stays.messages(2);
    wills.sort();
    assert_eq!(wills, ["gone|1|0|changed", "gone|1|0|removed"], "whoever is let go did not say goodbye");
    publish_well(appliance.port, &["-u", "stays", "-P", "s", "-t", "gone", "-m", "still here", "-q", "1"]);
    assert_eq!(stays.messages(3)[2], "gone|1|0|still here");
    assert_eq!(appliance.log.count("New client connected from 127.0.0.1:"), 4, "and stays did not have to come again");
}

#[test]
fn the_rules_of_clients_that_are_connected_change_on_sighup() {
    let folder = Folder::new();
    two_users(&folder);
    let appliance = Appliance::start(&format!("{LOCAL}{TWO_USERS}"), folder);
    let reader = Subscriber::start(appliance.port, &["-u", "alice", "-P", "a", "-t", "#"]);
    let bob =
        |topic: &str| publish_well(appliance.port, &["-u", "bob", "-P", "b", "-q", "1", "-t", topic, "-m", topic]);
    bob("b/1");
    appliance.folder.write("acl", "user alice\ntopic read b/#\nuser bob\ntopic b/#\n");
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloaded: ");
    bob("b/2");
    assert_eq!(reader.messages(1), ["b/2|0|0|b/2"], "b/1 was not hers to read then");
}

#[test]
fn a_new_certificate_and_new_keys_are_served_after_sighup() {
    let folder = Scenario::Certificate.folder();
    folder.write("psk", "old:12ab\n");
    let appliance =
        Appliance::start(&format!("{}psk_hint x\npsk_file DIR/psk\n", Scenario::Certificate.conf()), folder);
    let user = ["-u", "cassiamqtt", "-P", "cassiamqtt", "-t", "cassia", "-m", "x"];
    let old_ca = appliance.folder.write("old.crt", appliance.folder.read("certs/ca.crt"));
    let by = |ca: &str| publish(appliance.port, &[&user[..], &["--cafile", ca]].concat());
    let by_key = |identity: &str| {
        publish(appliance.port, &[&user[..], &["--psk", "12ab", "--psk-identity", identity]].concat()).status
    };
    let old_ca = old_ca.to_str().expect("a path in UTF-8");
    assert_eq!((by(old_ca), by_key("old")), (welcome(), Some(0)));
    let stays = Subscriber::start(
        appliance.port,
        &["-u", "cassiamqtt", "-P", "cassiamqtt", "--cafile", old_ca, "-t", "cassia"],
    );
    std::fs::remove_dir_all(appliance.folder.path().join("certs")).expect("the folder is there");
    appliance.folder.certificates();
    appliance.folder.write("psk", "new:12ab\n");
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloaded: ");
    let new_ca = appliance.folder.at("certs/ca.crt");
    assert_eq!((by(&new_ca), by_key("new")), (welcome(), Some(0)));
    assert_ne!(by(old_ca).status, Some(0), "the old authority did not sign this one");
    assert_ne!(by_key("old"), Some(0), "the old identity is gone");
    assert_eq!(stays.messages(2).len(), 2, "a connection with the old certificate stays");
}

#[test]
fn the_log_file_is_opened_again_on_sighup() {
    let folder = Folder::new();
    let appliance = Appliance::start(&format!("{LOCAL}log_dest stderr\nlog_dest file DIR/log\n"), folder);
    std::fs::rename(appliance.folder.path().join("log"), appliance.folder.path().join("log.1")).expect("rotated");
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for("Reloaded: ");
    let path = appliance.folder.path().join("log");
    poll_until(|| std::fs::read_to_string(&path).is_ok_and(|log| log.contains("Reloaded: ")));
    assert!(appliance.folder.read("log").contains("Reloaded: "));
    assert!(!appliance.folder.read("log.1").contains("Reloaded: "));
}

#[test]
fn sigterm_and_sigint_send_the_wills_and_end_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut appliance = Appliance::start(&Scenario::Open.conf(), Folder::new());
        let witness = Subscriber::start(appliance.port, &["-t", "will", "-q", "1"]);
        let _dying = Subscriber::start(
            appliance.port,
            &["-t", "x", "--will-topic", "will", "--will-payload", "stopped", "--will-qos", "1"],
        );
        appliance.signal(signal);
        assert_eq!(witness.messages(1), ["will|1|0|stopped"], "{signal}");
        assert_eq!(appliance.wait().code(), Some(0), "{signal}");
        appliance.log.wait_for("nightjar version 0.1.0 terminating");
    }
}
