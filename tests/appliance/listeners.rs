//! Files of their own for each listener: what SIGHUP changes of them, what the log and `acl explain` name, what outlives the
//! process. Whom they let in and what they let do is compared with mosquitto in `tests/differential/listeners.rs`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::clients::{Outcome, Subscriber, publish, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, filled, output_of, text};

/// At one port of three addresses. The last has no files.
const CONF: &str = "user root\nper_listener_settings true\n\
    listener PORT 127.0.0.1\npassword_file DIR/pw1\nacl_file DIR/acl1\n\
    listener PORT 127.0.0.2\npassword_file DIR/pw2\nacl_file DIR/acl2\n\
    listener PORT 127.0.0.3\nallow_anonymous true\n";

const ANN: [&str; 4] = ["-u", "ann", "-P", "a1"];
const BEN: [&str; 6] = ["-h", "127.0.0.2", "-u", "ben", "-P", "b2"];
const ANYBODY: [&str; 2] = ["-h", "127.0.0.3"];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.passwords("pw1", &[("ann", "a1"), ("bob", "b1")]);
    folder.passwords("pw2", &[("ben", "b2"), ("ann", "a2")]);
    folder.write("acl1", "user ann\ntopic readwrite t/#\nuser bob\ntopic readwrite #\n");
    folder.write("acl2", "# another\n\nuser ben\ntopic deny t/secret\ntopic readwrite t/#\nuser ann\ntopic read t/#\n");
    folder
}

fn reload(appliance: &Appliance, conf: &str, times: usize) {
    appliance.folder.write("mosquitto.conf", filled(conf, &appliance.folder, appliance.port));
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for_count("Reloaded: ", times);
}

fn subscriber(appliance: &Appliance, who: &[&str], id: &str) -> Subscriber {
    Subscriber::start(appliance.port, &[who, &["-i", id, "-t", "#", "-q", "1"]].concat())
}

#[test]
fn a_reload_sends_away_whom_the_file_of_its_own_listener_no_longer_lets_in_and_nobody_else() {
    let appliance = Appliance::start(CONF, folder());
    let stays = [subscriber(&appliance, &BEN, "ben"), subscriber(&appliance, &ANYBODY, "anybody")];
    let goes = subscriber(&appliance, &ANN, "ann");
    // Her line of the other listener's file is another and stays as it is.
    let ann2 = ["-h", "127.0.0.2", "-u", "ann", "-P", "a2"];
    let also_stays = subscriber(&appliance, &ann2, "ann2");
    appliance.folder.passwords("pw1", &[("bob", "b1")]);
    reload(&appliance, CONF, 1);
    appliance.log.wait_for("User 'ann' is no longer in the password file, or has another password");
    appliance.log.wait_for("Client ann [");
    assert_ne!(publish(appliance.port, &[&ANN[..], &["-t", "t/1", "-m", "x"]].concat()), Outcome::new(0, ""));
    drop(goes);
    publish_well(appliance.port, &[&BEN[..], &["-q", "1", "-t", "t/1", "-m", "by ben"]].concat());
    for one in stays.iter().chain([&also_stays]) {
        assert_eq!(one.messages(1), ["t/1|1|0|by ben"]);
    }
    assert_eq!(appliance.log.count("a connection is closed"), 1);
    for id in ["ben", "anybody", "ann2"] {
        assert_eq!(appliance.log.count(&format!(" as {id} (")), 1, "{id} did not have to come again");
    }
}

