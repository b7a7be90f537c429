//! What is set in the kernel and would outlive us, written down: a small file for each adapter.
//!
//! An advertisement monitor has no owner in the kernel, only a handle; without such a file nobody could tell ours from
//! bluetoothd's. The file is worth something only for the same appearance of the adapter (see [`crate::device::appearance`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gateway_core::MacAddress;
use gateway_core::duty::Duty;
use gateway_core::keeper::Kept;

/// The file of one adapter.
pub(crate) struct StateFile {
    path: Option<PathBuf>,
    appearance: String,
    written: Kept,
}

impl StateFile {
    /// In `folder`, if there is one, for the adapter of that address in this appearance.
    pub(crate) fn new(folder: Option<&Path>, address: MacAddress, appearance: String) -> Self {
        let name = format!("radio-{}", address.to_string().replace(':', ""));
        Self { path: folder.map(|folder| folder.join(name)), appearance, written: Kept::default() }
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

    #[test]
    fn the_file_goes_when_nothing_is_kept() {
        let folder = std::env::temp_dir().join(format!("nightjar-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = || StateFile::new(Some(&folder), MacAddress([0, 0xAA, 1, 0, 0, 0x42]), "boot 17".to_owned());
        let kept = Kept { monitor: Some(3), ..Kept::default() };
        file().save(kept).unwrap();
        let mut again = file();
        assert_eq!(again.load(), kept);
        again.save(Kept::default()).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}
