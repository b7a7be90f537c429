//! SIGHUP where the doors themselves change: TLS comes or goes, another protocol is spoken, another address of the same port
//! is listened at, HTTP is spoken elsewhere. Who would still be let in stays, who would not goes; and if anything fails
//! everything is as it was.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use nix::sys::signal::Signal;

use crate::clients::{Subscriber, publish, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, PATIENCE, filled, free_port, poll_until};

const BASE: &str = "user root\nallow_anonymous true\nlog_dest stderr\n";
const PLAIN: &str = "listener PORT 127.0.0.1\n";
const TLS: &str = "certfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\ncafile DIR/certs/ca.crt\n";
const PSK: &str = "psk_hint h\npsk_file DIR/keys\n";

fn start(doors: &str) -> Appliance {
    let folder = Folder::new();
    folder.certificates();
    folder.write("keys", "router:0badc0de0badc0de\n");
    Appliance::start(&format!("{BASE}{doors}"), folder)
}

fn reload(appliance: &Appliance, doors: &str, times: usize) {
    write_and_signal(appliance, doors);
    appliance.log.wait_for_count("Reloaded: ", times);
}

fn write_and_signal(appliance: &Appliance, doors: &str) {
    let text = filled(&format!("{BASE}{doors}"), &appliance.folder, appliance.port);
    appliance.folder.write("mosquitto.conf", text);
    appliance.signal(Signal::SIGHUP);
}

/// The head of what a port answers to a request for this path; empty if it says nothing.
fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).expect("it is taken");
    let mut answer = Vec::new();
    // Who is not understood may be closed on.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_listener_gets_tls_and_loses_it_and_who_came_in_otherwise_goes() {
    let appliance = start(PLAIN);
    let ca = appliance.folder.at("certs/ca.crt");
    let plain = Subscriber::start(appliance.port, &["-i", "plain", "-t", "t"]);
    reload(&appliance, &format!("{PLAIN}{TLS}{PSK}"), 1);
    appliance.log.wait_for("Client plain [");
    drop(plain);
    assert_ne!(publish(appliance.port, &["-t", "t", "-m", "x"]).status, Some(0), "nobody comes in without TLS");
    let by_certificate = Subscriber::start(appliance.port, &["-i", "by-certificate", "-t", "t", "--cafile", &ca]);
    let key = ["--psk", "0badc0de0badc0de", "--psk-identity", "router"];
    let by_key = Subscriber::start(appliance.port, &[&["-i", "by-key", "-t", "t"], &key[..]].concat());
    // Certificates go, keys stay, and so does who has one.
    reload(&appliance, &format!("{PLAIN}{PSK}"), 2);
    appliance.log.wait_for("Client by-certificate [");
    drop(by_certificate);
    publish_well(appliance.port, &[&["-t", "t", "-m", "by key"], &key[..]].concat());
    assert_eq!(by_key.messages(1), ["t|0|0|by key"]);
    assert_eq!(appliance.log.count("as by-key ("), 1, "it did not have to come again");
    reload(&appliance, PLAIN, 3);
    appliance.log.wait_for("Client by-key [");
    drop(by_key);
    publish_well(appliance.port, &["-t", "t", "-m", "x"]);
}

#[test]
fn who_has_no_certificate_goes_when_one_is_asked_for_and_who_has_one_stays() {
    let appliance = start(&format!("{PLAIN}{TLS}"));
    appliance.folder.client_certificate("router", std::time::SystemTime::now(), 30);
    let (ca, certificate, key) = (
        appliance.folder.at("certs/ca.crt"),
        appliance.folder.at("certs/router.crt"),
        appliance.folder.at("certs/router.key"),
    );
    let shown = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
    // mosquitto_sub shows its certificate only if it is asked for one, as all do.
    reload(&appliance, &format!("{PLAIN}{TLS}require_certificate true\n"), 1);
    let with = Subscriber::start(appliance.port, &[&["-i", "with", "-t", "t"], &shown[..]].concat());
    reload(&appliance, &format!("{PLAIN}{TLS}"), 2);
    let without = Subscriber::start(appliance.port, &["-i", "without", "-t", "t", "--cafile", &ca]);
    reload(&appliance, &format!("{PLAIN}{TLS}require_certificate true\n"), 3);
    appliance.log.wait_for("Client without [");
    drop(without);
    publish_well(appliance.port, &[&["-t", "t", "-m", "x"], &shown[..]].concat());
    assert_eq!(with.messages(1), ["t|0|0|x"]);
    assert_eq!(appliance.log.count("as with ("), 1, "it did not have to come again");
}

