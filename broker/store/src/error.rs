//! Why a store cannot be opened, and why it could not keep something.

use std::io;
use std::path::PathBuf;

use crate::reserve;

/// Why a store cannot be opened. Damage is none of it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by {}: two brokers cannot share one store", .dir.display(), process(*.pid))]
    InUse {
        /// The store's folder.
        dir: PathBuf,
        /// The other process, if it said so.
        pid: Option<u32>,
    },
    /// A later version of the program wrote it.
    #[error("{} was written by a later version of nightjar (format {found}; this one reads up to {known})", .file.display())]
    Newer {
        /// A file of the later format.
        file: PathBuf,
        /// Its format.
        found: u16,
        /// What is known here.
        known: u16,
    },
    /// The folder or a file cannot be used.
    #[error("{}: cannot {what}: {why}", .path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        why: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |why| Self::Io { path, what, why }
    }
}

/// Why operations are not kept yet. They are held in memory, and the next [`crate::Store::commit`] tries again.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// There is no room.
    #[error("{}: the disk is full ({why})", .path.display())]
    Full {
        /// What was written to.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Writing failed for another reason.
    #[error("{}: cannot write: {why}", .path.display())]
    Io {
        /// What was written to.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl CommitError {
    pub(crate) fn new(path: impl Into<PathBuf>, why: io::Error) -> Self {
        let path = path.into();
        if reserve::is_full(&why) { Self::Full { path, why } } else { Self::Io { path, why } }
    }
}
