//! Certificate handshakes in memory, rustls with rustls: who comes in, and what is said of who does not.

use certs::issue::{self, Authority, Issued, KeyKind, Terms};
use certs::{
    BrokerFault, CaSource, CertError, CertificateTls, ServerFiles, TlsFault, TlsVersion, client_config,
    describe_broker_tls_failure, describe_tls_failure, server_config,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, SupportedProtocolVersion};
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind, ServerConfig, ServerConnection};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOST: &str = "mqtt.example.org";

/// A directory with a CA and what it issued; removed at the end.
struct Office(PathBuf);

impl Office {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("certs-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let office = Self(std::env::temp_dir().join(name));
        office.keep("ca", &issue::ca("Office CA", Terms::days(10)).expect("a CA"));
        let names = [HOST, "192.0.2.7", "2001:db8::7"].map(str::to_owned);
        office.keep("server", &issue::server(&office.ca(), &names, Terms::days(10)).expect("a certificate"));
        office.keep("router", &issue::client(&office.ca(), "router", Terms::days(10)).expect("a certificate"));
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

    fn server_files(&self, require_certificate: bool) -> ServerFiles {
        ServerFiles {
            cafile: Some(self.path("ca.crt")),
            capath: None,
            certfile: self.path("server.crt"),
            keyfile: self.path("server.key"),
            require_certificate,
            min_version: TlsVersion::Tls12,
            ..ServerFiles::default()
        }
    }

    fn client(&self, stem: Option<&str>) -> CertificateTls {
        let mut tls = CertificateTls::new(CaSource::File(self.path("ca.crt")));
        tls.client = stem.map(|stem| (self.path(&format!("{stem}.crt")), self.path(&format!("{stem}.key"))));
        tls
    }

    /// Runs the openssl program in the office; its own words when it fails.
    fn openssl(&self, arguments: &str) -> String {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).stdin(Stdio::null()).output();
        let output = output.expect("the openssl program is installed");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "openssl {arguments}: {said}");
        said
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Terms that ended yesterday, or begin the day after tomorrow.
fn past() -> Terms {
    Terms { days: 1, kind: KeyKind::EcdsaP256, now: SystemTime::now() - 2 * DAY }
}

fn future() -> Terms {
    Terms { days: 3, kind: KeyKind::EcdsaP256, now: SystemTime::now() + 2 * DAY }
}

/// How a handshake ended on each side. A client of TLS 1.3 is done before it is refused, so both have said it all.
struct Met {
    server: Result<ServerConnection, rustls::Error>,
    client: Result<ClientConnection, rustls::Error>,
}

fn meet(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, tls: &CertificateTls, host: &str) -> Met {
    let name = tls.name_to_verify(host).expect("a name");
    let mut server = Connection::from(ServerConnection::new(server.clone()).expect("a server"));
    let mut client = Connection::from(ClientConnection::new(client.clone(), name).expect("a client"));
    let (mut server_error, mut client_error) = (None, None);
    while client.wants_write() || server.wants_write() {
        pass(&mut client, &mut server, &mut server_error);
        pass(&mut server, &mut client, &mut client_error);
    }
    let (Connection::Server(server), Connection::Client(client)) = (server, client) else { unreachable!() };
    Met { server: server_error.map_or(Ok(server), Err), client: client_error.map_or(Ok(client), Err) }
}

/// Carries what `from` has to say to `to`, and keeps the first error.
fn pass(from: &mut Connection, to: &mut Connection, error: &mut Option<rustls::Error>) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("memory takes all");
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && error.is_none() {
        to.read_tls(&mut rest).expect("memory gives all");
        *error = to.process_new_packets().err();
    }
}

fn meet_files(files: &ServerFiles, tls: &CertificateTls, host: &str) -> Met {
    meet(&server_config(files).expect("a server"), &client_config(tls).expect("a client"), tls, host)
}

fn server_fault(met: &Met) -> TlsFault {
    describe_tls_failure(met.server.as_ref().expect_err("the server refuses"))
}

fn client_fault(met: &Met) -> BrokerFault {
    describe_broker_tls_failure(met.client.as_ref().expect_err("the client refuses, or is refused"))
}

