//! Certificates that change on the disk while the broker runs: whoever renews them need not tell us.
//!
//! Looked at every few seconds, which costs a system call for each file and needs nothing of the kernel; what changed must
//! be the same twice before it is read, for certificate and key are written one after the other.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_conf::Listener;

/// Between two looks.
pub(crate) const CERTIFICATES_LOOK: Duration = Duration::from_secs(5);

/// The files, and how they were.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    /// When they were read.
    read: Vec<Stamp>,
    /// At the last look.
    seen: Vec<Stamp>,
}

/// What changes with a file's content: device and inode, length, and the time of its last change in seconds and
/// nanoseconds. `None`: it is not there.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Watch {
    /// The certificate files of these listeners, as they are now: to be called before they are read. What changes after
    /// that is seen at a later look; looked at only after it, such a change would never be.
    pub(crate) fn of<'a>(listeners: impl Iterator<Item = &'a Listener>) -> Self {
        let files: Vec<PathBuf> = listeners.flat_map(files_of).collect();
        let read: Vec<Stamp> = files.iter().map(|file| stamp(file)).collect();
        Self { files, seen: read.clone(), read }
    }

    /// Whether something is other than when it was read, and has been so since the last look. Asked once for each change.
    pub(crate) fn look(&mut self) -> bool {
        let now: Vec<Stamp> = self.files.iter().map(|file| stamp(file)).collect();
        let is_settled = now == self.seen;
        let is_changed = now != self.read;
        self.seen = now;
        if is_settled && is_changed {
            self.read.clone_from(&self.seen);
        }
        is_settled && is_changed
    }
}

fn files_of(listener: &Listener) -> Vec<PathBuf> {
    let Some(files) = &listener.certificates else { return Vec::new() };
    let optional = [files.cafile.as_ref(), files.capath.as_ref(), files.crlfile.as_ref()];
    let all = [Some(&files.certfile), Some(&files.keyfile)].into_iter().chain(optional).flatten();
    all.map(|file| file.value.clone()).collect()
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_is_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("server.crt");
        std::fs::write(&file, "old").expect("written");
        let read = vec![stamp(&file), None];
        let files = vec![file.clone(), dir.path().join("later")];
        let mut watch = Watch { files, seen: read.clone(), read };
        assert!(!watch.look());
        std::fs::write(&file, "half of it").expect("written");
        assert!(!watch.look(), "it may not be whole yet");
        std::fs::write(&file, "all of it, and more").expect("written");
        assert!(!watch.look());
        assert!(watch.look());
        assert!(!watch.look(), "it was told");
        std::fs::write(dir.path().join("later"), "").expect("written");
        assert_eq!([watch.look(), watch.look(), watch.look()], [false, true, false]);
    }
}
