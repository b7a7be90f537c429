//! The doors: TLS 1.2 and 1.3 with certificates, TLS-PSK with the suites of old clients, both at one port; looked at
//! with openssl s_client.

use std::process::Command;
use std::time::SystemTime;

use crate::clients::{Subscriber, publish, publish_well};
use crate::folder::Folder;
use crate::guide::Scenario;
use crate::harness::{Appliance, output_of, text};

/// What the guide says cannot be used together, together: at its one port.
fn both() -> Appliance {
    let folder = Scenario::Certificate.folder();
    folder.write("pskfile", "cassiapsk:1234567890abcdef\n");
    let conf = format!("{}psk_hint true\npsk_file DIR/pskfile\n", Scenario::Certificate.conf());
    Appliance::start(&conf, folder)
}

#[test]
fn psk_and_certificate_clients_meet_at_one_port() {
    let appliance = both();
    let ca = appliance.folder.at("certs/ca.crt");
    let login = ["-u", "cassiamqtt", "-P", "cassiamqtt"];
    let (psk, certificate) = (["--psk", "1234567890abcdef", "--psk-identity", "cassiapsk"], ["--cafile", &*ca]);
    let by_psk = Subscriber::start(appliance.port, &[&login[..], &psk, &["-t", "cassia", "-q", "1"]].concat());
    let by_certificate =
        Subscriber::start(appliance.port, &[&login[..], &certificate, &["-t", "cassia", "-q", "1"]].concat());
    publish_well(appliance.port, &[&login[..], &psk, &["-t", "cassia", "-m", "by psk", "-q", "1"]].concat());
    publish_well(
        appliance.port,
        &[&login[..], &certificate, &["-t", "cassia", "-m", "by certificate", "-q", "1"]].concat(),
    );
    for subscriber in [by_psk, by_certificate] {
        assert_eq!(subscriber.messages(2), ["cassia|1|0|by psk", "cassia|1|0|by certificate"]);
    }
    // It is the key that counts: a new libmosquitto offers certificate suites as well, and would come in by those.
    let wrong_key = ["--psk", "00ff", "--psk-identity", "cassiapsk", "-t", "cassia", "-m", "x"];
    assert_ne!(publish(appliance.port, &[&login[..], &wrong_key].concat()).status, Some(0));
    appliance.log.wait_for("127.0.0.1 offers the PSK identity \"cassiapsk\" with the wrong key");
    assert_eq!(appliance.log.count(" refuse"), 0, "{:#?}", appliance.log.all());
}

#[test]
fn tls_1_2_and_1_3_open_with_a_certificate_that_verifies() {
    for appliance in [Appliance::start(&Scenario::Certificate.conf(), Scenario::Certificate.folder()), both()] {
        let ca = appliance.folder.at("certs/ca.crt");
        for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let said =
                s_client(appliance.port, &[version, "-CAfile", &ca, "-verify_return_error", "-verify_ip", "127.0.0.1"]);
            assert!(said.contains(&format!("New, {name}, Cipher is ")), "{version}: {said}");
            assert!(said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
        }
        for version in ["-tls1_1", "-tls1"] {
            let said = s_client(appliance.port, &[version, "-CAfile", &ca, "-cipher", "ALL:@SECLEVEL=0"]);
            assert!(said.contains("New, (NONE), Cipher is (NONE)"), "{version}: {said}");
        }
        appliance.log.wait_for("127.0.0.1 speaks only TLS older than is allowed here");
    }
}

#[test]
fn a_libmosquitto_that_dials_a_name_which_is_not_in_the_certificate_is_told_of_in_the_words_of_the_form() {
    let appliance = Appliance::start(&Scenario::Certificate.conf(), Scenario::Certificate.folder());
    let ca = appliance.folder.at("certs/ca.crt");
    let other_host = ["-h", "127.0.0.2", "--cafile", &ca, "-t", "cassia", "-m", "x"];
    assert_ne!(publish(appliance.port, &other_host).status, Some(0));
    appliance.log.wait_for(" broke off (alert internal_error), as libmosquitto does when the router's Host is not in");
}

#[test]
fn tls_version_tlsv1_3_shuts_tls_1_2_out() {
    let conf = format!("{}tls_version tlsv1.3\n", Scenario::Certificate.conf());
    let appliance = Appliance::start(&conf, Scenario::Certificate.folder());
    assert!(s_client(appliance.port, &["-tls1_3"]).contains("New, TLSv1.3, Cipher is "));
    assert!(s_client(appliance.port, &["-tls1_2"]).contains("New, (NONE), Cipher is (NONE)"));
    appliance.log.wait_for("speaks only TLS older than is allowed here");
}

/// The suites that libmosquitto offers, from 1.4 to 2: the first two are all that the oldest have.
const SUITES: [&str; 8] = [
    "PSK-AES128-CBC-SHA",
    "PSK-AES256-CBC-SHA",
    "PSK-AES128-GCM-SHA256",
    "PSK-AES256-GCM-SHA384",
    "ECDHE-PSK-AES128-CBC-SHA",
    "ECDHE-PSK-AES256-CBC-SHA",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "ECDHE-PSK-CHACHA20-POLY1305",
];

