//! SIGHUP while clients are connected: listeners come and go, limits and the log change, certificates are watched; and
//! a configuration that is wrong changes nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::clients::{Subscriber, client, publish, publish_well};
use crate::folder::Folder;
use crate::guide::Scenario;
use crate::harness::{Appliance, filled, free_port, output_of, poll_until};

const OPEN: &str = "user root\nallow_anonymous true\nlistener PORT 127.0.0.1\n";

fn reload(appliance: &Appliance, conf: &str, times: usize) {
    appliance.folder.write("mosquitto.conf", filled(conf, &appliance.folder, appliance.port));
    appliance.signal(Signal::SIGHUP);
    appliance.log.wait_for_count("Reloaded: ", times);
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn listeners_are_opened_and_closed_and_the_clients_of_the_others_notice_nothing() {
    let appliance = Appliance::start(OPEN, Folder::new());
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t", "-q", "1"]);
    let other = free_port();
    // Written before the other: numbers must not change places.
    let both = format!("user root\nallow_anonymous true\nlistener {other} 127.0.0.1\nmax_qos 0\n{OPEN}");
    reload(&appliance, &both.replace("user root\nallow_anonymous true\nlistener PORT", "listener PORT"), 1);
    publish_well(other, &["-i", "new", "-t", "t", "-m", "by the new one"]);
    publish_well(appliance.port, &["-i", "old", "-q", "2", "-t", "t", "-m", "by the old one"]);
    assert_eq!(stays.messages(2), ["t|0|0|by the new one", "t|1|0|by the old one"]);
    let goes = Subscriber::start(other, &["-i", "goes", "-t", "t"]);
    reload(&appliance, OPEN, 2);
    appliance.log.wait_for("Client goes [");
    assert!(!is_open(other), "its port is closed");
    drop(goes);
    reload(&appliance, &both.replace("user root\nallow_anonymous true\nlistener PORT", "listener PORT"), 3);
    publish_well(other, &["-t", "t", "-m", "again"]);
    assert_eq!(stays.messages(3)[2], "t|0|0|again");
    assert_eq!(appliance.log.count("as stays ("), 1, "it did not have to come again");
}

#[test]
fn unix_sockets_and_listeners_for_websocket_come_and_go_too() {
    let appliance = Appliance::start(OPEN, Folder::new());
    let (web, path) = (free_port(), appliance.folder.at("m.sock"));
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t", "-q", "1"]);
    for round in 0..2 {
        let more = format!("{OPEN}listener 0 DIR/m.sock\nlistener {web} 127.0.0.1\nprotocol websockets\n");
        reload(&appliance, &more, 2 * round + 1);
        appliance.log.wait_for_count(&format!("Opening unix listen socket on path {path}."), round + 1);
        let arguments = ["--unix", &path, "-q", "1", "-t", "t", "-m", "by the socket"];
        assert!(output_of(Command::new("mosquitto_pub").args(arguments)).status.success());
        assert_eq!(stays.messages(round + 1)[round], "t|1|0|by the socket");
        let mut page = TcpStream::connect(("127.0.0.1", web)).expect("it listens");
        page.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it is taken");
        let mut answer = [0; 12];
        page.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 426", "WebSocket is spoken there, and no page is served");
        reload(&appliance, OPEN, 2 * round + 2);
        assert!(!std::fs::exists(&path).expect("its folder is there") && !is_open(web));
    }
}

#[test]
fn a_configuration_that_is_wrong_anywhere_leaves_everything_as_it_was_and_says_why() {
    let appliance = Appliance::start(&format!("{OPEN}log_dest stderr\n"), Folder::new());
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("its address").port();
    let (fresh, log) = (free_port(), appliance.folder.at("nowhere/log"));
    let rows = [
        (format!("log_type none\nlistener {fresh} 127.0.0.1\nbogus 1\n"), "mosquitto.conf:7".to_owned()),
        (
            format!("log_type none\nlistener {fresh} 127.0.0.1\nacl_file DIR/none\n"),
            "Unable to open acl_file".to_owned(),
        ),
        (
            format!("log_type none\nlistener {fresh} 127.0.0.1\nlistener {busy} 127.0.0.1\n"),
            format!("port {busy} is already in use"),
        ),
        (
            format!("log_type none\nlistener {fresh} 127.0.0.1\nlog_dest file {log}\n"),
            "Unable to open log file".to_owned(),
        ),
    ];
    for (round, (bad, says)) in rows.iter().enumerate() {
        let conf = format!("{OPEN}log_dest stderr\n{bad}");
        appliance.folder.write("mosquitto.conf", filled(&conf, &appliance.folder, appliance.port));
        appliance.signal(Signal::SIGHUP);
        appliance.log.wait_for_count("Nothing was reloaded: the appliance goes on with what it had.", round + 1);
        appliance.log.wait_for(says);
        assert!(!is_open(fresh), "no port of it is open: {bad}");
        publish_well(appliance.port, &["-t", "t", "-m", &round.to_string()]);
        assert_eq!(stays.messages(round + 1)[round], format!("t|0|0|{round}"));
    }
    assert_eq!(appliance.log.count("Reloaded: "), 0);
}

#[test]
fn limits_of_connections_and_the_options_of_the_log_count_after_a_reload() {
    let appliance = Appliance::start(&format!("{OPEN}log_dest stderr\n"), Folder::new());
    let _one = Subscriber::start(appliance.port, &["-i", "one", "-t", "t"]);
    reload(
        &appliance,
        &format!("{OPEN}max_connections 1\nlog_dest stderr\nlog_dest file DIR/log\nlog_timestamp false\n"),
        1,
    );
    assert_ne!(publish(appliance.port, &["-i", "two", "-t", "t", "-m", "x"]).status, Some(0));
    poll_until(|| appliance.folder.read("log").contains("denied: max_connections exceeded"));
    let log = appliance.folder.read("log");
    assert!(log.lines().any(|line| line.starts_with("Client connection from 127.0.0.1 denied")), "no time: {log}");
    reload(&appliance, &format!("{OPEN}log_dest stderr\nconnection_messages false\nglobal_max_connections 2\n"), 2);
    publish_well(appliance.port, &["-i", "two", "-t", "t", "-m", "x"]);
    assert_eq!(appliance.log.count(" as two ("), 0, "connections are told no more");
}

#[test]
fn who_came_in_without_a_name_goes_when_names_are_asked_for_and_who_has_one_stays() {
    let folder = Folder::new();
    folder.passwords("pwfile", &[("named", "n")]);
    let appliance = Appliance::start(&format!("{OPEN}password_file DIR/pwfile\n"), folder);
    let _nameless = Subscriber::start(appliance.port, &["-i", "nameless", "-t", "t"]);
    let named = Subscriber::start(appliance.port, &["-i", "named", "-u", "named", "-P", "n", "-t", "t"]);
    let strict = OPEN.replace("allow_anonymous true", "allow_anonymous false\npassword_file DIR/pwfile");
    reload(&appliance, &strict, 1);
    appliance.log.wait_for("Client nameless [");
    publish_well(appliance.port, &["-u", "named", "-P", "n", "-t", "t", "-m", "x"]);
    assert_eq!(named.messages(1), ["t|0|0|x"]);
    assert_eq!(appliance.log.count("as named ("), 1, "it did not have to come again");
}

#[test]
fn what_a_reload_takes_away_is_told_with_the_file_that_counts_from_then_on() {
    let folder = Folder::new();
    folder.write("before", "topic readwrite #\n");
    folder.write("now", "topic write #\n");
    let with = |file: &str| format!("{OPEN}acl_file DIR/{file}\n");
    let appliance = Appliance::start(&with("before"), folder);
    let away = ["-c", "-i", "away", "-q", "1", "-t", "t", "-E"];
    assert_eq!(client("mosquitto_sub", appliance.port, &away).status, Some(0));
    publish_well(appliance.port, &["-q", "1", "-t", "t", "-m", "waits"]);
    reload(&appliance, &with("now"), 1);
    let said = appliance.log.wait_for("Client away may not read 't'");
    assert!(said.contains(&format!("{}: ", appliance.folder.at("now"))), "{said}");
}

#[test]
fn certificates_that_change_on_the_disk_count_without_a_signal_and_bad_ones_do_not() {
    let appliance = Appliance::start(&Scenario::Certificate.conf(), Scenario::Certificate.folder());
    let user = ["-u", "cassiamqtt", "-P", "cassiamqtt", "-t", "cassia", "-m", "x"];
    let by = |ca: &str| publish(appliance.port, &[&user[..], &["--cafile", ca]].concat()).status;
    let old_ca = appliance.folder.write("old.crt", appliance.folder.read("certs/ca.crt"));
    let old_ca = old_ca.to_str().expect("a path in UTF-8");
    let good = appliance.folder.read("certs/server.key");
    appliance.folder.write("certs/server.key", "no key\n");
    appliance.log.wait_for("Certificates have changed on the disk and cannot be used: the old ones go on.");
    assert_eq!(by(old_ca), Some(0));
    appliance.folder.write("certs/server.key", good);
    std::fs::remove_dir_all(appliance.folder.path().join("certs")).expect("the folder is there");
    appliance.folder.certificates();
    appliance.log.wait_for("Certificates have changed on the disk: the new ones count from now on.");
    assert_eq!(by(&appliance.folder.at("certs/ca.crt")), Some(0));
    assert_ne!(by(old_ca), Some(0), "the old authority did not sign this one");
}

#[test]
fn that_keys_are_written_down_is_said_once_however_often_it_is_reloaded() {
    let folder = Folder::new();
    let keys = folder.at("keys");
    let appliance = Appliance::start_with(OPEN, folder, &["--tls-keylog", &keys]);
    reload(&appliance, OPEN, 1);
    reload(&appliance, OPEN, 2);
    assert_eq!(appliance.log.count(&format!("TLS key logging to '{keys}' enabled for all listeners.")), 1);
    assert_eq!(appliance.log.count("TLS key logging is for DEBUGGING only."), 1);
}
