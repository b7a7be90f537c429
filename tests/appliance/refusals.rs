//! Whoever may not come in: what the client sees, side by side with Debian's mosquitto, and what the log tells the
//! operator, once per address and minute.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use crate::clients::{client, publish_well};
use crate::folder::Folder;
use crate::guide::Scenario;
use crate::harness::{Appliance, PATIENCE, filled};
use crate::mosquitto::Mosquitto;

/// A client that is refused. In arguments and lines, `DIR` and `PORT` stand for the folder and the port.
struct Refusal {
    who: &'static str,
    program: &'static str,
    arguments: &'static str,
    /// What it ends with: its status and its standard error. More than one where it depends on the moment.
    outcomes: &'static [(i32, &'static str)],
    /// What our log says after the client's address.
    line: &'static str,
}

const PUB: &str = "mosquitto_pub";
const SUB: &str = "mosquitto_sub";
/// libmosquitto meets it while it connects, or, if the broker is slower to answer, afterwards.
const TLS_ERROR: &[(i32, &str)] =
    &[(1, "Unable to connect (A TLS error occurred.)."), (8, "Error: A TLS error occurred.")];
const NOT_AUTHORISED: &[(i32, &str)] =
    &[(5, "Connection error: Connection Refused: not authorised.\nError: The connection was refused.")];
const NOT_AUTHORIZED_5: &[(i32, &str)] = &[(
    135,
    "Connection error: Not authorized\nError: A network protocol error occurred when communicating with the broker.",
)];
const LOST: &[(i32, &str)] = &[(7, "Error: The connection was lost.")];
/// With TLS 1.3 the client believes to be in when the server refuses its certificate: it writes, and meets whichever
/// comes first of the alert, the end and the reset.
const AFTER_THE_HANDSHAKE: &[(i32, &str)] = &[
    (7, "Error: The connection was lost."),
    (8, "Error: A TLS error occurred."),
    (1, "Error: Protocol error"),
    (14, "Error: Broken pipe"),
];

#[test]
fn at_a_port_with_passwords_each_refusal_is_mosquittos_and_told_with_its_mend() {
    refused(
        Scenario::Password,
        "",
        Folder::certificates,
        &[
            Refusal {
                who: "wrong password",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P wrong",
                outcomes: NOT_AUTHORISED,
                line: "sends a wrong user name or password (user name 'cassiamqtt'): compare User Name and Password in \
                       the router's form with the password file",
            },
            Refusal {
                who: "no user name",
                program: PUB,
                arguments: "-t cassia -m x",
                outcomes: NOT_AUTHORISED,
                line: "sends no user name, and anonymous clients are not allowed: set User Name and Password in the \
                       router's form",
            },
            Refusal {
                who: "TLS-PSK",
                program: PUB,
                arguments: "-t cassia -m x --psk 1234567890abcdef --psk-identity cassiapsk",
                outcomes: TLS_ERROR,
                line: "speaks TLS to the plain port PORT: set the router's Encryption Mode to None, or give \
                       certificates or a PSK file to this listener",
            },
        ],
    );
}

#[test]
fn the_same_faults_of_other_clients_and_versions_are_refused_as_by_mosquitto() {
    refused(
        Scenario::Password,
        "",
        Folder::certificates,
        &[
            Refusal {
                who: "unknown user",
                program: PUB,
                arguments: "-t cassia -m x -u nobody -P cassiamqtt",
                outcomes: NOT_AUTHORISED,
                line: "sends a wrong user name or password (user name 'nobody'): compare User Name and Password in the \
                       router's form with the password file",
            },
            Refusal {
                who: "TLS with certificates",
                program: PUB,
                arguments: "-t cassia -m x --cafile DIR/certs/ca.crt",
                outcomes: TLS_ERROR,
                line: "speaks TLS to the plain port PORT: set the router's Encryption Mode to None, or give \
                       certificates or a PSK file to this listener",
            },
            Refusal {
                who: "a subscriber without user name",
                program: SUB,
                arguments: "-t cassia",
                outcomes: &[(5, "Connection error: Connection Refused: not authorised.")],
                line: "sends no user name, and anonymous clients are not allowed: set User Name and Password in the \
                       router's form",
            },
        ],
    );
    refused(
        Scenario::Password,
        "",
        |_| {},
        &[
            Refusal {
                who: "wrong password, MQTT 5",
                program: PUB,
                arguments: "-V 5 -t cassia -m x -u cassiamqtt -P wrong",
                outcomes: NOT_AUTHORIZED_5,
                line: "sends a wrong user name or password (user name 'cassiamqtt'): compare User Name and Password in \
                       the router's form with the password file",
            },
            Refusal {
                who: "a subscriber without user name, MQTT 5",
                program: SUB,
                arguments: "-V 5 -t cassia",
                outcomes: &[(135, "Connection error: Not authorized")],
                line: "sends no user name, and anonymous clients are not allowed: set User Name and Password in the \
                       router's form",
            },
        ],
    );
}

