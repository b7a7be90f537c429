//! What mosquitto saved, imported and compared with what was done to it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::client::{Client, text as mqtt_text};
use crate::program::{exported, nightjar, text};

/// Packet Identifiers that mosquitto chose.
struct Ids {
    once: u16,
    kept_back: u16,
    received: u16,
}

/// A mosquitto.db with everything that one can hold: in flight in both directions, queued, retained; clients that are
/// away, connected, of both versions, with and without user.
fn saved(folder: &Path) -> (PathBuf, Ids) {
    let broker = Broker::start(folder);
    let port = broker.port;

    // Away, with a queue.
    let mut away = Client::connect_5(port, "away", Some("ann"), 3_600);
    away.subscribe("q1/+", 0x0d, Some(5));
    // Of shared subscriptions mosquitto saves nothing: its clients subscribe again.
    away.subscribe("$share/group/s/#", 2, None);
    away.disconnect();
    // Two in a row without a user: mosquitto 2.0.11 saves the second as ann's.
    Client::connect_5(port, "for ever", None, u32::MAX).disconnect();
    let mut plain = Client::connect(port, "plain", None);
    plain.subscribe("q1/#", 1, None);
    plain.disconnect();

    // Connected when it ends, and with a message in each state.
    let mut busy = Client::connect(port, "busy", Some("bob"));
    busy.subscribe("q1/#", 1, None);
    busy.subscribe("q2/#", 2, None);
    let mut publisher = Client::connect_5(port, "publisher", Some("pat"), 0);
    let properties = [&[0x03][..], &mqtt_text("text/plain"), &[0x26], &mqtt_text("k"), &mqtt_text("v")].concat();
    publisher.publish("q1/a", false, &properties, b"one");
    let once = busy.receive();
    assert_eq!((once.qos, &once.payload[..]), (1, &b"one"[..]));
    publisher.publish_twice_safe("q2/a", b"two");
    let kept_back = busy.receive();
    assert_eq!((kept_back.qos, &kept_back.payload[..]), (2, &b"two"[..]));
    publisher.publish_twice_safe("q2/b", b"three");
    let received = busy.receive();
    busy.acknowledge(0x50, received.id);
    busy.answer(0x60);
    // Three are in flight: the fourth waits.
    publisher.publish("q1/b", false, &[], b"\xff\x00four");
    busy.send_publish("in/a", 2, 77, true, &[], b"mine");
    busy.answer(0x50);

    // Retained, of which one goes again and one is of use for a while.
    publisher.publish("r/bytes", true, &[0x01, 0x00, 0x09, 0, 2, 0xfe, 0xff], b"\x80");
    publisher.publish("r/while", true, &[0x02, 0, 0, 0x0e, 0x10], b"an hour");
    publisher.publish("r/gone", true, &[], b"x");
    publisher.publish("r/gone", true, &[], b"");
    let mut clean = Client::connect_clean(port, "clean");
    clean.subscribe("q1/#", 1, None);

    let ids = Ids { once: once.id, kept_back: kept_back.id, received: received.id };
    let file = broker.save_and_end();
    drop((busy, publisher, clean));
    (file, ids)
}

/// The lines without those times, and that port, that depend on the test's run; that they are there is left of them.
fn without_times(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        if line["listener"].is_string() {
            line["listener"] = "its port".into();
        }
        for key in ["ends_at", "expires_at"] {
            if line[key].is_string() {
                line[key] = "some time".into();
            } else if line.get(key) == Some(&Value::Null) && line["kind"] != "session" {
                line.as_object_mut().expect("an object").remove(key);
            }
        }
    }
    lines.sort_by_key(ToString::to_string);
    lines
}

fn subscription(filter: &str, options: u8, identifier: Option<u32>) -> Value {
    json!({
        "filter": filter, "qos": options & 3, "no_local": options & 4 != 0, "retain_as_published": options & 8 != 0,
        "retain_handling": options >> 4, "identifier": identifier,
    })
}

