//! What is asked of the radio.

use std::path::PathBuf;

use gateway_core::scan::RadioPlan;

/// What a radio is to do, and where it remembers what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RadioSettings {
    /// Which adapters listen, and how.
    pub plan: RadioPlan,
    /// A folder of our own in which is written what is set in the kernel, such as `/run/nightjar`: after a crash, it
    /// is undone at the next start. `None`: then what a crash left behind stays until the adapter is unplugged.
    pub state: Option<PathBuf>,
}