#[test]
fn a_reload_gives_a_listener_files_of_its_own_and_takes_them_away() {
    let appliance = Appliance::start(CONF, folder());
    let anybody = subscriber(&appliance, &ANYBODY, "anybody");
    let ben = subscriber(&appliance, &BEN, "ben");
    let send = |who: &[&str], payload: &str, topic: &str| {
        publish_well(appliance.port, &[who, &["-q", "1", "-t", topic, "-m", payload]].concat());
    };
    send(&BEN, "1", "t/1");
    send(&ANYBODY, "2", "free");
    assert_eq!(anybody.messages(2), ["t/1|1|0|1", "free|1|0|2"]);
    // The open one gets rules, the second loses its own.
    let turned = CONF.replace("acl_file DIR/acl2\n", "") + "acl_file DIR/acl3\n";
    appliance.folder.write("acl3", "pattern readwrite t/#\n");
    reload(&appliance, &turned, 1);
    send(&BEN, "3", "free");
    send(&BEN, "4", "t/secret");
    assert_eq!(anybody.messages(3)[2], "t/secret|1|0|4");
    assert_eq!(ben.messages(3), ["t/1|1|0|1", "free|1|0|3", "t/secret|1|0|4"]);
    // And passwords: who has none goes.
    let strict = turned.replace("allow_anonymous true\n", "allow_anonymous false\npassword_file DIR/pw1\n");
    reload(&appliance, &strict, 2);
    appliance.log.wait_for("Client anybody [");
    drop(anybody);
    let with_name = [&ANYBODY[..], &["-u", "bob", "-P", "b1"]].concat();
    send(&with_name, "5", "t/5");
    assert_eq!(ben.messages(4)[3], "t/5|1|0|5");
    // A listener that is closed and another in its place: nothing of the old one counts there.
    let closed = "user root\nper_listener_settings true\nlistener PORT 127.0.0.2\npassword_file DIR/pw2\n";
    reload(&appliance, closed, 3);
    reload(&appliance, &format!("{closed}listener PORT 127.0.0.4\nallow_anonymous true\nacl_file DIR/acl3\n"), 4);
    let new = ["-h", "127.0.0.4"];
    send(&new, "6", "free");
    send(&new, "7", "t/7");
    assert_eq!(ben.messages(5)[4], "t/7|1|0|7");
    assert_eq!(appliance.log.count(" as ben ("), 1, "it did not have to come again");
}

#[test]
fn a_file_of_one_listener_that_is_wrong_leaves_those_of_all_as_they_were() {
    let appliance = Appliance::start(CONF, folder());
    let ben = subscriber(&appliance, &BEN, "ben");
    appliance.folder.write("acl1", "topic read #\n");
    appliance.folder.passwords("pw1", &[("bob", "b1")]);
    for (round, (file, bad, says)) in
        [("acl2", "topic\tread x\nnonsense\n", "acl2"), ("pw2", "ben:$6$broken\n", "pw2")].iter().enumerate()
    {
        let good = appliance.folder.read(file);
        appliance.folder.write(file, bad);
        appliance.signal(Signal::SIGHUP);
        appliance.log.wait_for_count("Nothing was reloaded: the appliance goes on with what it had.", round + 1);
        appliance.log.wait_for(&appliance.folder.at(says));
        appliance.folder.write(file, good);
        let payload = round.to_string();
        publish_well(appliance.port, &[&ANN[..], &["-q", "1", "-t", "t/1", "-m", &payload]].concat());
        assert_eq!(ben.messages(round + 1)[round], format!("t/1|1|0|{round}"));
    }
}