fn session(client: &str, username: Option<&str>, expiry_s: Option<u32>, subscriptions: &[Value]) -> Value {
    let ends_at = expiry_s.map(|_| "some time");
    json!({
        "kind": "session", "client": client, "username": username, "listener": "its port", "expiry_s": expiry_s, "ends_at": ends_at,
        "subscriptions": subscriptions,
    })
}

/// A message of a client; `more` is what else its line has.
fn message(client: &str, state: &str, id: Option<u16>, qos: u8, topic: &str, more: &Value) -> Value {
    let mut line = json!({
        "kind": "message", "client": client, "direction": if state == "unreleased" { "in" } else { "out" },
        "state": state, "packet_id": id, "qos": qos, "retain": false, "subscription_identifiers": [],
        "shared_subscription": null, "topic": topic,
    });
    for (key, value) in more.as_object().expect("an object") {
        line[key] = value.clone();
    }
    line
}

fn imported(file: &Path, folder: &TempDir) -> PathBuf {
    let store = folder.path().join("new");
    nightjar(&["import", text(file), "--to", text(&store)]).with(0);
    store
}

#[test]
fn all_that_mosquitto_saved_comes_over_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, ids) = saved(folder.path());
    let before = fs::read(&file).expect("mosquitto saved");
    let store = imported(&file, &folder);
    assert_eq!(fs::read(&file).expect("it is there"), before, "the original stays");
    let properties = json!({"payload": "one", "content_type": "text/plain", "user_properties": [["k", "v"]]});
    let with = |more: &Value, other: &Value| {
        let mut both = more.clone();
        both.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
        both
    };
    let five = json!({"subscription_identifiers": [5]});
    let four = json!({"payload_base64": "/wBmb3Vy"});
    let mut wanted = vec![
        json!({"kind": "export", "format": 1, "sessions": 4, "messages": 8, "retained": 2}),
        session("away", Some("ann"), Some(3_600), &[subscription("q1/+", 0x0d, Some(5))]),
        session("for ever", None, None, &[]),
        session("plain", None, None, &[subscription("q1/#", 1, None)]),
        session("busy", Some("bob"), None, &[subscription("q1/#", 1, None), subscription("q2/#", 2, None)]),
        message("away", "queued", None, 1, "q1/a", &with(&properties, &five)),
        message("away", "queued", None, 1, "q1/b", &with(&four, &five)),
        message("plain", "queued", None, 1, "q1/a", &properties),
        message("plain", "queued", None, 1, "q1/b", &four),
        message("busy", "sent", Some(ids.once), 1, "q1/a", &properties),
        message("busy", "sent", Some(ids.kept_back), 2, "q2/a", &json!({"payload": "two"})),
        message("busy", "received", Some(ids.received), 2, "q2/b", &json!({"payload": "three"})),
        message("busy", "queued", None, 1, "q1/b", &four),
        message("busy", "unreleased", Some(77), 2, "in/a", &json!({"payload": "mine", "retain": true})),
        json!({
            "kind": "retained", "client": "publisher", "username": "pat", "listener": "its port", "qos": 1, "topic": "r/bytes",
            "payload_base64": "gA==", "payload_is_text": false, "correlation_data_base64": "/v8=",
        }),
        json!({
            "kind": "retained", "client": "publisher", "username": "pat", "listener": "its port", "qos": 1, "topic": "r/while",
            "payload": "an hour", "expires_at": "some time",
        }),
    ];
    wanted.sort_by_key(ToString::to_string);
    let lines = without_times(exported(&store));
    for (line, wanted) in lines.iter().zip(&wanted) {
        assert_eq!(line, wanted);
    }
    assert_eq!(lines.len(), wanted.len());
}

