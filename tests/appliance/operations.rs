//! What an operator does: start it wrongly, edit files while it runs, stop it; `init`, `check` and `demo`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::clients::{Outcome, Subscriber, publish, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::guide::Scenario;
use crate::harness::{Appliance, Lines, filled, free_port, nightjar, output_of, poll_until, text};

const LOCAL: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\n";

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

/// What `init` printed after a name of the router's form.
fn row<'a>(report: &'a str, name: &str) -> &'a str {
    let line = report.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {report}")).trim_start()[name.len()..].trim()
}

#[test]
fn what_init_makes_and_prints_works_in_each_scenario() {
    for (scenario, mode, warnings) in
        [("open", "None", 1), ("password", "None", 1), ("psk", "PSK", 0), ("certificate", "Certificate", 0)]
    {
        let folder = Folder::new();
        let (dir, port) = (folder.at("made"), free_port());
        let made = nightjar(&["init", scenario, &dir, "--port", &port.to_string()]);
        let report = text(&made.stdout);
        assert!(made.status.success(), "{scenario}: {}", text(&made.stderr));
        assert_eq!(row(&report, "Port"), port.to_string());
        assert_eq!(row(&report, "Encryption Mode"), mode);
        assert_eq!(row(&report, "QoS of Scan"), "At least once (1)");
        let again = nightjar(&["init", scenario, &dir]);
        assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
        assert!(text(&again.stderr).contains("mosquitto.conf is there already"), "{}", text(&again.stderr));

        let checked = nightjar(&["check", "-c", &format!("{dir}/mosquitto.conf")]);
        let said = text(&checked.stdout);
        assert!(checked.status.success(), "{scenario}: {said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), warnings, "{scenario}: {said}");

        // Started as it says, but for the port, which another process may have taken: `init` is asked again then.
        let conf = std::fs::read_to_string(format!("{dir}/mosquitto.conf")).expect("init made it");
        let conf = conf.replace(&format!("listener {port}\n"), "listener PORT\n");
        let appliance = Appliance::start(&conf, folder);
        let with_port = |line: &str| line.replace(&format!("-p {port} "), &format!("-p {} ", appliance.port));

        // The very line that it printed, in a shell, as a person would paste it.
        let paste = with_port(row(&report, "Subscribe:")).replace("<the address of this machine>", "127.0.0.1");
        let user = pasted(&format!("{paste} -d"));
        user.output.wait_for("Subscribed ");
        let mut router = vec!["-t", row(&report, "Topic of Scan"), "-q", "1", "-m", "as a router would"];
        if scenario != "open" {
            router.extend(["-u", row(&report, "User Name"), "-P", row(&report, "Password")]);
        }
        let ca = row(&report, "Encryption Mode");
        let file = format!("{dir}/certs/ca.crt");
        match ca {
            "PSK" => router.extend(["--psk", row(&report, "PSK  "), "--psk-identity", row(&report, "PSK Identity")]),
            "Certificate" => {
                assert_eq!(row(&report, "CA Certificate"), format!("(the text of {file})"));
                router.extend(["--cafile", &file]);
            }
            _ => {}
        }
        publish_well(appliance.port, &router);
        user.output.wait_for("as a router would");
    }
}

#[test]
fn init_refuses_what_could_not_be_used_and_leaves_nothing_in_the_way_of_the_next_try() {
    let folder = Folder::new();
    let dir = folder.at("made");
    for (scenario, option, value, part) in [
        ("open", "--port", "0", "0 is not in 1..=65535"),
        ("password", "--user", "#x", "a # or a blank at its beginning"),
        ("password", "--user", " x", "a # or a blank at its beginning"),
        ("password", "--topic", " x", "a blank at its beginning"),
        ("certificate", "--name", "bad name!", "neither a host name nor an IP address"),
    ] {
        let refused = nightjar(&["init", scenario, &dir, option, value]);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains(part), "{option} {value:?}: {said}");
        assert!(!folder.path().join("made").exists(), "{option} {value:?}");
    }
    folder.write("made/certs/server.key", "somebody's");
    let refused = nightjar(&["init", "certificate", &dir]);
    assert!(text(&refused.stderr).contains("server.key is there already"), "{}", text(&refused.stderr));
    let left = std::fs::read_dir(&dir).expect("the folder").count();
    assert_eq!(left, 1, "but certs");
}

