//! A disk that fails now and then, and says what was asked of it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use broker_core::{MemoryStore, Publisher, StoreOp};
use broker_store::{CommitError, Damage, Disk, DiskFile, Folder, Recovered, Store};

use crate::invented::{BEGAN, SMALL, State, commit, folder, message, queued, session};

/// A real folder.
#[derive(Debug)]
struct Failing {
    folder: Folder,
    mood: Arc<Mood>,
}

#[derive(Debug, Default)]
struct Mood {
    /// The next append, or sync, fails.
    is_full: AtomicBool,
    does_not_sync: AtomicBool,
    /// What was synced.
    synced: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct FailingFile {
    name: String,
    file: Box<dyn DiskFile>,
    mood: Arc<Mood>,
}

impl Failing {
    fn file(&self, name: &str, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FailingFile { name: name.to_owned(), file: file?, mood: Arc::clone(&self.mood) }))
    }
}

impl Mood {
    fn note(&self, what: &str) {
        self.synced.lock().expect("nobody panicked").push(what.to_owned());
    }
}

impl Disk for Failing {
    fn dir(&self) -> &Path {
        self.folder.dir()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.folder.read(name, bytes_max)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(name, self.folder.create(name))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(name, self.folder.create_new(name))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.file(name, self.folder.open(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.mood.note("names");
        self.folder.sync_names()
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.folder.reserve(name, bytes)
    }
}

impl DiskFile for FailingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mood.is_full.swap(false, Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.mood.does_not_sync.swap(false, Ordering::Relaxed) {
            return Err(io::Error::other("it does not answer"));
        }
        self.mood.note(&self.name);
        self.file.sync()
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.cut(bytes)
    }
}

fn open(dir: &Path) -> (Store, Recovered, Vec<Damage>, Arc<Mood>) {
    let mood = Arc::new(Mood::default());
    let disk = Failing { folder: Folder::take(dir).expect("a folder"), mood: Arc::clone(&mood) };
    let (store, recovered, damage) = Store::open_on(Box::new(disk), BEGAN, SMALL).expect("a store opens");
    (store, recovered, damage, mood)
}

#[test]
fn what_was_written_anew_after_a_failure_is_not_undone_when_the_file_that_failed_is_cleaned_away() {
    let dir = folder();
    let (mut store, _, _, mood) = open(dir.path());
    let mut oracle = MemoryStore::default();
    let publisher = Arc::new(Publisher { client_id: "p".into(), username: None, listener: None });
    let retained = |payload: &[u8]| StoreOp::Retained(message("a/b", payload), Arc::clone(&publisher));
    commit(&mut store, &mut oracle, vec![session(1, "c"), retained(b"older")]);
    mood.is_full.store(true, Ordering::Relaxed);
    commit(&mut store, &mut oracle, vec![retained(b"newer")]);
    let first = dir.path().join("0000000001.log");
    for entry in 1.. {
        if !first.exists() {
            break;
        }
        assert!(entry < 200, "the first file is cleaned away");
        commit(&mut store, &mut oracle, vec![queued(1, entry, message("a", &[1; 400]))]);
        commit(&mut store, &mut oracle, vec![StoreOp::Done(broker_core::SessionNumber(1), entry)]);
    }
    drop(store);
    let (_store, recovered, damage, _) = open(dir.path());
    State::from(recovered).assert_is(&State::from(&oracle), "after all");
    assert_eq!(damage, []);
}

#[test]
fn what_could_not_be_synced_is_written_again_though_it_was_committed_without_sync() {
    let dir = folder();
    let (mut store, _, _, mood) = open(dir.path());
    let mut oracle = MemoryStore::default();
    commit(&mut store, &mut oracle, vec![session(1, "c")]);
    let synced = store.disk_bytes() as usize;
    let later = session(2, "d");
    oracle.apply(later.clone());
    store.commit(vec![later], false).expect("the disk takes it");
    mood.does_not_sync.store(true, Ordering::Relaxed);
    let failed = store.commit(Vec::new(), true);
    assert!(matches!(failed, Err(CommitError::Io { .. })), "{failed:?}");
    assert!(store.held_bytes() > 0);
    // It is still there, if the process ends now: but nobody knows whether the disk has it.
    let whole = fs::read(dir.path().join("0000000001.log")).expect("a file");
    store.commit(Vec::new(), true).expect("the disk takes it");
    assert_eq!(store.held_bytes(), 0);
    drop(store);
    assert!(whole.len() > synced);
    fs::write(dir.path().join("0000000001.log"), &whole[..synced]).expect("written");
    let (_store, recovered, damage, _) = open(dir.path());
    State::from(recovered).assert_is(&State::from(&oracle), "after all");
    assert_eq!(damage, []);
}

#[test]
fn what_is_found_at_the_start_is_synced_before_anything_builds_on_it() {
    let dir = folder();
    let (mut store, _, _, _) = open(dir.path());
    store.commit(vec![session(1, "c")], true).expect("the disk takes it");
    drop(store);
    let (_store, _, _, mood) = open(dir.path());
    assert_eq!(*mood.synced.lock().expect("nobody panicked"), ["0000000001.log", "names"]);
}
