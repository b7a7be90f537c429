//! Why there is no radio, in the operator's words.

use std::io;
use std::path::PathBuf;

/// A radio that cannot begin, or had to end.
///
/// What befalls an adapter is none of these: it is logged into the stream, and the radio goes on.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// The kernel knows no Bluetooth sockets.
    #[error(
        "this kernel has no Bluetooth (socket: address family not supported); load it with `modprobe bluetooth`, \
         and in a container run with the host's network"
    )]
    NoBluetooth,
    /// A capability is missing.
    #[error(
        "{what} needs {capability}, which this process does not have; grant it with \
         `sudo setcap cap_net_raw,cap_net_admin+eip {}`, or run as a service that has it (AmbientCapabilities=)",
        .program.display()
    )]
    Capability {
        /// What was tried, as the beginning of a sentence.
        what: &'static str,
        /// Such as `CAP_NET_RAW`.
        capability: &'static str,
        /// The program to grant it to: this one.
        program: PathBuf,
    },
    /// The kernel refused something else.
    #[error("{what}: {cause}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// What the kernel says.
        cause: io::Error,
    },
    /// The kernel's management of adapters does not answer.
    #[error("the kernel's Bluetooth management does not answer to {what}; see `dmesg`, or restart the machine")]
    Silent {
        /// The command, in words.
        what: &'static str,
    },
}
