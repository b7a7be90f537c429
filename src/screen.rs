//! What a command tells the person who gave it. Who reads it may be gone, as behind `| head`: then the rest is not told,
//! and what the command does goes on.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes a line, at once.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes text that has its own line ends, at once.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
