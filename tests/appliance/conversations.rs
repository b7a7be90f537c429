//! paho-mqtt in conversation with the appliance. What it prints is compared with what is written here, and with what it
//! prints with Debian's mosquitto.

use std::process::Command;

use crate::clients::{Subscriber, client};
use crate::folder::Folder;
use crate::harness::{Appliance, filled, output_of, text};
use crate::mosquitto::Mosquitto;

/// Everybody may do everything.
pub(crate) const OPEN: &str = "user root\nset_tcp_nodelay true\nlistener PORT 127.0.0.1\nallow_anonymous true\n";
const VERSIONS: [&str; 3] = ["3.1", "3.1.1", "5"];

#[test]
fn paho_delivers_each_qos_both_ways_as_the_lower_one() {
    let wanted = "\
subscribe 0 Granted QoS 0\nsubscribe 1 Granted QoS 1\nsubscribe 2 Granted QoS 2
publish 0 Success\npublish 1 Success\npublish 2 Success
publish 0 Success\npublish 1 Success\npublish 2 Success
publish 0 Success\npublish 1 Success\npublish 2 Success
q/0/0 0 for 0 QoS 0\nq/0/1 1 for 0 QoS 0\nq/0/2 2 for 0 QoS 0
q/1/0 0 for 1 QoS 0\nq/1/1 1 for 1 QoS 1\nq/1/2 2 for 1 QoS 1
q/2/0 0 for 2 QoS 0\nq/2/1 1 for 2 QoS 1\nq/2/2 2 for 2 QoS 2
300,000 bytes True\n";
    side_by_side("qos", &VERSIONS, |_| wanted.to_owned());
}

#[test]
fn paho_gets_what_its_wildcards_match() {
    let wanted = "\
a/+ ['a/b', 'a/']
a/+/c ['a/b/c', 'a//c']
a/# ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/', 'a//c']
+ ['a', 'b']
+/+ ['a/b', '/', '/a', 'a/', 'Ж/℃']
# ['a', 'a/b', 'a/b/c', 'a/b/c/d', '/', '/a', 'a/', 'a//c', 'b', 'Ж/℃']
/+ ['/', '/a']
a/b/c ['a/b/c']
+/b/# ['a/b', 'a/b/c', 'a/b/c/d']
Ж/+ ['Ж/℃']
$x/# ['$x/b']
after the last unsubscribe []\n";
    side_by_side("wildcards", &VERSIONS, |_| wanted.to_owned());
}

#[test]
fn paho_gets_retained_messages() {
    let wanted = "\
live ['r/0 kept QoS 0', 'r/1 kept QoS 1', 'r/2 kept QoS 1', 'r/0 newer QoS 1']
late ['r/0 newer QoS 1 retained', 'r/1 kept QoS 1 retained', 'r/2 kept QoS 2 retained']
two cleared ['r/2 kept QoS 1 retained']\n";
    let of_5 = "\
retain handling 2 []
retain handling 1, known []
retain handling 1, new ['r/2 kept QoS 1 retained']
retain as published ['flag as published QoS 1 retained']
no local ['own theirs QoS 1']\n";
    side_by_side("retained", &VERSIONS, |version| wanted.to_owned() + if version == "5" { of_5 } else { "" });
}

#[test]
fn paho_gets_the_wills_of_those_who_vanish_and_of_nobody_else() {
    let wanted = "\
will/0 gone QoS 0\nwill/1 gone QoS 1\nwill/2 gone QoS 2
after a DISCONNECT []
retained ['will/1 gone QoS 1 retained']\n";
    let of_5 = "after DISCONNECT 0x04 will/spite gone\n";
    side_by_side("wills", &VERSIONS, |version| wanted.to_owned() + if version == "5" { of_5 } else { "" });
}

#[test]
fn paho_resumes_its_session_with_what_was_missed() {
    side_by_side("sessions", &VERSIONS, |version| {
        // MQTT 3.1 has no word for a session that is there.
        let session = if version == "3.1" { "no session" } else { "a session" };
        format!(
            "\
first Success, no session
Granted QoS 1 | Granted QoS 2 | Granted QoS 2
second Success, {session}
['s/x away 1 QoS 1', 's/x away 2 QoS 1', 'two/x away two QoS 2']
third Success, {session}
['s/x after the connection was lost QoS 1']
clean Success, no session True
[]
after a clean one Success, no session\n"
        )
    });
}

#[test]
fn paho_takes_the_place_of_an_older_connection() {
    side_by_side("takeover", &VERSIONS, |_| "the first has ended True\nwill taken over\nto the second\n".to_owned());
}

