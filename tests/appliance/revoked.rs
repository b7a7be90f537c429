//! Who came in and would no longer be let in, for its certificate or its key: it goes, at SIGHUP and when files change on the
//! disk, and the others notice nothing.

use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, filled};
use crate::tls_options::{proxy, revocation_list};

const BASE: &str = "user root\nallow_anonymous true\nlistener PORT 127.0.0.1\n";
const TLS: &str = "certfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n";
/// The CA and the list of those who come in; both are other files than the server's.
const CLIENTS: &str = "require_certificate true\ncafile DIR/clients.crt\ncrlfile DIR/clients.crl\n";

/// A server, its CA, and two clients' certificates `good` and `lost` of the same CA.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.certificates();
    for stem in ["good", "lost"] {
        folder.client_certificate(stem, SystemTime::now(), 30);
    }
    folder.write("clients.crt", folder.read("certs/ca.crt"));
    revoke(&folder, &[]);
    folder
}

/// Writes the list anew.
fn revoke(folder: &Folder, stems: &[&str]) {
    revocation_list(folder, stems);
    folder.write("clients.crl", folder.read("certs/crl.pem"));
}

fn start(options: &str) -> Appliance {
    Appliance::start(&format!("{BASE}{TLS}{options}"), folder())
}

fn reload(appliance: &Appliance, options: &str) {
    let text = filled(&format!("{BASE}{TLS}{options}"), &appliance.folder, appliance.port);
    appliance.folder.write("mosquitto.conf", text);
    appliance.signal(Signal::SIGHUP);
}

/// How a client with this certificate says who it is, to the program and then to the broker.
fn identity(folder: &Folder, stem: &str) -> Vec<String> {
    let at = |name: &str| folder.at(&format!("certs/{name}"));
    let (certificate, key) = (at(&format!("{stem}.crt")), at(&format!("{stem}.key")));
    let words = ["--cafile", &at("ca.crt"), "--cert", &certificate, "--key", &key, "-t", "t", "-q", "1"];
    words.map(str::to_owned).to_vec()
}

fn subscriber(port: u16, folder: &Folder, stem: &str) -> Subscriber {
    let identity = identity(folder, stem);
    let mut arguments: Vec<&str> = identity.iter().map(String::as_str).collect();
    arguments.extend(["-i", stem, "-V", "5"]);
    Subscriber::start(port, &arguments)
}

/// The clients `good` and `lost`, by this port.
fn both(port: u16, folder: &Folder) -> [Subscriber; 2] {
    ["good", "lost"].map(|stem| subscriber(port, folder, stem))
}

/// That a client was sent away, and told why.
fn goes(appliance: &Appliance, name: &str, subscriber: &Subscriber) {
    let line = appliance.log.wait_for(&format!("Client {name} ["));
    assert!(line.ends_with("disconnected: administrative action."), "{line}");
    subscriber.output().wait_for("Received DISCONNECT (135)");
}

/// That the client `good` is there and did not have to come again, now that others are gone.
fn good_stays(appliance: &Appliance, good: &Subscriber) {
    let identity = identity(&appliance.folder, "good");
    let mut arguments: Vec<&str> = identity.iter().map(String::as_str).collect();
    arguments.extend(["-m", "x"]);
    publish_well(appliance.port, &arguments);
    assert_eq!(good.messages(1), ["t|1|0|x"]);
    assert_eq!(appliance.log.count(" as good ("), 1, "it did not have to come again");
}

#[test]
fn who_is_revoked_goes_at_sighup_and_the_others_notice_nothing() {
    let appliance = start(CLIENTS);
    let [good, lost] = both(appliance.port, &appliance.folder);
    revoke(&appliance.folder, &["lost"]);
    reload(&appliance, CLIENTS);
    goes(&appliance, "lost", &lost);
    appliance
        .log
        .wait_for("The client certificate of 'lost' is no longer accepted: it is in crlfile. A connection is closed.");
    good_stays(&appliance, &good);
    assert_eq!(appliance.log.count(" as lost ("), 1, "it cannot come again");
}

#[test]
fn who_is_revoked_goes_when_the_list_changes_on_the_disk() {
    let appliance = start(CLIENTS);
    let [good, lost] = both(appliance.port, &appliance.folder);
    revoke(&appliance.folder, &["lost"]);
    goes(&appliance, "lost", &lost);
    appliance.log.wait_for("Certificates have changed on the disk: the new ones count from now on.");
    good_stays(&appliance, &good);
}