#[test]
fn the_log_and_acl_explain_name_the_file_of_the_listener_and_ask_for_it_where_there_is_a_choice() {
    let appliance = Appliance::start(&format!("{CONF}listener 0 DIR/sock\nacl_file DIR/acl1\n"), folder());
    let at = |name: &str| appliance.folder.at(name);
    for (who, id) in [(&ANN[..], "ann"), (&BEN, "ben")] {
        publish_well(appliance.port, &[who, &["-i", id, "-t", "t/secret", "-m", "x"]].concat());
        publish_well(appliance.port, &[who, &["-i", id, "-t", "other", "-m", "x"]].concat());
    }
    let line = |part: &str| appliance.log.wait_for(part);
    assert!(
        line("Client ann (user 'ann') may not publish to 'other': ")
            .contains(&format!("'other': {}: no line", at("acl1")))
    );
    assert!(line("(user 'ben') may not publish to 't/secret'").ends_with(&format!("{}: line 4.", at("acl2"))));
    assert_eq!(appliance.log.count("(user 'ann') may not publish to 't/secret'"), 0);

    let main = at("mosquitto.conf");
    let explain = |listener: &[&str]| {
        let asked = ["acl", "explain", "-u", "ben", "-t", "t/secret", "-a", "write", "-c", &main];
        let ended = output_of(Command::new(NIGHTJAR).args(asked).args(listener));
        let said = [text(&ended.stdout), text(&ended.stderr)].concat();
        (said.trim_end().to_owned(), ended.status.code())
    };
    let refused = (format!("refused: {}:4: topic deny t/secret", at("acl2")), Some(1));
    assert_eq!(explain(&["--listener", &format!("{main}:6")]), refused);
    assert_eq!(explain(&["-l", "mosquitto.conf:6"]), refused, "without the folder");
    assert_eq!(explain(&["-l", &at("sock")]).1, Some(1));
    let open = ("allowed: there is no acl_file, so everything is allowed".to_owned(), Some(0));
    assert_eq!(explain(&["-l", "mosquitto.conf:9"]), open);
    let choices = |with_socket: bool| {
        let line = |line: u32, file: &str| format!("\n  --listener {main}:{line}: {file} ({main}:{line})");
        let (one, two) = (format!("acl_file {}", at("acl1")), format!("acl_file {}", at("acl2")));
        let socket = format!("\n  --listener {}: {one} ({main}:11)", at("sock"));
        [line(3, &one), line(6, &two), line(9, "no acl_file"), if with_socket { socket } else { String::new() }]
            .concat()
    };
    let why = "Error: the listeners have different ACL files: say with --listener which of them is meant:";
    assert_eq!(explain(&[]), (format!("{why}{}", choices(true)), Some(3)));
    assert_eq!(explain(&["-l", &appliance.port.to_string()]), (format!("{why}{}", choices(false)), Some(3)));
    assert_eq!(
        explain(&["-l", "x"]),
        (format!("Error: --listener x: there is no such listener; there are:{}", choices(true)), Some(3))
    );
}

#[test]
fn a_session_that_is_away_has_the_rules_of_its_listener_after_a_restart_too() {
    // Unix sockets, for another start has another port.
    let conf = "user root\nper_listener_settings true\npersistence true\npersistence_location DIR/\nlog_type all\n\
        listener PORT 127.0.0.1\nallow_anonymous true\nlistener 0 DIR/ruled\nallow_anonymous true\nacl_file DIR/acl\n\
        listener 0 DIR/open\nallow_anonymous true\n";
    let folder = Folder::new();
    folder.write("acl", "topic readwrite t/#\ntopic deny t/secret\n");
    let mut appliance = Appliance::start(conf, folder);
    let durable = ["-c", "-q", "1", "-t", "#"];
    for door in ["ruled", "open"] {
        let arguments = ["--unix", &appliance.folder.at(door), "-i", door];
        drop(Subscriber::start(appliance.port, &[&arguments[..], &durable].concat()));
    }
    appliance.signal(Signal::SIGTERM);
    assert!(appliance.wait().success());
    let appliance = Appliance::start(conf, appliance.into_folder());
    for topic in ["t/1", "t/secret", "free", "t/last"] {
        publish_well(appliance.port, &["-q", "1", "-t", topic, "-m", "x"]);
    }
    for (door, wanted) in [("ruled", &["t/1", "t/last"][..]), ("open", &["t/1", "t/secret", "free", "t/last"])] {
        let arguments = ["--unix", &appliance.folder.at(door), "-i", door];
        let back = Subscriber::start(appliance.port, &[&arguments[..], &durable].concat());
        let wanted: Vec<_> = wanted.iter().map(|topic| format!("{topic}|1|0|x")).collect();
        assert_eq!(back.messages(wanted.len()), wanted, "{door}");
    }
}

