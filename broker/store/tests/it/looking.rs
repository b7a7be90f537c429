//! Looking at a store without a change, and writing one anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use broker_core::MemoryStore;
use broker_store::{Entry, Harm, Standing, dump, holds_store, inspect, user_of};

use crate::invented::{BEGAN, History, State, commit, folder, message, open, queued, session};

/// Every file with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a folder").flatten();
    let read = |path: &Path| fs::read(path).expect("a file");
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(&entry.path()))).collect()
}

fn dumped(dir: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    dump(dir, &|millis| format!("<{millis}>"), |entry| entries.push(entry)).expect("it can be read");
    entries
}

/// A store with several files.
fn filled(dir: &Path) {
    let (mut history, mut oracle) = (History::new(5), MemoryStore::default());
    let (mut store, _, _) = open(dir);
    for _ in 0..300 {
        commit(&mut store, &mut oracle, history.commit());
    }
}

#[test]
fn a_look_finds_what_opening_finds_and_changes_nothing() {
    let dir = folder();
    filled(dir.path());
    let log = fs::read_dir(dir.path()).expect("a folder").flatten().map(|entry| entry.path());
    let log = log.filter(|path| path.extension().is_some_and(|is| is == "log")).min().expect("a file");
    let mut bytes = fs::read(&log).expect("a file");
    bytes[300] ^= 1;
    fs::write(&log, &bytes).expect("written");
    let before = contents(dir.path());
    let looked = inspect(dir.path(), BEGAN).expect("it can be read");
    let entries = dumped(dir.path());
    assert_eq!(contents(dir.path()), before);
    assert!(looked.files.len() > 1, "{:?}", looked.files);
    assert!(looked.damage.iter().any(|damage| damage.harm == Harm::Unreadable), "{:?}", looked.damage);
    assert_eq!((looked.told_before.len(), looked.aside.len()), (0, 0));
    let unreadable: Vec<_> = entries.iter().filter(|entry| entry.standing == Standing::Unreadable).collect();
    let [unreadable] = &unreadable[..] else { panic!("one record is damaged: {unreadable:?}") };
    assert!((unreadable.offset..unreadable.offset + unreadable.bytes).contains(&300), "{unreadable:?}");
    // Opening finds the same, and then it was told.
    let looked_at = State::from(looked.recovered);
    let (store, recovered, damage) = open(dir.path());
    looked_at.assert_is(&State::from(recovered), "as opened");
    assert_eq!(damage.len(), looked.damage.len());
    drop(store);
    let again = inspect(dir.path(), BEGAN).expect("it can be read");
    assert_eq!((again.damage.len(), again.told_before.len(), again.aside.len()), (0, 1, 1));
}

#[test]
fn every_byte_of_a_file_is_of_one_entry() {
    let dir = folder();
    filled(dir.path());
    let looked = inspect(dir.path(), BEGAN).expect("it can be read");
    let entries = dumped(dir.path());
    for (path, bytes) in looked.files {
        let name = path.file_name().expect("a name").to_str().expect("text");
        let mut at = 96;
        for entry in entries.iter().filter(|entry| entry.file == name) {
            assert_eq!((entry.offset, entry.standing), (at, Standing::Committed), "{entry:?}");
            at += entry.bytes;
        }
        assert_eq!(at, bytes, "{name}");
    }
}