#[test]
fn a_client_comes_in_by_every_name_and_both_versions() {
    let office = Office::new();
    for host in [HOST, "192.0.2.7", "2001:db8::7", "[2001:db8::7]"] {
        let met = meet_files(&office.server_files(false), &office.client(None), host);
        assert_eq!(met.server.expect(host).protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert!(met.client.is_ok());
    }
    let server = server_config(&office.server_files(false)).expect("a server");
    let met = meet(&server, &speaks_only_tls12(&office), &office.client(None), HOST);
    assert_eq!(met.server.expect("TLS 1.2").protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

fn speaks_only_tls12(office: &Office) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("TLS 1.2")
        .with_root_certificates(roots(&office.path("ca.crt")))
        .with_no_client_auth();
    Arc::new(config)
}

fn roots(path: &Path) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certs::load::certificates(path).expect("certificates") {
        roots.add(certificate.der).expect("a CA");
    }
    roots
}

#[test]
fn a_client_that_comes_back_resumes_until_the_files_are_loaded_again() {
    let office = Office::new();
    let (files, tls) = (office.server_files(true), office.client(Some("router")));
    let (server, client) = (server_config(&files).expect("a server"), client_config(&tls).expect("a client"));
    let kind = |server: &Arc<ServerConfig>| meet(server, &client, &tls, HOST).server.expect("in").handshake_kind();
    assert_eq!(kind(&server), Some(HandshakeKind::Full));
    assert_eq!(kind(&server), Some(HandshakeKind::Resumed));
    assert_eq!(kind(&server_config(&files).expect("again")), Some(HandshakeKind::Full));
}

#[test]
fn a_required_client_certificate_opens_the_door_and_is_seen() {
    let office = Office::new();
    let met = meet_files(&office.server_files(true), &office.client(Some("router")), HOST);
    let server = met.server.expect("in");
    let sent = server.peer_certificates().expect("a certificate");
    let kept = certs::load::certificates(&office.path("router.crt")).expect("a certificate");
    assert_eq!(sent, [kept[0].der.clone()]);
}

#[test]
fn every_bad_client_certificate_has_its_own_fault() {
    let office = Office::new();
    let stranger = Office::new();
    office.keep("stranger", &issue::client(&stranger.ca(), "router", Terms::days(5)).expect("a certificate"));
    office.keep("expired", &issue::client(&office.ca(), "expired", past()).expect("a certificate"));
    office.keep("early", &issue::client(&office.ca(), "early", future()).expect("a certificate"));
    let server_name = [HOST.to_owned()];
    office.keep("wrong-use", &issue::server(&office.ca(), &server_name, Terms::days(5)).expect("a certificate"));
    let cases = [
        (None, TlsFault::ClientCertificateMissing, BrokerFault::ClientCertificateRequired),
        (
            // Another CA of the same name, so only the signature tells.
            Some("stranger"),
            TlsFault::ClientCertificateUnknownCa,
            BrokerFault::RejectedOurCertificate("unknown_ca"),
        ),
        (
            Some("expired"),
            TlsFault::ClientCertificateExpired,
            BrokerFault::RejectedOurCertificate("certificate_expired"),
        ),
        (
            Some("early"),
            TlsFault::ClientCertificateNotYetValid,
            BrokerFault::RejectedOurCertificate("certificate_expired"),
        ),
    ];
    for (stem, wanted, wanted_there) in cases {
        let met = meet_files(&office.server_files(true), &office.client(stem), HOST);
        assert_eq!(server_fault(&met), wanted, "{stem:?}");
        assert_eq!(client_fault(&met), wanted_there, "{stem:?}");
    }
    let met = meet_files(&office.server_files(true), &office.client(Some("wrong-use")), HOST);
    assert!(matches!(server_fault(&met), TlsFault::ClientCertificateBad(_)), "{}", server_fault(&met));
}

#[test]
fn a_bad_server_certificate_is_named_on_both_sides() {
    let office = Office::new();
    let stranger = Office::new();
    let names = [HOST.to_owned()];
    office.keep("expired", &issue::server(&office.ca(), &names, past()).expect("a certificate"));
    let rejected = |alert| TlsFault::ClientRejectedOurCertificate(alert);
    let mut expired = office.server_files(false);
    (expired.certfile, expired.keyfile) = (office.path("expired.crt"), office.path("expired.key"));
    let met = meet_files(&expired, &office.client(None), HOST);
    assert_eq!((client_fault(&met), server_fault(&met)), (BrokerFault::Expired, rejected("certificate_expired")));
    // The stranger's CA has the same name and another key, as when a CA was made anew.
    let met = meet_files(&office.server_files(false), &stranger.client(None), HOST);
    assert_eq!((client_fault(&met), server_fault(&met)), (BrokerFault::UnknownCa, rejected("unknown_ca")));
    let met = meet_files(&office.server_files(false), &office.client(None), "other.example.org");
    let fault = client_fault(&met);
    assert!(matches!(&fault, BrokerFault::WrongName(names) if names.len() == 3), "{fault}");
    assert_eq!(server_fault(&met), rejected("bad_certificate"));
}

#[test]
fn insecure_forgives_the_name_and_nothing_else() {
    let office = Office::new();
    let mut tls = office.client(None);
    tls.insecure = true;
    assert!(meet_files(&office.server_files(false), &tls, "other.example.org").client.is_ok());
    let mut stranger = Office::new().client(None);
    stranger.insecure = true;
    stranger.ca = CaSource::Pem(issue::ca("Stranger", Terms::days(5)).expect("a CA").certificate);
    let met = meet_files(&office.server_files(false), &stranger, HOST);
    assert_eq!(client_fault(&met), BrokerFault::UnknownCa);
}

#[test]
fn the_lowest_version_is_kept_to() {
    let office = Office::new();
    let mut files = office.server_files(false);
    files.min_version = TlsVersion::Tls13;
    let server = server_config(&files).expect("a server");
    let met = meet(&server, &speaks_only_tls12(&office), &office.client(None), HOST);
    assert_eq!((server_fault(&met), client_fault(&met)), (TlsFault::NoCommonVersion, BrokerFault::NoCommonVersion));
}

#[test]
fn a_hello_without_a_common_suite_and_what_is_no_hello_are_told_apart() {
    let office = Office::new();
    let server = server_config(&office.server_files(false)).expect("a server");
    let fault = |bytes: &[u8]| {
        let mut server = ServerConnection::new(server.clone()).expect("a server");
        let mut rest = bytes;
        server.read_tls(&mut rest).expect("memory");
        describe_tls_failure(&server.process_new_packets().expect_err("refused"))
    };
    assert_eq!(fault(b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"), TlsFault::NotTls);
    assert_eq!(fault(b"GET / HTTP/1.1\r\n\r\n"), TlsFault::NotTls);
    assert!(fault(b"GET / HTTP/1.1\r\n\r\n").to_string().contains("Encryption Mode to Certificate"));
}

#[test]
fn openssls_client_is_let_in_with_a_certificate_and_verifies_ours() {
    let office = Office::new();
    openssls_client_comes_in(&office);
    // Of version 1 and with RSA keys, as mosquitto's manual makes them.
    as_in_mosquittos_manual(&office, "server", HOST);
    as_in_mosquittos_manual(&office, "router", "router");
    openssls_client_comes_in(&office);
}

fn openssls_client_comes_in(office: &Office) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let config = server_config(&office.server_files(true)).expect("a server");
    let versions = ["-tls1_2", "-tls1_3"];
    let door = std::thread::spawn(move || {
        for _ in versions {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut server = ServerConnection::new(config.clone()).expect("a server");
            server.complete_io(&mut socket).expect("a handshake");
            assert!(server.peer_certificates().is_some());
            server.send_close_notify();
            server.complete_io(&mut socket).expect("a farewell");
        }
    });
    for version in versions {
        let said = office.openssl(&format!(
            "s_client -connect 127.0.0.1:{port} {version} -CAfile ca.crt -cert router.crt -key router.key \
             -verify_hostname {HOST} -verify_return_error"
        ));
        assert!(said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
    }
    door.join().expect("both came in");
}

/// mosquitto-tls(7) makes its certificates like this: version 1, no names but the CN.
fn as_in_mosquittos_manual(office: &Office, stem: &str, common_name: &str) {
    let new = format!("req -new -newkey rsa:2048 -nodes -subj /CN={common_name} -keyout {stem}.key -out {stem}.csr");
    office.openssl(&new);
    let sign = format!("x509 -req -in {stem}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 5 -out {stem}.crt");
    office.openssl(&sign);
    let shown = office.openssl(&format!("x509 -in {stem}.crt -noout -text"));
    assert!(shown.contains("Version: 1 "), "this openssl makes other certificates than those of 3.0: {shown}");
}

#[test]
fn certificates_made_as_in_mosquittos_manual_are_good_on_both_sides() {
    let office = Office::new();
    as_in_mosquittos_manual(&office, "server", HOST);
    as_in_mosquittos_manual(&office, "router", "router");
    let met = meet_files(&office.server_files(true), &office.client(Some("router")), HOST);
    assert!(met.client.is_ok(), "{:?}", met.client.err());
    assert!(met.server.is_ok(), "{:?}", met.server.err());
    let met = meet_files(&office.server_files(true), &office.client(Some("router")), "other.example.org");
    assert_eq!(client_fault(&met), BrokerFault::WrongName(Vec::new()));
    let met = meet_files(&office.server_files(true), &office.client(Some("router")), "192.0.2.7");
    assert_eq!(client_fault(&met), BrokerFault::WrongName(Vec::new()));
}

/// A server of one version that shows one certificate and signs with the key of `keyfile`.
fn signs_with(office: &Office, version: &'static SupportedProtocolVersion, keyfile: &str) -> Arc<ServerConfig> {
    let chain = certs::load::certificates(&office.path("server.crt")).expect("a certificate");
    let (_, key) = certs::load::private_key(&office.path(keyfile)).expect("a key");
    let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("a key");
    let certified = CertifiedKey::new(chain.into_iter().map(|loaded| loaded.der).collect(), key);
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Arc::new(config)
}

#[test]
fn who_shows_an_old_certificate_must_have_its_key() {
    let office = Office::new();
    as_in_mosquittos_manual(&office, "server", HOST);
    office.openssl("genpkey -algorithm RSA -out thief.key");
    let tls = office.client(None);
    let client = client_config(&tls).expect("a client");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert!(meet(&signs_with(&office, version, "server.key"), &client, &tls, HOST).client.is_ok(), "{version:?}");
        let met = meet(&signs_with(&office, version, "thief.key"), &client, &tls, HOST);
        assert!(met.client.is_err(), "{version:?}");
        assert!(matches!(met.client.err(), Some(rustls::Error::InvalidCertificate(CertificateError::BadSignature))));
    }
}

#[test]
fn old_certificates_are_still_verified() {
    let (office, stranger) = (Office::new(), Office::new());
    as_in_mosquittos_manual(&stranger, "router", "router");
    for file in ["router.crt", "router.key"] {
        std::fs::copy(stranger.path(file), office.path(file)).expect("copied");
    }
    let met = meet_files(&office.server_files(true), &office.client(Some("router")), HOST);
    assert_eq!(server_fault(&met), TlsFault::ClientCertificateUnknownCa);
    as_in_mosquittos_manual(&stranger, "server", HOST);
    let met = meet_files(&stranger.server_files(false), &office.client(None), HOST);
    assert_eq!(client_fault(&met), BrokerFault::UnknownCa);
}

#[test]
fn an_address_as_common_name_is_a_name_as_libmosquitto_takes_it() {
    let office = Office::new();
    as_in_mosquittos_manual(&office, "server", "192.0.2.7");
    assert!(meet_files(&office.server_files(false), &office.client(None), "192.0.2.7").client.is_ok());
    let met = meet_files(&office.server_files(false), &office.client(None), "192.0.2.8");
    assert_eq!(client_fault(&met), BrokerFault::WrongName(Vec::new()));
}

#[test]
fn one_self_signed_certificate_may_be_its_own_ca() {
    let office = Office::new();
    office.openssl(&format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={HOST} \
         -addext subjectAltName=DNS:{HOST} -days 5 -keyout server.key -out server.crt"
    ));
    let mut tls = office.client(None);
    tls.ca = CaSource::File(office.path("server.crt"));
    assert!(meet_files(&office.server_files(false), &tls, HOST).client.is_ok());
    let met = meet_files(&office.server_files(false), &tls, "other.example.org");
    assert_eq!(client_fault(&met), BrokerFault::WrongName(Vec::new()));
    let met = meet_files(&office.server_files(false), &office.client(None), HOST);
    assert_eq!(client_fault(&met), BrokerFault::UnknownCa);
}

#[test]
fn keys_in_all_three_forms_are_read() {
    let office = Office::new();
    let rsa = Terms { kind: KeyKind::Rsa, ..Terms::days(5) };
    office.keep("rsa", &issue::server(&office.ca(), &[HOST.to_owned()], rsa).expect("a certificate"));
    office.openssl("rsa -in rsa.key -traditional -out pkcs1.key");
    office.openssl("ec -in server.key -out sec1.key");
    let cases = [
        ("server.crt", "server.key", "BEGIN PRIVATE KEY"),
        ("rsa.crt", "rsa.key", "BEGIN PRIVATE KEY"),
        ("rsa.crt", "pkcs1.key", "BEGIN RSA PRIVATE KEY"),
        ("server.crt", "sec1.key", "BEGIN EC PRIVATE KEY"),
    ];
    for (certfile, keyfile, marker) in cases {
        let text = std::fs::read_to_string(office.path(keyfile)).expect("a key");
        assert!(text.contains(marker), "{keyfile}: {text}");
        let mut files = office.server_files(false);
        (files.certfile, files.keyfile) = (office.path(certfile), office.path(keyfile));
        assert!(meet_files(&files, &office.client(None), HOST).client.is_ok(), "{certfile} {keyfile}");
    }
}

#[test]
fn files_that_cannot_work_are_refused_with_the_reason() {
    let office = Office::new();
    office.openssl("pkey -in server.key -aes128 -passout pass:secret -out encrypted.key");
    let refused = |change: &dyn Fn(&mut ServerFiles)| {
        let mut files = office.server_files(true);
        change(&mut files);
        server_config(&files).expect_err("refused")
    };
    assert!(matches!(refused(&|files| files.keyfile = office.path("router.key")), CertError::KeyMismatch { .. }));
    assert!(matches!(refused(&|files| files.keyfile = office.path("server.crt")), CertError::NoKey { .. }));
    let swapped = refused(&|files| files.certfile = office.path("server.key"));
    assert!(matches!(swapped, CertError::NoCertificate { has_key: true, .. }), "{swapped}");
    let encrypted = refused(&|files| files.keyfile = office.path("encrypted.key"));
    assert!(encrypted.to_string().contains("openssl pkey -in"), "{encrypted}");
    let missing = refused(&|files| files.cafile = Some(office.path("ca.cert")));
    let CertError::Missing { nearest: Some(nearest), .. } = &missing else { panic!("{missing}") };
    assert_eq!(nearest, &office.path("ca.crt"));
    assert!(missing.to_string().ends_with("ca.crt?"), "{missing}");
    assert!(matches!(refused(&|files| files.cafile = None), CertError::Refused(_)));
}

#[test]
fn a_directory_of_authorities_serves_as_well_as_a_file() {
    let office = Office::new();
    let directory = office.path("authorities");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join("README"), "what is here").expect("written");
    let empty = certs::load::authorities(None, Some(&directory)).expect_err("no certificate");
    assert!(matches!(empty, CertError::NoCertificateInDirectory { .. }), "{empty}");
    for name in ["office.pem", "1a2b3c4d.0"] {
        std::fs::copy(office.path("ca.crt"), directory.join(name)).expect("copied");
    }
    assert_eq!(certs::load::authorities(None, Some(&directory)).expect("one").len(), 1, "a hash link is no second CA");
    let mut files = office.server_files(true);
    (files.cafile, files.capath) = (None, Some(directory));
    assert!(meet_files(&files, &office.client(Some("router")), HOST).server.is_ok());
}

