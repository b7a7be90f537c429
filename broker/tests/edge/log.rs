//! The broker's log, to wait for a line of it.

use std::sync::{Condvar, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::client::PATIENCE;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MORE: Condvar = Condvar::new();
static BEGUN: Once = Once::new();

/// Lines from here on, of every broker in this process.
pub(crate) struct Log {
    from: usize,
}

impl Log {
    pub(crate) fn begin() -> Self {
        BEGUN.call_once(|| tracing::subscriber::set_global_default(Lines).expect("the only one"));
        Self { from: LINES.lock().expect("no panic").len() }
    }

    /// Waits for a line with these words, and answers it.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let found = |lines: &Vec<String>| lines[self.from..].iter().find(|line| line.contains(words)).cloned();
        let lines = LINES.lock().expect("no panic");
        let (lines, _) = MORE.wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none()).expect("no panic");
        let line = found(&lines);
        drop(lines);
        line.unwrap_or_else(|| panic!("the log has no line with {words:?}"))
    }

    /// The last line with these words by now.
    pub(crate) fn last(&self, words: &str) -> String {
        let lines = LINES.lock().expect("no panic");
        lines[self.from..].iter().rev().find(|line| line.contains(words)).cloned().unwrap_or_default()
    }

    /// How many lines have these words by now.
    pub(crate) fn count(&self, words: &str) -> usize {
        LINES.lock().expect("no panic")[self.from..].iter().filter(|line| line.contains(words)).count()
    }
}

struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Not the lines for each packet: there are a million in a flood, and each wait looks through all of them.
        !metadata.target().contains("::") && metadata.target() != "debug"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Message(String::new());
        event.record(&mut line);
        LINES.lock().expect("no panic").push(line.0);
        MORE.notify_all();
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
