//! Where something was written.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A line of a file, or the command line. Reads `mosquitto.conf:14`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Option<Arc<Path>>,
    line: u32,
}

impl Place {
    pub(crate) fn line_of(file: &Arc<Path>, line: u32) -> Self {
        Self { file: Some(Arc::clone(file)), line }
    }

    /// What was given as an argument of the program.
    pub const fn command_line() -> Self {
        Self { file: None, line: 0 }
    }

    /// The file, as it was named by whoever asked for it; `None` for the command line.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Counted from 1; 0 for the command line.
    pub const fn line(&self) -> u32 {
        self.line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}", file.display(), self.line),
            None => f.write_str("command line"),
        }
    }
}

/// A value and where it was written, so that whoever finds it wrong later can say where to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub at: Place,
}

impl<T> Located<T> {
    pub(crate) const fn new(value: T, at: Place) -> Self {
        Self { value, at }
    }

    /// A value that was given as an argument of the program.
    pub const fn from_command_line(value: T) -> Self {
        Self { value, at: Place::command_line() }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl From<Located<String>> for Located<PathBuf> {
    fn from(text: Located<String>) -> Self {
        Self { value: text.value.into(), at: text.at }
    }
}
