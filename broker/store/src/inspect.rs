//! A look at a store: what there is and what is wrong, without a lock and without a change.
//!
//! A store that a broker has open may be looked at too. Files are only ever appended to, and one goes only after all that
//! counts of it stands in a later one: who reads them in their order has read the log as it was at some moment. If a
//! file goes meanwhile, reading begins again; a commit that is being written is no damage.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::open::{Looked, describe, look};
use crate::record::Clock;
use crate::{Damage, Folder, Harm, OpenError, Recovered, files};

const LOCK: &str = "lock";
/// A broker that cleans faster than this can read would have to be as fast as its disk for so many times.
const TRIES_MAX: usize = 20;

/// What a store holds.
#[derive(Debug)]
pub struct Inspected {
    /// What can be read. Times count from `clock_began`.
    pub recovered: Recovered,
    /// What cannot be, and no start has told of yet.
    pub damage: Vec<Damage>,
    /// What cannot be read and was set aside before.
    pub told_before: Vec<Damage>,
    /// Files of the log, the oldest first, and how long each is.
    pub files: Vec<(PathBuf, u64)>,
    /// Files in which something was set aside.
    pub aside: Vec<PathBuf>,
    /// Bytes of the records that count.
    pub live_bytes: u64,
}

/// Reads the store in `dir` and changes nothing. `clock_began` is as for [`crate::Store::open`].
///
/// # Errors
/// If a later version wrote it, or a file cannot be read.
pub fn inspect(dir: &Path, clock_began: u64) -> Result<Inspected, OpenError> {
    let in_use = user_of(dir)?.is_some();
    let disk = Folder::look_at(dir);
    let Looked { files: kept, index, recovered, mut wrong, told, lost, .. } = looked(dir, clock_began)?;
    if in_use {
        wrong.retain(|wrong| wrong.harm != Harm::Torn);
    }
    let (_, damage) = describe(&disk, &recovered, &wrong, &lost);
    let (_, told_before) = describe(&disk, &recovered, &told, &[]);
    let len = |path: PathBuf| {
        let bytes = path.metadata().map_or(0, |about| about.len());
        (path, bytes)
    };
    let mut aside: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(OpenError::io(dir, "list"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.strip_prefix("damaged-")?.strip_suffix(".jsonl")).is_some()
        })
        .collect();
    aside.sort();
    let files = kept.iter().map(|file| len(files::path(&disk, file.number))).collect();
    Ok(Inspected { recovered, damage, told_before, files, aside, live_bytes: index.bytes })
}

pub(crate) fn looked(dir: &Path, clock_began: u64) -> Result<Looked, OpenError> {
    let mut tries = 1;
    loop {
        match look(&Folder::look_at(dir), Clock(clock_began)) {
            Err(OpenError::Io { path, why, .. })
                if why.kind() == io::ErrorKind::NotFound && path != dir && tries < TRIES_MAX =>
            {
                tries += 1;
            }
            done => return done,
        }
    }
}

/// Whether something was ever kept in `dir`.
///
/// # Errors
/// If the folder is there and cannot be read.
pub fn holds_store(dir: &Path) -> Result<bool, OpenError> {
    match files::list(&Folder::look_at(dir)) {
        Err(OpenError::Io { why, .. }) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        numbers => numbers.map(|numbers| !numbers.is_empty()),
    }
}

/// Who has the store open now: `Some(None)` if it did not say its process id.
///
/// # Errors
/// If the lock cannot be looked at.
pub fn user_of(dir: &Path) -> Result<Option<Option<u32>>, OpenError> {
    let path = dir.join(LOCK);
    let file = match File::open(&path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(OpenError::io(&path, "open"))?,
    };
    // Given back at once: a broker that starts in this moment would be refused.
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(None),
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            Ok(Some(file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok())))
        }
        Err((_, why)) => Err(OpenError::Io { path, what: "look at the lock of", why: why.into() }),
    }
}
