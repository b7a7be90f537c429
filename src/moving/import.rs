//! A `mosquitto.db` becomes a store: all of it or nothing, and the file stays as it is.
//!
//! The store is made in a folder beside and gets its name when it is whole. Whatever interrupts that leaves no store, and
//! the next try begins anew.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use broker_core::StoreOp;
use broker_store::{CommitError, OpenError, Options, Store, holds_store, user_of};
use mosquitto_db::{File, Import, Refusal, Report};

use super::progress::Progress;

/// What came over, and where from.
#[derive(Debug)]
pub(crate) struct ImportReport {
    pub file: PathBuf,
    pub store: PathBuf,
    pub report: Report,
}

/// Why nothing came over. The file is as it was, and there is no store that was not there before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file cannot be read.
    #[error("{}: {why}", .file.display())]
    Unreadable { file: PathBuf, why: io::Error },
    /// It is not mosquitto's.
    #[error("{}: {why}", .file.display())]
    Refused { file: PathBuf, why: Refusal },
    /// There is a store.
    #[error(
        "{0} holds a store already, and nothing is put into it: give another folder with --to, or move that one away \
         (nightjar store check {0} says what is in it)",
        .store.display()
    )]
    AlreadyThere { store: PathBuf },
    /// The store's folder cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// It could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not get its place.
    #[error("{}: the new store cannot be put there: {why}", .store.display())]
    Place { store: PathBuf, why: io::Error },
}

/// At a start: if `store_dir` holds no store and there is mosquitto's file in `location`, it is imported. `now_ms` is the
/// time of day in milliseconds since 1970. `None`: there was nothing to do.
///
/// # Errors
/// If there is a file that cannot be imported. A broker can start without, with nothing in its store; it is then for the
/// operator to import the file later, into a store that holds nothing yet.
pub(crate) fn first_start(
    location: &Path,
    file_name: &str,
    store_dir: &Path,
    now_ms: u64,
) -> Result<Option<ImportReport>, ImportError> {
    let file = location.join(file_name);
    let is_there = file.try_exists().map_err(|why| ImportError::Unreadable { file: file.clone(), why })?;
    if !is_there || holds_store(store_dir)? {
        return Ok(None);
    }
    import_file(&file, store_dir, now_ms).map(Some)
}

/// Makes a store in `store_dir` of `file`.
///
/// # Errors
/// If there is a store already, or the file is not one of mosquitto's.
pub(crate) fn import_file(file: &Path, store_dir: &Path, now_ms: u64) -> Result<ImportReport, ImportError> {
    refuse_if_in_use(store_dir)?;
    if holds_store(store_dir)? {
        return Err(ImportError::AlreadyThere { store: store_dir.into() });
    }
    // A copy in memory: mosquitto may still be running, and replaces its file by another when it saves.
    let bytes = fs::read(file).map_err(|why| ImportError::Unreadable { file: file.into(), why })?;
    let opened = File::open(&bytes).map_err(|why| ImportError::Refused { file: file.into(), why })?;
    let mut import = Import::of(opened, now_ms, 0);
    let beside = beside(store_dir);
    // Another import may be at work there.
    refuse_if_in_use(&beside)?;
    let made = make(&mut import, &beside).and_then(|()| {
        give_to_owner_of(file, &beside);
        put_in_place(&beside, store_dir).map_err(|why| ImportError::Place { store: store_dir.into(), why })
    });
    if made.is_err() {
        let _it_may_not_be_there = fs::remove_dir_all(&beside);
    }
    made.map(|()| ImportReport { file: file.into(), store: store_dir.into(), report: import.report })
}

fn refuse_if_in_use(dir: &Path) -> Result<(), OpenError> {
    match user_of(dir)? {
        Some(pid) => Err(OpenError::InUse { dir: dir.into(), pid }),
        None => Ok(()),
    }
}

/// Where a store is made.
fn beside(store_dir: &Path) -> PathBuf {
    let mut name = store_dir.file_name().unwrap_or_default().to_owned();
    name.push(".importing");
    store_dir.with_file_name(name)
}

