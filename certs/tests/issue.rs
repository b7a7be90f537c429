//! What is issued, judged by the openssl program; and what is said of files with faults in them.

use certs::issue::{self, Authority, Issued, KeyKind, Terms};
use certs::summary::{Summary, summaries};
use certs::{CertError, FindingKind, ServerFiles, Severity, TlsVersion, inspect_ca, inspect_key, inspect_server, pem};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3_600);

struct Office(PathBuf);

impl Office {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("certs-issue-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn with_ca() -> Self {
        let office = Self::new();
        office.keep("ca", &issue::ca("Office CA", Terms::days(100)).expect("a CA"));
        office
    }

    fn ca(&self) -> Authority {
        Authority::read(&self.0).expect("the CA")
    }

    fn keep(&self, stem: &str, issued: &Issued) {
        issue::write(&self.0, stem, issued, true).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::create_dir_all(&self.0).expect("a directory");
        std::fs::write(self.path(name), text).expect("written");
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Whether the openssl program is content, and what it says.
    fn openssl(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output();
        let output = output.expect("the openssl program is installed");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    fn server_files(&self) -> ServerFiles {
        ServerFiles {
            cafile: Some(self.path("ca.crt")),
            capath: None,
            certfile: self.path("server.crt"),
            keyfile: self.path("server.key"),
            require_certificate: false,
            min_version: TlsVersion::Tls12,
            ..ServerFiles::default()
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn only(path: &Path) -> Summary {
    summaries(path).expect("certificates").remove(0)
}

#[test]
fn openssl_accepts_what_is_issued_for_what_it_is_for_and_nothing_else() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa] {
        let office = Office::new();
        let terms = Terms { kind, ..Terms::days(100) };
        office.keep("ca", &issue::ca("Office CA", terms).expect("a CA"));
        let hosts = names(&["mqtt.example.org", "*.example.net", "192.0.2.7", "2001:db8::7"]);
        office.keep("server", &issue::server(&office.ca(), &hosts, terms).expect("a certificate"));
        office.keep("router", &issue::client(&office.ca(), "router", terms).expect("a certificate"));
        let cases = [
            ("-purpose sslserver server.crt", true),
            ("-purpose sslclient router.crt", true),
            ("-purpose sslclient server.crt", false),
            ("-purpose sslserver router.crt", false),
            ("-verify_hostname mqtt.example.org server.crt", true),
            ("-verify_hostname a.example.net server.crt", true),
            ("-verify_hostname example.com server.crt", false),
            ("-verify_ip 192.0.2.7 server.crt", true),
            ("-verify_ip 2001:db8::7 server.crt", true),
            ("-verify_ip 192.0.2.8 server.crt", false),
        ];
        for (arguments, wanted) in cases {
            let (good, said) = office.openssl(&format!("verify -x509_strict -CAfile ca.crt {arguments}"));
            assert_eq!(good, wanted, "{kind:?} {arguments}: {said}");
        }
        let (good, said) = office.openssl("pkey -in server.key -noout -check");
        assert!(good, "{said}");
    }
}

#[test]
fn a_summary_says_what_is_in_the_certificate() {
    let office = Office::with_ca();
    let terms = Terms::days(10);
    let issued = issue::server(&office.ca(), &names(&["mqtt.example.org", "192.0.2.7"]), terms).expect("a certificate");
    office.keep("server", &issued);
    let server = only(&office.path("server.crt"));
    assert_eq!((server.subject.as_str(), server.issuer.as_str()), ("CN=mqtt.example.org", "CN=Office CA"));
    assert_eq!(server.names, ["mqtt.example.org", "192.0.2.7"]);
    assert_eq!((server.key.as_str(), server.is_ca, server.version), ("ECDSA 256 bits", false, 3));
    assert_eq!((server.usages.as_slice(), server.days_left(terms.now)), (&["server"][..], 10));
    let (_, said) = office.openssl("x509 -in server.crt -noout -fingerprint -sha256");
    assert!(said.trim().ends_with(&server.fingerprint), "{said} {}", server.fingerprint);
    assert!(only(&office.path("ca.crt")).is_ca);
    let text = server.to_string();
    assert!(text.contains("CA           no") && text.contains(" UTC to "), "{text}");
}

#[test]
fn nothing_outlasts_its_ca_or_is_signed_by_a_dead_one() {
    let office = Office::new();
    office.keep("ca", &issue::ca("Office CA", Terms::days(10)).expect("a CA"));
    office.keep("router", &issue::client(&office.ca(), "router", Terms::days(100)).expect("a certificate"));
    assert_eq!(only(&office.path("router.crt")).not_after, only(&office.path("ca.crt")).not_after);
    let later = Terms { now: SystemTime::now() + 11 * DAY, ..Terms::days(1) };
    let refused = issue::client(&office.ca(), "router", later).err().expect("refused");
    assert!(refused.to_string().contains("expired"), "{refused}");
}

#[test]
fn keys_are_for_their_owner_only_and_nothing_is_replaced_unasked() {
    let office = Office::with_ca();
    let mode = |name: &str| office.path(name).metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("ca.crt")), (0o600, 0o644));
    let before = (office.read("ca.key"), office.read("ca.crt"));
    let other = issue::ca("Other CA", Terms::days(1)).expect("a CA");
    assert!(matches!(issue::write(&office.0, "ca", &other, false), Err(CertError::Exists { .. })));
    std::fs::remove_file(office.path("ca.crt")).expect("removed");
    assert!(matches!(issue::write(&office.0, "ca", &other, false), Err(CertError::Exists { .. })), "the key is left");
    assert_eq!(office.read("ca.key"), before.0);
    issue::write(&office.0, "ca", &other, true).expect("replaced");
    assert_eq!((office.read("ca.key"), office.read("ca.crt")), (other.key, other.certificate));
    let files = std::fs::read_dir(&office.0).expect("a directory").count();
    assert_eq!(files, 2, "nothing unfinished is left behind");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let office = Office::with_ca();
    for name in ["", "..", ".x", "-x", "a/b", "a+b", "a#b", "a\nb", "ca", "server", &"x".repeat(65)] {
        assert!(issue::client(&office.ca(), name, Terms::days(1)).is_err(), "{name:?}");
    }
    for name in ["", "a b", "a/b", "host:8883", "[::1]", "*"] {
        let refused = issue::server(&office.ca(), &names(&[name]), Terms::days(1));
        assert!(matches!(refused, Err(CertError::BadName(_) | CertError::Refused(_))), "{name:?}");
    }
    assert!(issue::server(&office.ca(), &[], Terms::days(1)).is_err());
    for days in [0, issue::DAYS_MAX + 1] {
        assert!(issue::ca("x", Terms::days(days)).is_err(), "{days}");
    }
    assert!(issue::ca("x", Terms::days(issue::DAYS_MAX)).is_ok());
}

#[test]
fn only_a_ca_signs_and_only_with_its_own_key() {
    let office = Office::with_ca();
    office.keep("router", &issue::client(&office.ca(), "router", Terms::days(1)).expect("a certificate"));
    let not_a_ca = Authority::read_files(&office.path("router.crt"), &office.path("router.key"));
    assert!(not_a_ca.err().expect("refused").to_string().contains("CA:FALSE"));
    let mixed = Authority::read_files(&office.path("ca.crt"), &office.path("router.key"));
    assert!(matches!(mixed, Err(CertError::KeyMismatch { .. })));
}

/// Kinds of the findings, in order.
fn kinds(findings: &[certs::Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn good_files_have_no_findings() {
    let office = Office::with_ca();
    let issued = issue::server(&office.ca(), &names(&["mqtt.example.org"]), Terms::days(90)).expect("a certificate");
    office.keep("server", &issued);
    assert_eq!(inspect_server(&office.server_files(), SystemTime::now()), []);
}

#[test]
fn the_guides_ca_file_which_is_a_private_key_is_called_so() {
    let office = Office::with_ca();
    // The guide prints base64 of a PKCS#1 key between the markers of a certificate.
    let (_, key) = office.openssl("genrsa -traditional 2048");
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let fake = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let path = office.write("ca.crt", &fake);
    let findings = inspect_ca(&path, SystemTime::now());
    assert_eq!(kinds(&findings), [FindingKind::Unusable]);
    let said = &findings[0].message;
    assert!(said.starts_with(&format!("{}:1: ", path.display())), "{said}");
    assert!(said.contains("PRIVATE KEY (PKCS#1 RSA)"), "{said}");
    // Cut off, as the guide prints it, it is still recognized.
    let der = pem::sections(fake.as_bytes()).expect("PEM")[0].der[..600].to_vec();
    let findings = inspect_ca(&office.write("ca.crt", &pem::encode("CERTIFICATE", &der)), SystemTime::now());
    assert!(findings[0].message.contains("PRIVATE KEY (PKCS#1 RSA)"), "{}", findings[0].message);
    // Something that is neither.
    let findings = inspect_ca(&office.write("ca.crt", &pem::encode("CERTIFICATE", &[0x30; 200])), SystemTime::now());
    assert!(findings[0].message.contains("not an X.509 certificate"), "{}", findings[0].message);
}

#[test]
fn every_form_of_private_key_is_recognized_and_no_certificate_is() {
    let office = Office::with_ca();
    let cases = [
        ("genrsa -traditional 2048", Some("PKCS#1 RSA")),
        ("genpkey -algorithm RSA", Some("PKCS#8")),
        ("genpkey -algorithm ED25519", Some("PKCS#8")),
        ("ecparam -name prime256v1 -genkey -noout", Some("SEC1 elliptic curve")),
        ("x509 -in ca.crt", None),
    ];
    for (arguments, wanted) in cases {
        let (good, said) = office.openssl(arguments);
        assert!(good, "{said}");
        let sections = pem::sections(said.as_bytes()).expect("PEM");
        let form = sections.iter().find_map(|section| certs::load::private_key_form(&section.der));
        assert_eq!(form, wanted, "{arguments}");
    }
}

#[test]
fn each_trap_has_its_finding_with_the_line() {
    let office = Office::with_ca();
    let now = SystemTime::now();
    let with_key = format!("{}{}", office.read("ca.crt"), office.read("ca.key"));
    let line = office.read("ca.crt").lines().count() + 1;
    let path = office.write("with-key.crt", &with_key);
    let findings = inspect_ca(&path, now);
    assert_eq!(kinds(&findings), [FindingKind::PrivateKeyInCaFile]);
    assert!(findings[0].message.starts_with(&format!("{}:{line}: ", path.display())), "{}", findings[0]);
    assert!(certs::load::certificates(&path).is_ok(), "mosquitto starts with it, and so do we");

    office.keep("router", &issue::client(&office.ca(), "router", Terms::days(90)).expect("a certificate"));
    assert_eq!(kinds(&inspect_ca(&office.path("router.crt"), now)), [FindingKind::NotACa]);
    assert_eq!(kinds(&inspect_ca(&office.path("ca.crt"), now + 200 * DAY)), [FindingKind::Expired]);
    assert_eq!(kinds(&inspect_ca(&office.path("ca.crt"), now + 90 * DAY)), [FindingKind::ExpiresSoon]);
    assert_eq!(kinds(&inspect_ca(&office.path("ca.crt"), now - 10 * DAY)), [FindingKind::NotYetValid]);

    let key = office.path("ca.key");
    assert_eq!(inspect_key(&key), []);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("changed");
    assert_eq!(kinds(&inspect_key(&key)), [FindingKind::KeyReadableByOthers]);
}

#[test]
fn a_server_that_routers_would_refuse_is_found_before_they_do() {
    let (office, stranger) = (Office::with_ca(), Office::with_ca());
    let now = SystemTime::now();
    // A client's certificate in the server's place, with its key readable, from another CA of the same name.
    stranger.keep("server", &issue::client(&stranger.ca(), "oops", Terms::days(90)).expect("a certificate"));
    for name in ["server.crt", "server.key"] {
        std::fs::copy(stranger.path(name), office.path(name)).expect("copied");
    }
    let findings = inspect_server(&office.server_files(), now);
    let wanted = [FindingKind::NoNames, FindingKind::WrongUsage, FindingKind::NotIssuedByCaFile];
    assert_eq!(kinds(&findings), wanted, "{findings:?}");
    // Another one's key.
    std::fs::copy(stranger.path("ca.key"), office.path("server.key")).expect("copied");
    let findings = inspect_server(&office.server_files(), now);
    let last = findings.last().expect("findings");
    assert_eq!((last.kind, last.severity), (FindingKind::Unusable, Severity::Error));
    assert!(last.message.contains("does not belong"), "{last}");
    // Nothing there at all: one finding for each file.
    let empty = Office::new();
    assert_eq!(kinds(&inspect_server(&empty.server_files(), now)), [FindingKind::Unusable; 3]);
}
