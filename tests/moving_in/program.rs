//! The built program, and what it says.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// What one call of the program said.
pub(crate) struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

pub(crate) fn nightjar(arguments: &[&str]) -> Said {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_nightjar")).args(arguments).output().expect("nightjar runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { status: status.code().expect("it ended by itself"), out: text(stdout), err: text(stderr) }
}

impl Said {
    /// What it said, if its exit status was this.
    pub(crate) fn with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        self
    }

    /// Whether it said all of this, on either stream.
    pub(crate) fn has(&self, parts: &[&str]) -> &Self {
        for part in parts {
            let has = self.out.contains(part) || self.err.contains(part);
            assert!(has, "no {part:?} in:\n{}{}", self.out, self.err);
        }
        self
    }
}

/// What `nightjar export` writes of a store, line by line.
pub(crate) fn exported(dir: &Path) -> Vec<Value> {
    let said = nightjar(&["export", text(dir)]).with(0);
    said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
