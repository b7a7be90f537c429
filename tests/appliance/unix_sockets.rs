//! Listeners with a path in the place of a port, and those of one network interface; beside Debian's mosquitto.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, filled, free_port, nightjar, output_of, text};
use crate::side::Side;

const CONF: &str = "listener 0 DIR/m.sock\nallow_anonymous true\nlistener PORT 127.0.0.1\n";

/// mosquitto_pub by a unix socket.
fn publish_by(path: &str, arguments: &[&str]) {
    let said = output_of(Command::new("mosquitto_pub").args(["--unix", path]).args(arguments));
    assert!(said.status.success(), "{}", text(&said.stderr));
}

#[test]
fn clients_of_a_unix_socket_and_of_a_port_hear_each_other_and_the_log_says_of_them_what_mosquittos_does() {
    let told = Side::both(CONF, |_| ()).map(|mut side| {
        let path = side.folder().at("m.sock");
        let subscriber = Subscriber::start(side.port, &["--unix", &path, "-t", "t", "-i", "by-unix", "-q", "1"]);
        publish_well(side.port, &["-i", "by-port", "-t", "t", "-m", "from the port", "-q", "1"]);
        publish_by(&path, &["-i", "by-unix-too", "-V", "5", "-t", "t", "-m", "from the socket", "-q", "1"]);
        assert_eq!(subscriber.messages(2), ["t|1|0|from the port", "t|1|0|from the socket"], "{}", side.name);
        side.log().wait_for("Client by-unix-too ");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        side.stop();
        assert!(!std::fs::exists(&path).expect("its folder is there"), "{}: the socket is removed", side.name);
        (mode, side.said(&["unix listen socket", "ew connection", "ew client", "Client by-unix-too"]))
    });
    assert_eq!(told[0], told[1]);
    assert!(told[1].1.iter().any(|line| line == "New connection from DIR/m.sock:0 on port 0."), "{:#?}", told[1]);
}

#[test]
fn a_socket_that_was_left_behind_is_removed_at_the_start_and_no_other_file_is() {
    let left_behind = |folder: &Folder| drop(UnixListener::bind(folder.at("m.sock")).expect("a socket"));
    for side in Side::both(CONF, left_behind) {
        publish_by(&side.folder().at("m.sock"), &["-t", "t", "-m", "x"]);
    }
    let folder = Folder::new();
    folder.write("m.sock", "somebody's own");
    let conf = folder.write("mosquitto.conf", filled(CONF, &folder, free_port()));
    let said = nightjar(&["run", "-c", conf.to_str().expect("UTF-8")]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        text(&said.stderr).contains("Error binding unix socket: Address already in use\n"),
        "{}",
        text(&said.stderr)
    );
    assert_eq!(folder.read("m.sock"), "somebody's own");
}

#[test]
fn a_unix_socket_without_its_folder_ends_the_start_in_mosquittos_words() {
    let folder = Folder::new();
    let conf = folder.write("mosquitto.conf", "user root\nlistener 0 /nowhere/at/all.sock\n");
    let conf = conf.to_str().expect("UTF-8");
    let answers = [output_of(Command::new("/usr/sbin/mosquitto").args(["-c", conf])), nightjar(&["run", "-c", conf])];
    for said in answers {
        assert_eq!(said.status.code(), Some(1));
        let told = text(&said.stderr);
        assert!(
            told.lines().any(|line| line.ends_with("Error binding unix socket: No such file or directory")),
            "{told}"
        );
    }
}

#[test]
fn tls_is_spoken_over_a_unix_socket_too() {
    let folder = Folder::new();
    folder.certificates();
    let conf = format!("{CONF}listener 0 DIR/tls.sock\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n");
    let appliance = Appliance::start(&conf, folder);
    let path = appliance.folder.at("tls.sock");
    assert!(std::fs::metadata(&path).expect("it is there").file_type().is_socket());
    let ca = appliance.folder.at("certs/ca.crt");
    let said = output_of(Command::new("openssl").args([
        "s_client",
        "-unix",
        &path,
        "-CAfile",
        &ca,
        "-verify_return_error",
        "-brief",
    ]));
    assert!(text(&said.stderr).contains("Verification: OK"), "{}", text(&said.stderr));
    // Plain MQTT is turned away there as it is at a port.
    let mut plain = UnixStream::connect(&path).expect("it listens");
    std::io::Write::write_all(&mut plain, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c").expect("written");
    appliance.log.wait_for(&format!("{path} speaks plain MQTT to the TLS port 0"));
}

#[test]
fn an_interface_has_its_own_addresses_and_a_wrong_one_is_refused_in_mosquittos_words() {
    let conf = "listener PORT\nbind_interface lo\nsocket_domain ipv4\nallow_anonymous true\n";
    let told = Side::both(conf, |_| ()).map(|side| {
        publish_well(side.port, &["-t", "t", "-m", "x"]);
        // On 127.0.0.1 alone: another address of the same net is not the interface's.
        let other = std::net::TcpStream::connect(("127.0.0.2", side.port));
        assert!(other.is_err(), "{}", side.name);
        side.said(&["listen socket"])
    });
    assert_eq!(told[0], told[1]);
    // The words of 2.1.2, which tells more kinds of wrong apart than Debian's 2.0.11.
    let rows = [
        ("listener 18831\nbind_interface nope0\n", "Error: Interface nope0 does not exist."),
        (
            "listener 18831 10.9.9.9\nbind_interface lo\n",
            "Error: Interface address for lo does not match specified listener address (10.9.9.9).",
        ),
        (
            "listener 18831 ::1\nsocket_domain ipv4\n",
            "Error creating listener: Address family for hostname not supported.",
        ),
    ];
    for (conf, wanted) in rows {
        let folder = Folder::new();
        let path = folder.write("mosquitto.conf", conf);
        let said = nightjar(&["run", "-c", path.to_str().expect("UTF-8")]);
        let told = text(&said.stderr);
        assert!(!said.status.success() && told.contains(wanted), "{conf:?}: {told}");
    }
}
