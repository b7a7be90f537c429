//! The options of TLS beside Debian's mosquitto: the same configuration, the same clients, the same outcome. And what needs
//! more than a client: a key whose pass phrase is typed, a proxy in front of TLS.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::clients::publish;
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, Lines, filled, free_port, output_of, poll_until, text};
use crate::side::Side;

const TLS: &str = "listener PORT 127.0.0.1\nallow_anonymous true\ncafile DIR/certs/ca.crt\ncertfile DIR/certs/server.crt\n\
    keyfile DIR/certs/server.key\n";

/// Version and suite that openssl's client agrees on; `None`: it is refused.
fn agreed(port: u16, arguments: &str) -> Option<String> {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    let output = output_of(command.args(["s_client", "-connect", &address]).args(arguments.split_whitespace()));
    let said = text(&output.stdout);
    let line = said.lines().find(|line| line.starts_with("New, "))?.strip_prefix("New, ")?;
    let (version, suite) = line.split_once(", Cipher is ")?;
    (suite != "(NONE)").then(|| format!("{version} {suite}"))
}

struct Row {
    options: &'static str,
    client: &'static str,
    agreed: Option<&'static str>,
}

const fn row(options: &'static str, client: &'static str, agreed: Option<&'static str>) -> Row {
    Row { options, client, agreed }
}