#[test]
fn at_a_port_with_psk_each_refusal_is_mosquittos_and_told_with_its_mend() {
    refused(
        Scenario::Psk,
        "",
        Folder::certificates,
        &[
            Refusal {
                who: "wrong key",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --psk 00ff --psk-identity cassiapsk",
                outcomes: TLS_ERROR,
                line: "offers the PSK identity \"cassiapsk\" with the wrong key: set the router's PSK to the hex key \
                       that follows \"cassiapsk\" in the PSK file",
            },
            Refusal {
                who: "unknown identity",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --psk 1234567890abcdef --psk-identity nobody",
                outcomes: TLS_ERROR,
                line: "offers the PSK identity \"nobody\", which is not in the PSK file: correct the router's PSK \
                       Identity, or add the identity and its key to the file",
            },
            Refusal {
                who: "certificates",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/certs/ca.crt",
                outcomes: TLS_ERROR,
                line: "offers no pre-shared key to the PSK port PORT: set the router's Encryption Mode to PSK, with PSK \
                       and PSK Identity from the PSK file, or give certfile and keyfile to this listener",
            },
            Refusal {
                who: "plain MQTT",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt",
                outcomes: LOST,
                line: "speaks plain MQTT to the TLS port PORT: set the router's Encryption Mode to PSK",
            },
            Refusal {
                who: "the right key and a wrong password",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P wrong --psk 1234567890abcdef --psk-identity cassiapsk",
                outcomes: NOT_AUTHORISED,
                line: "sends a wrong user name or password (user name 'cassiamqtt'): compare User Name and Password in \
                       the router's form with the password file",
            },
        ],
    );
}

#[test]
fn at_a_port_with_certificates_each_refusal_is_mosquittos_and_told_with_its_mend() {
    refused(
        Scenario::Certificate,
        "",
        |folder| folder.foreign_certificates("other", "stranger"),
        &[
            Refusal {
                who: "wrong CA at the client",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/other/ca.crt",
                outcomes: TLS_ERROR,
                line: "refuses this server's certificate (alert unknown_ca): paste the certificate of the CA that \
                       issued it into the router's CA Certificate, and let Host be a name or an address that is in the \
                       certificate",
            },
            Refusal {
                who: "plain MQTT",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt",
                outcomes: LOST,
                line: "speaks plain MQTT to the TLS port PORT: set the router's Encryption Mode to Certificate",
            },
        ],
    );
}

#[test]
fn where_a_client_certificate_is_required_each_refusal_is_mosquittos_and_told_with_its_mend() {
    let long_ago = SystemTime::now() - Duration::from_secs(30 * 86_400);
    let tomorrow = SystemTime::now() + Duration::from_secs(7 * 86_400);
    refused(
        Scenario::Certificate,
        "require_certificate true\n",
        |folder| {
            folder.foreign_certificates("other", "stranger");
            folder.client_certificate("router", SystemTime::now(), 30);
            folder.client_certificate("expired", long_ago, 2);
            folder.client_certificate("early", tomorrow, 30);
        },
        &[
            Refusal {
                who: "no certificate",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/certs/ca.crt",
                outcomes: AFTER_THE_HANDSHAKE,
                line: "sent no certificate, and this port requires one: set the router's Require Client Certificate to \
                       Yes and upload its certificate and key, or set require_certificate false",
            },
            Refusal {
                who: "a certificate of an unknown CA",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/certs/ca.crt \
                            --cert DIR/other/stranger.crt --key DIR/other/stranger.key",
                outcomes: AFTER_THE_HANDSHAKE,
                line: "sent a certificate of an unknown CA: issue the router's certificate with the CA that is in \
                       cafile, or add its CA to cafile",
            },
            Refusal {
                who: "an expired certificate",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/certs/ca.crt \
                            --cert DIR/certs/expired.crt --key DIR/certs/expired.key",
                outcomes: AFTER_THE_HANDSHAKE,
                line: "sent a certificate that has expired: issue a new client certificate for the router",
            },
            Refusal {
                who: "a certificate of the future",
                program: PUB,
                arguments: "-t cassia -m x -u cassiamqtt -P cassiamqtt --cafile DIR/certs/ca.crt \
                            --cert DIR/certs/early.crt --key DIR/certs/early.key",
                outcomes: AFTER_THE_HANDSHAKE,
                line: "sent a certificate that is not valid yet: look at this server's clock, or at the certificate's \
                       dates",
            },
        ],
    );
}