/// A list that the openssl program makes for the office's CA, of version 1 as it does unless told otherwise; of those
/// `revoked`, and good for a day or none.
fn revocation_list(office: &Office, revoked: &[&str], days: &str) {
    std::fs::write(office.path("index.txt"), "").expect("written");
    std::fs::write(office.path("crlnumber"), "01\n").expect("written");
    let conf = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ncertificate = ca.crt\n\
        private_key = ca.key\n";
    std::fs::write(office.path("ca.conf"), conf).expect("written");
    for stem in revoked {
        office.openssl(&format!("ca -config ca.conf -revoke {stem}.crt"));
    }
    office.openssl(&format!("ca -config ca.conf -gencrl {days} -out crl.pem"));
}

fn met_with(office: &Office, adjust: impl FnOnce(&mut ServerFiles)) -> Result<ServerConnection, rustls::Error> {
    let mut files = office.server_files(true);
    adjust(&mut files);
    meet_files(&files, &office.client(Some("router")), HOST).server
}

#[test]
fn a_revoked_certificate_is_refused_and_so_is_one_whose_list_is_old_or_another_cas() {
    let office = Office::new();
    let with_list = |office: &Office| met_with(office, |files| files.crlfile = Some(office.path("crl.pem")));
    revocation_list(&office, &[], "-crldays 1");
    assert!(with_list(&office).is_ok(), "nothing is revoked");
    revocation_list(&office, &["router"], "-crldays 1");
    let refused = with_list(&office).expect_err("revoked");
    assert_eq!(refused, rustls::Error::InvalidCertificate(CertificateError::Revoked));
    revocation_list(&office, &[], "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z");
    let refused = with_list(&office).expect_err("the list is old");
    assert_eq!(refused, rustls::Error::InvalidCertificate(CertificateError::ExpiredRevocationList));
    let other = Office::new();
    revocation_list(&other, &[], "-crldays 1");
    std::fs::copy(other.path("crl.pem"), office.path("crl.pem")).expect("copied");
    let refused = with_list(&office).expect_err("signed by another key");
    assert_eq!(refused, rustls::Error::InvalidCertificate(CertificateError::UnknownRevocationStatus));
}

