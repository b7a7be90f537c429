//! The folder: whose it is, who may look into it, which program wrote it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use broker_core::MemoryStore;
use broker_store::{OpenError, Store};

use crate::invented::{BEGAN, History, SMALL, commit, folder, open, session};

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let dir = folder();
    let first = open(dir.path());
    let second = Store::open(dir.path(), BEGAN, SMALL).map(drop).expect_err("it is in use");
    let pid = std::process::id();
    assert!(matches!(second, OpenError::InUse { pid: Some(told), .. } if told == pid), "{second:?}");
    assert!(second.to_string().contains(&format!("is in use by process {pid}")), "{second}");
    drop(first);
    open(dir.path());
}

#[test]
fn nobody_else_may_read_a_file_of_the_store() {
    let dir = folder();
    let store_dir = dir.path().join("a/store");
    let (mut store, _, _) = open(&store_dir);
    let (mut history, mut oracle) = (History::new(1), MemoryStore::default());
    for _ in 0..100 {
        commit(&mut store, &mut oracle, history.commit());
    }
    drop(store);
    let damaged = fs::read_dir(&store_dir).expect("a folder").flatten().find(|entry| entry.file_name() != "lock");
    let damaged = damaged.map(|entry| entry.path()).expect("a file");
    fs::write(&damaged, vec![7; 1_000]).expect("written");
    open(&store_dir);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&store_dir), 0o700);
    assert_eq!(mode(&dir.path().join("a")) & 0o700, 0o700);
    assert_ne!(mode(&dir.path().join("a")), 0o700, "whom root is given away to must get through");
    let mut kinds = std::collections::BTreeSet::new();
    for entry in fs::read_dir(&store_dir).expect("a folder").flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
        kinds.extend(entry.path().extension().map(ToOwned::to_owned));
    }
    assert!(kinds.contains("log".as_ref() as &std::ffi::OsStr));
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let dir = folder();
    let (mut store, _, _) = open(dir.path());
    store.commit(vec![session(1, "c")], true).expect("the disk takes it");
    drop(store);
    let path = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&path).expect("a file");
    for copy in bytes[..96].chunks_exact_mut(48) {
        copy[16..20].copy_from_slice(&9_u32.to_le_bytes());
        let sum = crc32fast::hash(&copy[..44]);
        copy[44..].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(&path, &bytes).expect("written");
    let refused = Store::open(dir.path(), BEGAN, SMALL).map(drop).expect_err("it is not ours");
    assert!(matches!(refused, OpenError::Newer { found: 9, known: 1, .. }), "{refused:?}");
    assert_eq!(fs::read(&path).expect("a file"), bytes);
}

#[test]
fn a_file_that_was_just_begun_when_the_program_ended_is_no_damage() {
    for len in [0, 1, 47, 95] {
        let dir = folder();
        let (mut store, _, _) = open(dir.path());
        store.commit(vec![session(1, "c")], true).expect("the disk takes it");
        drop(store);
        fs::write(dir.path().join("0000000002.log"), vec![0; len]).expect("written");
        let (mut store, recovered, damage) = open(dir.path());
        assert_eq!((recovered.session_count(), damage.len()), (1, 0), "{len} bytes");
        store.commit(vec![session(2, "d")], true).expect("the disk takes it");
        drop(store);
        let (_store, recovered, damage) = open(dir.path());
        assert_eq!((recovered.session_count(), damage.len()), (2, 0), "{len} bytes");
    }
}
