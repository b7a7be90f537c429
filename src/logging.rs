//! The log: mosquitto's line format, kinds and destinations, fed by `tracing`.
//!
//! Our own lines carry mosquitto's kind of message (`log_type`) as their `target`; lines of other rooms and libraries
//! get the kind of their level. Nothing is decided here about what is worth a line. What is written, and where to, may
//! change while the log is in use ([`Log::change`]).

mod sinks;
mod stamp;

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use broker::Handle;
use broker_conf::{LogSettings, LogTypes};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use sinks::{Datagrams, Entry};
use stamp::Stamp;

/// Where syslog listens, and the journal; the variables are for tests and for containers that have them elsewhere.
const SYSLOG: (&str, &str) = ("NIGHTJAR_SYSLOG_SOCKET", "/dev/log");
const JOURNAL: (&str, &str) = ("NIGHTJAR_JOURNAL_SOCKET", "/run/systemd/journal/socket");

/// syslog's `daemon`, and `local0`, after which the others come.
const FACILITY_DAEMON: u8 = 3;
const FACILITY_LOCAL0: u8 = 16;

/// Fields of our own lines, which the text holds already, begin like this.
const FACT: &str = "fact.";

/// mosquitto's kind of a line.
fn kind_of(metadata: &Metadata<'_>) -> &'static str {
    match metadata.target() {
        "error" => "error",
        "warning" => "warning",
        "notice" => "notice",
        "information" => "information",
        "subscribe" => "subscribe",
        "unsubscribe" => "unsubscribe",
        "websockets" => "websockets",
        "debug" => "debug",
        _ => match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "information",
            _ => "debug",
        },
    }
}

fn has(types: LogTypes, metadata: &Metadata<'_>) -> bool {
    if metadata.target().starts_with("rustls") {
        // What a client does wrong comes as an error of its connection, and is told once a minute; rustls would
        // tell it at each try, and warns of every client that dials an address in place of a name.
        return types.error && *metadata.level() == Level::ERROR;
    }
    match kind_of(metadata) {
        "error" => types.error,
        "warning" => types.warning,
        "notice" => types.notice,
        "information" => types.information,
        "subscribe" => types.subscribe,
        "unsubscribe" => types.unsubscribe,
        "websockets" => types.websockets,
        _ => types.debug && *metadata.level() != Level::TRACE,
    }
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
        let (file, is_ours) = match options().create_new(true).open(path) {
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
    options().create(true).open(path)
}

/// A new file is for its owner alone, whatever the umask: who connects when, and to which topics, is nobody else's to read.
/// Where `UMASK_SET` says who may, that counts.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(if crate::privileges::has_own_umask() { 0o666 } else { 0o600 });
    options
}

/// The log of this process, to be changed while it is in use.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    writing: RwLock<Writing>,
    /// What publishes lines, once there is a broker that can.
    broker: RwLock<Option<Handle>>,
    name: String,
}

/// What is written, how, and where to.
struct Writing {
    types: LogTypes,
    stamp: Stamp,
    stderr: bool,
    stdout: bool,
    json: bool,
    topic: bool,
    file: Option<LogFile>,
    syslog: Option<(Datagrams, u8)>,
    journal: Option<Datagrams>,
}

impl Writing {
    /// `before` lends its file, if that is the one.
    fn new(settings: &LogSettings, before: Option<&LogFile>) -> io::Result<Self> {
        let path = settings.to_file.as_ref().map(|file| file.value.as_path());
        let file = match (path, before) {
            (Some(path), Some(before)) if before.path.as_path() == path => {
                before.reopen()?;
                Some(before.clone())
            }
            (Some(path), _) => Some(LogFile::open(path)?),
            (None, _) => None,
        };
        let datagrams = |(variable, path): (&str, &str)| {
            Datagrams::to(std::env::var_os(variable).map_or_else(|| PathBuf::from(path), PathBuf::from))
        };
        let facility = settings.facility.map_or(FACILITY_DAEMON, |local| FACILITY_LOCAL0 + local);
        Ok(Self {
            types: settings.types,
            stamp: Stamp::of(settings),
            stderr: settings.to_stderr,
            stdout: settings.to_stdout,
            json: settings.to_json,
            topic: settings.to_topic,
            file,
            syslog: settings.to_syslog.then(|| (datagrams(SYSLOG), facility)),
            journal: settings.to_journal.then(|| datagrams(JOURNAL)),
        })
    }
}

impl Log {
    /// Begins to log. To be called once. `name` is what syslog and the journal know us by.
    ///
    /// # Errors
    /// The log's file cannot be opened.
    pub(crate) fn start(settings: &LogSettings, name: &str) -> io::Result<Self> {
        let writing = RwLock::new(Writing::new(settings, None)?);
        let log = Self(Arc::new(Shared { writing, broker: RwLock::default(), name: name.to_owned() }));
        // Only a second start could fail, and there is none.
        let _ = tracing_subscriber::registry().with(Lines(Arc::clone(&log.0))).try_init();
        Ok(log)
    }