#[test]
fn an_older_mqtt_5_connection_is_told_that_it_was_taken_over() {
    let appliance = Appliance::start(OPEN, Folder::new());
    let arguments = ["-V", "5", "-i", "same", "-t", "t"];
    let first = Subscriber::start(appliance.port, &arguments);
    let _second = Subscriber::start(appliance.port, &arguments);
    first.output().wait_for("Received DISCONNECT (142)"); // 0x8E
    appliance.log.wait_for("Client same already connected, closing old connection.");
}

#[test]
fn paho_sees_sessions_and_messages_expire() {
    let wanted = "\
session expiry 0: Success, no session
session expiry 1: Success, no session
session expiry 3600: Success, a session
gone in an hour True
[]
retained []\n";
    side_by_side("expiry", &["5"], |_| wanted.to_owned());
}

#[test]
fn paho_gets_the_codes_of_refusals() {
    let folder = || {
        let folder = Folder::new();
        folder.passwords("pwfile", &[("reader", "reader"), ("writer", "writer")]);
        folder.write("acl", "user reader\ntopic read open/#\nuser writer\ntopic write open/#\n");
        folder
    };
    let conf = "user root\nset_tcp_nodelay true\nlistener PORT 127.0.0.1\nallow_anonymous false\n\
        password_file DIR/pwfile\nacl_file DIR/acl\n";
    let wanted = |version: &str| {
        // In 3.1 and 3.1.1 there is no way to say no to a publish: it is dropped and acknowledged.
        let (denied, third) = match version {
            "5" => ("Not authorized", ""),
            _ => ("Success", "publish without right, QoS 2 Success\n"),
        };
        // 5.0 §3.4.2.1: 0x10, as mosquitto says it.
        let unheard = if version == "5" { "No matching subscribers" } else { "Success" };
        format!(
            "\
wrong password: Not authorized, no session
unknown user: Not authorized, no session
no user: Not authorized, no session
no password: Not authorized, no session
publish without right, QoS 0 Success
publish without right, QoS 1 {denied}
{third}subscribe without right: Granted QoS 1 | Granted QoS 2
publish with right, QoS 0 Success
publish with right, QoS 1 Success
publish with right, QoS 2 Success
['open/x open 0 QoS 0', 'open/x open 1 QoS 1', 'open/x open 2 QoS 2']
publish with right, nobody listening {unheard}\n"
        )
    };
    compare("refusals", &VERSIONS, conf, folder, wanted);
}

/// The same conversation with the appliance and with Debian's mosquitto, each started anew for each version.
fn side_by_side(conversation: &str, versions: &[&str], wanted: impl Fn(&str) -> String) {
    compare(conversation, versions, OPEN, Folder::new, wanted);
}

fn compare(
    conversation: &str,
    versions: &[&str],
    conf: &str,
    folder: impl Fn() -> Folder,
    wanted: impl Fn(&str) -> String,
) {
    for version in versions {
        let ours = Appliance::start(conf, folder());
        let said = talk(ours.port, version, conversation);
        assert_eq!(said, wanted(version), "MQTT {version} with the appliance (left), and what is wanted (right)");
        let theirs = Mosquitto::with_configuration(|port| filled(conf, &ours.folder, port));
        let said = talk(theirs.open_port(), version, conversation);
        assert_eq!(said, wanted(version), "MQTT {version} with mosquitto (left), and what is wanted (right)");
    }
}

fn talk(port: u16, version: &str, conversation: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let output = output_of(
        Command::new("python3")
            .arg(format!("{root}/tests/appliance/talk.py"))
            .args([&port.to_string(), version, conversation])
            .env("PYTHONPATH", format!("{root}/target/test-python"))
            .env("PYTHONIOENCODING", "utf-8"),
    );
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{conversation} with MQTT {version}: {}{errors}", text(&output.stdout));
    text(&output.stdout)
}

#[test]
fn mosquitto_pub_is_told_in_mqtt_5_what_it_may_not_publish_at_any_qos() {
    let folder = Folder::new();
    folder.passwords("pwfile", &[("writer", "writer")]);
    folder.write("acl", "user writer\ntopic write open/#\n");
    let conf = format!("{OPEN}password_file DIR/pwfile\nacl_file DIR/acl\n");
    let ours = Appliance::start(&conf, folder);
    let theirs = Mosquitto::with_configuration(|port| filled(&conf, &ours.folder, port));
    for qos in ["1", "2"] {
        for port in [ours.port, theirs.open_port()] {
            let arguments = ["-V", "5", "-u", "writer", "-P", "writer", "-q", qos, "-t", "shut/x", "-m", "secret"];
            let outcome = client("mosquitto_pub", port, &arguments);
            assert_eq!(outcome.stderr, "Warning: Publish 1 failed: Not authorized.", "QoS {qos}");
            assert_eq!(outcome.status, Some(0), "QoS {qos}");
        }
    }
}