#[test]
fn all_go_when_their_authority_is_another_by_another_file_or_by_another_content() {
    for by_signal in [true, false] {
        let options = "require_certificate true\ncafile DIR/clients.crt\n";
        let appliance = start(options);
        let [good, lost] = both(appliance.port, &appliance.folder);
        appliance.folder.foreign_certificates("other", "somebody");
        if by_signal {
            reload(&appliance, &options.replace("clients.crt", "other/ca.crt"));
        } else {
            appliance.folder.write("clients.crt", appliance.folder.read("other/ca.crt"));
        }
        goes(&appliance, "good", &good);
        goes(&appliance, "lost", &lost);
        let said =
            "is no longer accepted: it was not issued by a CA that is in cafile or capath. A connection is closed.";
        appliance.log.wait_for_count(said, 2);
    }
}

#[test]
fn dates_count_for_who_is_there_as_for_who_comes() {
    let folder = folder();
    folder.client_certificate("expired", SystemTime::now() - Duration::from_secs(30 * 86_400), 10);
    let conf = format!("{BASE}{TLS}{CLIENTS}");
    let appliance = Appliance::start(&format!("{conf}disable_client_cert_date_checks true\n"), folder);
    let [good, expired] = ["good", "expired"].map(|stem| subscriber(appliance.port, &appliance.folder, stem));
    reload(&appliance, CLIENTS);
    goes(&appliance, "expired", &expired);
    appliance.log.wait_for("The client certificate of 'expired' is no longer accepted: it has expired.");
    good_stays(&appliance, &good);
}

#[test]
fn behind_a_proxy_that_passes_tls_through_it_is_the_same() {
    let options = format!("{CLIENTS}enable_proxy_protocol 1\nuse_identity_as_username true\n");
    let appliance = start(&options);
    let behind = proxy(appliance.port);
    let [good, lost] = both(behind, &appliance.folder);
    revoke(&appliance.folder, &["lost"]);
    reload(&appliance, &options);
    goes(&appliance, "lost", &lost);
    let third = identity(&appliance.folder, "good");
    publish_well(behind, &third.iter().map(String::as_str).chain(["-m", "x"]).collect::<Vec<_>>());
    assert_eq!(good.messages(1), ["t|1|0|x"]);
    assert_eq!(appliance.log.count(" as good ("), 1);
}

#[test]
fn whom_a_certificate_named_goes_when_none_is_asked_for_any_more_and_a_name_is() {
    let options = format!("{CLIENTS}use_identity_as_username true\n");
    let appliance = start(&options);
    let [_good, lost] = both(appliance.port, &appliance.folder);
    reload(&appliance, &options.replace("require_certificate true", "require_certificate false"));
    goes(&appliance, "lost", &lost);
}

#[test]
fn whose_pre_shared_key_is_gone_or_another_goes_and_the_others_notice_nothing() {
    let (folder, before) = (Folder::new(), "good:0badc0de\ngone:0badcafe\nchanged:0badf00d\n");
    folder.write("keys", before);
    let conf = format!("{BASE}psk_hint h\npsk_file DIR/keys\n");
    let appliance = Appliance::start(&conf, folder);
    let client = |name: &str, key: &str| {
        let key = ["--psk-identity", name, "--psk", key, "-i", name, "-t", "t", "-q", "1", "-V", "5"];
        Subscriber::start(appliance.port, &key)
    };
    let (good, gone, changed) = (client("good", "0badc0de"), client("gone", "0badcafe"), client("changed", "0badf00d"));
    appliance.folder.write("keys", "new:0badbeef\ngood:0badc0de\nchanged:0badfade\n");
    appliance.signal(Signal::SIGHUP);
    for (name, subscriber) in [("gone", &gone), ("changed", &changed)] {
        goes(&appliance, name, subscriber);
        appliance.log.wait_for(&format!("PSK identity '{name}' is no longer in the PSK file, or has another key"));
    }
    publish_well(appliance.port, &["--psk-identity", "new", "--psk", "0badbeef", "-t", "t", "-m", "x", "-q", "1"]);
    assert_eq!(good.messages(1), ["t|1|0|x"]);
    assert_eq!(appliance.log.count(" as good ("), 1, "it did not have to come again");
}