#[test]
fn a_list_that_cannot_be_used_is_refused_in_mosquittos_words() {
    let office = Office::new();
    for (name, cause) in [("none.pem", "does not exist"), ("ca.crt", "There is no CRL in it")] {
        let files = ServerFiles { crlfile: Some(office.path(name)), ..office.server_files(true) };
        let error = server_config(&files).expect_err(name).to_string();
        let wanted =
            format!("Unable to load certificate revocation file \"{}\". Check crlfile.\n", office.path(name).display());
        assert!(error.starts_with(&wanted) && error.contains(cause), "{error}");
    }
}

#[test]
fn dates_of_client_certificates_are_not_looked_at_where_they_need_not_be_and_everything_else_is() {
    let office = Office::new();
    for terms in [past(), future()] {
        office.keep("router", &issue::client(&office.ca(), "router", terms).expect("a certificate"));
        assert!(met_with(&office, |_| ()).is_err());
        assert!(met_with(&office, |files| files.any_client_dates = true).is_ok());
    }
    revocation_list(&office, &["router"], "-crldays 1");
    let refused = met_with(&office, |files| {
        files.any_client_dates = true;
        files.crlfile = Some(office.path("crl.pem"));
    });
    assert_eq!(refused.expect_err("revoked"), rustls::Error::InvalidCertificate(CertificateError::Revoked));
    let stranger = Office::new();
    std::fs::copy(stranger.path("router.crt"), office.path("router.crt")).expect("copied");
    std::fs::copy(stranger.path("router.key"), office.path("router.key")).expect("copied");
    assert!(met_with(&office, |files| files.any_client_dates = true).is_err(), "of another CA");
}