fn make(import: &mut Import, dir: &Path) -> Result<(), ImportError> {
    const COMMIT_BYTES: usize = 1 << 20;
    match fs::remove_dir_all(dir) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            return Err(ImportError::Place { store: dir.into(), why });
        }
        _ => {}
    }
    let (mut store, _, _) = Store::open(dir, 0, Options::default())?;
    let mut progress = Progress::of("records written");
    let (mut ops, mut bytes, mut count) = (Vec::new(), 0, 0);
    for op in import.take_ops() {
        bytes += size_of::<StoreOp>() + payload_bytes(&op);
        count += 1;
        ops.push(op);
        if bytes >= COMMIT_BYTES {
            store.commit(std::mem::take(&mut ops), false)?;
            bytes = 0;
            progress.at(count);
        }
    }
    store.commit(ops, true)?;
    Ok(())
}

fn payload_bytes(op: &StoreOp) -> usize {
    match op {
        StoreOp::Queued(_, held) => held.message.payload().len(),
        StoreOp::Taken(_, _, taken) => taken.message.payload().len(),
        StoreOp::Retained(message, _) => message.payload().len(),
        _ => 0,
    }
}

/// Imported by root, the store is for whom the file was for: the broker does not run as root. Others give nothing away.
fn give_to_owner_of(file: &Path, dir: &Path) {
    let Ok(about) = file.metadata() else { return };
    let (user, group) = (Some(about.uid()), Some(about.gid()));
    let within = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in within.chain([dir.to_path_buf()]) {
        let _only_root_may = chown(path, user, group);
    }
}