#[test]
fn who_would_have_another_name_or_no_proxy_to_speak_for_it_goes() {
    let appliance = start(PLAIN);
    appliance.folder.client_certificate("router", std::time::SystemTime::now(), 30);
    let at = |name: &str| appliance.folder.at(&format!("certs/{name}"));
    let (ca, certificate, key) = (at("ca.crt"), at("router.crt"), at("router.key"));
    let shown = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
    let doors = |more: &str| format!("{PLAIN}{TLS}require_certificate true\n{more}\n");
    let names = ["", "use_identity_as_username true", "use_subject_as_username true", ""];
    let mut times = 1;
    reload(&appliance, &doors(names[0]), times);
    // Who has a name goes when it would be another; it is no other when none is asked for.
    for (name, goes) in [(names[1], true), (names[2], true), (names[3], false)] {
        let router =
            Subscriber::start(appliance.port, &[&["-i", "router", "-u", "said", "-t", "t"], &shown[..]].concat());
        let gone = appliance.log.count("Client router [");
        times += 1;
        reload(&appliance, &doors(name), times);
        if goes {
            appliance.log.wait_for_count("Client router [", gone + 1);
        } else {
            publish_well(appliance.port, &[&["-t", "t", "-m", "x"], &shown[..]].concat());
            assert_eq!(router.messages(1), ["t|0|0|x"]);
        }
        drop(router);
    }
    reload(&appliance, PLAIN, times + 1);
    let plain = Subscriber::start(appliance.port, &["-i", "plain", "-t", "t"]);
    reload(&appliance, &format!("{PLAIN}enable_proxy_protocol 2\n"), times + 2);
    appliance.log.wait_for("Client plain [");
    drop(plain);
}

#[test]
fn a_port_gets_another_protocol_and_back() {
    let appliance = start(PLAIN);
    let mut client = Some(Subscriber::start(appliance.port, &["-i", "client", "-t", "t"]));
    for (round, (protocol, answer)) in
        [("websockets", "HTTP/1.1 426 "), ("http_api", "HTTP/1.1 200 "), ("websockets", "HTTP/1.1 426 ")]
            .iter()
            .enumerate()
    {
        // The broker is never without a listener for MQTT.
        let other = free_port();
        reload(&appliance, &format!("listener {other} 127.0.0.1\n{PLAIN}protocol {protocol}\n"), 2 * round + 1);
        appliance.log.wait_for_count("Client client [", round + 1);
        // It would come again by itself.
        drop(client.take());
        let said = page(appliance.port, "/api/v1/version");
        assert!(said.starts_with(answer), "{protocol}: {said}");
        reload(&appliance, PLAIN, 2 * round + 2);
        assert!(!is_open(other));
        client = Some(Subscriber::start(appliance.port, &["-i", "client", "-t", "t"]));
    }
    publish_well(appliance.port, &["-t", "t", "-m", "x"]);
    assert_eq!(client.expect("the last one").messages(1), ["t|0|0|x"]);
}

#[test]
fn a_listener_moves_to_all_addresses_and_back_and_who_came_to_one_that_stays_notices_nothing() {
    let appliance = start(PLAIN);
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t"]);
    reload(&appliance, "listener PORT\n", 1);
    let by_other = Subscriber::start(appliance.port, &["-h", "127.0.0.2", "-i", "by-other", "-t", "t"]);
    publish_well(appliance.port, &["-t", "t", "-m", "on all"]);
    assert_eq!(stays.messages(1), ["t|0|0|on all"]);
    assert_eq!(by_other.messages(1), ["t|0|0|on all"]);
    reload(&appliance, PLAIN, 2);
    appliance.log.wait_for("Client by-other [");
    drop(by_other);
    assert!(TcpStream::connect(("127.0.0.2", appliance.port)).is_err(), "nobody listens there");
    publish_well(appliance.port, &["-t", "t", "-m", "on one"]);
    assert_eq!(stays.messages(2)[1], "t|0|0|on one");
    reload(&appliance, "listener PORT 127.0.0.2\n", 3);
    appliance.log.wait_for("Client stays [");
    assert!(!is_open(appliance.port));
}

