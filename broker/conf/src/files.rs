//! Where the text comes from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The files as the caller sees them; this crate opens none.
pub trait Files {
    /// The bytes of a file. [`io::ErrorKind::IsADirectory`] has words of its own.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a folder, in any order, without the folder's own path.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<OsString>>;
}

/// Files that are not on a disk: those that are about to be written, and those of tests.
#[derive(Clone, Debug, Default)]
pub struct InMemory(BTreeMap<PathBuf, Vec<u8>>);

impl InMemory {
    /// One file.
    pub fn one(path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        Self::default().with(path, text)
    }

    /// One more.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.into(), text.into());
        self
    }
}

impl Files for InMemory {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone());
        }
        Err(if self.list(path).is_ok() { io::ErrorKind::IsADirectory } else { io::ErrorKind::NotFound }.into())
    }

    /// A folder that has no file is not there.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<OsString>> {
        let inside = self.0.keys().filter(|path| path.parent() == Some(dir));
        let names: Vec<_> = inside.filter_map(|path| path.file_name()).map(Into::into).collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }
}