/// Five tries of each against ours and one against mosquitto with the same configuration; then one of the right kind.
fn refused(scenario: Scenario, more: &str, files: impl Fn(&Folder), refusals: &[Refusal]) {
    let conf = format!("{}{more}", scenario.conf());
    let folder = scenario.folder();
    files(&folder);
    let ours = Appliance::start(&conf, folder);
    let theirs = Mosquitto::with_configuration(|port| filled(&conf, &ours.folder, port));
    for refusal in refusals {
        let arguments = filled(refusal.arguments, &ours.folder, ours.port);
        let arguments: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
        let check = |port: u16, broker: &str| {
            let outcome = client(refusal.program, port, &arguments);
            let is_wanted = refusal
                .outcomes
                .iter()
                .any(|(status, stderr)| outcome.status == Some(*status) && outcome.stderr == *stderr);
            assert!(is_wanted, "{} with {broker}: {outcome:?}, not {:?}", refusal.who, refusal.outcomes);
        };
        (0..5).for_each(|_| check(ours.port, "the appliance"));
        check(theirs.open_port(), "mosquitto");
        let line = format!("127.0.0.1 {}", filled(refusal.line, &ours.folder, ours.port));
        ours.log.wait_for(&line);
    }
    // Whoever has what is needed comes in; and what came before has been looked at when it has.
    let mut own = scenario.client_arguments(&ours.folder);
    if more.contains("require_certificate") {
        own.extend(
            ["--cert", "certs/router.crt", "--key", "certs/router.key"]
                .map(|word| if word.starts_with("--") { word.to_owned() } else { ours.folder.at(word) }),
        );
    }
    let own: Vec<&str> = own.iter().map(String::as_str).chain(["-i", "welcome", "-t", "cassia", "-m", "x"]).collect();
    publish_well(ours.port, &own);
    ours.log.wait_for("Client welcome [");
    for refusal in refusals {
        let line = filled(refusal.line, &ours.folder, ours.port);
        assert_eq!(
            ours.log.count(&line),
            1,
            "{}: one line for five tries:\n{}",
            refusal.who,
            ours.log.all().join("\n")
        );
    }
}

#[test]
fn a_complaint_held_back_for_one_address_is_told_for_another() {
    let appliance = Appliance::start(&Scenario::Open.conf(), Folder::new());
    let complaint = "speaks TLS to the plain port";
    for address in ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"] {
        let arguments = ["-A", address, "-t", "t", "-m", "x", "--psk", "12", "--psk-identity", "x"];
        let outcome = client(PUB, appliance.port, &arguments);
        assert_ne!(outcome.status, Some(0));
    }
    let told = appliance.log.wait_for_count(complaint, 3);
    for (line, address) in told.iter().zip(["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
        assert!(line.contains(&format!(" {address} {complaint}")), "{line}");
    }
    assert_eq!(appliance.log.count(complaint), 3);
}

#[test]
fn http_is_sent_away_without_a_word_and_named_in_the_log() {
    let plain = Appliance::start(&Scenario::Password.conf(), Scenario::Password.folder());
    let tls = Appliance::start(&Scenario::Certificate.conf(), Scenario::Certificate.folder());
    let theirs = Mosquitto::with_configuration(|port| filled(&Scenario::Password.conf(), &plain.folder, port));
    for _ in 0..5 {
        assert_eq!(get(plain.port), b"");
        assert_eq!(get(tls.port), b"");
    }
    assert_eq!(get(theirs.open_port()), b"", "as with mosquitto");
    plain.log.wait_for(&format!(
        "127.0.0.1 speaks HTTP to the MQTT port {}, which is not a web page: point it to another port",
        plain.port
    ));
    tls.log.wait_for(&format!(
        "127.0.0.1 speaks HTTP to the TLS port {}, which is for MQTT: point it to another port",
        tls.port
    ));
    publish_well(plain.port, &["-u", "cassiamqtt", "-P", "cassiamqtt", "-i", "welcome", "-t", "cassia", "-m", "x"]);
    plain.log.wait_for("Client welcome [");
    assert_eq!(plain.log.count("speaks HTTP"), 1);
    assert_eq!(tls.log.count("speaks HTTP"), 1);
}

/// What a web browser's request is answered with, until the connection is closed.
fn get(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Closed with what it had not read still waiting: a reset.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => answer,
        Err(error) => panic!("not closed: {error}"),
        Ok(_) => answer,
    }
}

#[test]
fn a_subscription_without_right_is_granted_and_gets_nothing_as_with_mosquitto() {
    let folder = Folder::new();
    folder.passwords("pwfile", &[("reader", "r"), ("writer", "w")]);
    folder.write("acl", "user reader\ntopic read open/#\nuser writer\ntopic write #\n");
    let conf =
        "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\npassword_file DIR/pwfile\nacl_file DIR/acl\n";
    let ours = Appliance::start(conf, folder);
    let theirs = Mosquitto::with_configuration(|port| filled(conf, &ours.folder, port));
    for port in [ours.port, theirs.open_port()] {
        for version in ["mqttv31", "mqttv311", "mqttv5"] {
            let reader = ["-V", version, "-u", "reader", "-P", "r", "-q", "1", "-t", "#", "-t", "shut/#"];
            let reader = crate::clients::Subscriber::start(port, &reader);
            assert_eq!(reader.output().wait_for("Subscribed "), "Subscribed (mid: 1): 1, 1");
            for topic in ["shut/x", "shut", "open/x"] {
                publish_well(port, &["-u", "writer", "-P", "w", "-q", "1", "-t", topic, "-m", topic]);
            }
            assert_eq!(reader.messages(1), ["open/x|1|0|open/x"], "{version}: nothing of what came before");
        }
    }
}