#[test]
fn what_cannot_be_had_whole_leaves_the_doors_as_they_were() {
    let http = free_port();
    let doors = format!("{PLAIN}listener {http} 127.0.0.1\nprotocol http_api\n");
    let appliance = start(&doors);
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("its address").port();
    // Somebody else has the port at another address: it cannot be had at all of them.
    let elsewhere = TcpListener::bind(("127.0.0.3", appliance.port)).expect("it is free there");
    let fresh = free_port();
    let rows = [
        // Moves, and then something fails: a port, a file of the log, the thing itself.
        format!("listener PORT 127.0.0.2\nlistener {busy} 127.0.0.1\n"),
        format!("{PLAIN}{TLS}listener {http}\nlog_dest file DIR/nowhere/log\n"),
        "listener PORT\n".to_owned(),
        // Both change hands.
        format!(
            "listener {http}\nlistener PORT 127.0.0.1\nprotocol http_api\nlistener {busy} 127.0.0.1\nprotocol http_api\n"
        ),
        format!("{PLAIN}listener {fresh} 127.0.0.1\nprotocol http_api\nhttp_dir DIR/none\n"),
        format!("{PLAIN}certfile DIR/certs/server.crt\nkeyfile DIR/certs/ca.key\nlistener {fresh} 127.0.0.1\n"),
    ];
    for (round, bad) in rows.iter().enumerate() {
        write_and_signal(&appliance, bad);
        appliance.log.wait_for_count("Nothing was reloaded: the appliance goes on with what it had.", round + 1);
        publish_well(appliance.port, &["-t", "t", "-m", &round.to_string()]);
        assert_eq!(stays.messages(round + 1)[round], format!("t|0|0|{round}"), "{bad}");
        assert!(page(http, "/api/v1/version").starts_with("HTTP/1.1 200 "), "{bad}");
        assert!(!is_open(fresh), "{bad}");
    }
    assert_eq!(appliance.log.count("Reloaded: "), 0);
    assert_eq!(appliance.log.count("as stays ("), 1, "it did not have to come again");
    assert_eq!(appliance.log.count("Error: Unable to accept"), 0);
    drop(elsewhere);
    reload(&appliance, "listener PORT\n", 1);
    publish_well(appliance.port, &["-t", "t", "-m", "at last"]);
    assert_eq!(stays.messages(rows.len() + 1)[rows.len()], "t|0|0|at last");
}

#[test]
fn listeners_for_http_come_and_go_and_have_what_is_written_now() {
    let appliance = start(PLAIN);
    let stays = Subscriber::start(appliance.port, &["-i", "stays", "-t", "t"]);
    let [one, two] = [free_port(), free_port()];
    for dir in ["first", "second"] {
        appliance.folder.write(&format!("{dir}/page.html"), dir);
    }
    let served = |port: u16, dir: &str| format!("listener {port} 127.0.0.1\nprotocol http_api\nhttp_dir DIR/{dir}\n");
    reload(&appliance, &format!("{PLAIN}{}", served(one, "first")), 1);
    assert!(page(one, "/page.html").ends_with("first"));
    // A second one before it: the first keeps its port and gets another folder.
    reload(&appliance, &format!("{PLAIN}{}{}", served(two, "first"), served(one, "second")), 2);
    assert!(page(one, "/page.html").ends_with("second"));
    assert!(page(two, "/page.html").ends_with("first"));
    assert!(page(two, "/api/v1/listeners").contains(&format!("\"port\":{one}")));
    // A request that was begun is answered by what counted then.
    let mut begun = TcpStream::connect(("127.0.0.1", two)).expect("it listens");
    begun.write_all(b"GET /page.html HTTP/1.1\r\n").expect("it is taken");
    assert!(page(two, "/page.html").ends_with("first"), "and so the one before is known to be there");
    reload(&appliance, &format!("{PLAIN}{}{TLS}", served(one, "second")), 3);
    begun.write_all(b"Host: h\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    begun.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.ends_with("first"), "{answer}");
    assert!(!is_open(two), "its port is closed");
    assert!(!page(one, "/page.html").contains("second"), "it speaks TLS now");
    reload(&appliance, PLAIN, 4);
    assert!(!is_open(one) && !is_open(two));
    reload(&appliance, &format!("{PLAIN}{}", served(two, "second")), 5);
    assert!(page(two, "/page.html").ends_with("second"));
    // Each reload had a thread ready, and those that were not needed have ended.
    poll_until(|| threads(&appliance, "http") <= 1);
    assert_eq!(threads(&appliance, "http"), 1);
    publish_well(appliance.port, &["-t", "t", "-m", "x"]);
    assert_eq!(stays.messages(1), ["t|0|0|x"]);
    assert_eq!(appliance.log.count("as stays ("), 1, "it did not have to come again");
}

/// Threads of this name.
fn threads(appliance: &Appliance, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", appliance.pid())).expect("it lives");
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|it| it.trim_end() == name).count()
}
