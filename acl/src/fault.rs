//! A fault in a file, and the line to mend.

use std::fmt;

/// A line that cannot be used, or (as a warning) one that does not do what it seems to say.
///
/// It reads `line 7: ...`: the cause, then the mend. The loader, which knows the path, puts it in
/// front. Never holds a password, a hash or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// Counted from 1.
    pub line: u32,
    /// The cause and the mend, in one sentence or two.
    pub message: String,
}

impl LineFault {
    pub(crate) fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for LineFault {}