#[test]
fn every_psk_suite_of_an_old_client_opens_alone_and_beside_certificates() {
    for appliance in [Appliance::start(&Scenario::Psk.conf(), Scenario::Psk.folder()), both()] {
        for suite in SUITES {
            let key = ["-tls1_2", "-cipher", suite, "-psk", "1234567890abcdef", "-psk_identity", "cassiapsk"];
            let said = s_client(appliance.port, &key);
            // OpenSSL names the version that the suite is from, then the one that is spoken.
            assert!(said.contains(&format!("Cipher is {suite}\n")), "{suite}: {said}");
            assert!(said.contains("Protocol  : TLSv1.2\n"), "{suite}: {said}");
            assert!(said.contains("PSK identity: cassiapsk\n"), "{suite}: {said}");
            assert!(said.contains("PSK identity hint: true\n"), "{suite}: the guide's psk_hint: {said}");
        }
    }
}

#[test]
fn a_client_with_nothing_but_psk_suites_is_told_of_at_a_port_with_certificates_alone() {
    let appliance = Appliance::start(&Scenario::Certificate.conf(), Scenario::Certificate.folder());
    let key = ["-tls1_2", "-cipher", "PSK-AES128-CBC-SHA", "-psk", "1234567890abcdef", "-psk_identity", "cassiapsk"];
    assert!(s_client(appliance.port, &key).contains("New, (NONE), Cipher is (NONE)"));
    appliance.log.wait_for(&format!(
        "127.0.0.1 has a pre-shared key, but the port {} has none: set the router's Encryption Mode to Certificate, or \
         give psk_file to this listener",
        appliance.port
    ));
}

#[test]
fn a_required_client_certificate_is_asked_for_and_its_owner_comes_in_with_both_versions() {
    let folder = Scenario::Certificate.folder();
    folder.client_certificate("router", SystemTime::now(), 30);
    let (ca, certificate, key) =
        (folder.at("certs/ca.crt"), folder.at("certs/router.crt"), folder.at("certs/router.key"));
    let appliance = Appliance::start(&format!("{}require_certificate true\n", Scenario::Certificate.conf()), folder);
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(appliance.port, &[version, "-CAfile", &ca, "-cert", &certificate, "-key", &key]);
        assert!(said.contains("Acceptable client certificate CA names"), "{version}: {said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
    }
    let own = ["-u", "cassiamqtt", "-P", "cassiamqtt", "--cafile", &ca, "--cert", &certificate, "--key", &key];
    let subscriber = Subscriber::start(appliance.port, &[&own[..], &["-t", "cassia"]].concat());
    publish_well(appliance.port, &[&own[..], &["-t", "cassia", "-m", "signed"]].concat());
    assert_eq!(subscriber.messages(1), ["cassia|0|0|signed"]);
}

/// Shakes hands and leaves; what it tells of it.
fn s_client(port: u16, arguments: &[&str]) -> String {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    let output = output_of(command.args(["s_client", "-connect", &address]).args(arguments));
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn certificates_made_by_openssl_open_too() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("certs")).expect("a folder made");
    let at = |name: &str| folder.at(&format!("certs/{name}"));
    let openssl = |arguments: &[&str]| {
        let made = output_of(Command::new("openssl").args(arguments));
        assert!(made.status.success(), "{arguments:?}: {}", text(&made.stderr));
    };
    // As the many pages that the guide leaves its reader to: RSA, an authority, a request, a signature; no names but CN.
    let (ca, ca_key, request) = (at("ca.crt"), at("ca.key"), at("server.csr"));
    let (server, server_key) = (at("server.crt"), at("server.key"));
    openssl(&[
        "req", "-new", "-x509", "-days", "30", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=CA", "-keyout", &ca_key,
        "-out", &ca,
    ]);
    openssl(&["genrsa", "-out", &server_key, "2048"]);
    openssl(&["req", "-new", "-key", &server_key, "-subj", "/CN=localhost", "-out", &request]);
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-days",
        "30",
        "-out",
        &server,
    ]);
    folder.passwords("pwfile", &[("cassiamqtt", "cassiamqtt")]);
    folder.write("acl", crate::guide::ACL);
    let appliance = Appliance::start(&Scenario::Certificate.conf(), folder);
    // Such a certificate is good for a name; a router that dials an address has its check of names turned off.
    let own = ["-u", "cassiamqtt", "-P", "cassiamqtt", "--cafile", &ca, "--insecure"];
    let subscriber = Subscriber::start(appliance.port, &[&own[..], &["-t", "cassia"]].concat());
    publish_well(appliance.port, &[&own[..], &["-t", "cassia", "-m", "signed by openssl"]].concat());
    assert_eq!(subscriber.messages(1), ["cassia|0|0|signed by openssl"]);
}