/// Gives the store its name, at once and for good.
fn put_in_place(beside: &Path, store_dir: &Path) -> io::Result<()> {
    // What a broker leaves that never had anything to keep. A folder with anything else in it is not replaced.
    for name in ["lock", "reserve"] {
        match fs::remove_file(store_dir.join(name)) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
            _ => {}
        }
    }
    fs::rename(beside, store_dir)?;
    let above = store_dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(above)?.sync_all()
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { sessions, subscriptions, queued, in_flight, taken, retained, .. } = &self.report;
        let came = [
            (sessions, "session"),
            (subscriptions, "subscription"),
            (queued, "queued message"),
            (in_flight, "message in flight"),
            (taken, "unreleased QoS 2 message"),
            (retained, "retained message"),
        ];
        write!(
            f,
            "{} (version {}) came over into {}:",
            self.file.display(),
            self.report.version,
            self.store.display()
        )?;
        for (count, what) in came {
            let what = match (*count, what) {
                (1, what) => what.to_owned(),
                (_, "message in flight") => "messages in flight".to_owned(),
                (_, what) => format!("{what}s"),
            };
            write!(f, "\n  {count:>7}  {what}")?;
        }
        if !self.report.at_shutdown {
            write!(f, "\nnote: mosquitto was running when it saved this file; what came after that is not in it")?;
        }
        for (reason, tally) in &self.report.left_out.0 {
            write!(f, "\n  {:>7}  {reason}", tally.count)?;
            for (n, client) in tally.clients.iter().enumerate() {
                write!(f, "{}{client}", if n == 0 { ": " } else { ", " })?;
            }
            if reason.counts_clients() && tally.count > tally.clients.len() {
                write!(f, " and {} more", tally.count - tally.clients.len())?;
            }
        }
        for damage in &self.report.damage {
            write!(f, "\ndamaged: {damage}")?;
        }
        if !self.report.damage.is_empty() {
            let bytes: usize = self.report.damage.iter().map(|damage| damage.bytes).sum();
            write!(f, "\n{bytes} bytes could not be read; all else came over, and the file is as it was")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A file of mosquitto 1.4 with one client, "c", subscribed to "a/#".
    const SAVED: &[u8] = b"\x00\xb5\x00mosquitto db\0\0\0\0\0\0\0\x03\
        \x00\x06\x00\x00\x00\x0d\x00\x01c\x00\x09\xef\xcd\xab\x68\0\0\0\0\
        \x00\x05\x00\x00\x00\x09\x00\x01c\x00\x03a/#\x02";
    const NOW_MS: u64 = 1_700_000_000_000;

    struct Place(tempfile::TempDir);

    impl Place {
        fn with(saved: &[u8]) -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            fs::write(dir.path().join("m.db"), saved).expect("written");
            Self(dir)
        }

        fn store(&self) -> PathBuf {
            self.0.path().join("nightjar.store")
        }

        fn first_start(&self) -> Result<Option<ImportReport>, ImportError> {
            first_start(self.0.path(), "m.db", &self.store(), NOW_MS)
        }

        fn names(&self) -> BTreeSet<String> {
            let entries = fs::read_dir(self.0.path()).expect("a folder").flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }

        fn sessions(&self) -> usize {
            broker_store::inspect(&self.store(), 0).expect("a store").recovered.session_count()
        }
    }

    #[test]
    fn at_the_first_start_and_at_no_other_what_mosquitto_saved_is_imported() {
        let place = Place::with(SAVED);
        let report = place.first_start().expect("it can be").expect("there is a file").report;
        assert_eq!((report.sessions, report.subscriptions), (1, 1));
        assert_eq!(place.sessions(), 1);
        assert_eq!(fs::read(place.0.path().join("m.db")).expect("it stays"), SAVED);
        assert!(place.first_start().expect("nothing to do").is_none());
        assert_eq!(place.names(), ["m.db", "nightjar.store"].map(str::to_owned).into());
    }

    #[test]
    fn the_store_is_for_whom_the_file_was_for() {
        let place = Place::with(SAVED);
        let file = place.0.path().join("m.db");
        // Only root can give it to another; everybody's own is their own.
        let _only_root_may = chown(&file, Some(65_534), Some(65_534));
        let owner = file.metadata().expect("it is there").uid();
        place.first_start().expect("it can be");
        let within = fs::read_dir(place.store()).expect("a folder").flatten().map(|entry| entry.path());
        for path in within.chain([place.store()]) {
            assert_eq!(path.metadata().expect("it is there").uid(), owner, "{}", path.display());
        }
    }

    #[test]
    fn without_a_file_there_is_nothing_to_do() {
        let place = Place::with(SAVED);
        fs::remove_file(place.0.path().join("m.db")).expect("it was there");
        assert!(place.first_start().expect("nothing to do").is_none());
        assert_eq!(place.names(), BTreeSet::new());
    }

    #[test]
    fn a_store_in_which_nothing_was_kept_yet_is_filled() {
        let place = Place::with(SAVED);
        drop(Store::open(&place.store(), 0, Options::default()).expect("a store"));
        assert!(place.first_start().expect("it can be").is_some());
        assert_eq!(place.sessions(), 1);
    }

    #[test]
    fn what_an_import_that_was_interrupted_left_is_cleared_away() {
        let place = Place::with(SAVED);
        let beside = beside(&place.store());
        let (mut half, _, _) = Store::open(&beside, 0, Options::default()).expect("a store");
        let session = |number, client_id: &str| StoreOp::Session {
            number: broker_core::SessionNumber(number),
            client_id: client_id.into(),
            username: None,
            listener: None,
            expiry_s: 1,
        };
        half.commit(vec![session(7, "x"), session(8, "y")], true).expect("the disk takes it");
        // While it is at work, a second one is refused.
        assert!(matches!(place.first_start(), Err(ImportError::Store(OpenError::InUse { .. }))));
        drop(half);
        let left = broker_store::inspect(&beside, 0).expect("it is left alone");
        assert_eq!(left.recovered.session_count(), 2);
        assert!(place.first_start().expect("it can be").is_some());
        assert_eq!(place.sessions(), 1);
        assert_eq!(place.names(), ["m.db", "nightjar.store"].map(str::to_owned).into());
    }

    #[test]
    fn a_file_that_is_not_mosquittos_is_an_error_and_no_store_is_made() {
        let place = Place::with(b"something else, and long enough to be looked at");
        assert!(matches!(place.first_start(), Err(ImportError::Refused { why: Refusal::NotOurs, .. })));
        assert_eq!(place.names(), ["m.db"].map(str::to_owned).into());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_not_replaced() {
        let place = Place::with(SAVED);
        fs::create_dir(place.store()).expect("made");
        fs::write(place.store().join("letter"), "dear").expect("written");
        assert!(matches!(place.first_start(), Err(ImportError::Place { .. })));
        assert_eq!(fs::read(place.store().join("letter")).expect("it stays"), b"dear");
        assert_eq!(place.names(), ["m.db", "nightjar.store"].map(str::to_owned).into());
    }
}
