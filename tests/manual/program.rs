//! The built program, and a folder into which it has written its manual.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const NIGHTJAR: &str = env!("CARGO_BIN_EXE_nightjar");

pub(crate) fn nightjar(arguments: &[&str]) -> Output {
    Command::new(NIGHTJAR).args(arguments).output().expect("nightjar runs")
}

/// What it says on standard output, if it ends well.
pub(crate) fn said(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = nightjar(arguments);
    assert!(status.success(), "nightjar {arguments:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

/// Where `nightjar manual --dir` has written.
pub(crate) struct Share {
    pub dir: TempDir,
}

impl Share {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        said(&["manual", "--dir", dir.path().to_str().expect("a path in UTF-8")]);
        Self { dir }
    }

    /// Every page, the least first by its name.
    pub(crate) fn pages(&self) -> Vec<PathBuf> {
        let mut pages: Vec<_> = ["man1", "man5", "man8"]
            .iter()
            .flat_map(|section| std::fs::read_dir(self.dir.path().join("man").join(section)).expect("a section"))
            .map(|entry| entry.expect("a page").path())
            .collect();
        pages.sort();
        pages
    }
}

pub(crate) fn name_of(page: &Path) -> &str {
    page.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8")
}

/// The source without its escapes, so that it can be searched for what is read.
pub(crate) fn unescaped(page: &Path) -> String {
    let source = std::fs::read_to_string(page).expect("the page is there");
    [("\\-", "-"), ("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\&", ""), ("\\*(Aq", "'"), ("\\\\", "\\")]
        .iter()
        .fold(source, |source, (escape, meant)| source.replace(escape, meant))
}
