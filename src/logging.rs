//! The log: mosquitto's line format, kinds and destinations, fed by `tracing`.
//!
//! Our own lines carry mosquitto's kind of message (`log_type`) as their `target`; lines of other rooms and libraries
//! get the kind of their level. Nothing is decided here about what is worth a line.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Which kinds are written, as `log_type` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub error: bool,
    pub warning: bool,
    pub notice: bool,
    pub information: bool,
    pub debug: bool,
}

impl Kinds {
    fn has(self, metadata: &Metadata<'_>) -> bool {
        if metadata.target().starts_with("rustls") {
            // What a client does wrong comes as an error of its connection, and is told once a minute; rustls would
            // tell it at each try, and warns of every client that dials an address in place of a name.
            return self.error && *metadata.level() == Level::ERROR;
        }
        match metadata.target() {
            "error" => self.error,
            "warning" => self.warning,
            "notice" => self.notice,
            "information" => self.information,
            "debug" => self.debug,
            _ => match *metadata.level() {
                Level::ERROR => self.error,
                Level::WARN => self.warning,
                Level::INFO => self.information,
                Level::DEBUG => self.debug,
                Level::TRACE => false,
            },
        }
    }
}

/// How the time stands before each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Not at all.
    None,
    /// Seconds since 1970.
    Epoch,
    /// As `log_timestamp_format` says (strftime).
    Format(String),
}

/// Where lines go.
pub(crate) struct Destinations {
    pub stderr: bool,
    pub stdout: bool,
    pub file: Option<PathBuf>,
}

/// The log's file, to be opened again when it was rotated away.
#[derive(Clone)]
pub(crate) struct LogFile {
    path: Arc<PathBuf>,
    file: Arc<Mutex<File>>,
    /// It was not there before.
    is_ours: bool,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let (file, is_ours) = match OpenOptions::new().create_new(true).append(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (append(path)?, false),
            Err(error) => return Err(error),
        };
        Ok(Self { path: Arc::new(path.to_owned()), file: Arc::new(Mutex::new(file)), is_ours })
    }

    /// Gives the file to the user that this process becomes, who could not open it again after a rotation otherwise.
    /// A file that was there before stays whose it was: it may be another than the one that root believes to open.
    pub(crate) fn give_to(&self, user: u32, group: u32) {
        if self.is_ours {
            let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            // Where it cannot be, opening it again says so.
            let _ = std::os::unix::fs::fchown(&*file, Some(user), Some(group));
        }
    }

    /// Opens the path again; the old file goes on if that fails.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let file = append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Begins to log. To be called once.
///
/// # Errors
/// The log's file cannot be opened.
pub(crate) fn start(kinds: Kinds, stamp: Stamp, to: &Destinations) -> io::Result<Option<LogFile>> {
    let file = to.file.as_deref().map(LogFile::open).transpose()?;
    let lines = Lines { kinds, stamp, stderr: to.stderr, stdout: to.stdout, file: file.clone() };
    // Only a second start could fail, and there is none.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(file)
}

struct Lines {
    kinds: Kinds,
    stamp: Stamp,
    stderr: bool,
    stdout: bool,
    file: Option<LogFile>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.kinds.has(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = String::with_capacity(128);
        match &self.stamp {
            Stamp::None => {}
            Stamp::Epoch => {
                let _ = write!(line, "{}: ", chrono::Utc::now().timestamp());
            }
            Stamp::Format(format) => {
                // A format that cannot be carried out is left out, not the line.
                let start = line.len();
                if write!(line, "{}: ", chrono::Local::now().format(format)).is_err() {
                    line.truncate(start);
                }
            }
        }
        event.record(&mut Message(&mut line));
        line.push('\n');
        // A log that cannot be written must not stop what it tells of.
        if self.stderr {
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
        if self.stdout {
            let _ = io::stdout().lock().write_all(line.as_bytes());
        }
        if let Some(file) = &self.file {
            let _ = file.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        }
    }
}

/// Writes the message, then other fields as `name=value`. Line ends, control characters and what turns the direction
/// of writing, which strangers send (in a Client Identifier, say), must not look like lines of ours.
struct Message<'a>(&'a mut String);

impl Message<'_> {
    fn push(&mut self, text: &str) {
        for character in text.chars() {
            if character.is_control() || is_deceptive(character) {
                let _ = write!(self.0, "{}", character.escape_default());
            } else {
                self.0.push(character);
            }
        }
    }
}

/// Line and paragraph separators, marks of direction, and a space without width: not control characters to Unicode,
/// but to a reader of the log.
const fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.push(&format!("{value:?}")),
            name if name.starts_with("log.") => {}
            name => self.push(&format!(" {name}={value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_a_stranger_sends_cannot_look_like_another_line() {
        let rows = [
            ("caf\u{e9} \u{4e2d}\u{6587}", "caf\u{e9} \u{4e2d}\u{6587}"),
            ("a\n1700000000: Client b", "a\\n1700000000: Client b"),
            ("a\r\x1b[2Jb", "a\\r\\u{1b}[2Jb"),
            ("a\u{85}b\u{2028}c\u{2029}d", "a\\u{85}b\\u{2028}c\\u{2029}d"),
            ("a\u{202e}b\u{2066}c\u{feff}", "a\\u{202e}b\\u{2066}c\\u{feff}"),
        ];
        for (said, wanted) in rows {
            let mut line = String::new();
            Message(&mut line).push(said);
            assert_eq!(line, wanted);
        }
    }

    #[test]
    fn only_a_log_file_that_was_made_here_is_given_away() {
        if !nix::unistd::Uid::effective().is_root() {
            return; // nobody else may give files away
        }
        let dir = tempfile::tempdir().expect("a folder");
        let (new, old) = (dir.path().join("new"), dir.path().join("old"));
        std::fs::write(&old, "").expect("a file");
        for (path, wanted) in [(&new, 12_345), (&old, 0)] {
            let file = LogFile::open(path).expect("it can be opened");
            file.give_to(12_345, 12_345);
            assert_eq!(std::fs::metadata(path).expect("it is there").uid(), wanted, "{}", path.display());
        }
    }
}
