//! Whose fault it is, and where to put it right.

use std::path::PathBuf;

use gateway_core::btsnoop::SnoopFault;

use crate::RECORDING_BYTES_MAX;

/// One thing wrong in `[gateway]` of nightjar.toml.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct SettingFault {
    /// As written in the file, such as `gateway.sink[0].port`; sinks are counted from 0.
    pub key: String,
    /// What is wrong, and the mend.
    pub problem: String,
}

/// A gateway that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The recording cannot be opened or read.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The recording is over [`RECORDING_BYTES_MAX`].
    #[error("{}: over {RECORDING_BYTES_MAX} bytes, the most that is read; record less at a time", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The recording is damaged, or something else.
    #[error("{}: {fault}", path.display())]
    Recording {
        /// Which file.
        path: PathBuf,
        /// What is wrong at which byte.
        fault: SnoopFault,
    },
    /// Nobody was heard in it.
    #[error("{}: no advertising reports in it ({records} packets): record while a scan is running, or name another file as `gateway.source`", path.display())]
    Silent {
        /// Which file.
        path: PathBuf,
        /// How many packets there are.
        records: usize,
    },
}