#[test]
fn keys_and_what_is_made_of_nothing_are_of_their_listener() {
    let folder = Folder::new();
    folder.write("keys1", "router:0badc0de\n");
    folder.write("keys2", "router:0badcafe\n");
    let conf = "user root\nper_listener_settings true\n\
        listener PORT 127.0.0.1\npsk_hint h\npsk_file DIR/keys1\nallow_anonymous true\nauto_id_prefix one-\n\
        listener PORT 127.0.0.2\npsk_hint h\npsk_file DIR/keys2\nallow_anonymous true\nallow_zero_length_clientid false\n\
        listener PORT 127.0.0.3\npsk_hint h\npsk_file DIR/keys2\nauto_id_prefix three-\n";
    let appliance = Appliance::start(conf, folder);
    let by = |address: &str, key: &str, id: &[&str]| {
        let arguments = ["-h", address, "--psk", key, "--psk-identity", "router", "-t", "t", "-m", "x"];
        publish(appliance.port, &[&arguments[..], id].concat()).status
    };
    for (address, key, is_in) in [
        ("127.0.0.1", "0badc0de", true),
        ("127.0.0.1", "0badcafe", false),
        ("127.0.0.2", "0badcafe", true),
        ("127.0.0.2", "0badc0de", false),
        ("127.0.0.3", "0badcafe", false),
    ] {
        assert_eq!(by(address, key, &["-i", "c"]) == Some(0), is_in, "{address} {key}");
    }
    appliance.log.wait_for("127.0.0.1 sends no user name, and anonymous clients are not allowed");
    assert_eq!(by("127.0.0.1", "0badc0de", &[]), Some(0));
    appliance.log.wait_for(" as one-");
    assert_ne!(by("127.0.0.2", "0badcafe", &[]), Some(0), "it makes no identifiers");
}

#[test]
fn a_listener_for_websocket_has_files_of_its_own() {
    let conf =
        format!("{CONF}listener PORT 127.0.0.4\nprotocol websockets\npassword_file DIR/pw2\nacl_file DIR/acl2\n");
    let appliance = Appliance::start(&conf, folder());
    let hears = subscriber(&appliance, &ANYBODY, "anybody");
    let mut page = TcpStream::connect(("127.0.0.4", appliance.port)).expect("it listens");
    let ask = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    let connect = b"\x10\x16\0\x04MQTT\x04\xc2\0\x3c\0\x01w\0\x03ben\0\x02b2";
    let publishes = b"\x30\x09\0\x04freexxx\x30\x0d\0\x08t/secretxxx\x30\x08\0\x03t/1xxx";
    let packets = [&connect[..], publishes].concat();
    let head = [0x82, 0x80 | packets.len() as u8, 0, 0, 0, 0];
    page.write_all(&[ask.as_bytes(), &head, &packets].concat()).expect("it is taken");
    assert_eq!(hears.messages(1), ["t/1|0|0|xxx"], "what came before it may not be published");
    appliance.log.wait_for("(user 'ben') may not publish to 't/secret'");
}

#[test]
fn a_listener_for_http_has_files_of_its_own() {
    let folder = folder();
    folder.write("http", "user ann\ntopic read /api/v1/version\n");
    let conf = format!(
        "{CONF}listener PORT 127.0.0.5\nprotocol http_api\npassword_file DIR/pw1\nacl_file DIR/http\n\
        listener PORT 127.0.0.6\nprotocol http_api\nallow_anonymous true\n"
    );
    let appliance = Appliance::start(&conf, folder);
    let status = |address: &str, path: &str, login: &str| {
        let mut stream = TcpStream::connect((address, appliance.port)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\n{login}\r\n").expect("it is taken");
        let mut all = String::new();
        stream.read_to_string(&mut all).expect("an answer");
        all.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let ann = "Authorization: Basic YW5uOmEx\r\n"; // ann:a1
    let rows = [
        ("127.0.0.5", "/api/v1/version", ann, "200"),
        ("127.0.0.5", "/api/v1/version", "", "401"),
        ("127.0.0.5", "/api/v1/listeners", ann, "401"),
        ("127.0.0.6", "/api/v1/listeners", "", "200"),
        ("127.0.0.6", "/api/v1/version", ann, "200"),
    ];
    for (address, path, login, wanted) in rows {
        assert_eq!(status(address, path, login), wanted, "{address} {path} {login:?}");
    }
    appliance.folder.write("http", "user ann\ntopic read /api/v1/listeners\n");
    reload(&appliance, &conf, 1);
    assert_eq!(status("127.0.0.5", "/api/v1/version", ann), "401");
    assert_eq!(status("127.0.0.5", "/api/v1/listeners", ann), "200");
    assert_eq!(status("127.0.0.6", "/api/v1/version", ""), "200");
}