#[test]
fn a_store_in_use_is_told_as_such_and_read_all_the_same() {
    let dir = folder();
    assert_eq!(user_of(dir.path()).expect("a folder"), None);
    let (mut store, _, _) = open(dir.path());
    assert!(!holds_store(dir.path()).expect("a folder"), "nothing was kept yet");
    store.commit(vec![session(1, "c"), queued(1, 1, message("a", b"x"))], true).expect("the disk takes it");
    assert!(holds_store(dir.path()).expect("a folder"));
    assert_eq!(user_of(dir.path()).expect("a folder"), Some(Some(std::process::id())));
    // A commit that is being written is no damage.
    let log = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&log).expect("a file");
    bytes.extend_from_slice(&[0; 40]);
    fs::write(&log, &bytes).expect("written");
    let looked = inspect(dir.path(), BEGAN).expect("it can be read");
    assert_eq!((looked.recovered.session_count(), looked.recovered.message_count()), (1, 1));
    assert_eq!(looked.damage, []);
    drop(store);
    assert_eq!(user_of(dir.path()).expect("a folder"), None);
    let looked = inspect(dir.path(), BEGAN).expect("it can be read");
    let harms: Vec<_> = looked.damage.iter().map(|damage| damage.harm).collect();
    assert_eq!(harms, [Harm::Torn], "nobody writes it any more");
}

#[test]
fn of_a_commit_that_was_cut_short_every_byte_is_shown_once() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(1, "c")], true).expect("the disk takes it");
    let before = store.disk_bytes();
    let waiting = |entry| queued(1, entry, message("a", b"x"));
    store.commit(vec![waiting(1), waiting(2), waiting(3)], true).expect("the disk takes it");
    drop(store);
    let log = dir.path().join("0000000001.log");
    let bytes = fs::read(&log).expect("a file");
    fs::write(&log, &bytes[..bytes.len() - 1]).expect("written");
    let entries = dumped(dir.path());
    let standings: Vec<_> = entries.iter().map(|entry| entry.standing).collect();
    let wanted = [Standing::Committed, Standing::NotPromised, Standing::NotPromised, Standing::Unreadable];
    assert_eq!(standings, wanted);
    let mut at = before;
    for entry in &entries[1..] {
        assert_eq!(entry.offset, at, "{entry:?}");
        at += entry.bytes;
    }
    assert_eq!(at, bytes.len() as u64 - 1);
}

#[test]
fn a_record_says_whose_it_is_and_what() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(7, "c"), queued(7, 1, message("a", b"x"))], true).expect("the disk takes it");
    drop(store);
    let entries = dumped(dir.path());
    let [first, second] = &entries[..] else { panic!("two records: {entries:?}") };
    assert_eq!((first.file.as_str(), first.offset), ("0000000001.log", 96));
    assert!(first.what.starts_with("session: 7 is client \"c\""), "{}", first.what);
    assert!(second.what.starts_with("message: 1 for session 7 (\"c\") at QoS"), "{}", second.what);
}

#[test]
fn written_anew_a_store_has_the_same_in_it_and_no_damage() {
    let dir = folder();
    filled(dir.path());
    for (path, _) in inspect(dir.path(), BEGAN).expect("it can be read").files {
        let mut bytes = fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).expect("written");
    }
    let (mut store, recovered, damage) = open(dir.path());
    assert_ne!(damage, []);
    let state = State::from(recovered);
    let old: Vec<_> = contents(dir.path()).into_keys().filter(|name| name.ends_with("log")).collect();
    store.rewrite().expect("the disk takes it");
    assert!(contents(dir.path()).into_keys().all(|name| !old.contains(&name)), "the old files have gone");
    store.commit(vec![session(1_000, "later")], true).expect("the disk takes it");
    drop(store);
    let looked = inspect(dir.path(), BEGAN).expect("it can be read");
    assert_eq!((looked.damage, looked.told_before), (vec![], vec![]));
    let mut again = State::from(looked.recovered);
    assert!(again.sessions.remove(&broker_core::SessionNumber(1_000)).is_some());
    again.assert_is(&state, "written anew");
    assert!(dumped(dir.path()).iter().all(|entry| entry.standing == Standing::Committed));
}

#[test]
fn a_store_with_nothing_in_it_is_still_one_when_it_is_written_anew() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.rewrite().expect("the disk takes it");
    drop(store);
    assert!(holds_store(dir.path()).expect("a folder"));
    assert_eq!(inspect(dir.path(), BEGAN).expect("it can be read").damage, []);
}