#[test]
fn the_lines_that_init_prints_can_be_pasted_whatever_was_chosen() {
    let folder = Folder::new();
    let dir = folder.at("it's made");
    let made = nightjar(&["init", "certificate", &dir, "--user", "a$b", "--topic", "c d"]);
    let report = text(&made.stdout);
    let words = output_of(Command::new("sh").args(["-c", &format!("printf '%s|' {}", row(&report, "Subscribe:"))]));
    let words = text(&words.stdout);
    for wanted in ["|-t|c d|", "|-u|a$b|", &format!("|--cafile|{dir}/certs/ca.crt|")] {
        assert!(words.contains(wanted), "no {wanted} in {words}");
    }
    let checked = output_of(Command::new("sh").args(["-c", &format!("printf '%s|' {}", row(&report, "Start it:"))]));
    assert_eq!(text(&checked.stdout), format!("nightjar|run|-c|{dir}/mosquitto.conf|"));
}

#[test]
fn a_command_whose_reader_has_gone_does_not_end_in_a_stack_trace() {
    let folder = Folder::new();
    folder.certificates();
    let conf = folder.write("mosquitto.conf", "listener 1883\nbogus 1\n");
    let conf = conf.to_str().expect("a path in UTF-8");
    let rows: [&[&str]; 3] =
        [&["check", "-c", conf], &["init", "psk", &folder.at("psk")], &["certs", "show", &folder.at("certs/ca.crt")]];
    for arguments in rows {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(NIGHTJAR).args(arguments).stdout(writer).stderr(Stdio::piped()).output();
        let said = text(&output.expect("it runs").stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

/// A pasted line, running; ended on drop.
struct Pasted {
    child: Child,
    output: Lines,
}

fn pasted(line: &str) -> Pasted {
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec stdbuf -oL {line}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a shell runs");
    let output = Lines::of(child.stdout.take().expect("standard output is piped"));
    Pasted { child, output }
}

impl Drop for Pasted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_number_of_threads_is_checked_and_said_at_the_start() {
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", filled(LOCAL, &folder, free_port()));
    let nightjar = |command: &str, file: &str, variable: Option<&str>| {
        folder.write("nightjar.toml", file);
        let mut nightjar = Command::new(NIGHTJAR);
        nightjar.args([command, "-c"]).arg(&conf).env_remove("NIGHTJAR_BROKER__THREADS");
        if let Some(value) = variable {
            nightjar.env("NIGHTJAR_BROKER__THREADS", value);
        }
        nightjar
    };
    for (file, variable) in [("[broker]\nthreads = 65\n", None), ("[broker]\nthreads = -1\n", None), ("", Some("65"))] {
        for command in ["run", "check"] {
            let ended = output_of(&mut nightjar(command, file, variable));
            let said = text(&ended.stderr) + &text(&ended.stdout);
            assert_eq!(ended.status.code(), Some(3), "{command} {file:?} {variable:?}: {said}");
            assert!(
                said.contains("broker.threads is 0 (the broker's own thread reads and writes) to 64, not "),
                "{said}"
            );
        }
    }
    let checked = output_of(&mut nightjar("check", "[broker]\nthreads = 64\n", None));
    let is_large = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 64);
    let said = text(&checked.stdout);
    assert_eq!(said.contains("warning: threads (nightjar.toml) is 64, and there "), !is_large, "{said}");
    assert_eq!(checked.status.code(), Some(0), "{said}");
    let rows = [
        ("[broker]\nthreads = 0\n", None, "One thread reads, decides and writes (as 'threads' says)."),
        ("", Some("1"), "One I/O thread reads and writes beside the broker's own (as 'threads' says)."),
        (
            "[broker]\nthreads = 1\n",
            Some("2"),
            "2 I/O threads read and write beside the broker's own (as 'threads' says).",
        ),
        ("", None, " cores)."),
    ];
    for (file, variable, wanted) in rows {
        // Another process may take a port between our choosing it and the program's binding it.
        let is_said = (0..5).any(|_| {
            folder.write("mosquitto.conf", filled(LOCAL, &folder, free_port()));
            let mut child = nightjar("run", file, variable).stderr(Stdio::piped()).spawn().expect("it runs");
            let log = Lines::of(child.stderr.take().expect("standard error is piped"));
            let is_running = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(()));
            if is_running.is_none() {
                assert!(log.all().iter().any(|line| line.contains("in use")), "{:#?}", log.all());
                child.wait().expect("our own child");
                return false;
            }
            assert_eq!(log.count(wanted), 1, "{wanted}: {:#?}", log.all());
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
            nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it runs");
            assert!(child.wait().expect("our own child").success());
            true
        });
        assert!(is_said, "no free port in five tries");
    }
}

#[test]
fn check_tells_several_errors_at_once_and_the_guides_traps() {
    let folder = Folder::new();
    folder.certificates();
    folder.passwords("mosquitto/pwfile", &[]);
    folder.write("mosquitto/pwfile", "");
    // 1. Every error of the file.
    let conf = folder.write("mosquitto.conf", "listener 1883\nbogus 1\nmax_connections x\nallow_anonymous maybe\n");
    let checked = output_of(Command::new(NIGHTJAR).arg("check").arg("-c").arg(&conf));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for (line, part) in [(2, "'bogus'"), (3, "'max_connections'"), (4, "'allow_anonymous'")] {
        let wanted = format!("error: {}:{line}: ", conf.display());
        assert!(said.lines().any(|line| line.starts_with(&wanted) && line.contains(part)), "{part}: {said}");
    }
    assert!(said.ends_with("3 errors, 0 warnings.\n"), "{said}");
    // 2. The guide's traps: /etc/mosquito for /etc/mosquitto; a private key in the CA file, as its picture shows;
    //    anonymous open to the network; secrets that all can read.
    let both = folder.read("certs/ca.key") + &folder.read("certs/ca.crt");
    let ca = folder.write("mosquitto/ca.crt", both);
    let key = folder.path().join("certs/server.key");
    readable_by_all(&key);
    folder.write(
        "mosquitto.conf",
        filled(
            "listener 1883\nallow_anonymous true\npassword_file DIR/mosquito/pwfile\ncafile DIR/mosquitto/ca.crt\n\
             certfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n",
            &folder,
            0,
        ),
    );
    let checked = output_of(Command::new(NIGHTJAR).arg("check").arg("-c").arg(&conf));
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for wanted in [
        format!("Did you mean \"{}\"?", folder.at("mosquitto/pwfile")),
        format!("{}:1: a PRIVATE KEY is in the CA file, which is copied into every router", ca.display()),
        "port 1883: anyone who can reach it may connect (allow_anonymous true)".to_owned(),
        format!("{}: every user of this machine can read this private key: chmod 600", key.display()),
    ] {
        assert!(said.contains(&wanted), "no {wanted:?} in {said}");
    }
    // 3. A set-up without any of this.
    let made = nightjar(&["init", "psk", &folder.at("good")]);
    assert!(made.status.success());
    let checked = nightjar(&["check", "-c", &folder.at("good/mosquitto.conf")]);
    assert_eq!(checked.status.code(), Some(0));
    let wanted =
        format!("No errors, nothing unwise. Start it with: nightjar run -c {}\n", folder.at("good/mosquitto.conf"));
    assert_eq!(text(&checked.stdout), wanted);
    let pskfile = folder.path().join("good/pskfile");
    readable_by_all(&pskfile);
    let checked = nightjar(&["check", "-c", &folder.at("good/mosquitto.conf")]);
    let wanted = format!("psk_file {0}: every user of this machine can read it: chmod 600 {0}", pskfile.display());
    assert!(text(&checked.stdout).contains(&wanted), "{}", text(&checked.stdout));
}

fn readable_by_all(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("our own file");
}

#[test]
fn the_line_that_demo_prints_works_and_works_again_tomorrow() {
    let folder = Folder::new();
    let mut pastes = Vec::new();
    for _ in 0..2 {
        let mut demo = Demo::start(&folder.at("demo"));
        let paste = demo.output.wait_for("mosquitto_sub -h 127.0.0.1 -p ");
        let user = pasted(paste.trim());
        let report = user.output.wait_for("\"rssi\": ");
        assert!(report.starts_with("[{\"name\": \"") && report.ends_with("}]"), "{report}");
        // The first reports come by themselves, without anyone pasting anything.
        demo.output.wait_for("  [{\"name\": \"");
        let words: Vec<&str> = paste.split(' ').collect();
        pastes.push(words[words.len() - 1].to_owned());
        assert_eq!(demo.interrupt(), Some(0));
        demo.output.wait_for("Stopped. ");
    }
    assert_eq!(pastes[0], pastes[1], "the password of the first time goes on");
}

struct Demo {
    child: Child,
    output: Lines,
}

impl Demo {
    fn start(dir: &str) -> Self {
        for _ in 0..5 {
            let port = free_port().to_string();
            let mut child = Command::new(NIGHTJAR)
                .args(["demo", "--dir", dir, "--port", &port])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("it runs");
            let output = Lines::of(child.stdout.take().expect("standard output is piped"));
            let demo = Self { child, output };
            let runs = demo.output.wait(|lines| lines.iter().any(|line| line.contains(" runs on ")).then_some(()));
            if runs.is_some() {
                return demo;
            }
        }
        panic!("no free port in five tries");
    }

    /// Ctrl-C.
    fn interrupt(&mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(pid, Signal::SIGINT).expect("it runs");
        let mut status = None;
        poll_until(|| {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        status.expect("it ended").code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