const ROWS: &[Row] = &[
    row("ciphers ECDHE-ECDSA-AES256-GCM-SHA384\n", "-tls1_2", Some("TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384")),
    row("ciphers ECDHE-ECDSA-AES256-GCM-SHA384\n", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", None),
    // It says nothing of TLS 1.3.
    row(
        "ciphers ECDHE-ECDSA-AES256-GCM-SHA384\n",
        "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
        Some("TLSv1.3 TLS_AES_128_GCM_SHA256"),
    ),
    // Whoever lists suites means them in that order, whatever the client would rather have.
    row(
        "ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384\n",
        "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
        Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"),
    ),
    row("ciphers HIGH:!AES256\n", "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", None),
    row(
        "ciphers HIGH:!AES256\n",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
        Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"),
    ),
    row("ciphers_tls1.3 TLS_CHACHA20_POLY1305_SHA256\n", "-tls1_3", Some("TLSv1.3 TLS_CHACHA20_POLY1305_SHA256")),
    row("ciphers_tls1.3 TLS_CHACHA20_POLY1305_SHA256\n", "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256", None),
    row(
        "ciphers_tls1.3 TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384\n",
        "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
        Some("TLSv1.3 TLS_AES_128_GCM_SHA256"),
    ),
    row("tls_version tlsv1.3\n", "-tls1_2", None),
    row("tls_version tlsv1.3\n", "-tls1_3", Some("TLSv1.3 TLS_AES_256_GCM_SHA384")),
    row(
        "tls_version tlsv1.2\n",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
        Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"),
    ),
    // The lowest, not the only one.
    row("tls_version tlsv1.2\n", "-tls1_3", Some("TLSv1.3 TLS_AES_256_GCM_SHA384")),
    row("tls_version tlsv1.2\n", "-tls1_1 -cipher ALL:@SECLEVEL=0", None),
    row("", "-tls1_1 -cipher ALL:@SECLEVEL=0", None),
];

#[test]
fn suites_and_versions_are_agreed_on_as_with_mosquitto() {
    let mut wrong = Vec::new();
    let mut last: Option<(&str, [Side; 2])> = None;
    for Row { options, client, agreed: wanted } in ROWS {
        if last.as_ref().is_none_or(|(before, _)| before != options) {
            last = Some((options, Side::both(&format!("{TLS}{options}"), Folder::certificates)));
        }
        for side in &last.as_ref().expect("they were started").1 {
            let found = agreed(side.port, client);
            if found.as_deref() != *wanted {
                wrong.push(format!("{} with {options:?}, {client}: {found:?}, not {wanted:?}", side.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A list by the openssl program, of those that are `revoked`.
pub(crate) fn revocation_list(folder: &Folder, revoked: &[&str]) {
    folder.write("certs/index.txt", "");
    folder.write("certs/crlnumber", "01\n");
    let conf = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ncertificate = ca.crt\n\
        private_key = ca.key\ncrlnumber = crlnumber\ncrl_extensions = e\n[e]\nauthorityKeyIdentifier = keyid\n";
    folder.write("certs/ca.conf", conf);
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let made =
            output_of(command.args(["ca", "-config", "ca.conf"]).args(arguments).current_dir(folder.at("certs")));
        assert!(made.status.success(), "{arguments:?}: {}", text(&made.stderr));
    };
    for stem in revoked {
        openssl(&["-revoke", &format!("{stem}.crt")]);
    }
    openssl(&["-gencrl", "-crldays", "1", "-out", "crl.pem"]);
}

/// mosquitto_pub with this certificate; whether it came in.
fn comes_in(port: u16, folder: &Folder, stem: &str) -> bool {
    let at = |name: &str| folder.at(&format!("certs/{name}"));
    let (ca, certificate, key) = (at("ca.crt"), at(&format!("{stem}.crt")), at(&format!("{stem}.key")));
    let tls = ["--cafile", &ca, "--cert", &certificate, "--key", &key, "-t", "t", "-m", "x", "-q", "1"];
    publish(port, &tls).status == Some(0)
}

#[test]
fn whose_certificate_is_revoked_is_refused_as_by_mosquitto() {
    let prepare = |folder: &Folder| {
        folder.certificates();
        for stem in ["good", "lost"] {
            folder.client_certificate(stem, SystemTime::now(), 30);
        }
        revocation_list(folder, &["lost"]);
    };
    for (crl, wanted) in [("", [true, true]), ("crlfile DIR/certs/crl.pem\n", [true, false])] {
        let conf = format!("{TLS}require_certificate true\n{crl}");
        for side in Side::both(&conf, prepare) {
            let found = ["good", "lost"].map(|stem| comes_in(side.port, side.folder(), stem));
            assert_eq!(found, wanted, "{}: {crl:?}", side.name);
        }
    }
}

#[test]
fn an_expired_certificate_is_refused_as_by_mosquitto_unless_dates_do_not_count() {
    const DAY: Duration = Duration::from_secs(86_400);
    let prepare = |folder: &Folder| {
        folder.certificates();
        folder.client_certificate("good", SystemTime::now(), 30);
        folder.client_certificate("expired", SystemTime::now() - 30 * DAY, 10);
        folder.client_certificate("early", SystemTime::now() + 30 * DAY, 10);
        folder.foreign_certificates("foreign", "other");
        for name in ["other.crt", "other.key"] {
            std::fs::copy(folder.path().join("foreign").join(name), folder.path().join("certs").join(name))
                .expect("copied");
        }
    };
    let all = |side: &Side| ["good", "expired", "early", "other"].map(|stem| comes_in(side.port, side.folder(), stem));
    let conf = format!("{TLS}require_certificate true\n");
    for side in Side::both(&conf, prepare) {
        assert_eq!(all(&side), [true, false, false, false], "{}", side.name);
    }
    // New in 2.1: Debian's does not know it.
    let folder = Folder::new();
    prepare(&folder);
    let appliance = Appliance::start(&format!("user root\n{conf}disable_client_cert_date_checks true\n"), folder);
    let found = ["good", "expired", "early", "other"].map(|stem| comes_in(appliance.port, &appliance.folder, stem));
    assert_eq!(found, [true, true, true, false], "another CA's is never good");
}

/// At a terminal OpenSSL asks for the pass phrase of a key, and takes what is typed; a wrong one ends the start.
#[test]
fn the_pass_phrase_of_an_encrypted_key_is_typed_at_the_terminal_as_for_mosquitto() {
    for (program, arguments) in [("/usr/sbin/mosquitto", &["-c"][..]), (NIGHTJAR, &["run", "-c"])] {
        let folder = Folder::new();
        folder.certificates();
        let (plain, encrypted) = (folder.at("certs/server.key"), folder.at("certs/encrypted.key"));
        let made = output_of(Command::new("openssl").args([
            "pkey",
            "-in",
            &plain,
            "-aes128",
            "-passout",
            "pass:open sesame",
            "-out",
            &encrypted,
        ]));
        assert!(made.status.success(), "{}", text(&made.stderr));
        for (phrase, is_right) in [("open sesame", true), ("open barley", false)] {
            let port = free_port();
            let conf = format!("user root\n{}", TLS.replace("server.key", "encrypted.key"));
            let conf = folder.write("mosquitto.conf", filled(&conf, &folder, port));
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/appliance/typed.py");
            let mut child = Command::new("python3")
                .args([script, phrase, program])
                .args(arguments)
                .arg(conf)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3 runs");
            let log = Lines::of(child.stdout.take().expect("standard output is piped"));
            let runs = log.wait(|lines| lines.iter().any(|line| line.ends_with(" running")).then_some(())).is_some();
            assert_eq!(runs, is_right, "{program}, {phrase}: {:#?}", log.all());
            if runs {
                let address = format!("127.0.0.1:{port}");
                let said = output_of(Command::new("openssl").args([
                    "s_client",
                    "-connect",
                    &address,
                    "-CAfile",
                    &folder.at("certs/ca.crt"),
                ]));
                assert!(text(&said.stdout).contains("Verify return code: 0 (ok)"), "{program}");
            } else {
                log.wait_for("Unable to load server key file");
            }
            drop(child.stdin.take());
            let status = child.wait().expect("our own child");
            assert_eq!(status.code(), Some(i32::from(!is_right)), "{program}, {phrase}: {:#?}", log.all());
        }
    }
}

/// A proxy that passes bytes on, behind a header of PROXY protocol 1 that says who came. Gives back its port.
pub(crate) fn proxy(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(mut broker) = TcpStream::connect(("127.0.0.1", to)) else { return };
            broker.write_all(format!("PROXY TCP4 192.0.2.5 127.0.0.1 6275 {to}\r\n").as_bytes()).expect("it is taken");
            for (mut from, mut to) in
                [(client.try_clone().expect("a socket"), broker.try_clone().expect("a socket")), (broker, client)]
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    port
}

#[test]
fn a_proxy_that_passes_tls_through_says_who_came_and_the_certificate_says_its_name() {
    let folder = Folder::new();
    folder.certificates();
    folder.client_certificate("router", SystemTime::now(), 30);
    let conf =
        format!("user root\n{TLS}enable_proxy_protocol 1\nrequire_certificate true\nuse_identity_as_username true\n");
    let appliance = Appliance::start(&conf, folder);
    let behind = proxy(appliance.port);
    assert!(comes_in(behind, &appliance.folder, "router"));
    let line = appliance.log.wait_for("New client connected from 192.0.2.5:6275 as ");
    assert!(line.contains("u'router'"), "{line}");
    // Without the header nobody comes in, whatever it shows.
    assert!(!comes_in(appliance.port, &appliance.folder, "router"));
    poll_until(|| appliance.log.count("corrupt PROXY header") > 0);
    assert_eq!(appliance.log.count("New client connected"), 1);
}