#[test]
fn the_order_of_a_clients_messages_comes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(folder.path());
    let mut subscriber = Client::connect(broker.port, "c", None);
    subscriber.subscribe("#", 1, None);
    subscriber.disconnect();
    let mut publisher = Client::connect_clean(broker.port, "p");
    for n in 0..50 {
        publisher.publish(&format!("t/{}", n % 3), false, &[], n.to_string().as_bytes());
    }
    let store = imported(&broker.save_and_end(), &folder);
    let payloads: Vec<_> =
        exported(&store).iter().filter_map(|line| line["payload"].as_str().map(str::to_owned)).collect();
    assert_eq!(payloads, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_report_says_what_came_and_what_did_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = saved(folder.path());
    let store = folder.path().join("new");
    let said = nightjar(&["import", text(&file), "--to", text(&store)]).with(0);
    said.has(&[
        "(version 6) came over into",
        "      4  sessions\n",
        "      4  subscriptions\n",
        "      5  queued messages\n",
        "      3  messages in flight\n",
        "      1  unreleased QoS 2 message\n",
        "      2  retained messages\n",
        "      1  sessions left out: their time is over: publisher\n",
        "      1  sessions taken without user: mosquitto 2.0 may have saved another's",
    ]);
    // Once more: it is not put on top.
    nightjar(&["import", text(&file), "--to", text(&store)]).with(2).has(&["holds a store already", "--to"]);
    assert_eq!(exported(&store)[0]["sessions"], 4);
}

#[test]
fn a_damaged_file_gives_what_can_be_read_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = saved(folder.path());
    let whole = fs::read(&file).expect("mosquitto saved");
    // Its length is wrong: the first message's, which two clients wait for.
    let mut changed = whole.clone();
    let second_chunk = 23 + 24;
    assert_eq!(changed[second_chunk..second_chunk + 4], [0, 0, 0, 2]);
    changed[second_chunk + 6] ^= 0x40;
    // And cut, in the middle of the clients.
    for (name, bytes, sessions) in [("changed.db", &changed[..], 4..5), ("cut.db", &whole[..whole.len() * 3 / 4], 1..5)]
    {
        let damaged = folder.path().join(name);
        fs::write(&damaged, bytes).expect("written");
        let store = folder.path().join(name.replace("db", "store"));
        nightjar(&["import", text(&damaged), "--to", text(&store)]).with(1).has(&[
            "came over into",
            "damaged: at byte",
            "could not be read; all else came over, and the file is as it was",
        ]);
        let count = exported(&store)[0]["sessions"].as_u64().expect("a number");
        assert!(sessions.contains(&count), "{name}: {count} sessions");
        assert_eq!(fs::read(&damaged).expect("it is there"), bytes);
    }
}

#[test]
fn what_is_no_file_of_mosquittos_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("new");
    let none = folder.path().join("none.db");
    for (bytes, wanted) in [
        (Some(&b"SQLite format 3\0 and so on and on"[..]), "this is not a mosquitto.db"),
        (Some(b""), "the file is empty"),
        (Some(b"\x00\xb5\x00mosquitto db\0\0\0\0\0\0\0\x09"), "has version 9"),
        (None, "No such file"),
    ] {
        if let Some(bytes) = bytes {
            fs::write(&none, bytes).expect("written");
        } else {
            fs::remove_file(&none).expect("it was there");
        }
        nightjar(&["import", text(&none), "--to", text(&store)]).with(2).has(&[text(&none), wanted]);
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
        assert!(left.iter().all(|path| *path == none), "{left:?}");
    }
}

#[test]
fn without_a_word_where_to_the_store_is_beside_the_file_or_where_a_configuration_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = saved(folder.path());
    nightjar(&["import", text(&file)]).with(0);
    assert!(folder.path().join("nightjar.store").is_dir());
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    let conf = folder.path().join("n.conf");
    fs::write(&conf, format!("persistence true\npersistence_location {}/\n", elsewhere.display())).expect("written");
    nightjar(&["import", text(&file), "-c", text(&conf)]).with(0);
    assert!(elsewhere.join("nightjar.store").is_dir());
    nightjar(&["store", "check", "-c", text(&conf)]).with(0).has(&["4  sessions"]);
    assert_eq!(exported(&elsewhere).len(), exported(folder.path()).len());
}
