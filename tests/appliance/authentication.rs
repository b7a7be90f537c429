//! Enhanced authentication over real sockets, with messages of SCRAM that scramp makes and judges and properties that
//! paho encodes: packet by packet, byte for byte.

use std::fmt::Write as _;
use std::process::Command;

use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, output_of, text};

const CONF: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\npassword_file DIR/pwfile\n";

/// CONNACK with what a client is granted; without enhanced authentication it is this and no more.
const GRANTED: &str = "22000a27001e8480210014";
/// Authentication Method, "SCRAM-SHA-256".
const METHOD: &str = "15000d534352414d2d5348412d323536";

/// What came back in each conversation of `scram.py`. `DATA` stands for what scramp read.
fn wanted() -> String {
    // AUTH 0x18 with the server's first message, long for a long nonce of the client.
    let more = format!("f08101187f{METHOD}16006cDATA(108)");
    let anew = format!("f06d186b{METHOD}160058DATA(88)");
    // CONNACK 0x00 and AUTH 0x00 with the server's signature.
    let in_by_scram = format!("204f00004c{GRANTED}{METHOD}16002eDATA(46)");
    let proved_anew = format!("f0430041{METHOD}16002eDATA(46)");
    let plain = format!("200e00000b{GRANTED}");
    let knows = "scramp: the server knows the password";
    let (refused, wrong_method, wrong_order) = ("2003008700", "2003008c00", "2003008200");
    let (let_go, broken_off, pong, closed) = ("e00187", "e00182", "d000", "closed");
    let rows: &[(&str, &[&str])] = &[
        // 5.0 §4.12; RFC 7677.
        ("right password, no user name", &[&more, &in_by_scram, knows, pong]),
        // 5.0 §4.12.1
        ("anew, with a ping in the middle", &[&anew, pong, &proved_anew, knows, pong]),
        // 5.0 MQTT-4.12.1-2
        ("anew, wrong password", &[&anew, let_go, closed]),
        ("anew, another user", &[&more, &in_by_scram, knows, &anew, let_go, closed]),
        ("anew while the first is under way", &[&more, &in_by_scram, knows, &anew, broken_off, closed]),
        // 5.0 MQTT-4.12.0-4: who is not there fails as who has the wrong password, at the end.
        ("wrong password", &[&more, refused, closed]),
        ("unknown user", &[&more, refused, closed]),
        ("unknown user again", &[&more, "the same salt True"]),
        ("another unknown user", &[&more, "the same salt False"]),
        ("a user whose line is not for SCRAM", &[&more, refused, closed]),
        ("a proof of something else", &[&more, refused, closed]),
        ("a proof that is cut off", &[&more, refused, closed]),
        ("a nonce that was changed on its way", &[&more, refused, closed]),
        // RFC 5802 §6
        ("y: the client could bind and thinks that we cannot", &[&more, "continues True"]),
        ("y changed to n on its way", &[&more, refused, closed]),
        ("p: channel binding", &[refused, closed]),
        (
            "not a message of SCRAM",
            &[refused, closed, refused, closed, refused, closed, refused, closed, refused, closed],
        ),
        ("no data in CONNECT", &[&format!("f012181015{}", &METHOD[2..]), &anew, &in_by_scram, knows]),
        // 5.0 MQTT-4.12.0-1
        (
            "methods that are not there",
            &[
                wrong_method,
                closed,
                wrong_method,
                closed,
                wrong_method,
                closed,
                wrong_method,
                closed,
                wrong_method,
                closed,
            ],
        ),
        // 5.0 §3.1.2.11.10
        ("data without a method", &[closed, closed]),
        ("a user name in CONNECT: the same, then another", &[&more, &in_by_scram, pong, &more, refused, closed]),
        // 5.0 MQTT-3.1.2-30, MQTT-4.12.0-5, MQTT-4.12.0-3
        (
            "PINGREQ, another method, Success, and CONNECT in the middle",
            &[
                &more,
                wrong_order,
                closed,
                &more,
                wrong_order,
                closed,
                &more,
                wrong_order,
                closed,
                &more,
                wrong_order,
                closed,
            ],
        ),
        ("DISCONNECT in the middle", &[&more, closed]),
        ("AUTH before CONNECT", &[closed]),
        // One line serves both ways of logging in, and nothing of this is seen by who does not ask for it.
        (
            "a plain password, 5 and 3.1.1, right and wrong",
            &[&plain, pong, refused, closed, "20020000", pong, "20020005", closed],
        ),
        // 5.0 MQTT-4.12.0-6, MQTT-4.12.0-7
        ("AUTH from a client that named no method", &[&plain, broken_off, closed]),
    ];
    rows.iter().fold(String::new(), |mut text, (what, packets)| {
        let _ = writeln!(text, "{what}");
        for packet in *packets {
            let _ = writeln!(text, "   {packet}");
        }
        text
    })
}

#[test]
fn scramp_and_the_broker_prove_to_each_other_that_they_know_the_password() {
    let folder = Folder::new();
    folder.passwords("pwfile", &[("plain", "pencil")]);
    for (user, password) in [("user", "pencil"), ("other", "eraser")] {
        let arguments = ["passwd", "-H", "scram-sha-256", "-I", "4096", "-b", &folder.at("pwfile"), user, password];
        assert!(output_of(Command::new(NIGHTJAR).args(arguments)).status.success(), "{user}");
    }
    let appliance = Appliance::start(CONF, folder);
    let root = env!("CARGO_MANIFEST_DIR");
    let output = output_of(
        Command::new("python3")
            .args([&format!("{root}/tests/appliance/scram.py"), &appliance.port.to_string()])
            .env("PYTHONPATH", format!("{root}/target/test-python")),
    );
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let wanted = wanted();
    for (at, (said, wanted)) in said.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(said, wanted, "line {at} of what came back (left), and what is wanted (right)");
    }
    assert_eq!(said, wanted);
    appliance.log.wait_for(" as c (p5, c1, k0, u'user').");
    // Once per address, kind and minute, however many there were.
    assert_eq!(appliance.log.count("sends a wrong user name or password (user name 'user')"), 1);
    assert_eq!(appliance.log.count("its authentication data cannot be used"), 1);
    assert_eq!(appliance.log.count("fails to authenticate anew (user name 'user')"), 1);
}
