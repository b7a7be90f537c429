//! What is set in the kernel and would outlive us, written down: a small file for each adapter.
//!
//! An advertisement monitor has no owner in the kernel, only a handle; without such a file nobody could tell ours from
//! bluetoothd's. The file is worth something only for the same appearance of the adapter (see [`crate::device::appearance`]).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gateway_core::MacAddress;
use gateway_core::duty::Duty;
use gateway_core::keeper::Kept;

use crate::sys;

/// The file of one adapter, and its lock: beside a gateway that runs as a service somebody may scan by hand, and what a
/// process that still lives has set was not left behind.
pub(crate) struct StateFile {
    path: Option<PathBuf>,
    /// Held as long as we live.
    _lock: Option<File>,
    appearance: String,
    written: Kept,
}

/// So many processes may have an adapter at a time and have what they set written down.
pub const LIVES_MAX: usize = 8;

impl StateFile {
    /// In `folder`, if there is one, for the adapter of that address in this appearance.
    pub(crate) fn new(folder: Option<&Path>, address: MacAddress, appearance: String) -> Self {
        let name = format!("radio-{}", address.to_string().replace(':', ""));
        let names = (0..LIVES_MAX).map(|life| if life == 0 { name.clone() } else { format!("{name}-{life}") });
        let found = folder.and_then(|folder| {
            names.map(|name| folder.join(name)).find_map(|path| locked(&path.with_extension("lock"), path))
        });
        let (lock, path) = found.unzip();
        Self { path, _lock: lock.flatten(), appearance, written: Kept::default() }
    }

    /// What is written down; nothing if it is of another appearance, or cannot be read.
    pub(crate) fn load(&mut self) -> Kept {
        let text = self.path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        self.written = parse(&text, &self.appearance).unwrap_or_default();
        self.written
    }

    /// Writes down what changed.
    pub(crate) fn save(&mut self, kept: Kept) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| kept != self.written) else { return Ok(()) };
        self.written = kept;
        if kept == Kept::default() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let new = path.with_extension("new");
        fs::write(&new, format(kept, &self.appearance))?;
        fs::rename(&new, path)
    }
}

/// A lock and what it guards. `None`: another process has it. A folder that cannot be written into gives no lock; what is
/// wrong is told when something is to be written.
fn locked(lock: &Path, path: PathBuf) -> Option<(Option<File>, PathBuf)> {
    // It may be root's, of another time.
    let opened = File::open(lock).or_else(|_| File::create(lock));
    let Ok(file) = opened else { return Some((None, path)) };
    sys::lock(&file).unwrap_or(true).then_some((Some(file), path))
}

fn format(kept: Kept, appearance: &str) -> String {
    let monitor = kept.monitor.map(|handle| format!("monitor={handle}\n")).unwrap_or_default();
    let own_scan = kept.own_scan.map(|extended| format!("own_scan_extended={extended}\n")).unwrap_or_default();
    let Duty { monitor_window, discovery_window, takes_turns } = kept.duty;
    let window = |name: &str, window: Option<u16>| window.map(|units| format!("{name}={units}\n")).unwrap_or_default();
    let windows = window("monitor_window", monitor_window) + &window("discovery_window", discovery_window);
    let turns = takes_turns.map(|on| format!("takes_turns={on}\n")).unwrap_or_default();
    let powered = kept.powered_by_us;
    format!("appearance={appearance}\n{monitor}{own_scan}{windows}{turns}powered_by_us={powered}\n")
}

fn parse(text: &str, appearance: &str) -> Option<Kept> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let window = |name| value(name).and_then(|units| units.parse().ok());
    (value("appearance")? == appearance).then(|| Kept {
        monitor: value("monitor").and_then(|handle| handle.parse().ok()).filter(|handle| *handle != 0),
        own_scan: value("own_scan_extended").and_then(|extended| extended.parse().ok()),
        duty: Duty {
            monitor_window: window("monitor_window"),
            discovery_window: window("discovery_window"),
            takes_turns: value("takes_turns").and_then(|on| on.parse().ok()),
        },
        powered_by_us: value("powered_by_us") == Some("true"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_for_the_same_appearance_only() {
        let duty = Duty { monitor_window: Some(48), discovery_window: Some(18), takes_turns: Some(true) };
        let kept = Kept { monitor: Some(3), own_scan: Some(true), duty, powered_by_us: true };
        let text = format(kept, "boot 17");
        assert_eq!(parse(&text, "boot 17"), Some(kept));
        assert_eq!(parse(&text, "boot 18"), None);
        let none = format(Kept::default(), "boot 17");
        assert_eq!(parse(&none, "boot 17"), Some(Kept::default()));
        // Handle 0 is everybody's.
        assert_eq!(parse("appearance=b\nmonitor=0\n", "b"), Some(Kept::default()));
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("nightjar-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn file(folder: &Path) -> StateFile {
        StateFile::new(Some(folder), MacAddress([0, 0xAA, 1, 0, 0, 0x42]), "boot 17".to_owned())
    }

    #[test]
    fn the_file_goes_when_nothing_is_kept() {
        let folder = folder("state");
        let kept = Kept { monitor: Some(3), ..Kept::default() };
        file(&folder).save(kept).unwrap();
        let mut again = file(&folder);
        assert_eq!(again.load(), kept);
        again.save(Kept::default()).unwrap();
        assert!(!folder.join("radio-00AA01000042").exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_one_that_lives_has_set_was_not_left_behind() {
        let folder = folder("lives");
        let (first, second) = (3, 4);
        let kept = |handle| Kept { monitor: Some(handle), ..Kept::default() };
        let mut living = file(&folder);
        living.save(kept(first)).unwrap();
        let mut beside = file(&folder);
        assert_eq!(beside.load(), Kept::default());
        beside.save(kept(second)).unwrap();
        drop(living);
        assert_eq!(file(&folder).load(), kept(first));
        drop(beside);
        fs::remove_dir_all(&folder).unwrap();
    }
}
