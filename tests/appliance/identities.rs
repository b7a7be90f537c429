//! User names that the door finds out, from certificates and pre-shared keys, and what becomes of the Client Identifier;
//! beside Debian's mosquitto.

use certs::issue::{self, Authority, Terms};

use crate::clients::{Outcome, publish};
use crate::folder::Folder;
use crate::harness::Appliance;
use crate::side::Side;

/// A listener that knows its clients by their certificates. There is a password file, and none of them is in it.
const CERTIFICATES: &str = "password_file DIR/passwords\nacl_file DIR/acl\nlistener PORT 127.0.0.1\ncafile DIR/ca.crt\n\
    certfile DIR/server.crt\nkeyfile DIR/server.key\nrequire_certificate true\n";

const PSK: &str = "psk_file DIR/keys\nlistener PORT 127.0.0.1\npsk_hint h\nuse_identity_as_username true\n";

fn prepare(folder: &Folder) {
    let ca = issue::ca("House CA", Terms::days(2)).expect("a CA");
    let authority = Authority::from_issued(&ca).expect("a CA");
    let keep = |stem: &str, issued: &issue::Issued| {
        issue::write(folder.path(), stem, issued, true).expect("written");
    };
    keep("ca", &ca);
    keep("server", &issue::server(&authority, &["127.0.0.1".to_owned()], Terms::days(2)).expect("a certificate"));
    keep("router", &issue::client(&authority, "router, 1", Terms::days(2)).expect("a certificate"));
    folder.passwords("passwords", &[("somebody", "else")]);
    folder.write("acl", "user router, 1\ntopic write mine\n");
    folder.write("keys", "gateway:0badc0de\n");
}

/// mosquitto_pub with the certificate, and a user name of its own that must not count.
fn by_certificate(side: &Side, arguments: &[&str]) -> Outcome {
    let at = |name: &str| side.folder().at(name);
    let (ca, certificate, key) = (at("ca.crt"), at("router.crt"), at("router.key"));
    let tls = ["--cafile", &ca, "--cert", &certificate, "--key", &key, "-t", "mine", "-m", "x", "-q", "1"];
    publish(side.port, &[&tls, arguments].concat())
}

const LINES: [&str; 2] = ["ew client", "not authori"];

#[test]
fn a_certificate_gives_the_user_name_as_in_mosquitto_and_no_password_is_asked_for() {
    for (options, name) in [
        ("use_identity_as_username true\n", "router, 1"),
        ("use_subject_as_username true\n", "CN=router\\, 1"),
        ("use_subject_as_username true\nuse_identity_as_username true\n", "router, 1"),
    ] {
        let told = Side::both(&format!("{CERTIFICATES}{options}"), prepare).map(|side| {
            let with_5 = by_certificate(&side, &["-i", "five", "-V", "5"]);
            let with_a_name = by_certificate(&side, &["-i", "four", "-u", "somebody", "-P", "wrong"]);
            side.log().wait_for("Client four ");
            (with_5.status, with_a_name.status, side.said(&LINES))
        });
        assert_eq!(told[0], told[1], "{options}");
        assert_eq!(told[1].2[1], format!("New client connected from 127.0.0.1:N as four (p4, c1, k60, u'{name}')."));
    }
}

#[test]
fn a_psk_identity_is_the_user_name() {
    let told = Side::both(PSK, prepare).map(|side| {
        let key = ["--psk-identity", "gateway", "--psk", "0badc0de", "-t", "t", "-m", "x"];
        let plain = publish(side.port, &[&key[..], &["-i", "one"]].concat());
        let with_a_name = publish(side.port, &[&key[..], &["-i", "two", "-u", "somebody", "-P", "wrong"]].concat());
        side.log().wait_for("Client two ");
        (plain.status, with_a_name.status, side.said(&LINES))
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1].2[0], "New client connected from 127.0.0.1:N as one (p4, c1, k60, u'gateway').");
}

#[test]
fn who_sends_no_certificate_is_nobody_and_the_log_says_what_to_set() {
    let conf = CERTIFICATES.replace("require_certificate true\n", "use_identity_as_username true\n");
    let told = Side::both(&conf, prepare).map(|side| {
        let ca = side.folder().at("ca.crt");
        let tls = ["--cafile", &ca, "-u", "somebody", "-P", "else", "-t", "t", "-m", "x"];
        let outcomes = ["4", "5"].map(|version| publish(side.port, &[&tls[..], &["-i", "c", "-V", version]].concat()));
        if side.name == "nightjar" {
            side.log().wait_for("has no certificate or pre-shared key that gives it a user name");
            side.log()
                .wait_for("Warning: 'use_identity_as_username' without 'require_certificate true' lets nobody in");
        }
        outcomes.map(|outcome| (outcome.status, outcome.stderr))
    });
    assert_eq!(told[0], told[1]);
    assert_ne!(told[1][0].0, Some(0));
}

#[test]
fn the_user_name_takes_the_place_of_the_client_identifier_and_who_has_none_is_refused() {
    let conf = "allow_anonymous true\nlistener PORT 127.0.0.1\nuse_username_as_clientid true\n";
    let told = Side::both(conf, |_| ()).map(|side| {
        let publish =
            |arguments: &[&str]| publish(side.port, &[&["-t", "t", "-m", "x", "-i", "own"], arguments].concat());
        let outcomes =
            [publish(&["-u", "user"]), publish(&["-u", "user", "-V", "5"]), publish(&[]), publish(&["-V", "5"])];
        side.log().wait_for("New client connected");
        (outcomes.map(|outcome| (outcome.status, outcome.stderr)), side.said(&["ew client"]))
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1].1[0], "New client connected from 127.0.0.1:N as user (p4, c1, k60, u'user').");
}

#[test]
fn a_name_from_a_certificate_can_be_the_client_identifier_too() {
    let conf = format!("{CERTIFICATES}use_identity_as_username true\nuse_username_as_clientid true\n");
    let told = Side::both(&conf, prepare).map(|side| {
        let outcome = by_certificate(&side, &["-i", "own"]);
        side.log().wait_for("Client router, 1 ");
        (outcome.status, side.said(&["ew client"]))
    });
    assert_eq!(told[0], told[1]);
    assert!(told[1].1[0].contains(" as router, 1 ("), "{told:?}");
}

#[test]
fn a_reload_of_the_password_file_does_not_dismiss_whom_a_certificate_named() {
    let folder = Folder::new();
    prepare(&folder);
    folder.passwords("passwords", &[("router, 1", "old")]);
    let appliance = Appliance::start(&format!("user root\n{CERTIFICATES}use_identity_as_username true\n"), folder);
    let at = |name: &str| appliance.folder.at(name);
    let (ca, certificate, key) = (at("ca.crt"), at("router.crt"), at("router.key"));
    let tls = ["--cafile", &ca, "--cert", &certificate, "--key", &key, "-i", "c", "-t", "t"];
    let _subscriber = crate::clients::Subscriber::start(appliance.port, &tls);
    appliance.folder.passwords("passwords", &[("router, 1", "new")]);
    appliance.signal(nix::sys::signal::Signal::SIGHUP);
    appliance.log.wait_for("Reloaded: ");
    assert_eq!(appliance.log.count("is no longer in the password file"), 0, "{:#?}", appliance.log.all());
}