    /// Other options of the log count from now on; its file is opened again.
    ///
    /// # Errors
    /// The log's file cannot be opened: everything stays as it was.
    pub(crate) fn change(&self, settings: &LogSettings) -> io::Result<()> {
        let before = self.file();
        let writing = Writing::new(settings, before.as_ref())?;
        *self.0.writing.write().unwrap_or_else(PoisonError::into_inner) = writing;
        // Which lines are worth asking for is remembered where they are written.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// `broker` publishes the lines that `log_dest topic` asks for.
    pub(crate) fn publish_by(&self, broker: Handle) {
        *self.0.broker.write().unwrap_or_else(PoisonError::into_inner) = Some(broker);
    }

    pub(crate) fn file(&self) -> Option<LogFile> {
        self.0.writing.read().unwrap_or_else(PoisonError::into_inner).file.clone()
    }
}

struct Lines(Arc<Shared>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        has(self.0.writing.read().unwrap_or_else(PoisonError::into_inner).types, metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let writing = self.0.writing.read().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::with_capacity(128);
        writing.stamp.begin(&mut line);
        let start = line.len();
        let mut facts = Vec::new();
        let begins_with_tab = event.metadata().target() == "debug";
        event.record(&mut Message { text: &mut line, facts: &mut facts, begins_with_tab });
        let kind = kind_of(event.metadata());
        if writing.syslog.is_some() || writing.journal.is_some() || writing.json || writing.topic {
            let time_s = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
            let entry = Entry { kind, message: &line[start..], line: &line, fields: &facts, time_s };
            self.send(&writing, &entry);
        }
        line.push('\n');
        // A log that cannot be written must not stop what it tells of.
        if writing.stderr {
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
        if writing.stdout {
            let _ = io::stdout().lock().write_all(line.as_bytes());
        }
        if let Some(file) = &writing.file {
            let _ = file.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        }
    }
}

impl Lines {
    fn send(&self, writing: &Writing, entry: &Entry<'_>) {
        let (name, pid) = (&self.0.name, std::process::id());
        if let Some((datagrams, facility)) = &writing.syslog {
            datagrams.send(sinks::syslog(entry, *facility, name, pid).as_bytes());
        }
        if let Some(datagrams) = &writing.journal {
            datagrams.send(sinks::journal(entry, name, pid).as_bytes());
        }
        if writing.json {
            let _ = io::stdout().lock().write_all((sinks::json(entry) + "\n").as_bytes());
        }
        if let (true, Some(severity)) = (writing.topic, sinks::topic_of(entry.kind))
            && let Some(broker) = &*self.0.broker.read().unwrap_or_else(PoisonError::into_inner)
        {
            broker.log(severity, entry.line.to_owned());
        }
    }
}

/// Writes the message, then other fields as `name=value`, and gathers the facts of our own lines. Line ends, control
/// characters and what turns the direction of writing, which strangers send (in a Client Identifier, say), must not look
/// like lines of ours.
struct Message<'a> {
    text: &'a mut String,
    facts: &'a mut Vec<(&'static str, String)>,
    /// A tab may stand at the beginning of the message, as mosquitto puts it before what belongs to the line above. None of
    /// our own debug lines begins with what a stranger said.
    begins_with_tab: bool,
}

fn push_message(line: &mut String, message: &str, begins_with_tab: bool) {
    let rest = message.strip_prefix('\t').filter(|_| begins_with_tab);
    if rest.is_some() {
        line.push('\t');
    }
    push(line, rest.unwrap_or(message));
}

fn push(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() || is_deceptive(character) {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
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
            "message" => {
                push_message(self.text, &format!("{value:?}"), self.begins_with_tab);
            }
            name if name.starts_with("log.") => {}
            name => match name.strip_prefix(FACT) {
                Some(fact) => {
                    let mut text = String::new();
                    push(&mut text, &format!("{value:?}"));
                    self.facts.push((fact, text));
                }
                None => push(self.text, &format!(" {name}={value:?}")),
            },
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
            push(&mut line, said);
            assert_eq!(line, wanted);
        }
    }

    #[test]
    fn a_tab_stands_at_the_beginning_of_a_debug_line_and_nowhere_else() {
        let rows = [
            ("\tt/# (QoS 0)", true, "\tt/# (QoS 0)"),
            ("\tt/# (QoS 0)", false, "\\tt/# (QoS 0)"),
            ("\t\ta\tb", true, "\t\\ta\\tb"),
            ("a", true, "a"),
        ];
        for (message, is_debug, wanted) in rows {
            let mut line = String::new();
            push_message(&mut line, message, is_debug);
            assert_eq!(line, wanted, "{message:?}");
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
