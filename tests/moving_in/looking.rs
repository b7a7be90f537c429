//! `nightjar store` and `nightjar export` on stores that are whole, damaged or in use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use broker_core::{Identifiers, Message, Publisher, SessionNumber, StoreOp, StoredMessage};
use broker_store::{Options, Store};
use mqtt::{PropertiesBuf, QoS, TopicName};

use crate::program::{exported, nightjar, text};

fn message(topic: &str, payload: &[u8]) -> Arc<Message> {
    let topic = TopicName::new(topic).expect("a topic").into();
    Message::restored(topic, payload.into(), PropertiesBuf::new(), None, QoS::AtLeastOnce)
}

/// A store with a session, three messages for it and a retained one. It stays open as long as what is given back.
fn store(dir: &Path) -> Store {
    let (mut store, _, _) = Store::open(dir, 0, Options::default()).expect("a store");
    let number = SessionNumber(1);
    let session = StoreOp::Session {
        number,
        client_id: "c".into(),
        username: Some("u".into()),
        listener: Some("1883".into()),
        expiry_s: 60,
    };
    let queued = (1..=3).map(|entry| {
        let held = StoredMessage {
            entry,
            message: message("a/b", format!("payload {entry}").as_bytes()),
            qos: QoS::AtLeastOnce,
            retain: false,
            identifiers: Identifiers::default(),
            share: None,
            sent_as: None,
            released: false,
        };
        StoreOp::Queued(number, held)
    });
    let publisher = Arc::new(Publisher { client_id: "p".into(), username: None, listener: None });
    let retained = StoreOp::Retained(message("r", b"kept"), publisher);
    store.commit([session].into_iter().chain(queued).chain([retained]).collect(), true).expect("the disk takes it");
    store
}

/// Changes a byte of the second of the three messages.
fn damage(dir: &Path) {
    let log = dir.join("0000000001.log");
    let mut bytes = fs::read(&log).expect("a file");
    let at = bytes.windows(9).position(|window| window == b"payload 2").expect("the message");
    bytes[at] ^= 1;
    fs::write(&log, bytes).expect("written");
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a folder").flatten();
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file")))
        .collect()
}

#[test]
fn a_store_that_is_whole_is_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("s");
    drop(store(&dir));
    let before = contents(&dir);
    nightjar(&["store", "check", text(&dir)]).with(0).has(&[
        "1  sessions",
        "3  messages queued or in flight",
        "1  retained messages",
        "1  files",
        "No damage.",
    ]);
    let said = nightjar(&["store", "dump", text(&dir)]).with(0);
    said.has(&[
        "0000000001.log        96",
        "session: 1 is client \"c\" of \"u\" by listener \"1883\", lasts 60 s",
        "message: 2 for session 1 (\"c\") at QoS 1: \"a/b\", 9 bytes \"payload 2\"",
        "retained: from \"p\": \"r\", 4 bytes \"kept\"",
    ]);
    assert_eq!(said.out.lines().count(), 5);
    let lines = exported(&dir);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[2]["expiry_s"], 60);
    assert_eq!(contents(&dir), before, "nothing is changed by looking");
}

#[test]
fn damage_is_shown_set_aside_and_then_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("s");
    drop(store(&dir));
    damage(&dir);
    let before = contents(&dir);
    nightjar(&["store", "check", text(&dir)]).with(1).has(&[
        "2  messages queued or in flight",
        "damaged: ",
        "1 messages are lost; concerned: c",
        "nightjar store repair",
    ]);
    nightjar(&["store", "dump", text(&dir)]).with(1).has(&["DAMAGED cannot be read"]);
    nightjar(&["export", text(&dir)]).with(1).has(&["damaged, and left out: ", "payload 1", "payload 3"]);
    assert_eq!(contents(&dir), before, "nothing is changed by looking");
    nightjar(&["store", "repair", text(&dir)])
        .with(0)
        .has(&["set aside in", "written anew: 1 sessions, 2 messages queued or in flight, 1 retained messages"]);
    nightjar(&["store", "check", text(&dir)]).with(0).has(&["2  messages", "damaged-1.jsonl", "No damage."]);
    assert!(fs::read_to_string(dir.join("damaged-1.jsonl")).expect("set aside").contains("\"client\":\"c\""));
    let said = nightjar(&["store", "dump", text(&dir)]).with(0);
    assert!(!said.out.contains("DAMAGED"), "{}", said.out);
    assert_eq!(exported(&dir).len(), 5);
}

#[test]
fn a_store_in_use_can_be_looked_at_but_neither_repaired_nor_imported_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("s");
    let open = store(&dir);
    let by = format!("(process {})", std::process::id());
    nightjar(&["store", "check", text(&dir)]).with(0).has(&["a broker has it open", &by, "1  sessions", "No damage."]);
    nightjar(&["store", "dump", text(&dir)]).with(0).has(&["a broker has it open", "session: 1"]);
    nightjar(&["export", text(&dir)]).with(0).has(&["a broker has it open", "\"payload\":\"payload 2\""]);
    let before = contents(&dir);
    nightjar(&["store", "repair", text(&dir)]).with(2).has(&["is in use by process", "stop the broker first"]);
    let db = folder.path().join("mosquitto.db");
    fs::write(&db, b"\x00\xb5\x00mosquitto db\0\0\0\0\0\0\0\x06").expect("written");
    nightjar(&["import", text(&db), "--to", text(&dir)]).with(2).has(&["is in use by process"]);
    assert_eq!(contents(&dir), before);
    drop(open);
}

#[test]
fn where_there_is_no_store_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("none");
    for command in [&["store", "check"][..], &["store", "dump"], &["store", "repair"], &["export"]] {
        let arguments: Vec<&str> = command.iter().copied().chain([text(&none)]).collect();
        nightjar(&arguments).with(2).has(&[&format!("{}: there is no store", none.display())]);
        assert!(!none.exists(), "{command:?} makes none");
    }
}

#[test]
fn an_export_goes_to_a_new_file_that_others_cannot_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("s");
    drop(store(&dir));
    let output = folder.path().join("out.jsonl");
    nightjar(&["export", text(&dir), "--output", text(&output)]).with(0);
    assert_eq!(fs::read_to_string(&output).expect("written").lines().count(), 6);
    assert_eq!(output.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    nightjar(&["export", text(&dir), "--output", text(&output)]).with(2).has(&[text(&output), "exists"]);
}
