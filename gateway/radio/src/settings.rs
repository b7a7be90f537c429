//! What is asked of the radio.

use std::path::PathBuf;
use std::time::Duration;

use gateway_core::MacAddress;
use gateway_core::scan::{Phys, ScanMode, ScanTiming};

/// Which adapters listen, how, and what may be done to keep them at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioSettings {
    /// The adapters' own addresses; one that is not there is waited for. Empty: all that are there, and those that
    /// come later. (An adapter's index is no name for it: it changes when it is plugged in again.)
    pub adapters: Vec<MacAddress>,
    /// Whether scan requests are sent.
    pub mode: ScanMode,
    /// How much of the time the receiver is on. `None`: as the kernel has it, where it can be left to the kernel.
    pub timing: Option<ScanTiming>,
    /// The PHYs that are listened to. `None`: as the kernel has it.
    pub phys: Option<Phys>,
    /// How long an adapter may hear nothing on an air that was busy before something is done about it.
    pub silence: Duration,
    /// Whether an adapter that stays deaf may be reset. Power-cycling it is always allowed.
    pub may_reset: bool,
    /// A folder of our own in which is written what is set in the kernel, such as `/run/nightjar`: after a crash, it
    /// is undone at the next start. `None`: then what a crash left behind stays until the adapter is unplugged.
    pub state: Option<PathBuf>,
}

impl Default for RadioSettings {
    /// All adapters, passive, as the kernel has it; 10 s of silence; resets allowed; no state kept.
    fn default() -> Self {
        Self {
            adapters: Vec::new(),
            mode: ScanMode::Passive,
            timing: None,
            phys: None,
            silence: Duration::from_secs(10),
            may_reset: true,
            state: None,
        }
    }
}
