//! A full disk: a small file system of memory that only the test's own process sees.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use broker_core::{MemoryStore, SessionNumber, StoreOp};
use broker_store::{CommitError, Options, Store};

use crate::invented::{BEGAN, State, commit, message, queued, session};

const FOLDER: &str = "STORE_TEST_FULL_DISK";
const OPTIONS: Options = Options { file_bytes_max: 16 << 10, slack_bytes_max: 32 << 10 };

/// Runs the test of this name again, with a file system of 256 KiB at [`FOLDER`].
fn again_on_a_small_disk(test: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let script = "mount -t tmpfs -o size=256k none \"$0\" && exec \"$@\"";
    let is_root = fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    let output = Command::new("unshare")
        .args(if is_root { &["-m"][..] } else { &["-r", "-m"] })
        .args(["sh", "-c", script])
        .arg(dir.path())
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, dir.path())
        .output()
        .expect("unshare, of util-linux, runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "on a disk of its own:\n{said}");
}

/// Commits of one message each, until the store says that the disk is full.
fn fill(store: &mut Store, oracle: &mut MemoryStore) -> u64 {
    for entry in 1.. {
        commit(store, oracle, vec![queued(1, entry, message("a/b", &[entry as u8; 1_000]))]);
        if store.is_full() {
            return entry;
        }
    }
    0
}

#[test]
fn a_full_disk_loses_nothing_and_what_is_done_with_can_still_be_written() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return again_on_a_small_disk("full::a_full_disk_loses_nothing_and_what_is_done_with_can_still_be_written");
    };
    let dir = Path::new(&dir).join("store");
    let mut oracle = MemoryStore::default();
    let (mut store, _, _) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    commit(&mut store, &mut oracle, vec![session(1, "c")]);
    let last = fill(&mut store, &mut oracle);
    assert!((100..250).contains(&last), "{last} messages of 1,000 bytes");
    // The broker takes nothing new; its clients take what waits for them. Room comes back.
    for entry in 1..=last {
        commit(&mut store, &mut oracle, vec![StoreOp::Done(SessionNumber(1), entry)]);
    }
    assert!(!store.is_full());
    let again = fill(&mut store, &mut oracle);
    assert!(again > last * 3 / 4, "{again} messages, after {last}");
    drop(store);
    let (_store, recovered, damage) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens on a full disk");
    State::from(recovered).assert_is(&State::from(&oracle), "after all");
    assert_eq!(damage, []);
}

#[test]
fn what_a_full_disk_did_not_take_is_held_and_written_when_there_is_room() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return again_on_a_small_disk("full::what_a_full_disk_did_not_take_is_held_and_written_when_there_is_room");
    };
    let (dir, other) = (Path::new(&dir).join("store"), Path::new(&dir).join("other"));
    fs::write(&other, vec![1; 60 << 10]).expect("written");
    let mut oracle = MemoryStore::default();
    let (mut store, _, _) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    commit(&mut store, &mut oracle, vec![session(1, "c")]);
    let mut entry = fill(&mut store, &mut oracle);
    // A broker that does not listen: it goes on until nothing goes any more.
    let promised = loop {
        entry += 1;
        let promised = State::from(&oracle);
        let op = queued(1, entry, message("a/b", &[entry as u8; 1_000]));
        oracle.apply(op.clone());
        match store.commit(vec![op], true) {
            Ok(()) => {}
            Err(CommitError::Full { .. }) => break promised,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(store.held_bytes() > 1_000 && store.is_full());
    let more = queued(1, entry + 1, message("a/b", &[9; 1_000]));
    oracle.apply(more.clone());
    store.commit(vec![more], true).expect_err("it is full");

    // Whoever starts now finds what was promised, and no half of what was not.
    let copy = tempfile::tempdir_in("/var/tmp").expect("a folder on another disk");
    for entry in fs::read_dir(&dir).expect("a folder").flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
    }
    let (_copy, recovered, _) = Store::open(copy.path(), BEGAN, OPTIONS).expect("a store opens");
    State::from(recovered).assert_is(&promised, "what was promised");

    fs::remove_file(&other).expect("removed");
    store.commit(Vec::new(), true).expect("there is room");
    assert_eq!(store.held_bytes(), 0);
    drop(store);
    let (_store, recovered, damage) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    State::from(recovered).assert_is(&State::from(&oracle), "after all");
    assert_eq!(damage, []);
}

#[test]
fn damage_is_told_on_a_full_disk_too_and_told_again_until_it_can_be_set_aside() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return again_on_a_small_disk(
            "full::damage_is_told_on_a_full_disk_too_and_told_again_until_it_can_be_set_aside",
        );
    };
    let (dir, other) = (Path::new(&dir).join("store"), Path::new(&dir).join("other"));
    let (mut store, _, _) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    let body = message("a/b", &[7; 500]);
    store.commit(vec![session(1, "c"), queued(1, 1, Arc::clone(&body))], true).expect("the disk takes it");
    store.commit(vec![session(2, "d")], true).expect("the disk takes it");
    drop(store);
    let log = dir.join("0000000001.log");
    let mut bytes = fs::read(&log).expect("a file");
    bytes[400] ^= 1;
    fs::write(&log, bytes).expect("written");
    let _more_room_for_the_other = fs::remove_file(dir.join("reserve"));
    let _as_much_as_there_is = fs::write(&other, vec![1; 1 << 20]);
    for _ in 0..2 {
        let (_store, recovered, damage) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
        assert_eq!((recovered.session_count(), damage.is_empty()), (2, false));
        assert!(damage.iter().all(|damage| damage.aside.is_none()), "{damage:?}");
    }
    fs::remove_file(&other).expect("removed");
    let (store, _, damage) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    assert!(damage.iter().all(|damage| damage.aside.is_some()), "{damage:?}");
    drop(store);
    let (_store, recovered, damage) = Store::open(&dir, BEGAN, OPTIONS).expect("a store opens");
    assert_eq!((recovered.session_count(), damage), (2, Vec::new()));
}