#[test]
fn only_the_suites_that_are_listed_are_spoken() {
    let office = Office::new();
    let suite = |adjust: &dyn Fn(&mut ServerFiles), client: Arc<ClientConfig>| {
        let mut files = office.server_files(false);
        adjust(&mut files);
        let server = server_config(&files).expect("a server");
        let met = meet(&server, &client, &office.client(None), HOST).server;
        met.ok().and_then(|server| server.negotiated_cipher_suite()).map(|suite| format!("{:?}", suite.suite()))
    };
    let any = || client_config(&office.client(None)).expect("a client");
    let chacha = "TLS_CHACHA20_POLY1305_SHA256";
    assert_eq!(
        suite(&|files| files.ciphers_tls13 = Some(chacha.into()), any()).as_deref(),
        Some("TLS13_CHACHA20_POLY1305_SHA256")
    );
    let gcm = |files: &mut ServerFiles| files.ciphers = Some("ECDHE-ECDSA-AES128-GCM-SHA256".into());
    let found = suite(&gcm, speaks_only_tls12(&office));
    assert_eq!(found.as_deref(), Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    let psk = |files: &mut ServerFiles| (files.ciphers, files.has_psk) = (Some("PSK-AES128-CBC-SHA".into()), true);
    assert_eq!(suite(&psk, speaks_only_tls12(&office)), None, "nothing of TLS 1.2 is left for certificates");
    assert!(suite(&psk, any()).is_some(), "TLS 1.3 is");
}

#[test]
fn keys_are_logged_for_wireshark_in_a_file_that_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let office = Office::new();
    let path = office.path("keys.log");
    let log = certs::KeyLog::open(&path).expect("a file");
    let server = certs::server_config_logging_keys(&office.server_files(false), Some(log)).expect("a server");
    let client = client_config(&office.client(None)).expect("a client");
    meet(&server, &client, &office.client(None), HOST).server.expect("they meet");
    let text = std::fs::read_to_string(&path).expect("text");
    let line = text.lines().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).expect("a secret");
    assert_eq!(line.split(' ').map(str::len).collect::<Vec<_>>()[1], 64, "{line}");
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(certs::KeyLog::open(&path).is_err(), "others may read it");
    std::os::unix::fs::symlink(&path, office.path("link")).expect("a link");
    assert!(certs::KeyLog::open(&office.path("link")).is_err(), "a link");
}
